/*
 * virtio-mem, geometry: no value a guest may send slips through the check of a
 * range, whatever overflows on the way; blocks and bytes translate both ways.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "geometry.h"

#define HUGE_BLOCK ((uint64_t)1 << 62)

/* --- Ranges from the guest (spec 26, 32, 44) --- */

typedef struct GuestCase {
    const char *name;
    uint64_t base, block, usable, gpa;
    uint16_t nb_blocks;
    bool ok;
    uint64_t first;
} GuestCase;

#define USABLE (10 * BLOCK)
#define AT(n) (BASE + (n) * BLOCK)
#define PLAIN BASE, BLOCK, USABLE
#define ATTOP TOP, BLOCK, REGION
#define HUGE HUGE_BLOCK, HUGE_BLOCK, 2 * HUGE_BLOCK
#define MANY(n) BASE, BLOCK, (n) * BLOCK

static const GuestCase guest_cases[] = {
    { "first-block", PLAIN, AT(0), 1, true, 0 },
    { "some-blocks-inside", PLAIN, AT(3), 4, true, 3 },
    { "exactly-to-the-end", PLAIN, AT(3), 7, true, 3 },
    { "all-usable-blocks", PLAIN, AT(0), 10, true, 0 },
    { "last-block", PLAIN, AT(9), 1, true, 9 },
    { "one-block-past-the-end", PLAIN, AT(3), 8, false, 0 },
    { "one-block-more-than-usable", PLAIN, AT(0), 11, false, 0 },
    { "first-block-after-the-end", PLAIN, AT(10), 1, false, 0 },
    { "in-the-region-but-not-usable", PLAIN, AT(12), 2, false, 0 },
    { "after-the-region", PLAIN, AT(BLOCKS), 1, false, 0 },
    { "no-blocks", PLAIN, AT(3), 0, false, 0 },
    { "no-blocks-at-the-end", PLAIN, AT(10), 0, false, 0 },
    { "misaligned-by-a-byte", PLAIN, AT(3) + 1, 1, false, 0 },
    { "misaligned-by-half-a-block", PLAIN, AT(3) + MiB, 1, false, 0 },
    { "one-byte-before-the-region", PLAIN, BASE - 1, 1, false, 0 },
    { "one-block-before-the-region", PLAIN, BASE - BLOCK, 1, false, 0 },
    { "runs-into-the-region", PLAIN, BASE - BLOCK, 4, false, 0 },
    { "address-zero", PLAIN, 0, 1, false, 0 },
    { "nothing-usable", BASE, BLOCK, 0, AT(0), 1, false, 0 },
    { "4096-blocks", MANY(4096), AT(0), 4096, true, 0 },
    { "most-blocks-fit-exactly", MANY(0xffff), AT(0), 0xffff, true, 0 },
    { "most-blocks-miss-by-one", MANY(0xfffe), AT(0), 0xffff, false, 0 },
    { "most-blocks-after-a-first", MANY(0x10000), AT(1), 0xffff, true, 1 },
    { "last-block-of-all-addresses", PLAIN, 0 - BLOCK, 1, false, 0 },
    { "wraps", PLAIN, 0 - BLOCK, 2, false, 0 },
    { "wraps-into-the-region", PLAIN, 0 - BLOCK, 0xffff, false, 0 },
    { "region-at-the-top/all", ATTOP, TOP, BLOCKS, true, 0 },
    { "region-at-the-top/last", ATTOP, TOP + REGION - BLOCK, 1, true, 15 },
    { "region-at-the-top/up-to-2^64", ATTOP, TOP, BLOCKS + 1, false, 0 },
    { "region-at-the-top/wraps", ATTOP, TOP + BLOCK, 0xffff, false, 0 },
    { "region-at-the-top/block-after-it", ATTOP, 0 - BLOCK, 1, false, 0 },
    { "huge-blocks/all", HUGE, HUGE_BLOCK, 2, true, 0 },
    { "huge-blocks/up-to-2^64", HUGE, HUGE_BLOCK, 3, false, 0 },
    { "huge-blocks/size-wraps-to-zero", HUGE, HUGE_BLOCK, 4, false, 0 },
    { "huge-blocks/size-wraps-to-one-block", HUGE, HUGE_BLOCK, 5, false, 0 },
};

