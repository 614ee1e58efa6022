/*
 * virtio-mem: which unplugged blocks are populated in advance
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "reserve.h"

void virtio_mem_reserve_init(VirtIOMEMReserve *reserve,
                             const VirtIOMEMBlocks *blocks, uint64_t wanted)
{
    *reserve = (VirtIOMEMReserve) { .blocks = blocks, .wanted = wanted };
    if (wanted) {
        virtio_mem_blocks_init(&reserve->warm, blocks->count);
    }
}

void virtio_mem_reserve_cleanup(VirtIOMEMReserve *reserve)
{
    if (reserve->wanted) {
        virtio_mem_blocks_cleanup(&reserve->warm);
        reserve->wanted = 0;
    }
}

bool virtio_mem_reserve_covers(const VirtIOMEMReserve *reserve,
                               VirtIOMEMRange range)
{
    return reserve->warm.plugged &&
           virtio_mem_blocks_state(&reserve->warm, range) ==
           VIRTIO_MEM_BLOCKS_PLUGGED;
}

void virtio_mem_reserve_set(VirtIOMEMReserve *reserve, VirtIOMEMRange range,
                            bool warm)
{
    if (warm || reserve->warm.plugged) {
        virtio_mem_blocks_set(&reserve->warm, range, warm);
    }
}

static VirtIOMEMRange reserve_all(const VirtIOMEMReserve *reserve)
{
    return (VirtIOMEMRange) { .count = reserve->blocks->count };
}

/* The first blocks that shall belong to it and do not. */
static bool reserve_find_cold(const VirtIOMEMReserve *reserve,
                              VirtIOMEMRange *cold)
{
    uint64_t left = reserve->wanted;
    VirtIOMEMRange run = { 0 };

    while (left && virtio_mem_blocks_next_vacant(
                       reserve->blocks, reserve_all(reserve), &run)) {
        const VirtIOMEMRange wanted = { run.first, MIN(run.count, left) };

        *cold = (VirtIOMEMRange) { .first = wanted.first };
        if (virtio_mem_blocks_next_run(&reserve->warm, wanted, false, cold)) {
            return true;
        }
        left -= wanted.count;
    }
    return false;
}

VirtIOMEMRange virtio_mem_reserve_last(const VirtIOMEMReserve *reserve,
                                       uint64_t most)
{
    VirtIOMEMRange last = { 0 };

    VIRTIO_MEM_FOREACH_RUN(run, &reserve->warm, reserve_all(reserve), true) {
        last = run;
    }
    if (last.count > most) {
        last.first += last.count - most;
        last.count = most;
    }
    return last;
}

VirtIOMEMReserveStep virtio_mem_reserve_next(const VirtIOMEMReserve *reserve,
                                             uint64_t most,
                                             VirtIOMEMRange *range)
{
    const uint64_t count = reserve->warm.plugged;

    if (!reserve->wanted || !reserve_find_cold(reserve, range)) {
        return VIRTIO_MEM_RESERVE_NOTHING;
    }
    if (count < reserve->wanted) {
        range->count = MIN(range->count, MIN(most, reserve->wanted - count));
        return VIRTIO_MEM_RESERVE_POPULATE;
    }
    *range = virtio_mem_reserve_last(reserve, MIN(most, range->count));
    return VIRTIO_MEM_RESERVE_GIVE_BACK;
}
