/*
 * virtio-mem: which unplugged blocks are populated in advance
 *
 * The next ones that a guest will plug: those that are unplugged, from the lowest
 * on, as Linux and Windows do. Others that were populated before are given back.
 *
 * This module is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_RESERVE_H
#define HW_VIRTIO_MEM_RESERVE_H

#include "blocks.h"

typedef struct VirtIOMEMReserve {
    const VirtIOMEMBlocks *blocks;
    uint64_t wanted;            /* blocks; 0: there is no reserve */
    VirtIOMEMBlocks warm;       /* "plugged": populated in advance */
} VirtIOMEMReserve;

typedef enum VirtIOMEMReserveStep {
    VIRTIO_MEM_RESERVE_NOTHING,
    VIRTIO_MEM_RESERVE_POPULATE,
    VIRTIO_MEM_RESERVE_GIVE_BACK,
} VirtIOMEMReserveStep;

/* @blocks: the device's, which outlive the reserve; @wanted: as many of them */
void virtio_mem_reserve_init(VirtIOMEMReserve *reserve,
                             const VirtIOMEMBlocks *blocks, uint64_t wanted);
void virtio_mem_reserve_cleanup(VirtIOMEMReserve *reserve);

/* Blocks that are populated in advance. */
static inline uint64_t virtio_mem_reserve_count(const VirtIOMEMReserve *reserve)
{
    return reserve->warm.plugged;
}

/* Are all of @range, which is not empty? */
bool virtio_mem_reserve_covers(const VirtIOMEMReserve *reserve,
                               VirtIOMEMRange range);

/*
 * What has become of @range. Whoever plugs or discards a block says that it does
 * not belong to the reserve (any more).
 */
void virtio_mem_reserve_set(VirtIOMEMReserve *reserve, VirtIOMEMRange range,
                            bool warm);

/* The last blocks of it, at most so many, in one run; they are needed last. */
VirtIOMEMRange virtio_mem_reserve_last(const VirtIOMEMReserve *reserve,
                                       uint64_t most);

/*
 * virtio_mem_reserve_next: what to do next.
 *
 * @most: blocks at a time, at least 1
 * @range: what to populate or to give back. Not set when there is nothing to do.
 *
 * There are never more blocks in the reserve than wanted.
 */
VirtIOMEMReserveStep virtio_mem_reserve_next(const VirtIOMEMReserve *reserve,
                                             uint64_t most,
                                             VirtIOMEMRange *range);

#endif
