/*
 * virtio-mem, blocks: the loop over runs gives the longest runs, cut to where
 * one looks, and none twice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "blocks-model.h"

static void assert_runs(const Pair *p, uint64_t first, uint64_t count,
                        bool plugged, const char *expected)
{
    g_autofree char *seen = runs(p, first, count, plugged);

    g_assert_cmpstr(seen, ==, expected);
}

static void test_run_none(void)
{
    g_autoptr(Pair) p = pair_new(65);

    assert_runs(p, 0, 65, true, "");
    assert_runs(p, 0, 65, false, "0+65");
}

static void test_run_all(void)
{
    g_autoptr(Pair) p = pair_new(130);

    set(p, 0, 130, true);
    assert_runs(p, 0, 130, true, "0+130");
    assert_runs(p, 0, 130, false, "");
}

static void test_run_first_bit(void)
{
    g_autoptr(Pair) p = pair_new(65);

    set(p, 0, 1, true);
    assert_runs(p, 0, 65, true, "0+1");
    assert_runs(p, 0, 65, false, "1+64");
}

static void test_run_last_bit(void)
{
    g_autoptr(Pair) p = pair_new(65);

    set(p, 64, 1, true);
    assert_runs(p, 0, 65, true, "64+1");
    assert_runs(p, 0, 65, false, "0+64");
}

static void test_run_word_boundary(void)
{
    g_autoptr(Pair) p = pair_new(130);

    set(p, 63, 1, true);
    assert_runs(p, 0, 130, true, "63+1");
    set(p, 64, 1, true);
    assert_runs(p, 0, 130, true, "63+2");
    set(p, 63, 1, false);
    assert_runs(p, 0, 130, true, "64+1");
    assert_runs(p, 0, 130, false, "0+64 65+65");
}

static void test_run_checkerboard(void)
{
    g_autoptr(Pair) p = pair_new(130);
    g_autofree char *odd = NULL, *even = NULL;

    for (uint64_t i = 1; i < 130; i += 2) {
        set(p, i, 1, true);
    }
    odd = model_runs(p, 0, 130, true);
    even = model_runs(p, 0, 130, false);
    g_assert_true(g_str_has_prefix(odd, "1+1 3+1 ") &&
                  g_str_has_suffix(odd, " 129+1"));
    assert_runs(p, 0, 130, true, odd);
    assert_runs(p, 0, 130, false, even);
}

static void test_run_within(void)
{
    g_autoptr(Pair) p = pair_new(200);

    set(p, 10, 60, true);
    set(p, 100, 60, true);
    assert_runs(p, 0, 200, true, "10+60 100+60");
    assert_runs(p, 20, 100, true, "20+50 100+20");
    assert_runs(p, 20, 100, false, "70+30");
    assert_runs(p, 70, 30, true, "");
    assert_runs(p, 69, 32, true, "69+1 100+1");
    assert_runs(p, 150, 50, false, "160+40");
}

static void test_run_within_nothing(void)
{
    g_autoptr(Pair) p = pair_new(100);

    set(p, 0, 100, true);
    assert_runs(p, 0, 0, true, "");
    assert_runs(p, 64, 0, true, "");
    assert_runs(p, 100, 0, true, "");
    assert_runs(p, 100, 0, false, "");
}

static void test_run_no_more(void)
{
    g_autoptr(Pair) p = pair_new(100);
    const VirtIOMEMRange within = { 0, 100 };
    VirtIOMEMRange run = { 0, 0 };

    set(p, 10, 5, true);
    g_assert_true(virtio_mem_blocks_next_run(&p->blocks, within, true, &run));
    for (int i = 0; i < 2; i++) {
        g_assert_false(virtio_mem_blocks_next_run(&p->blocks, within, true,
                                                  &run));
    }
}

/* A loop may change the run it has just been given. */
static void test_run_changed_in_loop(void)
{
    g_autoptr(Pair) p = pair_new(200);
    const VirtIOMEMRange within = { 0, 200 };
    unsigned count = 0;

    set(p, 5, 60, true);
    set(p, 70, 1, true);
    set(p, 120, 80, true);
    VIRTIO_MEM_FOREACH_RUN(run, &p->blocks, within, true) {
        set(p, run.first, run.count, false);
        count++;
    }
    g_assert_cmpuint(count, ==, 3);
    g_assert_cmpuint(p->blocks.plugged, ==, 0);
    check(p);
}

void add_run_tests(void)
{
    g_test_add_func("/virtio-mem/blocks/run/none", test_run_none);
    g_test_add_func("/virtio-mem/blocks/run/all", test_run_all);
    g_test_add_func("/virtio-mem/blocks/run/first-bit", test_run_first_bit);
    g_test_add_func("/virtio-mem/blocks/run/last-bit", test_run_last_bit);
    g_test_add_func("/virtio-mem/blocks/run/word-boundary",
                    test_run_word_boundary);
    g_test_add_func("/virtio-mem/blocks/run/checkerboard",
                    test_run_checkerboard);
    g_test_add_func("/virtio-mem/blocks/run/within", test_run_within);
    g_test_add_func("/virtio-mem/blocks/run/within-nothing",
                    test_run_within_nothing);
    g_test_add_func("/virtio-mem/blocks/run/no-more", test_run_no_more);
    g_test_add_func("/virtio-mem/blocks/run/changed-in-loop",
                    test_run_changed_in_loop);
}
