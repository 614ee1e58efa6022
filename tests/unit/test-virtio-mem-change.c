/*
 * virtio-mem, change: which parts are run in which order, and that after a
 * failure of any of them those before are undone, in reverse, and no block has
 * changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "change-fake.h"

static const Case cases[] = {
    { "plug/populates-announces-commits", true,
      { 0, 10 }, { 10, 4 }, { 0 }, 0,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: 0, 10 plugged\n"
      "listeners plug 0x1400000+0x800000 unplugged\n"
      "  listeners plug: 0, 10 plugged\n"
      "  state plug: 0, 14 plugged\n" },
    { "plug/last-block", true, { 0, 99 }, { 99, 1 }, { 0 }, 0,
      "memory plug 0xc600000+0x200000 unplugged\n"
      "  memory plug: 0, 99 plugged\n"
      "listeners plug 0xc600000+0x200000 unplugged\n"
      "  listeners plug: 0, 99 plugged\n"
      "  state plug: 0, 100 plugged\n" },
    { "plug/whole-region", true, { 0, 0 }, { 0, 100 }, { 0 }, 0,
      "memory plug 0x0+0xc800000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x0+0xc800000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 100 plugged\n" },
    { "plug/populate-fails", true,
      { 0, 10 }, { 10, 4 }, { -ENOMEM }, -ENOMEM,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: -12, 10 plugged\n" },
    { "plug/announce-fails-and-populate-is-undone", true,
      { 0, 10 }, { 10, 4 }, { 0, -EBUSY }, -EBUSY,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: 0, 10 plugged\n"
      "listeners plug 0x1400000+0x800000 unplugged\n"
      "  listeners plug: -16, 10 plugged\n"
      "memory undo 0x1400000+0x800000 unplugged\n"
      "  memory undo: 0, 10 plugged\n" },
    { "plug/failing-undo-hides-not-why", true,
      { 0, 10 }, { 10, 4 }, { 0, -EBUSY, -EIO }, -EBUSY,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: 0, 10 plugged\n"
      "listeners plug 0x1400000+0x800000 unplugged\n"
      "  listeners plug: -16, 10 plugged\n"
      "memory undo 0x1400000+0x800000 unplugged\n"
      "  memory undo: -5, 10 plugged\n" },

    { "unplug/discards-retracts-commits", false,
      { 0, 10 }, { 6, 4 }, { 0 }, 0,
      "memory unplug 0xc00000+0x800000 plugged\n"
      "  memory unplug: 0, 10 plugged\n"
      "listeners unplug 0xc00000+0x800000 plugged\n"
      "  listeners unplug: 0, 10 plugged\n"
      "  state unplug: 0, 6 plugged\n" },
    { "unplug/discard-fails", false,
      { 0, 10 }, { 6, 4 }, { -EIO }, -EIO,
      "memory unplug 0xc00000+0x800000 plugged\n"
      "  memory unplug: -5, 10 plugged\n" },
    { "unplug/everything-with-one-discard", false,
      { 20, 30 }, { 0, 100 }, { 0 }, 0,
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: 0, 30 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 30 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "unplug/everything-when-discard-fails", false,
      { 20, 30 }, { 0, 100 }, { -EBUSY }, -EBUSY,
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: -16, 30 plugged\n" },
    { "unplug/everything-of-nothing", false,
      { 0, 0 }, { 0, 100 }, { 0 }, 0,
      "memory unplug 0x0+0xc800000 unplugged\n"
      "  memory unplug: 0, 0 plugged\n"
      "listeners unplug 0x0+0xc800000 unplugged\n"
      "  listeners unplug: 0, 0 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
};

/* Why it failed is known. */
static void assert_reason(const VirtIOMEMChange *change, const Case *c)
{
    VirtIOMEMProgressReason reason = VIRTIO_MEM_PROGRESS_NO_REASON;

    if (c->ret && !c->plug) {
        reason = VIRTIO_MEM_PROGRESS_HOST_DISCARD;
    } else if (c->ret) {
        reason = c->returns[0] ? VIRTIO_MEM_PROGRESS_HOST_MEMORY
                               : VIRTIO_MEM_PROGRESS_LISTENER;
    }
    g_assert_cmpint(change->reason, ==, reason);
}

