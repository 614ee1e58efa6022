/*
 * virtio-mem: what differs between targets, as data
 *
 * The only module that is compiled for each target; all others could be
 * compiled once for all of them.
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
    /* The nodes of memory are told by ACPI. */
    bool has_acpi;
} VirtIOMEMTarget;

/* The target that this QEMU is for. */
const VirtIOMEMTarget *virtio_mem_target(void);

#endif
