/*
 * virtio-mem: which blocks are plugged
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-blocks.h"

#define WORD_BITS (CHAR_BIT * sizeof(unsigned long))

/* The bits of the word that holds @bit which lie in [@bit, @end). */
static unsigned long word_mask(uint64_t bit, uint64_t end)
{
    const unsigned low = bit % WORD_BITS;
    const uint64_t bits = MIN(WORD_BITS - low, end - bit);

    return (~0UL >> (WORD_BITS - bits)) << low;
}

/* First bit of the word after the one that holds @bit. */
static uint64_t next_word(uint64_t bit)
{
    return (bit / WORD_BITS + 1) * WORD_BITS;
}

static uint64_t words_of(uint64_t count)
{
    return (count + WORD_BITS - 1) / WORD_BITS;
}

void virtio_mem_blocks_init(VirtIOMEMBlocks *blocks, uint64_t count)
{
    blocks->bitmap = g_new0(unsigned long, words_of(count));
    blocks->count = count;
    blocks->plugged = 0;
}

void virtio_mem_blocks_copy(VirtIOMEMBlocks *to, const VirtIOMEMBlocks *from)
{
    g_assert(to->count == from->count);
    memcpy(to->bitmap, from->bitmap, words_of(to->count) * sizeof(long));
    to->plugged = from->plugged;
}

void virtio_mem_blocks_cleanup(VirtIOMEMBlocks *blocks)
{
    g_free(blocks->bitmap);
    *blocks = (VirtIOMEMBlocks) { 0 };
}

void virtio_mem_blocks_set(VirtIOMEMBlocks *blocks, VirtIOMEMRange range,
                           bool plugged)
{
    const uint64_t end = range.first + range.count;

    g_assert(end >= range.first && end <= blocks->count);

    for (uint64_t bit = range.first; bit < end; bit = next_word(bit)) {
        unsigned long *word = &blocks->bitmap[bit / WORD_BITS];
        const unsigned long mask = word_mask(bit, end);

        blocks->plugged -= __builtin_popcountl(*word & mask);
        if (plugged) {
            *word |= mask;
        } else {
            *word &= ~mask;
        }
        blocks->plugged += __builtin_popcountl(*word & mask);
    }
}

bool virtio_mem_blocks_recount(VirtIOMEMBlocks *blocks)
{
    const uint64_t words = words_of(blocks->count);
    const uint64_t last = blocks->count - 1;

    blocks->plugged = 0;
    for (uint64_t i = 0; i < words; i++) {
        blocks->plugged += __builtin_popcountl(blocks->bitmap[i]);
    }
    return !(blocks->bitmap[words - 1] >> (last % WORD_BITS) >> 1);
}

/* First bit in [@bit, @end) that is set (or clear); @end when there is none. */
static uint64_t find(const VirtIOMEMBlocks *blocks, uint64_t bit, uint64_t end,
                     bool set)
{
    for (; bit < end; bit = next_word(bit)) {
        const unsigned long word = blocks->bitmap[bit / WORD_BITS];
        const unsigned long hits = (set ? word : ~word) & word_mask(bit, end);

        if (hits) {
            return bit - bit % WORD_BITS + __builtin_ctzl(hits);
        }
    }
    return end;
}

VirtIOMEMBlockState virtio_mem_blocks_state(const VirtIOMEMBlocks *blocks,
                                            VirtIOMEMRange range)
{
    const uint64_t end = range.first + range.count;

    g_assert(end > range.first && end <= blocks->count);

    if (find(blocks, range.first, end, true) == end) {
        return VIRTIO_MEM_BLOCKS_UNPLUGGED;
    }
    if (find(blocks, range.first, end, false) == end) {
        return VIRTIO_MEM_BLOCKS_PLUGGED;
    }
    return VIRTIO_MEM_BLOCKS_MIXED;
}

bool virtio_mem_blocks_next_run(const VirtIOMEMBlocks *blocks,
                                VirtIOMEMRange within, bool plugged,
                                VirtIOMEMRange *run)
{
    const uint64_t end = within.first + within.count;

    g_assert(end >= within.first && end <= blocks->count);

    run->first = find(blocks, run->first + run->count, end, plugged);
    run->count = find(blocks, run->first, end, !plugged) - run->first;
    return run->count > 0;
}