typedef enum When { NOW, LATER, LATER_AND_WAITED_FOR } When;

static void check_case(const Case *c, When when)
{
    Fake fake;
    Asked asked;
    int ret;

    fake_init(&fake, c->plugged, c->returns);
    fake.later = when != NOW;
    asked = ask(&fake, c);
    asked.change.at_once = when == LATER_AND_WAITED_FOR;
    ret = virtio_mem_change_begin(fake.engine, &asked.change);
    if (when == LATER) {
        g_assert_cmpint(ret, ==, VIRTIO_MEM_PENDING);
        g_assert_true(virtio_mem_change_is_pending(fake.engine));
        g_assert_true(fake_let_it_end(&fake));
        ret = asked.change.ret;
    }
    g_assert_cmpuint(fake.done, ==, when == LATER);
    g_assert_cmpuint(fake.ended, ==, 1);
    g_assert_cmpstr(fake.log->str, ==, c->log);
    g_assert_cmpint(ret, ==, c->ret);
    g_assert_cmpint(asked.change.ret, ==, c->ret);
    assert_reason(&asked.change, c);
    assert_blocks(&fake, c);
    fake_cleanup(&fake);
}

/* The same happens, in the same order, when host memory takes its time. */
static void test_case(gconstpointer data)
{
    check_case(data, NOW);
    check_case(data, LATER);
    check_case(data, LATER_AND_WAITED_FOR);
}

/*
 * Whatever set of calls fails: the first failure is what is returned, and the
 * blocks have changed when and only when nothing is.
 */
static void fail_any(bool plug, VirtIOMEMRange plugged, VirtIOMEMRange range)
{
    for (unsigned failing = 0; failing < 1 << MAX_CALLS; failing++) {
        int returns[MAX_CALLS];
        Case c = { .plug = plug, .plugged = plugged, .range = range };
        Fake fake;
        Asked asked;
        int ret;

        for (int i = 0; i < MAX_CALLS; i++) {
            returns[i] = failing >> i & 1 ? -(100 + i) : 0;
        }
        fake_init(&fake, plugged, returns);
        asked = ask(&fake, &c);
        ret = virtio_mem_change_begin(fake.engine, &asked.change);
        for (unsigned i = 0; i < fake.calls && !c.ret; i++) {
            c.ret = returns[i];
        }
        g_assert_cmpint(ret, ==, c.ret);
        assert_blocks(&fake, &c);
        fake_cleanup(&fake);
    }
}

static void test_plug_any_failure(void)
{
    fail_any(true, (VirtIOMEMRange) { 0, 60 }, (VirtIOMEMRange) { 60, 8 });
}

static void test_unplug_any_failure(void)
{
    fail_any(false, (VirtIOMEMRange) { 0, 70 }, (VirtIOMEMRange) { 60, 8 });
}

/* UNPLUG ALL of nothing: no part works, all hear of the end. */
static void test_empty(void)
{
    const Case c = { .range = { 0, 0 } };
    Fake fake;
    Asked asked;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
    asked = ask(&fake, &c);
    asked.change.action = VIRTIO_MEM_ACTION_UNPLUG_ALL;
    g_assert_cmpint(virtio_mem_change_begin(fake.engine, &asked.change), ==, 0);
    g_assert_cmpstr(fake.log->str, ==, "");
    g_assert_cmpuint(fake.ended, ==, 1);
    fake_cleanup(&fake);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_CASES("/virtio-mem/change", cases, test_case);
    g_test_add_func("/virtio-mem/change/plug/any-failure-changes-nothing",
                    test_plug_any_failure);
    g_test_add_func("/virtio-mem/change/unplug/any-failure-changes-nothing",
                    test_unplug_any_failure);
    g_test_add_func("/virtio-mem/change/unplug/all-of-nothing", test_empty);
    add_life_tests();
    add_restore_tests();
    return g_test_run();
}
