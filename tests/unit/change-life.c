/*
 * virtio-mem, change: one that is cancelled, or whose device goes; which may be
 * joined; and what a new part costs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "change-fake.h"

/* --- drain ---------------------------------------------------------------- */

/* @hurried: steps */
static void drain(bool plug, const int *returns, int ret, unsigned hurried,
                  const char *log)
{
    const Case c = {
        .plug = plug,
        .plugged = { 0, 10 },
        .range = { plug ? 10 : 8, 2 },
        .ret = ret,
    };
    Fake fake;
    Asked asked;

    fake_init(&fake, c.plugged, returns);
    fake.later = true;
    asked = ask(&fake, &c);
    g_assert_cmpint(virtio_mem_change_begin(fake.engine, &asked.change), ==,
                    VIRTIO_MEM_PENDING);
    g_assert_true(virtio_mem_change_drain(fake.engine));
    g_assert_cmpuint(fake.hurried, ==, hurried);
    g_assert_cmpint(asked.change.ret, ==, ret);
    g_assert_cmpstr(fake.log->str, ==, log);
    g_assert_cmpint(asked.change.reason, ==, ret == -ENOMEM ?
                    VIRTIO_MEM_PROGRESS_HOST_MEMORY :
                    VIRTIO_MEM_PROGRESS_NO_REASON);
    assert_blocks(&fake, &c);
    g_assert_true(virtio_mem_change_drain(fake.engine));    /* of nothing */
    fake_cleanup(&fake);
}

static void test_drain_plug(void)
{
    const int returns[MAX_CALLS] = { 0 };

    drain(true, returns, -ECANCELED, 2,
           "memory plug 0x1400000+0x400000 unplugged\n"
           "  memory plug: 0, 10 plugged\n"
           "memory undo 0x1400000+0x400000 unplugged\n"
           "  memory undo: 0, 10 plugged\n");
}

static void test_drain_stopped_plug(void)
{
    const int returns[MAX_CALLS] = { -ECANCELED };

    drain(true, returns, -ECANCELED, 1,
          "memory plug 0x1400000+0x400000 unplugged\n"
          "  memory plug: -125, 10 plugged\n");
}

static void test_drain_fails(void)
{
    const int returns[MAX_CALLS] = { -ENOMEM };

    drain(true, returns, -ENOMEM, 1,
           "memory plug 0x1400000+0x400000 unplugged\n"
           "  memory plug: -12, 10 plugged\n");
}

static void test_drain_unplug(void)
{
    const int returns[MAX_CALLS] = { 0 };

    drain(false, returns, 0, 1,
           "memory unplug 0x1000000+0x400000 plugged\n"
           "  memory unplug: 0, 10 plugged\n"
           "listeners unplug 0x1000000+0x400000 plugged\n"
           "  listeners unplug: 0, 10 plugged\n"
           "  state unplug: 0, 8 plugged\n");
}

/* --- the device goes away ------------------------------------------------- */

static void close_when_done(VirtIOMEMChange *change)
{
    Asked *asked = (Asked *)change;

    virtio_mem_engine_close(asked->fake->engine);
    asked->fake->done++;
}

/* What done() causes may take the device away, while somebody waits for it. */
static void test_drain_to_the_end(void)
{
    const int returns[MAX_CALLS] = { 0 };
    const Case c = { .plug = true, .range = { 0, 4 } };
    Fake fake;
    Asked asked;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, returns);
    fake.later = true;
    asked = ask(&fake, &c);
    asked.change.done = close_when_done;
    virtio_mem_change_begin(fake.engine, &asked.change);
    g_assert_false(virtio_mem_change_drain(fake.engine));
    g_assert_cmpuint(fake.done, ==, 1);
    virtio_mem_blocks_cleanup(&fake.blocks);
    g_string_free(fake.log, TRUE);
}

/* --- joining -------------------------------------------------------------- */

static void test_join(void)
{
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
    for (int refuses = 0; refuses < 2; refuses++) {
        fake.refuses = refuses;
        g_assert_cmpint(virtio_mem_change_may_join(
                            fake.engine, VIRTIO_MEM_ACTION_PLUG), ==, !refuses);
        g_assert_true(virtio_mem_change_may_join(
                          fake.engine, VIRTIO_MEM_ACTION_UNPLUG));
        g_assert_false(virtio_mem_change_may_join(
                           fake.engine, VIRTIO_MEM_ACTION_UNPLUG_ALL));
    }
    fake_cleanup(&fake);
}

/* --- a new part ----------------------------------------------------------- */

/*
 * What a part costs: a table of its own, and a line in the list. This one
 * counts the blocks that are plugged.
 */
