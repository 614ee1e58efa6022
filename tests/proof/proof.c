/*
 * virtio-mem: what the proofs share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

#define WORD_BITS 64
#define MAX_WORDS ((MAX_BLOCKS + WORD_BITS - 1) / WORD_BITS)

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

VirtIOMEMBlocks any_blocks(uint64_t count)
{
    VirtIOMEMBlocks blocks;

    assume(count >= 1 && count <= MAX_BLOCKS);
    virtio_mem_blocks_init(&blocks, count);
    for (unsigned i = 0; i < MAX_WORDS; i++) {
        if (i * WORD_BITS < count) {
            blocks.bitmap[i] = nondet_word();
        }
    }
    blocks.plugged = nondet_uint64();
    assume(blocks_are_sound(&blocks));
    return blocks;
}

bool block_is_plugged(const VirtIOMEMBlocks *blocks, uint64_t block)
{
    return blocks->bitmap[block / WORD_BITS] >> (block % WORD_BITS) & 1;
}

uint64_t count_plugged(const VirtIOMEMBlocks *blocks, VirtIOMEMRange range)
{
    uint64_t plugged = 0;

    for (uint64_t i = 0; i < MAX_BLOCKS; i++) {
        if (i >= range.first && i - range.first < range.count) {
            plugged += block_is_plugged(blocks, i);
        }
    }
    return plugged;
}

bool blocks_are_sound(const VirtIOMEMBlocks *blocks)
{
    const VirtIOMEMRange all = { .first = 0, .count = blocks->count };
    const unsigned used = blocks->count % WORD_BITS;

    return blocks->plugged == count_plugged(blocks, all) &&
           (!used || !(blocks->bitmap[blocks->count / WORD_BITS] >> used));
}
