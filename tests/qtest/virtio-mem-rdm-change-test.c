/*
 * virtio-mem: RamDiscardManager, with listeners that come and go while a change
 * is on its way
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-listeners.h"

/* Blocks 0 to 3 and 6 to 9 are plugged, 2 to 7 are being unplugged. */
static void start_unplug(Fixture *f)
{
    plug(f, 0, 4);
    plug(f, 6, 4);
    going(f, 2, 6);
}

static void end_unplug(Fixture *f)
{
    retract(f, 2, 6);
    unplug(f, 2, 6);
    settled(f);
}

/* What is going is populated for nobody: its content is not there any more. */
static void going_is_not_populated(Fixture *f, const void *data)
{
    MemoryRegionSection s = whole(f);

    start_unplug(f);
    g_assert_cmpint(ram_discard_manager_replay_populated(f->rdm, &s,
                                                          log_populated,
                                                          f->log), ==, 0);
    assert_log(f, "populated 0+2; populated 8+2; ");
    ram_discard_manager_replay_discarded(f->rdm, &s, log_discarded, f->log);
    assert_log(f, "discarded 2+6; discarded 10+6; ");
    s = section(f, 0, 2 * BLOCK);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 0, 2 * BLOCK + 1);
    g_assert_false(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 7 * BLOCK, BLOCK);
    g_assert_false(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 8 * BLOCK, BLOCK);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));
    s = section(f, 3 * BLOCK, 0);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));

    /* The discard failed: the blocks stay. */
    settled(f);
    s = section(f, 6 * BLOCK, 4 * BLOCK);
    g_assert_true(virtio_mem_listeners_is_populated(&f->listeners, &s));
}

/* Who registers meanwhile does not know what is going, and bears its discard. */
static void registers_between_discard_and_retract(Fixture *f, const void *data)
{
    Listener before, a, part;

    plug(f, 0, 4);
    plug(f, 6, 4);
    add_listener(f, &before, "old:", whole(f));
    assert_log(f, "old:populate 0+4; old:populate 6+4; ");
    going(f, 2, 6);
    add_listener(f, &a, "a:", whole(f));
    assert_log(f, "a:populate 0+2; a:populate 8+2; ");
    add_listener(f, &part, "b:", section(f, 3 * BLOCK, 4 * BLOCK));
    assert_log(f, "");

    retract(f, 2, 6);
    assert_log(f, "b:discard 3+4; a:discard 2+6; old:discard 2+6; ");
    unplug(f, 2, 6);
    settled(f);
    assert_log(f, "");

    remove_listener(f, &part);
    remove_listener(f, &a);
    remove_listener(f, &before);
    assert_log(f, "b:discard 3+4; a:discard 0+16; old:discard 0+16; ");
}

/* Between the retract and the commit the blocks are still marked plugged. */
static void registers_between_retract_and_commit(Fixture *f, const void *data)
{
    Listener before, a;

    plug(f, 2, 6);
    add_listener(f, &before, "old:", whole(f));
    going(f, 2, 6);
    retract(f, 2, 6);
    assert_log(f, "old:populate 2+6; old:discard 2+6; ");
    add_listener(f, &a, "a:", whole(f));
    assert_log(f, "");
    remove_listener(f, &before);
    unplug(f, 2, 6);
    settled(f);
    assert_log(f, "old:discard 0+16; ");
    remove_listener(f, &a);
}

static void comes_and_leaves_while_going(Fixture *f, const void *data)
{
    Listener before, a;

    plug(f, 0, 4);
    plug(f, 6, 4);
    add_listener(f, &before, "old:", whole(f));
    going(f, 2, 6);
    g_string_truncate(f->log, 0);
    add_listener(f, &a, "a:", whole(f));
    assert_log(f, "a:populate 0+2; a:populate 8+2; ");
    remove_listener(f, &a);
    remove_listener(f, &before);
    assert_log(f, "a:discard 0+16; old:discard 0+16; ");
    add_listener(f, &before, "new:", whole(f));
    assert_log(f, "new:populate 0+2; new:populate 8+2; ");
    end_unplug(f);
    assert_log(f, "new:discard 2+6; ");
    remove_listener(f, &before);
}

/*
 * The blocks stay, and who registered meanwhile has to know of them; of the others
 * a listener may know pages that have been given back before the discard failed.
 */
