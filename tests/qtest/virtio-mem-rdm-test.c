/*
 * virtio-mem: RamDiscardManager, with listeners that record what they hear
 *
 * Needs QEMU's headers but no QEMU: the module is linked into the test. It lies
 * with the qtests because the stand-alone build has no exec/memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-listeners.h"

static int fail(MemoryRegionSection *s, void *opaque)
{
    log_populated(s, opaque);
    return -ENOSPC;
}

static void replay(Fixture *f, const void *data)
{
    MemoryRegionSection all = whole();

    plug(f, 0, 2);
    plug(f, 5, 1);
    plug(f, 14, 2);
    g_assert_cmpint(virtio_mem_listeners_replay_populated(&f->rdm, &all,
                                                    log_populated, f->log), ==,
                    0);
    assert_log(f, "populated 0+2; populated 5+1; populated 14+2; ");
    virtio_mem_listeners_replay_discarded(&f->rdm, &all, log_discarded, f->log);
    assert_log(f, "discarded 2+3; discarded 6+8; ");
}

static void replay_stops_at_error(Fixture *f, const void *data)
{
    MemoryRegionSection all = whole();

    plug(f, 0, 2);
    plug(f, 5, 1);
    g_assert_cmpint(virtio_mem_listeners_replay_populated(&f->rdm, &all, fail,
                                                    f->log), ==, -ENOSPC);
    assert_log(f, "populated 0+2; ");
}

/* Sections need not be aligned to blocks. */
static void replay_is_cut_to_section(Fixture *f, const void *data)
{
    MemoryRegionSection part = section(BLOCK + 0x1000, 4 * BLOCK);

    plug(f, 0, 3);
    g_assert_cmpint(virtio_mem_listeners_replay_populated(&f->rdm, &part,
                                                    log_populated, f->log), ==,
                    0);
    assert_log(f, "populated 0x201000+0x3ff000; ");
    virtio_mem_listeners_replay_discarded(&f->rdm, &part, log_discarded, f->log);
    assert_log(f, "discarded 0x600000+0x401000; ");
}

static void is_populated(Fixture *f, const void *data)
{
    MemoryRegionSection s;

    plug(f, 4, 2);
    s = section(4 * BLOCK, 2 * BLOCK);
    g_assert_true(virtio_mem_listeners_is_populated(&f->rdm, &s));
    s = section(4 * BLOCK + 1, 2 * BLOCK - 1);
    g_assert_true(virtio_mem_listeners_is_populated(&f->rdm, &s));
    s = section(4 * BLOCK - 1, 2);
    g_assert_false(virtio_mem_listeners_is_populated(&f->rdm, &s));
    s = section(6 * BLOCK - 1, 2);
    g_assert_false(virtio_mem_listeners_is_populated(&f->rdm, &s));
    s = section(0, BLOCK);
    g_assert_false(virtio_mem_listeners_is_populated(&f->rdm, &s));
    s = section(0, 0);
    g_assert_true(virtio_mem_listeners_is_populated(&f->rdm, &s));
}

/* A new listener hears of what is plugged, a leaving one that it goes. */
static void register_and_unregister(Fixture *f, const void *data)
{
    Listener single, doubled;

    plug(f, 1, 2);
    plug(f, 8, 1);
    g_assert_false(may_refuse(f));
    add_listener(f, &single, "a:", false, section(0, NB_BLOCKS * BLOCK));
    g_assert_true(may_refuse(f));
    assert_log(f, "a:populate 1+2; a:populate 8+1; ");
    add_listener(f, &doubled, "b:", true, section(2 * BLOCK, 4 * BLOCK));
    assert_log(f, "b:populate 2+1; ");

    virtio_mem_listeners_unregister(&f->rdm, &single.rdl);
    assert_log(f, "a:discard 1+2; a:discard 8+1; ");
    virtio_mem_listeners_unregister(&f->rdm, &doubled.rdl);
    assert_log(f, "b:discard 2+4; ");
    g_assert_false(may_refuse(f));
}

