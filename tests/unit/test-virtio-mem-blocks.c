/*
 * virtio-mem, blocks: the bitmap and the count of plugged blocks always agree,
 * and what they say is what an array of bools says, at every word boundary and
 * under random load.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "blocks-model.h"
#include "unit.h"

#define RANDOM_OPERATIONS 40000

/* --- Setting --- */

static void test_init(void)
{
    static const uint64_t counts[] = { 1, 63, 64, 65, 128, 1000 };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(Pair) p = pair_new(counts[i]);

        g_assert_cmpuint(p->blocks.count, ==, counts[i]);
        check(p);
    }
}

static void test_cleanup(void)
{
    VirtIOMEMBlocks blocks;

    virtio_mem_blocks_init(&blocks, 65);
    virtio_mem_blocks_set(&blocks, (VirtIOMEMRange) { 0, 65 }, true);
    virtio_mem_blocks_cleanup(&blocks);
    g_assert_null(blocks.bitmap);
    g_assert_cmpuint(blocks.count, ==, 0);
    g_assert_cmpuint(blocks.plugged, ==, 0);
}

/* Migration streams carry the bitmap: its layout is a promise. */
static void test_layout(void)
{
    g_autoptr(Pair) p = pair_new(2 * WORD);

    set(p, 0, 2, true);
    set(p, WORD + 3, 1, true);
    g_assert_cmphex(p->blocks.bitmap[0], ==, 3);
    g_assert_cmphex(p->blocks.bitmap[1], ==, 8);
}

/* Set and clear every range of a device that ends inside its third word. */
static void test_every_range(void)
{
    const uint64_t count = 2 * WORD + 3;

    for (uint64_t first = 0; first < count; first++) {
        for (uint64_t n = 0; n <= count - first; n++) {
            g_autoptr(Pair) p = pair_new(count);

            set(p, first, n, true);
            check(p);
            set(p, 0, count, true);
            set(p, first, n, false);
            check(p);
        }
    }
}

static void test_idempotent(void)
{
    g_autoptr(Pair) p = pair_new(100);

    for (int i = 0; i < 2; i++) {
        set(p, 60, 10, true);
        g_assert_cmpuint(p->blocks.plugged, ==, 10);
        check(p);
    }
    for (int i = 0; i < 2; i++) {
        set(p, 62, 3, false);
        g_assert_cmpuint(p->blocks.plugged, ==, 7);
        check(p);
    }
}

static void test_overlap(void)
{
    g_autoptr(Pair) p = pair_new(100);

    set(p, 10, 60, true);
    set(p, 50, 40, true);
    g_assert_cmpuint(p->blocks.plugged, ==, 80);
    set(p, 0, 100, false);
    g_assert_cmpuint(p->blocks.plugged, ==, 0);
    check(p);
}

/* --- State of a range --- */

static void test_state_every_bit(void)
{
    const uint64_t count = WORD + 2;

    for (uint64_t i = 0; i < count; i++) {
        g_autoptr(Pair) p = pair_new(count);

        set(p, i, 1, true);
        for (uint64_t first = 0; first < count; first++) {
            for (uint64_t n = 1; n <= count - first; n++) {
                g_assert_cmpint(state(p, first, n), ==,
                                model_state(p, first, n));
            }
        }
    }
}

static void test_state_partial_words(void)
{
    g_autoptr(Pair) p = pair_new(3 * WORD);

    set(p, WORD - 1, WORD + 2, true);
    g_assert_cmpint(state(p, WORD - 1, WORD + 2), ==,
                    VIRTIO_MEM_BLOCKS_PLUGGED);
    g_assert_cmpint(state(p, WORD - 2, WORD + 3), ==, VIRTIO_MEM_BLOCKS_MIXED);
    g_assert_cmpint(state(p, WORD - 1, WORD + 3), ==, VIRTIO_MEM_BLOCKS_MIXED);
    g_assert_cmpint(state(p, 0, WORD - 1), ==, VIRTIO_MEM_BLOCKS_UNPLUGGED);
    g_assert_cmpint(state(p, 2 * WORD + 1, WORD - 1), ==,
                    VIRTIO_MEM_BLOCKS_UNPLUGGED);
}

static void test_state_one_hole(void)
{
    g_autoptr(Pair) p = pair_new(3 * WORD);

    set(p, 0, 3 * WORD, true);
    set(p, 2 * WORD - 1, 1, false);
    g_assert_cmpint(state(p, 0, 3 * WORD), ==, VIRTIO_MEM_BLOCKS_MIXED);
    g_assert_cmpint(state(p, 0, 2 * WORD - 1), ==, VIRTIO_MEM_BLOCKS_PLUGGED);
    g_assert_cmpint(state(p, 2 * WORD - 1, 1), ==,
                    VIRTIO_MEM_BLOCKS_UNPLUGGED);
}

/* --- Random load --- */

/* A range anywhere, mostly short, now and then all there is. */
static VirtIOMEMRange random_range(uint64_t count)
{
    const uint64_t first = g_test_rand_int_range(0, count);
    const uint64_t room = count - first;
    const uint64_t most = g_test_rand_int_range(0, 4) ? MIN(room, 8) : room;

    return (VirtIOMEMRange) { first, g_test_rand_int_range(1, most + 1) };
}

