/*
 * virtio-mem: a guest that had to wait goes on
 *
 * After BUSY a driver waits, for minutes in the case of Linux, unless it hears
 * of a change of configuration. It does as soon as what made it wait is over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_RETRY_H
#define HW_VIRTIO_MEM_RETRY_H

#include "qemu/timer.h"
#include "hw/virtio/virtio.h"
#include "change.h"

typedef struct VirtIOMEMRetry {
    VirtIODevice *vdev;
    QEMUTimer *timer;
    bool guest_waits;
    int64_t not_before;     /* ms */
    unsigned shortage;      /* ms until the next try; 0: there is none */
} VirtIOMEMRetry;

/*
 * The part of a change that watches how it ends. When the host could not do
 * what the guest asked for (it has no memory, a listener objects, memory cannot
 * be given back) the guest is told after 1 s, and after longer, up to 5 s, when
 * it cannot again. self: a VirtIOMEMRetry.
 */
extern const VirtIOMEMPart virtio_mem_retry_part;

void virtio_mem_retry_init(VirtIOMEMRetry *retry, VirtIODevice *vdev);
void virtio_mem_retry_cleanup(VirtIOMEMRetry *retry);

/*
 * Blocks cannot change while their state is on its way to another QEMU. False when
 * QEMU ends, from the time when it cancels a migration.
 */
bool virtio_mem_retry_is_migrating(void);

/*
 * A migration made the guest wait, here or where it came from, or what it asked for
 * was cancelled: tell it within 0.1 s (of the end of a migration), or when the VM
 * runs if that is later.
 */
void virtio_mem_retry_soon(VirtIOMEMRetry *retry);

/* The VM runs, with a driver. */
void virtio_mem_retry_vm_runs(VirtIOMEMRetry *retry);

#endif