static int counter_plug(void *self, const VirtIOMEMChange *change)
{
    *(uint64_t *)self += change->range.count;
    return 0;
}

static int counter_undo_plug(void *self, const VirtIOMEMChange *change)
{
    *(uint64_t *)self -= change->range.count;
    return 0;
}

static int counter_unplug(void *self, const VirtIOMEMChange *change)
{
    *(uint64_t *)self -= change->range.count;
    return 0;
}

static const VirtIOMEMPart counter_part = {
    .name = "counter",
    .plug = counter_plug,
    .undo_plug = counter_undo_plug,
    .unplug = counter_unplug,
    .undo_unplug = counter_plug,
};

/* One that cannot be undone. */
static const VirtIOMEMPart final_part = {
    .name = "final",
    .unplug = counter_unplug,
};

static void count(Fake *fake, uint64_t *counter, const Case *c,
                  uint64_t expected)
{
    Asked asked = ask(fake, c);

    fake->returns = c->returns;
    fake->calls = 0;
    g_assert_cmpint(virtio_mem_change_begin(fake->engine, &asked.change), ==,
                    c->ret);
    g_assert_cmpuint(*counter, ==, expected);
    g_assert_cmpuint(fake->blocks.plugged, ==, expected);
}

/* @place: in front of memory, or behind it */
static void test_new_part(gconstpointer place)
{
    const unsigned at = GPOINTER_TO_UINT(place);
    const Case plug = { .plug = true, .range = { 0, 9 } };
    const Case veto = {
        .plug = true, .range = { 9, 3 }, .returns = { 0, -EBUSY },
        .ret = -EBUSY,
    };
    const Case unplug = { .range = { 2, 4 } };
    const Case failing = {
        .range = { 0, 2 }, .returns = { -EIO }, .ret = -EIO,
    };
    uint64_t counter = 0;
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
    virtio_mem_engine_close(fake.engine);
    for (unsigned i = 3; i > at; i--) {
        fake.parts[i] = fake.parts[i - 1];
    }
    fake.parts[at] = (VirtIOMEMPartOfDevice) { &counter_part, &counter };
    fake.engine = virtio_mem_engine_new(&fake, &fake.geo, &fake.blocks,
                                        fake.parts, 4);

    count(&fake, &counter, &plug, 9);
    count(&fake, &counter, &veto, 9);
    count(&fake, &counter, &unplug, 5);
    count(&fake, &counter, &failing, 5);
    fake_cleanup(&fake);
}

/* A list in which something may fail behind what cannot be undone is refused.
 */
static void test_wrong_order(gconstpointer of_unplug)
{
    Fake fake;

    if (g_test_subprocess()) {
        fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
        if (of_unplug) {
            fake.parts[1] = fake.parts[0];
            fake.parts[0] = (VirtIOMEMPartOfDevice) { &final_part, &fake };
        } else {
            fake.parts[0] = fake.parts[2];
            fake.parts[2] = (VirtIOMEMPartOfDevice) { &fake_memory, &fake };
        }
        virtio_mem_engine_new(&fake, &fake.geo, &fake.blocks, fake.parts, 3);
        return;
    }
    if (g_getenv("MESON_EXE_WRAPPER")) {
        g_test_skip("a program that is emulated cannot start itself");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr(of_unplug ? "*unplug_is_final*"
                                        : "*!plug_is_final*");
}

void add_life_tests(void)
{
    g_test_add_func("/virtio-mem/change/drain/undoes-a-plug", test_drain_plug);
    g_test_add_func("/virtio-mem/change/drain/stops-a-plug",
                    test_drain_stopped_plug);
    g_test_add_func("/virtio-mem/change/drain/hides-no-failure",
                    test_drain_fails);
    g_test_add_func("/virtio-mem/change/drain/hurries-an-unplug",
                    test_drain_unplug);
    g_test_add_func("/virtio-mem/change/drain/takes-the-device-away",
                    test_drain_to_the_end);
    g_test_add_func("/virtio-mem/change/join", test_join);
    g_test_add_data_func("/virtio-mem/change/parts/a-new-one-counts/first",
                         GUINT_TO_POINTER(0), test_new_part);
    g_test_add_data_func("/virtio-mem/change/parts/a-new-one-counts/second",
                         GUINT_TO_POINTER(1), test_new_part);
    g_test_add_data_func("/virtio-mem/change/parts/wrong-order/plug",
                         NULL, test_wrong_order);
    g_test_add_data_func("/virtio-mem/change/parts/wrong-order/unplug",
                         GUINT_TO_POINTER(1), test_wrong_order);
}
