/*
 * virtio-mem: which blocks are plugged
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "blocks.h"

#define WORD_BITS (CHAR_BIT * sizeof(unsigned long))

/* The bits of the word that holds @bit which lie in [@bit, @end). */
static unsigned long blocks_word_mask(uint64_t bit, uint64_t end)
{
    const unsigned low = bit % WORD_BITS;
    const uint64_t bits = MIN(WORD_BITS - low, end - bit);

    return (~0UL >> (WORD_BITS - bits)) << low;
}

/* First bit of the word after the one that holds @bit. */
static uint64_t blocks_next_word(uint64_t bit)
{
    return (bit / WORD_BITS + 1) * WORD_BITS;
}

static uint64_t blocks_words_of(uint64_t count)
{
    return (count + WORD_BITS - 1) / WORD_BITS;
}

void virtio_mem_blocks_init(VirtIOMEMBlocks *blocks, uint64_t count)
{
    *blocks = (VirtIOMEMBlocks) {
        .bitmap = g_new0(unsigned long, blocks_words_of(count)),
        .count = count,
    };
}

void virtio_mem_blocks_copy(VirtIOMEMBlocks *to, const VirtIOMEMBlocks *from)
{
    g_assert(to->count == from->count);
    memcpy(to->bitmap, from->bitmap, blocks_words_of(to->count) * sizeof(long));
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

    for (uint64_t bit = range.first; bit < end; bit = blocks_next_word(bit)) {
        unsigned long *word = &blocks->bitmap[bit / WORD_BITS];
        const unsigned long mask = blocks_word_mask(bit, end);

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
    const uint64_t words = blocks_words_of(blocks->count);
    const uint64_t last = blocks->count - 1;

    blocks->plugged = 0;
    for (uint64_t i = 0; i < words; i++) {
        blocks->plugged += __builtin_popcountl(blocks->bitmap[i]);
    }
    return !(blocks->bitmap[words - 1] >> (last % WORD_BITS) >> 1);
}

/* First bit in [@bit, @end) that is set (or clear); @end when there is none. */
static uint64_t blocks_find(const VirtIOMEMBlocks *blocks, uint64_t bit,
                            uint64_t end, bool set)
{
    for (; bit < end; bit = blocks_next_word(bit)) {
        const unsigned long word = blocks->bitmap[bit / WORD_BITS];
        const unsigned long hits =
            (set ? word : ~word) & blocks_word_mask(bit, end);

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

    if (blocks_find(blocks, range.first, end, true) == end) {
        return VIRTIO_MEM_BLOCKS_UNPLUGGED;
    }
    if (blocks_find(blocks, range.first, end, false) == end) {
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

    run->first = blocks_find(blocks, run->first + run->count, end, plugged);
    run->count = blocks_find(blocks, run->first, end, !plugged) - run->first;
    return run->count > 0;
}

/* --- what is pending ------------------------------------------------------ */

/* As blocks_find(), where what is pending is not populated. */
static uint64_t blocks_find_populated(const VirtIOMEMBlocks *blocks,
                                      uint64_t bit, uint64_t end,
                                      bool populated)
{
    const uint64_t first = blocks->pending_range.first;
    const uint64_t behind = first + blocks->pending_range.count;

    if (bit < first) {
        const uint64_t until = MIN(first, end);

        bit = blocks_find(blocks, bit, until, populated);
        if (bit < until) {
            return bit;
        }
    }
    if (bit < behind) {
        bit = populated ? behind : bit;
        if (!populated || bit >= end) {
            return MIN(bit, end);
        }
    }
    return blocks_find(blocks, bit, end, populated);
}

bool virtio_mem_blocks_are_populated(const VirtIOMEMBlocks *blocks,
                                     VirtIOMEMRange range)
{
    const uint64_t end = range.first + range.count;

    g_assert(end > range.first && end <= blocks->count);

    return blocks_find_populated(blocks, range.first, end, false) == end;
}

bool virtio_mem_blocks_next_populated(const VirtIOMEMBlocks *blocks,
                                      VirtIOMEMRange within, bool populated,
                                      VirtIOMEMRange *run)
{
    const uint64_t end = within.first + within.count;

    g_assert(end >= within.first && end <= blocks->count);

    run->first = blocks_find_populated(blocks, run->first + run->count, end,
                                       populated);
    run->count = blocks_find_populated(blocks, run->first, end, !populated) -
                 run->first;
    return run->count > 0;
}

bool virtio_mem_blocks_next_vacant(const VirtIOMEMBlocks *blocks,
                                   VirtIOMEMRange within, VirtIOMEMRange *run)
{
    const uint64_t first = blocks->pending_range.first;
    const uint64_t behind = first + blocks->pending_range.count;

    while (virtio_mem_blocks_next_run(blocks, within, false, run)) {
        const uint64_t end = run->first + run->count;

        if (run->first < first) {
            run->count = MIN(end, first) - run->first;
            return true;
        }
        if (run->first >= behind) {
            return true;
        }
        run->count = MIN(end, behind) - run->first;     /* pass by */
    }
    return false;
}
