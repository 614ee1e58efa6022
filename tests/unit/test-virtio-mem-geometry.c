/*
 * virtio-mem, geometry: every fault is found at its exact boundary, and the
 * usable size follows its definition.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "geometry.h"

#define HUGE_BLOCK ((uint64_t)1 << 62)

/* --- What is wrong with a geometry (VIRTIO 1.2, 5.15.4; spec 5 to 7) --- */

typedef struct CheckCase {
    const char *name;
    uint64_t block, page, region, addr;
    VirtIOMEMFault fault;
} CheckCase;

#define MAX_REGION (VIRTIO_MEM_MAX_BLOCKS * MiB)

static const CheckCase check_cases[] = {
    { "smallest-device-is-fine", MiB, 4 * KiB, MiB, 0, VIRTIO_MEM_FAULT_NONE },
    { "block-zero", 0, 4 * KiB, REGION, BASE, VIRTIO_MEM_FAULT_BLOCK_POWER },
    { "block-of-one-bit-less-than-a-power", BLOCK - 1, 4 * KiB, REGION, BASE,
      VIRTIO_MEM_FAULT_BLOCK_POWER },
    { "block-of-one-bit-more-than-a-power", BLOCK + 1, 4 * KiB, REGION, BASE,
      VIRTIO_MEM_FAULT_BLOCK_POWER },
    { "block-of-two-bits", 3 * MiB, 4 * KiB, 6 * MiB, 0,
      VIRTIO_MEM_FAULT_BLOCK_POWER },
    { "block-half-the-smallest", MiB / 2, 4 * KiB, REGION, BASE,
      VIRTIO_MEM_FAULT_BLOCK_SMALL },
    { "block-of-one-page-is-fine", BLOCK, BLOCK, REGION, BASE,
      VIRTIO_MEM_FAULT_NONE },
    { "block-of-half-a-page", BLOCK, 2 * BLOCK, REGION, BASE,
      VIRTIO_MEM_FAULT_BLOCK_PAGE },
    { "region-empty", BLOCK, 4 * KiB, 0, BASE, VIRTIO_MEM_FAULT_REGION_EMPTY },
    { "region-one-byte-short-of-a-block", BLOCK, 4 * KiB, BLOCK - 1, BASE,
      VIRTIO_MEM_FAULT_REGION_BLOCKS },
    { "region-of-one-block-is-fine", BLOCK, 4 * KiB, BLOCK, BASE,
      VIRTIO_MEM_FAULT_NONE },
    { "region-one-byte-past-a-block", BLOCK, 4 * KiB, BLOCK + 1, BASE,
      VIRTIO_MEM_FAULT_REGION_BLOCKS },
    { "region-of-most-blocks-is-fine", MiB, 4 * KiB, MAX_REGION, 0,
      VIRTIO_MEM_FAULT_NONE },
    { "region-one-block-past-the-most", MiB, 4 * KiB, MAX_REGION + MiB, 0,
      VIRTIO_MEM_FAULT_REGION_MANY },
    { "addr-zero-is-fine", BLOCK, 4 * KiB, REGION, 0, VIRTIO_MEM_FAULT_NONE },
    { "addr-one-byte-past-a-block", BLOCK, 4 * KiB, REGION, BASE + 1,
      VIRTIO_MEM_FAULT_ADDR_ALIGN },
    { "addr-half-a-block-past", BLOCK, 4 * KiB, REGION, BASE + MiB,
      VIRTIO_MEM_FAULT_ADDR_ALIGN },
    { "addr-of-a-region-ending-one-block-below-2^64-is-fine", BLOCK, 4 * KiB,
      REGION, TOP, VIRTIO_MEM_FAULT_NONE },
    { "addr-of-a-region-ending-at-2^64", BLOCK, 4 * KiB, REGION, 0 - REGION,
      VIRTIO_MEM_FAULT_ADDR_WRAP },
    { "addr-of-a-region-that-wraps", BLOCK, 4 * KiB, REGION, 0 - BLOCK,
      VIRTIO_MEM_FAULT_ADDR_WRAP },
};

static void test_check(gconstpointer data)
{
    const CheckCase *c = data;
    const VirtIOMEMGeometry geo = {
        .addr.gpa = c->addr, .region_size = c->region, .block_size = c->block,
    };

    g_assert_cmpint(virtio_mem_geometry_check(&geo, c->page), ==, c->fault);
}

