/*
 * virtio-mem: RamDiscardManager, with listeners that record what they hear
 *
 * Needs QEMU's headers but no QEMU: the module is linked into the test. It lies
 * with the qtests because the stand-alone build has no system/memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-listeners.h"

static int fail(const MemoryRegionSection *s, void *opaque)
{
    log_populated(s, opaque);
    return -ENOSPC;
}

static void replay(Fixture *f, const void *data)
{
    MemoryRegionSection all = whole(f);

    plug(f, 0, 2);
    plug(f, 5, 1);
    plug(f, 14, 2);
    g_assert_cmpint(ram_discard_manager_replay_populated(f->rdm, &all,
                                                    log_populated, f->log), ==,
                    0);
    assert_log(f, "populated 0+2; populated 5+1; populated 14+2; ");
    ram_discard_manager_replay_discarded(f->rdm, &all, log_discarded, f->log);
    assert_log(f, "discarded 2+3; discarded 6+8; ");
}

static void replay_stops_at_error(Fixture *f, const void *data)
{
    MemoryRegionSection all = whole(f);

    plug(f, 0, 2);
    plug(f, 5, 1);
    g_assert_cmpint(ram_discard_manager_replay_populated(f->rdm, &all, fail,
                                                    f->log), ==, -ENOSPC);
    assert_log(f, "populated 0+2; ");
}

/* Sections need not be aligned to blocks. */
static void replay_is_cut_to_section(Fixture *f, const void *data)
{
    MemoryRegionSection part = section(f, BLOCK + 0x1000, 4 * BLOCK);

    plug(f, 0, 3);
    g_assert_cmpint(ram_discard_manager_replay_populated(f->rdm, &part,
                                                    log_populated, f->log), ==,
                    0);
    assert_log(f, "populated 0x201000+0x3ff000; ");
    ram_discard_manager_replay_discarded(f->rdm, &part, log_discarded, f->log);
    assert_log(f, "discarded 0x600000+0x401000; ");
}

/* A run ends where the state changes, or with the section. */
static void find_run(Fixture *f, const void *data)
{
    static const struct {
        uint64_t offset, size;
        bool populated;
        uint64_t run;
    } cases[] = {
        { 0, NB_BLOCKS * BLOCK, false, 4 * BLOCK },
        { BLOCK + 1, NB_BLOCKS * BLOCK - BLOCK - 1, false, 3 * BLOCK - 1 },
        { 4 * BLOCK, NB_BLOCKS * BLOCK - 4 * BLOCK, true, 2 * BLOCK },
        { 4 * BLOCK, BLOCK / 2, true, BLOCK / 2 },
        { 6 * BLOCK - 1, 2, true, 1 },
        { 6 * BLOCK, NB_BLOCKS * BLOCK - 6 * BLOCK, false, 10 * BLOCK },
    };

    plug(f, 4, 2);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        MemoryRegionSection s = section(f, cases[i].offset, cases[i].size);
        bool populated = !cases[i].populated;

        g_assert_cmphex(virtio_mem_listeners_find_run(&f->listeners, &s,
                                                      &populated), ==,
                        cases[i].run);
        g_assert_cmpint(populated, ==, cases[i].populated);
    }
}

static void is_populated(Fixture *f, const void *data)
{
    MemoryRegionSection s;

    plug(f, 4, 2);
    s = section(f, 4 * BLOCK, 2 * BLOCK);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 4 * BLOCK + 1, 2 * BLOCK - 1);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 4 * BLOCK - 1, 2);
    g_assert_false(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 6 * BLOCK - 1, 2);
    g_assert_false(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 0, BLOCK);
    g_assert_false(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 0, 0);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));
}

/* A new listener hears of what is plugged, a leaving one that it goes. */
static void register_and_unregister(Fixture *f, const void *data)
{
    Listener a, b;

    plug(f, 1, 2);
    plug(f, 8, 1);
    g_assert_false(may_refuse(f));
    add_listener(f, &a, "a:", whole(f));
    g_assert_true(may_refuse(f));
    assert_log(f, "a:populate 1+2; a:populate 8+1; ");
    add_listener(f, &b, "b:", section(f, 2 * BLOCK, 4 * BLOCK));
    assert_log(f, "b:populate 2+1; ");

    remove_listener(f, &a);
    assert_log(f, "a:discard 0+16; ");
    remove_listener(f, &b);
    assert_log(f, "b:discard 2+4; ");
    g_assert_false(may_refuse(f));
}

