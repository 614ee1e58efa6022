/*
 * virtio-mem, guarded: never a plugged block, never a run too many
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/guarded.h"
#include "unit.h"

#define BLOCKS 200

static uint64_t count_runs(const VirtIOMEMGuarded *guarded)
{
    const VirtIOMEMRange all = { .count = guarded->blocks.count };
    uint64_t runs = 0;

    VIRTIO_MEM_FOREACH_RUN(run, &guarded->blocks, all, true) {
        runs++;
    }
    return runs;
}

static void check(const VirtIOMEMGuarded *guarded)
{
    g_assert_cmpuint(guarded->runs, ==, count_runs(guarded));
    g_assert_cmpuint(guarded->runs, <=, guarded->budget->runs);
    g_assert_cmpuint(guarded->budget->runs, <=, guarded->budget->most);
}

/* As the device does it. Returns whether all of it could be guarded. */
static bool add(VirtIOMEMGuarded *guarded, VirtIOMEMRange range)
{
    VirtIOMEMRange run = { .first = range.first };

    while (virtio_mem_blocks_next_run(&guarded->blocks, range, false, &run)) {
        if (!virtio_mem_guarded_add(guarded, run)) {
            return false;
        }
    }
    return true;
}

static void test_neighbours(void)
{
    VirtIOMEMGuardBudget budget = { .most = 2 };
    VirtIOMEMGuarded guarded;

    virtio_mem_guarded_init(&guarded, BLOCKS, &budget);
    g_assert_true(virtio_mem_guarded_add(&guarded, (VirtIOMEMRange) { 10, 5 }));
    g_assert_true(virtio_mem_guarded_add(&guarded, (VirtIOMEMRange) { 0, 2 }));
    g_assert_cmpuint(guarded.runs, ==, 2);
    /* Another one were too many, but a neighbour is none. */
    g_assert_false(virtio_mem_guarded_add(&guarded, (VirtIOMEMRange) { 5, 1 }));
    g_assert_false(virtio_mem_guarded_has(&guarded, 5));
    g_assert_true(virtio_mem_guarded_add(&guarded, (VirtIOMEMRange) { 15, 1 }));
    g_assert_true(virtio_mem_guarded_add(&guarded, (VirtIOMEMRange) { 9, 1 }));
    g_assert_cmpuint(guarded.runs, ==, 2);
    /* Between two, it makes one of them. */
    g_assert_true(virtio_mem_guarded_add(&guarded, (VirtIOMEMRange) { 2, 7 }));
    g_assert_cmpuint(guarded.runs, ==, 1);
    check(&guarded);
    virtio_mem_guarded_cleanup(&guarded);
}

typedef struct Cut {
    const char *name;
    uint64_t budget;
    VirtIOMEMRange range, left;
    uint64_t runs;
} Cut;

/* Out of all blocks. */
static const Cut cuts[] = {
    { "enough", 2, { 50, 10 }, { 50, 10 }, 2 },
    { "front-goes", 1, { 50, 10 }, { 0, 60 }, 1 },
    { "back-goes", 1, { 150, 10 }, { 150, 50 }, 1 },
    { "at-the-front", 1, { 0, 10 }, { 0, 10 }, 1 },
    { "at-the-back", 1, { 190, 10 }, { 190, 10 }, 1 },
    { "all", 1, { 0, BLOCKS }, { 0, BLOCKS }, 0 },
};

static void test_cut(gconstpointer opaque)
{
    const Cut *cut = opaque;
    VirtIOMEMGuardBudget budget = { .most = cut->budget };
    VirtIOMEMGuarded guarded;
    VirtIOMEMRange left;

    virtio_mem_guarded_init(&guarded, BLOCKS, &budget);
    g_assert_true(add(&guarded, (VirtIOMEMRange) { 0, BLOCKS }));
    left = virtio_mem_guarded_remove(&guarded, cut->range);
    g_assert_cmpuint(left.first, ==, cut->left.first);
    g_assert_cmpuint(left.count, ==, cut->left.count);
    g_assert_cmpuint(guarded.runs, ==, cut->runs);
    check(&guarded);
    virtio_mem_guarded_cleanup(&guarded);
}