/* Mend one fault at a time: the faults come in the order of their names. */
static void test_check_first_fault(void)
{
    VirtIOMEMGeometry geo = { .addr.gpa = 1 };

    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_BLOCK_POWER);
    geo.block_size = MiB / 2;
    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_BLOCK_SMALL);
    geo.block_size = MiB;
    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_BLOCK_PAGE);
    geo.block_size = BLOCK;
    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_REGION_EMPTY);
    geo.region_size = UINT64_MAX;
    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_REGION_BLOCKS);
    geo.region_size = 0 - BLOCK;
    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_REGION_MANY);
    geo.region_size = REGION;
    geo.addr.gpa = UINT64_MAX;
    g_assert_cmpint(virtio_mem_geometry_check(&geo, BLOCK), ==,
                    VIRTIO_MEM_FAULT_ADDR_ALIGN);
}

/* --- Requested sizes (spec 6) --- */

typedef struct SizeCase {
    const char *name;
    uint64_t size;
    VirtIOMEMFault fault;
} SizeCase;

static const SizeCase size_cases[] = {
    { "nothing-is-fine", 0, VIRTIO_MEM_FAULT_NONE },
    { "one-byte", 1, VIRTIO_MEM_FAULT_SIZE_ALIGN },
    { "one-byte-short-of-a-block", BLOCK - 1, VIRTIO_MEM_FAULT_SIZE_ALIGN },
    { "one-block-is-fine", BLOCK, VIRTIO_MEM_FAULT_NONE },
    { "half-a-block-more", BLOCK + MiB, VIRTIO_MEM_FAULT_SIZE_ALIGN },
    { "one-byte-short-of-the-region", REGION - 1, VIRTIO_MEM_FAULT_SIZE_ALIGN },
    { "the-region-is-fine", REGION, VIRTIO_MEM_FAULT_NONE },
    { "one-block-past-the-region", REGION + BLOCK,
      VIRTIO_MEM_FAULT_SIZE_LARGE },
    { "large-wins-over-misaligned", REGION + 1, VIRTIO_MEM_FAULT_SIZE_LARGE },
    { "largest-number", UINT64_MAX, VIRTIO_MEM_FAULT_SIZE_LARGE },
};

static void test_size(gconstpointer data)
{
    const SizeCase *c = data;

    g_assert_cmpint(virtio_mem_geometry_check_size(&plain, c->size), ==,
                    c->fault);
}

/* --- Usable size (spec 4, 6) --- */

typedef struct UsableCase {
    const char *name;
    uint64_t block, extent, requested, usable;
} UsableCase;

static const UsableCase usable_cases[] = {
    { "nothing-requested-is-nothing-usable", BLOCK, 4 * BLOCK, 0, 0 },
    { "extent-is-added", BLOCK, 4 * BLOCK, BLOCK, 5 * BLOCK },
    { "no-extent-is-what-was-requested", BLOCK, 0, BLOCK, BLOCK },
    { "extent-of-one-byte-is-a-block", BLOCK, 1, BLOCK, 2 * BLOCK },
    { "extent-one-byte-short-of-a-block", BLOCK, BLOCK - 1, BLOCK, 2 * BLOCK },
    { "extent-of-a-block-is-not-rounded", BLOCK, BLOCK, BLOCK, 2 * BLOCK },
    { "extent-one-byte-past-a-block", BLOCK, BLOCK + 1, BLOCK, 3 * BLOCK },
    { "extent-smaller-than-a-big-block", 8 * MiB, 2 * MiB, 8 * MiB, 16 * MiB },
    { "extent-to-the-end-of-the-region", BLOCK, 4 * BLOCK, REGION - 4 * BLOCK,
      REGION },
    { "extent-is-cut-at-the-end", BLOCK, 4 * BLOCK, REGION - 3 * BLOCK,
      REGION },
    { "rounding-stops-at-the-end", BLOCK, 1, REGION - BLOCK, REGION },
    { "whole-region-requested", BLOCK, 4 * BLOCK, REGION, REGION },
    { "endless-extent-does-not-overflow", BLOCK, UINT64_MAX, BLOCK, REGION },
};

static void test_usable(gconstpointer data)
{
    const UsableCase *c = data;
    VirtIOMEMGeometry geo = plain;

    geo.block_size = c->block;
    geo.usable_extent = c->extent;
    g_assert_cmphex(virtio_mem_geometry_usable(&geo, c->requested), ==,
                    c->usable);
}

static void test_usable_huge_blocks(void)
{
    const VirtIOMEMGeometry geo = {
        .region_size = 3 * HUGE_BLOCK,
        .block_size = HUGE_BLOCK,
        .usable_extent = HUGE_BLOCK + 1,
    };

    g_assert_cmphex(virtio_mem_geometry_usable(&geo, HUGE_BLOCK), ==,
                    3 * HUGE_BLOCK);
}

/* --- The default block size of ordinary memory --- */

/* What is usual is given; here something that no file of the cases says. */
#define USUAL (8 * MiB)

typedef struct DefaultCase {
    const char *name, *text;
    uint64_t page, block;
    bool absent, guessed;
} DefaultCase;

#define TOLD(name_, text_, page_, block_) \
    { name_, text_, page_, block_, false, false }