static void failed_discard_is_told(Fixture *f, const void *data)
{
    Listener before, a, part;

    plug(f, 0, 4);
    plug(f, 6, 4);
    add_listener(f, &before, "old:", whole(f));
    going(f, 2, 6);
    add_listener(f, &a, "a:", whole(f));
    add_listener(f, &part, "b:", section(f, 3 * BLOCK, 4 * BLOCK));
    g_string_truncate(f->log, 0);
    settled(f);
    assert_log(f, "b:discard 3+1; a:discard 2+2; old:discard 2+2; "
               "b:populate 3+1; a:populate 2+2; old:populate 2+2; "
               "b:discard 6+1; a:discard 6+2; old:discard 6+2; "
               "b:populate 6+1; a:populate 6+2; old:populate 6+2; ");
    remove_listener(f, &a);
    remove_listener(f, &before);
    remove_listener(f, &part);
}

static void failed_discard_concerns_nobody(Fixture *f, const void *data)
{
    start_unplug(f);
    settled(f);
    assert_log(f, "");
}

/* A veto comes too late: of those blocks nobody knows then. */
static void failed_discard_outlives_veto(Fixture *f, const void *data)
{
    Listener a, b;

    plug(f, 2, 2);
    plug(f, 6, 2);
    going(f, 2, 6);
    add_listener(f, &a, "a:", whole(f));
    add_listener(f, &b, "b:", section(f, 0, 4 * BLOCK));
    b.answer = -ENOSPC;
    settled(f);
    assert_log(f, "b:discard 2+2; a:discard 2+2; "
               "b:populate 2+2; b:discard 2+2; "
               "a:discard 6+2; a:populate 6+2; ");
    remove_listener(f, &a);
    remove_listener(f, &b);
}

/* Who registers before the announce is told by that, as all others. */
static void registers_while_coming(Fixture *f, const void *data)
{
    Listener before, early;

    plug(f, 0, 2);
    add_listener(f, &before, "old:", whole(f));
    coming(f, 2, 6);
    add_listener(f, &early, "early:", whole(f));
    assert_log(f, "old:populate 0+2; early:populate 0+2; ");
    g_assert_cmpint(announce(f, 2, 6), ==, 0);
    assert_log(f, "early:populate 2+6; old:populate 2+6; ");
    plug(f, 2, 6);
    settled(f);
    assert_log(f, "");
    remove_listener(f, &before);
    remove_listener(f, &early);
}

/* Nothing came, so nobody is told at the end. */
static void vetoed_plug_is_told_to_nobody(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", whole(f));
    add_listener(f, &b, "b:", whole(f));
    a.answer = -ENOSPC;
    coming(f, 2, 6);
    g_assert_cmpint(announce(f, 2, 6), ==, -ENOSPC);
    assert_log(f, "b:populate 2+6; a:populate 2+6;"
               " b:discard 2+6; a:discard 2+6; ");
    add_listener(f, &c, "c:", whole(f));
    settled(f);
    assert_log(f, "");
    remove_listener(f, &b);
    remove_listener(f, &a);
    remove_listener(f, &c);
}

/* --- a long random life -------------------------------------------------- */

/* One who knows of each block what it was told, and minds to be told twice. */
typedef struct Minder {
    RamDiscardListener rdl;
    bool registered;
    bool vetoes;
    uint64_t first, count;      /* its section, in blocks */
    bool known[NB_BLOCKS];
} Minder;

static void minder_told(Minder *m, const MemoryRegionSection *s, bool known)
{
    const uint64_t first = s->offset_within_region / BLOCK;
    const uint64_t count = int128_get64(s->size) / BLOCK;

    g_assert_cmpuint(first, >=, m->first);
    g_assert_cmpuint(first + count, <=, m->first + m->count);
    for (uint64_t i = first; i < first + count; i++) {
        g_assert_false(known && m->known[i]);
        m->known[i] = known;
    }
}

static int minder_populate(RamDiscardListener *rdl, const MemoryRegionSection *s)
{
    Minder *m = container_of(rdl, Minder, rdl);

    if (m->vetoes) {
        return -ENOSPC;
    }
    minder_told(m, s, true);
    return 0;
}

static void minder_discard(RamDiscardListener *rdl, const MemoryRegionSection *s)
{
    minder_told(container_of(rdl, Minder, rdl), s, false);
}

