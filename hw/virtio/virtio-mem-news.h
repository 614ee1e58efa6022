/*
 * virtio-mem: news of the plugged size
 *
 * The first change is told at once, then at most one a second, and always the
 * last: as QEMU limits MEMORY_DEVICE_SIZE_CHANGE. But nothing is built for a
 * change that is not told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_NEWS_H
#define HW_VIRTIO_MEM_NEWS_H

#include "qemu/timer.h"
#include "hw/virtio/virtio-mem.h"

typedef struct VirtIOMEMNews {
    const VirtIOMEM *vmem;
    QEMUTimer *timer;       /* pending: something was told within a second */
    bool due;               /* and the size has changed since */
} VirtIOMEMNews;

void virtio_mem_news_init(VirtIOMEMNews *news, const VirtIOMEM *vmem);

/* Tells what is due. */
void virtio_mem_news_cleanup(VirtIOMEMNews *news);

/* The plugged size has changed. */
void virtio_mem_news_size_changed(VirtIOMEMNews *news);

#endif
