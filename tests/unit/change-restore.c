/*
 * virtio-mem, change: those of a load
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "change-fake.h"

typedef struct RestoreCase {
    const char *name;
    VirtIOMEMRange plugged;     /* before */
    VirtIOMEMRange wanted[2];
    bool with_memory;
    int returns[MAX_CALLS];
    int ret;
    const char *log;
} RestoreCase;

static const RestoreCase restore_cases[] = {
    { "announces-each-run-and-no-hole", { 0, 0 }, { { 3, 2 }, { 98, 2 } },
      false, { 0 }, 0,
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "listeners plug 0xc400000+0x400000 unplugged\n"
      "  listeners plug: 0, 2 plugged\n"
      "  state plug: 0, 4 plugged\n" },
    { "gets-memory-first-when-asked", { 0, 0 }, { { 3, 2 } }, true, { 0 }, 0,
      "memory plug 0x600000+0x400000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n" },
    { "retracts-what-was-plugged", { 0, 100 }, { { 0, 1 } }, false, { 0 }, 0,
      "listeners unplug 0x0+0xc800000 plugged\n"
      "  listeners unplug: 0, 100 plugged\n"
      "  state unplug: 0, 0 plugged\n"
      "listeners plug 0x0+0x200000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 1 plugged\n" },
    { "nothing-from-something", { 7, 1 }, { { 0, 0 } }, true, { 0 }, 0,
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 1 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "veto-leaves-nothing-plugged-and-no-content-lost",
      { 0, 0 }, { { 3, 2 }, { 98, 2 } }, false, { 0, -EBUSY }, -EBUSY,
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "listeners plug 0xc400000+0x400000 unplugged\n"
      "  listeners plug: -16, 2 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 2 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "shortage-gives-back-what-was-got",
      { 0, 0 }, { { 3, 2 }, { 98, 2 } }, true, { 0, 0, -ENOMEM }, -ENOMEM,
      "memory plug 0x600000+0x400000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "memory plug 0xc400000+0x400000 unplugged\n"
      "  memory plug: -12, 2 plugged\n"
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: 0, 2 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 2 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "shortage-when-discard-fails-too", { 0, 0 }, { { 3, 2 }, { 98, 2 } },
      true, { 0, 0, -ENOMEM, -EIO }, -ENOMEM,
      "memory plug 0x600000+0x400000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "memory plug 0xc400000+0x400000 unplugged\n"
      "  memory plug: -12, 2 plugged\n"
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: -5, 2 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 2 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
};

static void check_restore(const RestoreCase *c, bool later)
{
    VirtIOMEMBlocks wanted, none;
    Fake fake;

    fake_init(&fake, c->plugged, c->returns);
    fake.later = later;
    virtio_mem_blocks_init(&wanted, BLOCKS);
    virtio_mem_blocks_init(&none, BLOCKS);
    virtio_mem_blocks_set(&wanted, c->wanted[0], true);
    virtio_mem_blocks_set(&wanted, c->wanted[1], true);
    g_assert_cmpint(virtio_mem_change_restore(fake.engine, &wanted,
                                              c->with_memory), ==, c->ret);
    g_assert_cmpstr(fake.log->str, ==, c->log);
    assert_same_blocks(&fake.blocks, c->ret ? &none : &wanted);
    virtio_mem_blocks_cleanup(&none);
    virtio_mem_blocks_cleanup(&wanted);
    fake_cleanup(&fake);
}

static void test_restore(gconstpointer data)
{
    check_restore(data, false);
    check_restore(data, true);
}

/* The memory of the region is given back, whatever is plugged. */
static void test_clear(void)
{
    const int returns[MAX_CALLS] = { 0 };
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 5, 5 }, returns);
    g_assert_cmpint(virtio_mem_change_clear(fake.engine, false), ==, 0);
    g_assert_cmpstr(fake.log->str, ==,
                    "memory unplug 0x0+0xc800000 mixed\n"
                    "  memory unplug: 0, 5 plugged\n"
                    "listeners unplug 0x0+0xc800000 mixed\n"
                    "  listeners unplug: 0, 5 plugged\n"
                    "  state unplug: 0, 0 plugged\n");
    fake_cleanup(&fake);
}

void add_restore_tests(void)
{
    ADD_CASES("/virtio-mem/change/restore", restore_cases, test_restore);
    g_test_add_func("/virtio-mem/change/clear/gives-back-all", test_clear);
}
