/*
 * virtio-mem, reserve: it follows what is plugged
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/reserve.h"
#include "unit.h"

#define BLOCKS 200
#define WANTED 20
#define MOST 7

typedef struct Fixture {
    VirtIOMEMBlocks blocks;
    VirtIOMEMReserve reserve;
} Fixture;

static void set_up(Fixture *f, uint64_t wanted)
{
    virtio_mem_blocks_init(&f->blocks, BLOCKS);
    virtio_mem_reserve_init(&f->reserve, &f->blocks, wanted);
}

static void tear_down(Fixture *f)
{
    virtio_mem_reserve_cleanup(&f->reserve);
    virtio_mem_blocks_cleanup(&f->blocks);
}

/* One step, if there is one; more than wanted are never populated. */
static bool step(Fixture *f)
{
    VirtIOMEMRange range;

    switch (virtio_mem_reserve_next(&f->reserve, MOST, &range)) {
    case VIRTIO_MEM_RESERVE_NOTHING:
        return false;
    case VIRTIO_MEM_RESERVE_POPULATE:
        g_assert_cmpint(virtio_mem_blocks_state(&f->reserve.warm, range), ==,
                        VIRTIO_MEM_BLOCKS_UNPLUGGED);
        g_assert_cmpint(virtio_mem_blocks_state(&f->blocks, range), ==,
                        VIRTIO_MEM_BLOCKS_UNPLUGGED);
        virtio_mem_reserve_set(&f->reserve, range, true);
        break;
    case VIRTIO_MEM_RESERVE_GIVE_BACK:
        g_assert_true(virtio_mem_reserve_covers(&f->reserve, range));
        virtio_mem_reserve_set(&f->reserve, range, false);
        break;
    }
    g_assert_cmpuint(range.count, >=, 1);
    g_assert_cmpuint(range.count, <=, MOST);
    g_assert_cmpuint(virtio_mem_reserve_count(&f->reserve), <=,
                     f->reserve.wanted);
    return true;
}

static unsigned all_steps(Fixture *f)
{
    unsigned steps = 0;

    while (step(f)) {
        g_assert_cmpuint(++steps, <=, 2 * BLOCKS);
    }
    return steps;
}

/* As plugging and unplugging do. */
static void plug(Fixture *f, VirtIOMEMRange range, bool plugged)
{
    virtio_mem_reserve_set(&f->reserve, range, false);
    virtio_mem_blocks_set(&f->blocks, range, plugged);
}

/* Those are warm that a naive look says should be. */
static void assert_right(const Fixture *f)
{
    uint64_t left = f->reserve.wanted;

    for (uint64_t b = 0; b < BLOCKS; b++) {
        const VirtIOMEMRange one = { b, 1 };
        const bool vacant = virtio_mem_blocks_state(&f->blocks, one) ==
                            VIRTIO_MEM_BLOCKS_UNPLUGGED;

        g_assert_cmpint(virtio_mem_reserve_covers(&f->reserve, one), ==,
                        vacant && left);
        left -= vacant && left;
    }
}

static void test_none(void)
{
    Fixture f;

    set_up(&f, 0);
    plug(&f, (VirtIOMEMRange) { 0, 7 }, true);
    g_assert_cmpuint(all_steps(&f), ==, 0);
    g_assert_cmpuint(virtio_mem_reserve_count(&f.reserve), ==, 0);
    g_assert_false(virtio_mem_reserve_covers(&f.reserve,
                                             (VirtIOMEMRange) { 9, 1 }));
    tear_down(&f);
}

static void test_grow(void)
{
    Fixture f;

    set_up(&f, WANTED);
    g_assert_cmpuint(all_steps(&f), ==, (WANTED + MOST - 1) / MOST);
    assert_right(&f);
    for (uint64_t b = 0; b < BLOCKS; b += 5) {
        plug(&f, (VirtIOMEMRange) { b, 5 }, true);
        all_steps(&f);
        assert_right(&f);
    }
    g_assert_cmpuint(virtio_mem_reserve_count(&f.reserve), ==, 0);
    tear_down(&f);
}

static void test_shrink(void)
{
    Fixture f;

    set_up(&f, WANTED);
    plug(&f, (VirtIOMEMRange) { 0, 100 }, true);
    all_steps(&f);
    plug(&f, (VirtIOMEMRange) { 90, 10 }, false);
    /* It gives back as much as it takes. */
    g_assert_cmpuint(all_steps(&f), ==, 4);
    assert_right(&f);
    tear_down(&f);
}

/* What is on its way is left alone. */
static void test_pending(void)
{
    const VirtIOMEMRange coming = { 0, 10 };
    Fixture f;

    set_up(&f, WANTED);
    virtio_mem_blocks_begin(&f.blocks, VIRTIO_MEM_PENDING_COMING, coming);
    all_steps(&f);
    g_assert_false(virtio_mem_reserve_covers(&f.reserve, coming));
    g_assert_true(virtio_mem_reserve_covers(&f.reserve,
                                            (VirtIOMEMRange) { 10, WANTED }));
    tear_down(&f);
}

/* The guest does what it likes, also in the middle. */
static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(42);
    Fixture f;

    set_up(&f, WANTED);
    for (int i = 0; i < 2000; i++) {
        const uint64_t first = g_rand_int_range(rand, 0, BLOCKS);
        const uint64_t count = g_rand_int_range(rand, 1, BLOCKS - first + 1);

        plug(&f, (VirtIOMEMRange) { first, MIN(count, 30) },
             g_rand_boolean(rand));
        if (g_rand_boolean(rand)) {
            step(&f);
        } else {
            all_steps(&f);
            assert_right(&f);
        }
    }
    tear_down(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/reserve/none", test_none);
    g_test_add_func("/virtio-mem/reserve/grow", test_grow);
    g_test_add_func("/virtio-mem/reserve/shrink", test_shrink);
    g_test_add_func("/virtio-mem/reserve/pending", test_pending);
    g_test_add_func("/virtio-mem/reserve/random", test_random);
    return g_test_run();
}
