/*
 * virtio-mem: what differs between targets, as data
 *
 * All modules are compiled once for all targets; this one asks at run time which
 * it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_TARGET_H
#define HW_VIRTIO_MEM_TARGET_H

typedef struct VirtIOMEMTarget {
    const char *name;           /* as QEMU calls it */
    /*
     * Bytes usable beyond the requested size: twice the usual size of a Linux
     * memory section, so that Linux can add a whole one and plug part of it.
     */
    uint64_t usable_extent;
    /* Guests written before VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE exist. */
    bool has_legacy_guests;
    /* The nodes of memory are told by ACPI, if this QEMU has that. */
    bool has_acpi;
} VirtIOMEMTarget;

/* The target that this QEMU is for. */
const VirtIOMEMTarget *virtio_mem_target(void);

#endif
