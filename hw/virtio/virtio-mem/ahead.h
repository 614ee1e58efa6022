/*
 * virtio-mem: memory that is there before a guest plugs it
 *
 * With prealloc-reserve, the next blocks are populated in the background while
 * the VM runs and has a driver, little at a time and only when the host has
 * nothing better to do. They are given back when the VM stops, a migration
 * begins, the system is reset, or the host runs short of memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_AHEAD_H
#define HW_VIRTIO_MEM_AHEAD_H

#include "hw/virtio/virtio.h"
#include "memory.h"
#include "reserve.h"

/* Private to ahead.c. */
typedef struct VirtIOMEMAhead {
    const VirtIODevice *vdev;
    const VirtIOMEMEngine *engine;
    VirtIOMEMMemory *memory;
    VirtIOMEMReserve reserve;
    uint64_t block_size;        /* bytes */
    uint64_t most;              /* blocks at a time */
    bool works;                 /* the memory does */
    QEMUTimer *timer;           /* NULL: there is no reserve */
} VirtIOMEMAhead;

/*
 * @size: bytes, a multiple of the block size; 0: no reserve
 *
 * All outlive it, but @memory, which is cleaned up before.
 */
void virtio_mem_ahead_init(VirtIOMEMAhead *ahead, const VirtIODevice *vdev,
                           const VirtIOMEMEngine *engine,
                           VirtIOMEMMemory *memory,
                           const VirtIOMEMGeometry *geo,
                           const VirtIOMEMBlocks *blocks, uint64_t size);
void virtio_mem_ahead_cleanup(VirtIOMEMAhead *ahead);

/* Give all back, soon. It comes again when the VM runs and nothing is in the way. */
void virtio_mem_ahead_give_back(VirtIOMEMAhead *ahead);

/* The VM runs, with a driver. */
void virtio_mem_ahead_driver_runs(VirtIOMEMAhead *ahead);

/* Blocks that are populated in advance now. */
uint64_t virtio_mem_ahead_count(const VirtIOMEMAhead *ahead);

#endif