static void test_random(gconstpointer data)
{
    const uint64_t count = GPOINTER_TO_SIZE(data);
    g_autoptr(Pair) p = pair_new(count);

    for (int i = 0; i < RANDOM_OPERATIONS; i++) {
        const VirtIOMEMRange change = random_range(count);
        const VirtIOMEMRange look = random_range(count);
        const bool plugged = g_test_rand_bit();
        g_autofree char *seen = NULL, *expected = NULL;

        set(p, change.first, change.count, plugged);
        check(p);
        g_assert_cmpint(state(p, look.first, look.count), ==,
                        model_state(p, look.first, look.count));
        seen = runs(p, look.first, look.count, plugged);
        expected = model_runs(p, look.first, look.count, plugged);
        g_assert_cmpstr(seen, ==, expected);
    }
}

/* --- Misuse: a wrong range must stop, not write beyond the bitmap --- */

typedef enum Misuse { SET, STATE, NEXT_RUN, COPY } Misuse;

typedef struct MisuseCase {
    const char *name;
    Misuse call;
    VirtIOMEMRange range;
} MisuseCase;

static const MisuseCase misuse_cases[] = {
    { "set-past-the-end", SET, { 64, 2 } },
    { "set-wraps", SET, { UINT64_MAX, 2 } },
    { "state-past-the-end", STATE, { 64, 2 } },
    { "state-of-nothing", STATE, { 3, 0 } },
    { "state-wraps", STATE, { UINT64_MAX, 2 } },
    { "run-past-the-end", NEXT_RUN, { 64, 2 } },
    { "run-wraps", NEXT_RUN, { UINT64_MAX, 2 } },
    { "copy-of-more-blocks", COPY, { 0, 66 } },
    { "copy-of-fewer-blocks", COPY, { 0, 64 } },
};

static void misuse(const MisuseCase *c)
{
    VirtIOMEMRange run = { .first = c->range.first };
    VirtIOMEMBlocks blocks, other;

    virtio_mem_blocks_init(&blocks, 65);
    switch (c->call) {
    case SET:
        virtio_mem_blocks_set(&blocks, c->range, true);
        break;
    case STATE:
        virtio_mem_blocks_state(&blocks, c->range);
        break;
    case NEXT_RUN:
        virtio_mem_blocks_next_run(&blocks, c->range, true, &run);
        break;
    case COPY:
        virtio_mem_blocks_init(&other, c->range.count);
        virtio_mem_blocks_copy(&blocks, &other);
        break;
    }
}

static void test_misuse(gconstpointer data)
{
    if (g_test_subprocess()) {
        misuse(data);
        return;
    }
    if (g_getenv("MESON_EXE_WRAPPER")) {
        g_test_skip("a program that is emulated cannot start itself");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*assertion failed*->count*");
}

/* What a migration stream does: bits first, then the count. */
static void test_recount(void)
{
    static const uint64_t counts[] = { 1, 63, 64, 65, 128, 1000 };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        const uint64_t count = counts[i];
        g_autoptr(Pair) p = pair_new(count);

        set(p, count / 2, count - count / 2, true);
        p->blocks.plugged = 12345;
        g_assert_true(virtio_mem_blocks_recount(&p->blocks));
        check(p);
        set(p, 0, count, true);
        g_assert_true(virtio_mem_blocks_recount(&p->blocks));
        check(p);
    }
}

static void test_recount_beyond(void)
{
    static const uint64_t counts[] = { 1, 63, 65, 127, 1000 };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        const uint64_t count = counts[i];

        for (uint64_t bit = count; bit % WORD; bit++) {
            g_autoptr(Pair) p = pair_new(count);

            p->blocks.bitmap[bit / WORD] |= 1ul << (bit % WORD);
            g_assert_false(virtio_mem_blocks_recount(&p->blocks));
        }
    }
}

static void test_copy(void)
{
    g_autoptr(Pair) from = pair_new(130);
    g_autoptr(Pair) to = pair_new(130);

    set(to, 0, 70, true);
    set(from, 60, 70, true);
    set(to, 0, 60, false);
    set(to, 60, 70, true);          /* what the model is to see */
    virtio_mem_blocks_set(&to->blocks, (VirtIOMEMRange) { 0, 130 }, false);
    virtio_mem_blocks_copy(&to->blocks, &from->blocks);
    check(to);
    check(from);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 1, 63, 64, 65, 1000 };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/blocks/init/all-unplugged", test_init);
    g_test_add_func("/virtio-mem/blocks/cleanup/nothing-left", test_cleanup);
    g_test_add_func("/virtio-mem/blocks/bitmap/lowest-bit-first", test_layout);
    g_test_add_func("/virtio-mem/blocks/set/every-range", test_every_range);
    g_test_add_func("/virtio-mem/blocks/set/idempotent", test_idempotent);
    g_test_add_func("/virtio-mem/blocks/set/overlap-counts-once",
                    test_overlap);
    g_test_add_func("/virtio-mem/blocks/state/every-bit-in-every-range",
                    test_state_every_bit);
    g_test_add_func("/virtio-mem/blocks/state/partial-words",
                    test_state_partial_words);
    g_test_add_func("/virtio-mem/blocks/recount/after-writing-bits",
                    test_recount);
    g_test_add_func("/virtio-mem/blocks/recount/bits-beyond-the-last-block",
                    test_recount_beyond);
    g_test_add_func("/virtio-mem/blocks/copy/bits-and-count", test_copy);
    g_test_add_func("/virtio-mem/blocks/state/one-hole", test_state_one_hole);
    add_run_tests();
    add_pending_tests();
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *path =
            g_strdup_printf("/virtio-mem/blocks/random/%u", sizes[i]);

        g_test_add_data_func(path, GSIZE_TO_POINTER(sizes[i]), test_random);
    }
    ADD_CASES("/virtio-mem/blocks/misuse", misuse_cases, test_misuse);
    return g_test_run();
}