/* It has been told too late to be refused: it stays, and misses the rest. */
static void register_outlives_failure(Fixture *f, const void *data)
{
    MemoryRegionSection all = whole();
    Listener a = { .log = f->log, .name = "a:", .answer = -ENOSPC };

    plug(f, 1, 2);
    plug(f, 8, 1);
    ram_discard_listener_init(&a.rdl, on_populate, on_discard, true);
    virtio_mem_listeners_register(&f->rdm, &a.rdl, &all);
    assert_log(f, "a:populate 1+2; ");
    virtio_mem_listeners_unregister(&f->rdm, &a.rdl);
    assert_log(f, "a:discard 0+16; ");
}

static void announce_reaches_whom_it_concerns(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &b, "b:", false, section(0, 4 * BLOCK));
    add_listener(f, &c, "c:", false, section(8 * BLOCK, 8 * BLOCK));
    g_assert_cmpint(announce(f, 2, 4), ==, 0);
    assert_log(f, "b:populate 2+2; a:populate 2+4; ");
    virtio_mem_listeners_unregister(&f->rdm, &a.rdl);
    virtio_mem_listeners_unregister(&f->rdm, &b.rdl);
    virtio_mem_listeners_unregister(&f->rdm, &c.rdl);
}

/* Listeners are told latest first; who was told before is told the contrary. */
static void veto_is_undone(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &b, "b:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &c, "c:", false, section(0, NB_BLOCKS * BLOCK));
    b.answer = -ENOSPC;
    g_assert_cmpint(announce(f, 2, 4), ==,
                    -ENOSPC);
    assert_log(f, "c:populate 2+4; b:populate 2+4; c:discard 2+4; ");
    virtio_mem_listeners_unregister(&f->rdm, &a.rdl);
    virtio_mem_listeners_unregister(&f->rdm, &b.rdl);
    virtio_mem_listeners_unregister(&f->rdm, &c.rdl);
}

/* A listener that cannot bear a double discard hears of plugged blocks only. */
static void retract_tells_what_is_plugged(Fixture *f, const void *data)
{
    Listener single, doubled;

    plug(f, 0, 2);
    plug(f, 6, 2);
    add_listener(f, &single, "a:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &doubled, "b:", true, section(0, NB_BLOCKS * BLOCK));
    g_string_truncate(f->log, 0);
    retract(f, 0, NB_BLOCKS);
    assert_log(f, "b:discard 0+16; a:discard 0+2; a:discard 6+2; ");
    virtio_mem_listeners_unregister(&f->rdm, &single.rdl);
    virtio_mem_listeners_unregister(&f->rdm, &doubled.rdl);
}

static void retract_reaches_whom_it_concerns(Fixture *f, const void *data)
{
    Listener a, b;

    plug(f, 2, 4);
    add_listener(f, &a, "a:", true, section(0, 4 * BLOCK));
    add_listener(f, &b, "b:", true, section(4 * BLOCK, 4 * BLOCK));
    g_string_truncate(f->log, 0);
    retract(f, 3, 1);
    assert_log(f, "a:discard 3+1; ");
    virtio_mem_listeners_unregister(&f->rdm, &a.rdl);
    virtio_mem_listeners_unregister(&f->rdm, &b.rdl);
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
    ADD("listener/register-and-unregister", register_and_unregister);
    ADD("listener/register-outlives-failure", register_outlives_failure);
    ADD("listener/announce-reaches-whom-it-concerns",
        announce_reaches_whom_it_concerns);
    ADD("listener/veto-is-undone", veto_is_undone);
    ADD("listener/retract-tells-what-is-plugged",
        retract_tells_what_is_plugged);
    ADD("listener/retract-reaches-whom-it-concerns",
        retract_reaches_whom_it_concerns);

    return g_test_run();
}
