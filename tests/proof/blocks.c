/*
 * virtio-mem, blocks: proofs for every plugged state of up to MAX_BLOCKS
 * blocks and every range of them
 *
 * "For all blocks" is said with one block whose index can be anything. Numbers
 * of blocks are made from 8 bits, which is easier for the solver than to find
 * out that no more are needed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

/* Three words of the bitmap: a first, a whole one in between, a cut last. */
#ifndef WORDS
#define WORDS 3
#endif
#define MAX_BLOCKS (WORDS * WORD_BITS)

/* In which word the module begins to look: a constant helps the solver a lot. */
#ifndef FIRST
#define FIRST 0
#endif

/* Any number of blocks, and any bits for them; nothing is said of the count. */
static VirtIOMEMBlocks any_blocks(unsigned long bitmap[WORDS])
{
    const VirtIOMEMBlocks blocks = {
        .bitmap = bitmap,
        .count = nondet_uint8(),
        .plugged = nondet_uint64(),
    };

    assume(blocks.count >= 1 && blocks.count <= MAX_BLOCKS);
    for (unsigned i = 0; i < WORDS; i++) {
        bitmap[i] = nondet_word();
    }
    return blocks;
}

/* Any range of @count blocks that begins at one of them. */
static VirtIOMEMRange any_range_within(uint64_t count)
{
    const VirtIOMEMRange range = {
        .first = FIRST * WORD_BITS + nondet_uint8() % WORD_BITS,
        .count = nondet_uint8(),
    };

    assume(range.first < count && range.first + range.count <= count);
    return range;
}

static uint64_t any_block(const VirtIOMEMBlocks *blocks)
{
    const uint64_t block = nondet_uint8();

    assume(block < blocks->count);
    return block;
}

static bool contains(VirtIOMEMRange range, uint64_t block)
{
    return block >= range.first && block < range.first + range.count;
}

static bool is_plugged(const VirtIOMEMBlocks *blocks, uint64_t block)
{
    return blocks->bitmap[block / WORD_BITS] >> (block % WORD_BITS) & 1;
}

/* The first @bits bits of a word. */
static unsigned long low_bits(int64_t bits)
{
    return bits <= 0 ? 0 : bits >= WORD_BITS ? ~0UL : (1UL << bits) - 1;
}

/* The bits of word @word that belong to @range. */
static unsigned long bits_of(VirtIOMEMRange range, unsigned word)
{
    const int64_t start = (int64_t)range.first - word * WORD_BITS;

    return low_bits(start + (int64_t)range.count) & ~low_bits(start);
}

void prove_init(void)
{
    const uint64_t count = nondet_uint8();
    VirtIOMEMBlocks blocks;

    assume(count >= 1 && count <= MAX_BLOCKS);
    virtio_mem_blocks_init(&blocks, count);
    prove(blocks.count == count);
    prove(blocks.plugged == 0);
    prove(!is_plugged(&blocks, any_block(&blocks)));
    possible(count == MAX_BLOCKS);

    virtio_mem_blocks_cleanup(&blocks);
    prove(!blocks.bitmap && !blocks.count && !blocks.plugged);
}

/*
 * A solver cannot add up bits in any useful time. So how many bits a part of a
 * word has is left open, and what is proved is which parts are counted: those
 * in the range, as they were, and then as they must be.
 */
static struct {
    bool watched;               /* prove what is counted */
    VirtIOMEMRange range;
    bool plugged;
    uint64_t total;             /* blocks plugged before */
    unsigned long old[WORDS];
    unsigned calls;
    uint64_t were, are;         /* in what was counted before and after */
} set;

int count_bits(unsigned long word)
{
    const unsigned i = FIRST + set.calls / 2;
    const bool after = set.calls++ % 2;
    const int bits = nondet_int();

    if (set.watched) {
        const unsigned long part = bits_of(set.range, i);

        prove(i < WORDS && part);
        prove(word == (after ? (set.plugged ? part : 0) : set.old[i] & part));
    }
    assume(bits >= 0 && bits <= WORD_BITS);
    if (after) {
        set.are += bits;
    } else {
        set.were += bits;
        assume(set.were <= set.total);
    }
    return bits;
}

/* Set any range of @blocks, having noted what there was. */
static void set_any(VirtIOMEMBlocks *blocks, bool watched)
{
    assume(blocks->plugged <= blocks->count);
    set.watched = watched;
    set.range = any_range_within(blocks->count);
    set.plugged = nondet_bool();
    set.total = blocks->plugged;
    for (unsigned i = 0; i < WORDS; i++) {
        set.old[i] = blocks->bitmap[i];
    }
    virtio_mem_blocks_set(blocks, set.range, set.plugged);
}

