/*
 * virtio-mem: which blocks are plugged
 *
 * A bitmap and the number of bits set in it, which only change together, and
 * the blocks that are coming or going.
 *
 * The bitmap is laid out as QEMU's (include/qemu/bitmap.h: unsigned longs,
 * least significant bit first), because that is what migration streams carry.
 * The operations are our own, so that this module can be tested, fuzzed and
 * model-checked without QEMU: it is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_BLOCKS_H
#define HW_VIRTIO_MEM_BLOCKS_H

#include "geometry.h"

/*
 * A change takes longer than the bitmap shows: a discard may run for seconds
 * before its blocks are marked unplugged. Meanwhile they are pending: coming,
 * or going.
 */
typedef enum VirtIOMEMPending {
    VIRTIO_MEM_PENDING_NOTHING,
    VIRTIO_MEM_PENDING_COMING,  /* all are unplugged and about to be plugged */
    VIRTIO_MEM_PENDING_GOING,   /* the plugged ones are about to be unplugged */
} VirtIOMEMPending;

typedef struct VirtIOMEMBlocks {
    unsigned long *bitmap;      /* owned; bit set = block plugged */
    uint64_t count;             /* blocks, >= 1 */
    uint64_t plugged;           /* blocks plugged */
    VirtIOMEMPending pending;
    VirtIOMEMRange pending_range;   /* empty when nothing is pending */
} VirtIOMEMBlocks;

typedef enum VirtIOMEMBlockState {
    VIRTIO_MEM_BLOCKS_UNPLUGGED,
    VIRTIO_MEM_BLOCKS_PLUGGED,
    VIRTIO_MEM_BLOCKS_MIXED,
} VirtIOMEMBlockState;

/* Start with @count blocks, all unplugged. */
void virtio_mem_blocks_init(VirtIOMEMBlocks *blocks, uint64_t count);

/*
 * Make @to, which is initialized and has as many blocks, the same as @from.
 * Nothing is pending in either.
 */
void virtio_mem_blocks_copy(VirtIOMEMBlocks *to, const VirtIOMEMBlocks *from);

/* Free what virtio_mem_blocks_init() allocated. */
void virtio_mem_blocks_cleanup(VirtIOMEMBlocks *blocks);

/*
 * Mark all blocks of @range plugged or unplugged, whatever they were before.
 * @range lies inside the blocks. Of the device, only the part `state` calls
 * this, and migration and reserve for blocks of their own.
 */
void virtio_mem_blocks_set(VirtIOMEMBlocks *blocks, VirtIOMEMRange range,
                           bool plugged);

/*
 * virtio_mem_blocks_begin: @range, not empty, is pending from now on, until
 * virtio_mem_blocks_end(). Only one range is at a time.
 */
static inline void virtio_mem_blocks_begin(VirtIOMEMBlocks *blocks,
                                           VirtIOMEMPending pending,
                                           VirtIOMEMRange range)
{
    blocks->pending = pending;
    blocks->pending_range = range;
}

static inline void virtio_mem_blocks_end(VirtIOMEMBlocks *blocks)
{
    blocks->pending = VIRTIO_MEM_PENDING_NOTHING;
    blocks->pending_range = (VirtIOMEMRange) { 0 };
}

/*
 * virtio_mem_blocks_recount: make @blocks whole after its bitmap was written
 * from outside.
 *
 * Returns false when bits beyond the last block are set.
 */
bool virtio_mem_blocks_recount(VirtIOMEMBlocks *blocks);

/*
 * virtio_mem_blocks_state: state of @range, which is not empty.
 *
 * Stops at the first block that differs.
 */
VirtIOMEMBlockState virtio_mem_blocks_state(const VirtIOMEMBlocks *blocks,
                                            VirtIOMEMRange range);

/*
 * virtio_mem_blocks_next_run: the next longest run inside @within.
 *
 * @run: in: the previous run, or first = within.first and count = 0 to start;
 *       out: the next run of plugged (or unplugged) blocks, cut to @within
 *
 * Returns false when there is no further run. Blocks up to the end of the
 * previous run may be changed in between.
 */
bool virtio_mem_blocks_next_run(const VirtIOMEMBlocks *blocks,
                                VirtIOMEMRange within, bool plugged,
                                VirtIOMEMRange *run);

/*
 * Blocks are populated, as QEMU's RamDiscardManager calls it, when they are
 * plugged and not pending: only then is their content sure to be there.
 */

/* Is all of @range, which is not empty, populated? */
bool virtio_mem_blocks_are_populated(const VirtIOMEMBlocks *blocks,
                                     VirtIOMEMRange range);

/* As virtio_mem_blocks_next_run(), for populated blocks, or all others. */
bool virtio_mem_blocks_next_populated(const VirtIOMEMBlocks *blocks,
                                      VirtIOMEMRange within, bool populated,
                                      VirtIOMEMRange *run);

/*
 * As virtio_mem_blocks_next_run(), for vacant blocks: those that are unplugged,
 * and not about to be plugged.
 */
bool virtio_mem_blocks_next_vacant(const VirtIOMEMBlocks *blocks,
                                   VirtIOMEMRange within, VirtIOMEMRange *run);

/* Loop over the runs of @within_: plugged ones, or unplugged ones. */
#define VIRTIO_MEM_FOREACH_RUN(run_, blocks_, within_, plugged_)         \
    for (VirtIOMEMRange run_ = { .first = (within_).first };             \
         virtio_mem_blocks_next_run(blocks_, within_, plugged_, &run_);)

/* The same for populated blocks, or all others. */
#define VIRTIO_MEM_FOREACH_POPULATED(run_, blocks_, within_, populated_)     \
    for (VirtIOMEMRange run_ = { .first = (within_).first };                 \
         virtio_mem_blocks_next_populated(blocks_, within_, populated_,      \
                                          &run_);)

#endif
