/*
 * virtio-mem, blocks: proofs for every plugged state of up to MAX_BLOCKS
 * blocks and every range of them
 *
 * "For all blocks" is said with one block whose index can be anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

static bool contains(VirtIOMEMRange range, uint64_t block)
{
    return block >= range.first && block - range.first < range.count;
}

static uint64_t any_block(const VirtIOMEMBlocks *blocks)
{
    const uint64_t block = nondet_uint64();

    assume(block < blocks->count);
    return block;
}

void prove_init(void)
{
    const uint64_t count = nondet_uint64();
    VirtIOMEMBlocks blocks;

    assume(count >= 1 && count <= MAX_BLOCKS);
    virtio_mem_blocks_init(&blocks, count);
    prove(blocks.count == count);
    prove(blocks.plugged == 0);
    prove(blocks_are_sound(&blocks));

    virtio_mem_blocks_cleanup(&blocks);
    prove(!blocks.bitmap && !blocks.count && !blocks.plugged);
}

void prove_set(void)
{
    VirtIOMEMBlocks blocks = any_blocks(nondet_uint64());
    const uint64_t count = blocks.count;
    const VirtIOMEMRange range = any_range(count, 0);
    const bool plugged = nondet_bool();
    const uint64_t block = any_block(&blocks);
    const bool before = block_is_plugged(&blocks, block);

    virtio_mem_blocks_set(&blocks, range, plugged);
    prove(blocks.count == count);
    prove(block_is_plugged(&blocks, block) ==
          (contains(range, block) ? plugged : before));
    prove(blocks_are_sound(&blocks));
    virtio_mem_blocks_cleanup(&blocks);
}

void prove_state(void)
{
    VirtIOMEMBlocks blocks = any_blocks(nondet_uint64());
    const VirtIOMEMRange range = any_range(blocks.count, 1);
    const uint64_t plugged = count_plugged(&blocks, range);

    prove(virtio_mem_blocks_state(&blocks, range) ==
          (!plugged ? VIRTIO_MEM_BLOCKS_UNPLUGGED
           : plugged == range.count ? VIRTIO_MEM_BLOCKS_PLUGGED
           : VIRTIO_MEM_BLOCKS_MIXED));
    virtio_mem_blocks_cleanup(&blocks);
}

/* One turn of the loop over runs, from wherever the one before has led. */
void prove_next_run(void)
{
    VirtIOMEMBlocks blocks = any_blocks(nondet_uint64());
    const VirtIOMEMRange within = any_range(blocks.count, 0);
    const uint64_t end = within.first + within.count;
    VirtIOMEMRange run = any_range(end, 0);
    const uint64_t from = run.first + run.count;
    const bool plugged = nondet_bool();
    const uint64_t block = any_block(&blocks);
    const bool wanted = block_is_plugged(&blocks, block) == plugged;
    bool more;

    assume(run.first >= within.first);
    more = virtio_mem_blocks_next_run(&blocks, within, plugged, &run);

    prove(more == (run.count > 0));
    prove(run.first >= from && run.first <= end &&
          run.count <= end - run.first);
    /* No block is left out before the run, and none after the last one. */
    prove(!(block >= from && block < run.first && wanted));
    prove(more || run.first == end);
    /* The run has blocks of the wanted state only, and all that follow. */
    prove(!contains(run, block) || wanted);
    prove(!more || block != run.first + run.count || block >= end || !wanted);
    virtio_mem_blocks_cleanup(&blocks);
}
