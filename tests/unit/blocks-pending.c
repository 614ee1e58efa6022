/*
 * virtio-mem, blocks: what is coming or going is populated for nobody
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "blocks-model.h"
#include "unit.h"

static void begin(Pair *p, uint64_t first, uint64_t count)
{
    virtio_mem_blocks_begin(&p->blocks, VIRTIO_MEM_PENDING_GOING,
                            (VirtIOMEMRange) { first, count });
}

/* Block by block: unplugged and not pending. */
static void compare_vacant(const Pair *p, VirtIOMEMRange within)
{
    const VirtIOMEMRange pending = p->blocks.pending_range;
    VirtIOMEMRange run = { .first = within.first };
    uint64_t at = within.first, behind = within.first + within.count;

    while (virtio_mem_blocks_next_vacant(&p->blocks, within, &run)) {
        g_assert_cmpuint(run.first, >=, at);
        g_assert_cmpuint(run.count, >, 0);
        for (uint64_t end = run.first + run.count; at < end; at++) {
            const VirtIOMEMRange one = { at, 1 };
            const bool vacant = at - pending.first >= pending.count &&
                                virtio_mem_blocks_state(&p->blocks, one) ==
                                VIRTIO_MEM_BLOCKS_UNPLUGGED;

            g_assert_cmpint(vacant, ==, at >= run.first);
        }
    }
    for (; at < behind; at++) {
        g_assert_true(at - pending.first < pending.count ||
                      virtio_mem_blocks_state(&p->blocks, (VirtIOMEMRange) {
                          at, 1 }) == VIRTIO_MEM_BLOCKS_PLUGGED);
    }
}

static void compare(const Pair *p, uint64_t first, uint64_t count)
{
    const VirtIOMEMRange within = { first, count };

    for (int yes = 0; yes < 2; yes++) {
        g_autofree char *seen = populated(p, first, count, yes);
        g_autofree char *wanted = model_populated(p, first, count, yes);

        g_assert_cmpstr(seen, ==, wanted);
    }
    compare_vacant(p, within);
    if (count) {
        g_autofree char *others = model_populated(p, first, count, false);

        g_assert_cmpint(virtio_mem_blocks_are_populated(&p->blocks, within), ==,
                        !*others);
    }
}

/* Each state of seven blocks, each range pending, each range looked at. */
static void test_small(void)
{
    const uint64_t blocks = 7;

    for (unsigned plugged = 0; plugged < 1 << blocks; plugged++) {
        g_autoptr(Pair) p = pair_new(blocks);

        for (uint64_t i = 0; i < blocks; i++) {
            set(p, i, 1, plugged >> i & 1);
        }
        for (uint64_t ranges = 0; ranges < blocks * blocks * blocks * blocks;
             ranges++) {
            const uint64_t first = ranges % blocks;
            const uint64_t count = ranges / blocks % blocks + 1;
            const uint64_t from = ranges / blocks / blocks % blocks;
            const uint64_t number = ranges / blocks / blocks / blocks + 1;

            if (first + count <= blocks && from + number <= blocks) {
                begin(p, first, count);
                compare(p, from, number);
            }
        }
        virtio_mem_blocks_end(&p->blocks);
        compare(p, 0, blocks);
        check(p);
    }
}

/* Ranges that begin, end and are looked at anywhere in several words. */
static void test_random(void)
{
    g_autoptr(Pair) p = pair_new(3 * WORD + 5);

    for (int i = 0; i < 20000; i++) {
        const uint64_t first = g_test_rand_int_range(0, p->blocks.count);
        const uint64_t left = p->blocks.count - first;
        const uint64_t count = g_test_rand_int_range(0, left + 1);

        switch (g_test_rand_int_range(0, 4)) {
        case 0:
            set(p, first, count, g_test_rand_bit());
            break;
        case 1:
            if (count) {
                begin(p, first, count);
            } else {
                virtio_mem_blocks_end(&p->blocks);
            }
            break;
        default:
            compare(p, first, count);
        }
    }
    check(p);
}

void add_pending_tests(void)
{
    g_test_add_func("/virtio-mem/blocks/pending/every-small-state", test_small);
    g_test_add_func("/virtio-mem/blocks/pending/random", test_random);
}
