/*
 * virtio-mem: few events for many changes
 *
 * The first change is told at once, then at most one in an interval, and always
 * the last: as QEMU limits its events, but nothing is built for a change that
 * is not told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_THROTTLE_H
#define HW_VIRTIO_MEM_THROTTLE_H

#include "qemu/timer.h"

typedef struct VirtIOMEMThrottle {
    void (*tell)(void *opaque);
    void *opaque;
    unsigned interval;      /* ms */
    QEMUTimer *timer;       /* pending: something was told in this interval */
    bool due;               /* and there is something new since */
} VirtIOMEMThrottle;

void virtio_mem_throttle_init(VirtIOMEMThrottle *throttle, unsigned interval,
                              void (*tell)(void *opaque), void *opaque);

/* Tells what is due. */
void virtio_mem_throttle_cleanup(VirtIOMEMThrottle *throttle);

/* There is something new to tell. */
void virtio_mem_throttle_changed(VirtIOMEMThrottle *throttle);

#endif