void prove_set(void)
{
    unsigned long bitmap[WORDS];
    VirtIOMEMBlocks blocks = any_blocks(bitmap);
    const VirtIOMEMBlocks old = blocks;
    const uint64_t block = nondet_uint8();
    bool before;

    assume(block < MAX_BLOCKS);     /* also beyond the last one */
    before = is_plugged(&blocks, block);
    set_any(&blocks, false);
    prove(blocks.count == old.count && blocks.bitmap == old.bitmap);
    prove(is_plugged(&blocks, block) ==
          (contains(set.range, block) ? set.plugged : before));
    possible(set.range.count && before != is_plugged(&blocks, block));
}

void prove_set_count(void)
{
    unsigned long bitmap[WORDS];
    VirtIOMEMBlocks blocks = any_blocks(bitmap);

    set_any(&blocks, true);
    prove(blocks.plugged == set.total - set.were + set.are);
    prove(set.calls % 2 == 0);
    for (unsigned i = 0; i < WORDS; i++) {
        prove(!bits_of(set.range, i) || i - FIRST < set.calls / 2);
    }
    possible(set.calls == 2 * (WORDS - FIRST) && set.were && !set.are);
}

/* In place of memcpy(), of which cbmc loses the content if the size is open. */
void *copy_words(void *to, const void *from, size_t size)
{
    prove(size % sizeof(long) == 0);
    for (size_t i = 0; i < size / sizeof(long); i++) {
        ((unsigned long *)to)[i] = ((const unsigned long *)from)[i];
    }
    return to;
}

void prove_copy(void)
{
    unsigned long bitmap[WORDS], copied[WORDS];
    const VirtIOMEMBlocks from = any_blocks(bitmap);
    VirtIOMEMBlocks to = any_blocks(copied);
    const uint64_t block = any_block(&from);

    assume(to.count == from.count);
    virtio_mem_blocks_copy(&to, &from);
    prove(to.count == from.count && to.plugged == from.plugged);
    prove(is_plugged(&to, block) == is_plugged(&from, block));
    possible(is_plugged(&to, block) && block > 2 * WORD_BITS);
}

/* The bits counted are told apart by the turn only: each word is one. */
void prove_recount(void)
{
    unsigned long bitmap[WORDS];
    VirtIOMEMBlocks blocks = any_blocks(bitmap);
    bool clean = true, good;

    set.total = UINT64_MAX;
    for (unsigned i = 0; i < WORDS; i++) {
        const int64_t used = (int64_t)blocks.count - i * WORD_BITS;

        clean = clean && (used <= 0 || !(bitmap[i] & ~low_bits(used)));
    }
    good = virtio_mem_blocks_recount(&blocks);
    prove(good == clean);
    prove(blocks.plugged == set.were + set.are);
    prove(set.calls == (blocks.count + WORD_BITS - 1) / WORD_BITS);
    possible(good && blocks.plugged && blocks.count > 2 * WORD_BITS);
    possible(!good);
}

/*
 * What is answered is true of every block, and what is true of all the blocks
 * is answered: so MIXED is left for the rest.
 */
void prove_state(void)
{
    unsigned long bitmap[WORDS];
    const VirtIOMEMBlocks blocks = any_blocks(bitmap);
    const VirtIOMEMRange range = any_range_within(blocks.count);
    const uint64_t block = any_block(&blocks);
    bool all = true, none = true;
    VirtIOMEMBlockState state;

    assume(range.count);
    state = virtio_mem_blocks_state(&blocks, range);
    for (unsigned i = 0; i < WORDS; i++) {
        all = all && !(bits_of(range, i) & ~bitmap[i]);
        none = none && !(bits_of(range, i) & bitmap[i]);
    }
    prove((state == VIRTIO_MEM_BLOCKS_PLUGGED) == all);
    prove((state == VIRTIO_MEM_BLOCKS_UNPLUGGED) == none);
    prove(!contains(range, block) ||
          state != (is_plugged(&blocks, block) ? VIRTIO_MEM_BLOCKS_UNPLUGGED
                                               : VIRTIO_MEM_BLOCKS_PLUGGED));
    possible(state == VIRTIO_MEM_BLOCKS_MIXED);
    possible(state == VIRTIO_MEM_BLOCKS_PLUGGED && range.count > 1);
    possible(state == VIRTIO_MEM_BLOCKS_UNPLUGGED && range.count > 1);
}

/* One turn of the loop over runs, from wherever the one before has led. */
void prove_next_run(void)
{
    unsigned long bitmap[WORDS];
    const VirtIOMEMBlocks blocks = any_blocks(bitmap);
    const VirtIOMEMRange within = { nondet_uint8(), nondet_uint8() };
    const uint64_t end = within.first + within.count;
    const uint64_t from = FIRST * WORD_BITS + nondet_uint8() % (WORD_BITS + 1);
    VirtIOMEMRange run = { .first = nondet_uint8() };
    const bool plugged = nondet_bool();
    const uint64_t block = any_block(&blocks);
    const bool wanted = is_plugged(&blocks, block) == plugged;
    bool more;

    assume(within.first <= run.first && run.first <= from && from <= end &&
           end <= blocks.count);
    run.count = from - run.first;
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
    possible(more && run.first > from && run.first + run.count < end);
    possible(!more && from < end);
}
