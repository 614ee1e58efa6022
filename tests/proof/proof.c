/*
 * virtio-mem: what the proofs share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

#define WORD_BITS 64

void *calloc(size_t n, size_t size);
void free(void *p);

/* --- GLib, as far as the rooms use it --- */

gpointer g_malloc0_n(gsize n, gsize size)
{
    void *p = calloc(n, size);

    assume(p);      /* GLib aborts when there is no memory */
    return p;
}

void g_free(gpointer p)
{
    free(p);
}

void g_assertion_message_expr(const char *domain, const char *file, int line,
                              const char *func, const char *expr)
{
    __CPROVER_assert(false, "no g_assert() of a room fails");
    assume(false);
}

/* --- Values --- */

/* A multiple is made, not sought: that is much easier for the solver. */
uint64_t any_size(unsigned shift, uint64_t limit)
{
    const uint64_t blocks = nondet_uint64();

    assume(blocks <= limit >> shift);
    return blocks << shift;
}

VirtIOMEMGeometry any_geometry(unsigned shift)
{
    const VirtIOMEMGeometry geo = {
        .addr.gpa = any_size(shift, UINT64_MAX),
        .region_size = any_size(shift, UINT64_MAX),
        .block_size = (uint64_t)1 << shift,
        .usable_extent = nondet_uint64(),
    };

    assume(geo.region_size && geo.region_size >> shift <= INT32_MAX);
    assume(geo.addr.gpa <= UINT64_MAX - geo.region_size);
    return geo;
}

VirtIOMEMRange any_range(uint64_t count, uint64_t least)
{
    const VirtIOMEMRange range = {
        .first = nondet_uint64(),
        .count = nondet_uint64(),
    };

    assume(range.first <= count && range.count <= count - range.first &&
           range.count >= least);
    return range;
}

VirtIOMEMBlocks any_blocks(unsigned words)
{
    VirtIOMEMBlocks blocks = {
        .bitmap = calloc(words, sizeof(long)),
        .count = nondet_uint64(),
        .plugged = nondet_uint64(),
    };

    assume(blocks.bitmap);
    assume(blocks.count > (words - 1) * WORD_BITS &&
           blocks.count <= words * WORD_BITS && blocks.count <= MAX_BLOCKS);
    for (unsigned i = 0; i < words; i++) {
        blocks.bitmap[i] = nondet_word();
    }
    assume(!tail(&blocks));
    return blocks;
}

bool block_is_plugged(const VirtIOMEMBlocks *blocks, uint64_t block)
{
    return blocks->bitmap[block / WORD_BITS] >> (block % WORD_BITS) & 1;
}

unsigned long tail(const VirtIOMEMBlocks *blocks)
{
    const unsigned used = blocks->count % WORD_BITS;

    return used ? blocks->bitmap[blocks->count / WORD_BITS] >> used : 0;
}

uint64_t count_bits(const VirtIOMEMBlocks *blocks, unsigned words)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < words; i++) {
        bits += __builtin_popcountl(blocks->bitmap[i]);
    }
    return bits;
}

Found look_for(const VirtIOMEMBlocks *blocks, unsigned words,
               VirtIOMEMRange range)
{
    Found found = { false, false };

    for (uint64_t i = 0; i < words * WORD_BITS; i++) {
        if (i >= range.first && i - range.first < range.count) {
            if (block_is_plugged(blocks, i)) {
                found.plugged = true;
            } else {
                found.unplugged = true;
            }
        }
    }
    return found;
}
