/*
 * virtio-mem: which blocks are plugged
 *
 * A bitmap and the number of bits set in it, which only change together.
 *
 * The bitmap is laid out as QEMU's (include/qemu/bitmap.h: unsigned longs,
 * least significant bit first), because that is what migration streams carry.
 * The operations are our own, so that this room can be tested, fuzzed and
 * model-checked without QEMU: it is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_BLOCKS_H
#define HW_VIRTIO_MEM_BLOCKS_H

#include "virtio-mem-geometry.h"

typedef struct VirtIOMEMBlocks {
    unsigned long *bitmap;      /* owned; bit set = block plugged */
    uint64_t count;             /* blocks, >= 1 */
    uint64_t plugged;           /* blocks plugged */
} VirtIOMEMBlocks;

typedef enum VirtIOMEMBlockState {
    VIRTIO_MEM_BLOCKS_UNPLUGGED,
    VIRTIO_MEM_BLOCKS_PLUGGED,
    VIRTIO_MEM_BLOCKS_MIXED,
} VirtIOMEMBlockState;

/* Start with @count blocks, all unplugged. */
void virtio_mem_blocks_init(VirtIOMEMBlocks *blocks, uint64_t count);

/* Make @to, which is initialized and has as many blocks, the same as @from. */
void virtio_mem_blocks_copy(VirtIOMEMBlocks *to, const VirtIOMEMBlocks *from);

/* Free what virtio_mem_blocks_init() allocated. */
void virtio_mem_blocks_cleanup(VirtIOMEMBlocks *blocks);

/*
 * Mark all blocks of @range plugged or unplugged, whatever they were before.
 * @range lies inside the blocks. Only virtio-mem-transition calls this.
 */
void virtio_mem_blocks_set(VirtIOMEMBlocks *blocks, VirtIOMEMRange range,
                           bool plugged);

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

/* Loop over the runs of @within_: plugged ones, or unplugged ones. */
#define VIRTIO_MEM_FOREACH_RUN(run_, blocks_, within_, plugged_)         \
    for (VirtIOMEMRange run_ = { .first = (within_).first };             \
         virtio_mem_blocks_next_run(blocks_, within_, plugged_, &run_);)

#endif