/* It has been told too late to be refused: it stays, and misses the rest. */
static void register_outlives_failure(Fixture *f, const void *data)
{
    MemoryRegionSection all = whole(f);
    Listener a = { .log = f->log, .name = "a:", .answer = -ENOSPC };

    plug(f, 1, 2);
    plug(f, 8, 1);
    ram_discard_listener_init(&a.rdl, on_populate, on_discard);
    ram_discard_manager_register_listener(f->rdm, &a.rdl, &all);
    assert_log(f, "a:populate 1+2; ");
    remove_listener(f, &a);
    assert_log(f, "a:discard 0+16; ");
}

static void announce_reaches_whom_it_concerns(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", section(f, 0, NB_BLOCKS * BLOCK));
    add_listener(f, &b, "b:", section(f, 0, 4 * BLOCK));
    add_listener(f, &c, "c:", section(f, 8 * BLOCK, 8 * BLOCK));
    g_assert_cmpint(announce(f, 2, 4), ==, 0);
    assert_log(f, "b:populate 2+2; a:populate 2+4; ");
    remove_listener(f, &a);
    remove_listener(f, &b);
    remove_listener(f, &c);
}

/* Listeners are told latest first; all who were asked are told the contrary. */
static void veto_is_undone(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", section(f, 0, NB_BLOCKS * BLOCK));
    add_listener(f, &b, "b:", section(f, 0, NB_BLOCKS * BLOCK));
    add_listener(f, &c, "c:", section(f, 0, NB_BLOCKS * BLOCK));
    b.answer = -ENOSPC;
    g_assert_cmpint(announce(f, 2, 4), ==, -ENOSPC);
    assert_log(f, "c:populate 2+4; b:populate 2+4;"
               " c:discard 2+4; b:discard 2+4; ");
    remove_listener(f, &a);
    remove_listener(f, &b);
    remove_listener(f, &c);
}

/* All of it, and not what is plugged only: a listener bears that. */
static void retract_tells_the_whole_range(Fixture *f, const void *data)
{
    Listener a, b;

    plug(f, 0, 2);
    plug(f, 6, 2);
    add_listener(f, &a, "a:", whole(f));
    add_listener(f, &b, "b:", whole(f));
    g_string_truncate(f->log, 0);
    retract(f, 0, NB_BLOCKS);
    assert_log(f, "b:discard 0+16; a:discard 0+16; ");
    remove_listener(f, &a);
    remove_listener(f, &b);
}

static void retract_reaches_whom_it_concerns(Fixture *f, const void *data)
{
    Listener a, b;

    plug(f, 2, 4);
    add_listener(f, &a, "a:", section(f, 0, 4 * BLOCK));
    add_listener(f, &b, "b:", section(f, 4 * BLOCK, 4 * BLOCK));
    g_string_truncate(f->log, 0);
    retract(f, 3, 1);
    assert_log(f, "a:discard 3+1; ");
    remove_listener(f, &a);
    remove_listener(f, &b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define ADD(path, function) \
    g_test_add("/virtio-mem/rdm/" path, Fixture, NULL, setup, function, teardown)
    ADD("replay/runs", replay);
    ADD("replay/stops-at-error", replay_stops_at_error);
    ADD("replay/is-cut-to-section", replay_is_cut_to_section);
    ADD("is-populated", is_populated);
    ADD("find-run", find_run);
    ADD("listener/register-and-unregister", register_and_unregister);
    ADD("listener/register-outlives-failure", register_outlives_failure);
    ADD("listener/announce-reaches-whom-it-concerns",
        announce_reaches_whom_it_concerns);
    ADD("listener/veto-is-undone", veto_is_undone);
    ADD("listener/retract-tells-the-whole-range",
        retract_tells_the_whole_range);
    ADD("listener/retract-reaches-whom-it-concerns",
        retract_reaches_whom_it_concerns);

    return g_test_run();
}