/* What is plugged is never guarded; what is left out is what has to be. */
static void test_random(gconstpointer opaque)
{
    VirtIOMEMGuardBudget budget = { .most = *(const uint64_t *)opaque };
    VirtIOMEMGuarded guarded;
    VirtIOMEMBlocks plugged;

    virtio_mem_guarded_init(&guarded, BLOCKS, &budget);
    virtio_mem_blocks_init(&plugged, BLOCKS);
    for (int i = 0; i < 20000; i++) {
        const uint64_t first = g_test_rand_int_range(0, BLOCKS);
        const VirtIOMEMRange range = {
            .first = first,
            .count = g_test_rand_int_range(1, BLOCKS - first + 1),
        };

        if (g_test_rand_bit()) {
            const VirtIOMEMRange left = virtio_mem_guarded_remove(&guarded,
                                                                  range);

            virtio_mem_blocks_set(&plugged, range, true);
            g_assert_cmpuint(left.first, <=, range.first);
            g_assert_cmpuint(left.first + left.count, >=,
                             range.first + range.count);
            g_assert_cmpint(virtio_mem_blocks_state(&guarded.blocks, left), ==,
                            VIRTIO_MEM_BLOCKS_UNPLUGGED);
        } else {
            virtio_mem_blocks_set(&plugged, range, false);
            g_assert_true(add(&guarded, range) ||
                          budget.runs == budget.most);
        }
        check(&guarded);
        for (uint64_t block = 0; block < BLOCKS; block++) {
            const VirtIOMEMRange one = { block, 1 };

            g_assert_false(virtio_mem_guarded_has(&guarded, block) &&
                           virtio_mem_blocks_state(&plugged, one) ==
                           VIRTIO_MEM_BLOCKS_PLUGGED);
        }
        /* With enough for each, nothing is left out that was unplugged. */
        if (budget.most >= BLOCKS && i > 1000) {
            g_assert_cmpuint(guarded.blocks.plugged + plugged.plugged, ==,
                             BLOCKS);
        }
    }
    virtio_mem_blocks_cleanup(&plugged);
    virtio_mem_guarded_cleanup(&guarded);
}

/* What one device has the other cannot have, until the first is gone. */
static void test_shared(void)
{
    VirtIOMEMGuardBudget budget = { .most = 3 };
    VirtIOMEMGuarded one, other;

    virtio_mem_guarded_init(&one, BLOCKS, &budget);
    virtio_mem_guarded_init(&other, BLOCKS, &budget);
    g_assert_true(add(&one, (VirtIOMEMRange) { 0, BLOCKS }));
    virtio_mem_guarded_remove(&one, (VirtIOMEMRange) { 50, 1 });
    g_assert_true(add(&other, (VirtIOMEMRange) { 0, 9 }));
    g_assert_false(add(&other, (VirtIOMEMRange) { 100, 1 }));
    check(&one);
    check(&other);
    /* None is left for a cut: all on the shorter side goes. */
    virtio_mem_guarded_remove(&other, (VirtIOMEMRange) { 2, 1 });
    g_assert_cmpuint(other.runs, ==, 1);
    g_assert_false(virtio_mem_guarded_has(&other, 0));
    virtio_mem_guarded_cleanup(&one);
    g_assert_cmpuint(budget.runs, ==, 1);
    g_assert_true(add(&other, (VirtIOMEMRange) { 100, 1 }));
    virtio_mem_guarded_cleanup(&other);
    g_assert_cmpuint(budget.runs, ==, 0);
}

int main(int argc, char **argv)
{
    static const uint64_t budgets[] = { 1, 2, 7, BLOCKS };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/guarded/neighbours", test_neighbours);
    g_test_add_func("/virtio-mem/guarded/shared", test_shared);
    ADD_CASES("/virtio-mem/guarded/cut", cuts, test_cut);
    for (size_t i = 0; i < G_N_ELEMENTS(budgets); i++) {
        g_autofree char *name = g_strdup_printf("budget-%" PRIu64, budgets[i]);

        add_case("/virtio-mem/guarded/random", name, &budgets[i], test_random);
    }
    return g_test_run();
}