static void test_from_guest(gconstpointer data)
{
    const GuestCase *c = data;
    const VirtIOMEMGeometry geo = {
        .addr.gpa = c->base,
        .region_size = MAX(c->usable, BLOCKS * BLOCK),
        .block_size = c->block,
    };
    const VirtIOMEMRange untouched = { .first = 12345, .count = 67890 };
    VirtIOMEMRange range = untouched;

    g_assert_cmpint(virtio_mem_geometry_check(&geo, 4 * KiB), ==,
                    VIRTIO_MEM_FAULT_NONE);
    g_assert_cmpint(virtio_mem_range_from_guest(&geo, c->usable,
                                                (VirtIOMEMAddr) { c->gpa },
                                                c->nb_blocks, &range),
                    ==, c->ok);
    g_assert_cmpuint(range.first, ==, c->ok ? c->first : untouched.first);
    g_assert_cmpuint(range.count, ==, c->ok ? c->nb_blocks : untouched.count);
}

/* --- Blocks and bytes --- */

typedef struct CoverCase {
    const char *name;
    VirtIOMEMSpan span;
    VirtIOMEMRange range;
} CoverCase;

static const CoverCase cover_cases[] = {
    { "no-bytes-cover-no-block", { 0, 0 }, { 0, 0 } },
    { "no-bytes-inside-a-block", { BLOCK + 5, 0 }, { 1, 0 } },
    { "first-byte", { 0, 1 }, { 0, 1 } },
    { "last-byte-of-a-block", { BLOCK - 1, 1 }, { 0, 1 } },
    { "two-bytes-on-two-blocks", { BLOCK - 1, 2 }, { 0, 2 } },
    { "one-block", { BLOCK, BLOCK }, { 1, 1 } },
    { "one-block-less-a-byte", { BLOCK, BLOCK - 1 }, { 1, 1 } },
    { "one-block-and-a-byte", { BLOCK, BLOCK + 1 }, { 1, 2 } },
    { "one-block-shifted", { BLOCK + MiB, BLOCK }, { 1, 2 } },
    { "one-block-and-a-byte-on-either-side", { BLOCK - 1, BLOCK + 2 },
      { 0, 3 } },
    { "whole-region", { 0, REGION }, { 0, BLOCKS } },
    { "last-byte-of-the-region", { REGION - 1, 1 }, { BLOCKS - 1, 1 } },
};

static void test_covering(gconstpointer data)
{
    const CoverCase *c = data;
    const VirtIOMEMRange range = virtio_mem_range_covering(&plain, c->span);

    g_assert_cmpuint(range.first, ==, c->range.first);
    g_assert_cmpuint(range.count, ==, c->range.count);
}

static void test_round_trip(void)
{
    for (uint64_t first = 0; first < BLOCKS; first++) {
        for (uint64_t count = 1; count <= BLOCKS - first; count++) {
            const VirtIOMEMRange range = { first, count };
            const VirtIOMEMSpan span = virtio_mem_range_span(&plain, range);
            const VirtIOMEMRange back = virtio_mem_range_covering(&plain, span);

            g_assert_cmphex(span.offset, ==, first * BLOCK);
            g_assert_cmphex(span.size, ==, count * BLOCK);
            g_assert_cmpuint(back.first, ==, first);
            g_assert_cmpuint(back.count, ==, count);
        }
    }
}

static void test_span_empty(void)
{
    const VirtIOMEMSpan span =
        virtio_mem_range_span(&plain, (VirtIOMEMRange) { 3, 0 });

    g_assert_cmphex(span.offset, ==, 3 * BLOCK);
    g_assert_cmphex(span.size, ==, 0);
}

static void test_all(void)
{
    const VirtIOMEMRange all = virtio_mem_range_all(&plain);

    g_assert_cmpuint(virtio_mem_geometry_blocks(&plain), ==, BLOCKS);
    g_assert_cmpuint(all.first, ==, 0);
    g_assert_cmpuint(all.count, ==, BLOCKS);
}

void add_range_tests(void)
{
    ADD_CASES("/virtio-mem/geometry/range", guest_cases, test_from_guest);
    ADD_CASES("/virtio-mem/geometry/covering", cover_cases, test_covering);
    g_test_add_func("/virtio-mem/geometry/span/and-back", test_round_trip);
    g_test_add_func("/virtio-mem/geometry/span/empty", test_span_empty);
    g_test_add_func("/virtio-mem/geometry/all", test_all);
}