static void minder_come_or_go(Fixture *f, Minder *m)
{
    if (m->registered) {
        ram_discard_manager_unregister_listener(f->rdm, &m->rdl);
        for (int i = 0; i < NB_BLOCKS; i++) {
            g_assert_false(m->known[i]);
        }
    } else {
        MemoryRegionSection s;

        m->first = g_test_rand_int_range(0, NB_BLOCKS);
        m->count = g_test_rand_int_range(1, NB_BLOCKS - m->first + 1);
        s = section(f, m->first * BLOCK, m->count * BLOCK);
        ram_discard_listener_init(&m->rdl, minder_populate, minder_discard);
        ram_discard_manager_register_listener(f->rdm, &m->rdl, &s);
    }
    m->registered = !m->registered;
}

typedef struct RandomLife {
    Minder minders[4];
} RandomLife;

/* Listeners come and go between two steps of a change that may take their time. */
static void some_come_and_go(Fixture *f, RandomLife *life)
{
    while (g_test_rand_bit()) {
        minder_come_or_go(f, &life->minders[g_test_rand_int_range(0, 4)]);
    }
}

static void random_unplug(Fixture *f, RandomLife *life, VirtIOMEMRange range)
{
    going(f, range.first, range.count);
    some_come_and_go(f, life);
    if (g_test_rand_bit()) {
        retract(f, range.first, range.count);
        some_come_and_go(f, life);
        virtio_mem_blocks_set(&f->blocks, range, false);
        some_come_and_go(f, life);
    }
    settled(f);
}

static void random_plug(Fixture *f, RandomLife *life, VirtIOMEMRange range)
{
    Minder *m = &life->minders[g_test_rand_int_range(0, 4)];

    coming(f, range.first, range.count);
    some_come_and_go(f, life);
    m->vetoes = !g_test_rand_int_range(0, 4);
    if (!announce(f, range.first, range.count)) {
        /* At once: nothing runs before the change has ended. */
        virtio_mem_blocks_set(&f->blocks, range, true);
        m->vetoes = false;
    } else {
        m->vetoes = false;
        some_come_and_go(f, life);
    }
    settled(f);
}

static void each_block_is_told_once(Fixture *f, const void *data)
{
    RandomLife life = { 0 };

    for (int change = 0; change < 20000; change++) {
        VirtIOMEMRange range;

        range.first = g_test_rand_int_range(0, NB_BLOCKS);
        range.count = g_test_rand_int_range(1, NB_BLOCKS - range.first + 1);
        if (virtio_mem_blocks_state(&f->blocks, range) ==
            VIRTIO_MEM_BLOCKS_UNPLUGGED) {
            random_plug(f, &life, range);
        } else {
            random_unplug(f, &life, range);
        }
        for (int i = 0; i < 4 * NB_BLOCKS; i++) {
            const Minder *m = &life.minders[i / NB_BLOCKS];
            const VirtIOMEMRange block = { i % NB_BLOCKS, 1 };
            const bool inside = m->registered && block.first >= m->first &&
                                block.first < m->first + m->count;

            g_assert_cmpint(m->known[block.first], ==, inside &&
                            virtio_mem_blocks_state(&f->blocks, block) ==
                            VIRTIO_MEM_BLOCKS_PLUGGED);
        }
    }
    for (int i = 0; i < 4; i++) {
        if (life.minders[i].registered) {
            minder_come_or_go(f, &life.minders[i]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define ADD(path, function) \
    g_test_add("/virtio-mem/rdm/" path, Fixture, NULL, setup, function,     \
               teardown)
    ADD("going/is-not-populated", going_is_not_populated);
    ADD("going/registers-between-discard-and-retract",
        registers_between_discard_and_retract);
    ADD("going/registers-between-retract-and-commit",
        registers_between_retract_and_commit);
    ADD("going/comes-and-leaves", comes_and_leaves_while_going);
    ADD("going/failed-discard-is-told", failed_discard_is_told);
    ADD("going/failed-discard-concerns-nobody",
        failed_discard_concerns_nobody);
    ADD("going/failed-discard-outlives-veto", failed_discard_outlives_veto);
    ADD("coming/registers", registers_while_coming);
    ADD("coming/vetoed-plug-is-told-to-nobody", vetoed_plug_is_told_to_nobody);
    ADD("change/each-block-is-told-once", each_block_is_told_once);

    return g_test_run();
}