#define ABSENT(name_, page_) { name_, NULL, page_, MiB, true, false }
#define ODD(name_, text_) \
    { name_, text_, 4 * KiB, USUAL, false, true }
#define UNREADABLE(name_, page_) \
    { name_, NULL, page_, USUAL, false, true }

static const DefaultCase default_cases[] = {
    TOLD("huge-page-of-2-MiB", "2097152\n", 4 * KiB, 2 * MiB),
    TOLD("without-end-of-line", "2097152", 4 * KiB, 2 * MiB),
    TOLD("huge-page-of-32-MiB", "33554432\n", 16 * KiB, 32 * MiB),
    TOLD("huge-page-of-512-MiB", "536870912\n", 64 * KiB, 512 * MiB),
    TOLD("huge-page-of-the-smallest-block", "1048576\n", 4 * KiB, MiB),
    TOLD("huge-page-below-the-smallest-block", "65536\n", 4 * KiB, MiB),
    TOLD("huge-page-of-a-page", "4096\n", 4 * KiB, MiB),
    TOLD("largest-power", "9223372036854775808\n", 4 * KiB, (uint64_t)1 << 63),
    ABSENT("no-huge-pages", 4 * KiB),
    ABSENT("no-huge-pages-and-pages-of-64-KiB", 64 * KiB),
    UNREADABLE("unreadable", 4 * KiB),
    UNREADABLE("unreadable-and-pages-of-16-KiB", 16 * KiB),
    UNREADABLE("unreadable-and-pages-of-64-KiB", 64 * KiB),
    ODD("empty", ""),
    ODD("empty-line", "\n"),
    ODD("no-number", "always [madvise] never\n"),
    ODD("number-and-more", "2097152 bytes\n"),
    ODD("two-numbers", "2097152\n2097152\n"),
    ODD("hexadecimal", "0x200000\n"),
    ODD("suffix", "2M\n"),
    ODD("negative", "-2097152\n"),
    ODD("fraction", "2097152.0\n"),
    ODD("zero", "0\n"),
    ODD("no-power-of-two", "3145728\n"),
    ODD("below-a-page", "2048\n"),
    ODD("beyond-64-bits", "18446744073711648768\n"),
};

static void test_default(gconstpointer data)
{
    const DefaultCase *c = data;
    bool guessed = !c->guessed;

    g_assert_cmphex(virtio_mem_default_block_size(!c->absent, c->text, c->page,
                                                  USUAL, &guessed), ==,
                    c->block);
    g_assert_cmpint(guessed, ==, c->guessed);
}

/* A guess, too, is a block size that a device may have. */
static void test_default_usual_is_small(void)
{
    bool guessed;

    g_assert_cmphex(virtio_mem_default_block_size(true, NULL, 4 * KiB, 64 * KiB,
                                                  &guessed), ==, MiB);
    g_assert_true(guessed);
}

/* What a kernel that does not tell has: one entry of the second page table. */
static void test_default_by_page_size(void)
{
    static const struct {
        uint64_t page, huge;
    } hosts[] = {
#ifdef __s390x__
        { 4 * KiB, MiB },       /* segments have a size of their own */
#else
        { 4 * KiB, 2 * MiB },
        { 16 * KiB, 32 * MiB },
        { 64 * KiB, 512 * MiB },
#endif
    };

    for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
        const uint64_t page = hosts[i].page;
        bool guessed;

        g_assert_cmphex(virtio_mem_usual_huge_page(page), ==, hosts[i].huge);
        g_assert_cmphex(virtio_mem_default_block_size(
                            true, NULL, page, virtio_mem_usual_huge_page(page),
                            &guessed), ==, hosts[i].huge);
        g_assert_true(guessed);
        g_assert_cmphex(virtio_mem_default_block_size(
                            false, NULL, page, virtio_mem_usual_huge_page(page),
                            &guessed), ==, MiB);
        g_assert_false(guessed);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_CASES("/virtio-mem/geometry/check", check_cases, test_check);
    g_test_add_func("/virtio-mem/geometry/check/first-fault-is-told",
                    test_check_first_fault);
    ADD_CASES("/virtio-mem/geometry/size", size_cases, test_size);
    ADD_CASES("/virtio-mem/geometry/usable", usable_cases, test_usable);
    g_test_add_func("/virtio-mem/geometry/usable/huge-blocks",
                    test_usable_huge_blocks);
    ADD_CASES("/virtio-mem/geometry/default-block", default_cases,
              test_default);
    g_test_add_func("/virtio-mem/geometry/default-block/usual-is-small",
                    test_default_usual_is_small);
    g_test_add_func("/virtio-mem/geometry/default-block/by-page-size",
                    test_default_by_page_size);
    add_range_tests();
    return g_test_run();
}
