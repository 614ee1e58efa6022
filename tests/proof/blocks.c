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
    uint64_t block;

    assume(count >= 1 && count <= MAX_BLOCKS);
    virtio_mem_blocks_init(&blocks, count);
    block = any_block(&blocks);
    prove(blocks.count == count);
    prove(blocks.plugged == 0);
    prove(!block_is_plugged(&blocks, block) && !tail(&blocks));

    virtio_mem_blocks_cleanup(&blocks);
    prove(!blocks.bitmap && !blocks.count && !blocks.plugged);
}

/* Run without looking at the count, which is counted modulo 2^64 here. */
void prove_set_bits(void)
{
    FOREACH_WORDS(words) {
        VirtIOMEMBlocks blocks = any_blocks(words);
        const uint64_t count = blocks.count;
        const VirtIOMEMRange range = any_range(count, 0);
        const bool plugged = nondet_bool();
        const uint64_t block = any_block(&blocks);
        const bool before = block_is_plugged(&blocks, block);

        virtio_mem_blocks_set(&blocks, range, plugged);
        prove(blocks.count == count);
        prove(block_is_plugged(&blocks, block) ==
              (contains(range, block) ? plugged : before));
        prove(!tail(&blocks));
        virtio_mem_blocks_cleanup(&blocks);
    }
}

/*
 * Counting bits is hard for a solver: before, only the first and last
 * FREE_BITS blocks of a word may be plugged.
 */
#ifndef FREE_BITS
#define FREE_BITS 4
#endif

void prove_set_count(void)
{
    FOREACH_WORDS(words) {
        const unsigned long low = ((unsigned long)1 << FREE_BITS) - 1;
        VirtIOMEMBlocks blocks = any_blocks(words);
        const VirtIOMEMRange range = any_range(blocks.count, 0);

        for (unsigned i = 0; i < words; i++) {
            assume(!(blocks.bitmap[i] & ~(low | low << (64 - FREE_BITS))));
        }
        assume(blocks.plugged == count_bits(&blocks, words));
        virtio_mem_blocks_set(&blocks, range, nondet_bool());
        prove(blocks.plugged == count_bits(&blocks, words));
        virtio_mem_blocks_cleanup(&blocks);
    }
}

void prove_state(void)
{
    FOREACH_WORDS(words) {
        VirtIOMEMBlocks blocks = any_blocks(words);
        const VirtIOMEMRange range = any_range(blocks.count, 1);
        const Found found = look_for(&blocks, words, range);

        prove(virtio_mem_blocks_state(&blocks, range) ==
              (!found.plugged ? VIRTIO_MEM_BLOCKS_UNPLUGGED
               : !found.unplugged ? VIRTIO_MEM_BLOCKS_PLUGGED
               : VIRTIO_MEM_BLOCKS_MIXED));
        virtio_mem_blocks_cleanup(&blocks);
    }
}

/* One turn of the loop over runs, from wherever the one before has led. */
static void prove_next_run_words(unsigned words)
{
    VirtIOMEMBlocks blocks = any_blocks(words);
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

void prove_next_run(void)
{
    FOREACH_WORDS(words) {
        prove_next_run_words(words);
    }
}
