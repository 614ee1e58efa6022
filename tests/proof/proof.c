/*
 * virtio-mem: what the proofs share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

void *calloc(size_t n, size_t size);
void free(void *p);

/* --- GLib, as far as the modules use it --- */

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
    __CPROVER_assert(false, "no g_assert() of a module fails");
    assume(false);
}

/* --- Bits --- */

/* The one number of which this can be said. */
int lowest_bit(unsigned long word)
{
    const int bit = nondet_int();

    prove(word);    /* of 0 the compiler promises nothing */
    assume(bit >= 0 && bit < WORD_BITS);
    assume((word >> bit & 1) && !(word & (((unsigned long)1 << bit) - 1)));
    return bit;
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
