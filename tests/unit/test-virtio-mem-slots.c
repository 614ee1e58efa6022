/*
 * virtio-mem: which parts of the region the guest can reach, and when
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/slots.h"
#include "virtio-mem/state.h"
#include "unit.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define BLOCK (2 * MIB)
#define SLOT (128 * MIB)
#define PER_SLOT (SLOT / BLOCK)

/* --- sizes ---------------------------------------------------------------- */

static void test_count(void)
{
    g_assert_cmpuint(virtio_mem_slots_count(GIB, GIB), ==, 1);
    g_assert_cmpuint(virtio_mem_slots_count(GIB + BLOCK, GIB), ==, 2);
    g_assert_cmpuint(virtio_mem_slots_count(BLOCK, GIB), ==, 1);
    g_assert_cmpuint(virtio_mem_slots_count(UINT64_MAX, (uint64_t)1 << 63), ==,
                     2);
}

typedef struct Fitting {
    uint64_t region, smallest;
    unsigned most;
    uint64_t size;
} Fitting;

static void test_fitting_size(void)
{
    static const Fitting cases[] = {
        { 8 * GIB, GIB, 256, GIB },
        { 256 * GIB, GIB, 256, GIB },
        { 256 * GIB + BLOCK, GIB, 256, 2 * GIB },
        { 1024 * GIB, GIB, 256, 4 * GIB },
        { 1024 * GIB, GIB, 255, 8 * GIB },
        { 8 * GIB, GIB, 1, 8 * GIB },
        { 5 * GIB, GIB, 1, 8 * GIB },
        { 8 * GIB, SLOT, 64, SLOT },
        { 8 * GIB, SLOT, 63, 2 * SLOT },
        { BLOCK, GIB, 1, GIB },
        { 16 * GIB, 4 * GIB, 256, 4 * GIB },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Fitting *at = &cases[i];

        g_assert_cmpuint(virtio_mem_slots_fitting_size(at->region, at->smallest,
                                                       at->most), ==, at->size);
    }
}

/* --- a device of five slots, the last a short one ------------------------- */

#define NB_SLOTS 5
#define NB_BLOCKS (4 * PER_SLOT + 3)

typedef struct World {
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    VirtIOMEMSlots slots;
    VirtIOMEMPartOfDevice parts[4];
    VirtIOMEMEngine *engine;
    bool listener_objects;

    bool mapped[NB_SLOTS];
    unsigned open;              /* transactions begun and not committed */
    unsigned transactions;      /* that changed anything */
    unsigned changes;           /* in the one that is open */
    unsigned expires;           /* how often the time was started */
} World;

static void world_begin(void *opaque)
{
    World *w = opaque;

    w->open++;
    w->changes = 0;
}

static void world_commit(void *opaque)
{
    World *w = opaque;

    g_assert_cmpuint(w->open, ==, 1);
    w->open--;
    w->transactions += w->changes > 0;
}

static void world_map(void *opaque, unsigned slot, VirtIOMEMSpan span)
{
    World *w = opaque;

    g_assert_cmpuint(w->open, ==, 1);
    g_assert_cmpuint(slot, <, NB_SLOTS);
    g_assert_false(w->mapped[slot]);
    g_assert_cmpuint(span.offset, ==, slot * SLOT);
    g_assert_cmpuint(span.size, ==, slot == NB_SLOTS - 1 ? 3 * BLOCK : SLOT);
    w->mapped[slot] = true;
    w->changes++;
}

static void world_unmap(void *opaque, unsigned slot)
{
    World *w = opaque;

    g_assert_cmpuint(w->open, ==, 1);
    g_assert_true(w->mapped[slot]);
    w->mapped[slot] = false;
    w->changes++;
}

static void world_expire(void *opaque)
{
    World *w = opaque;

    w->expires++;
}

static const VirtIOMEMSlotOps world_ops = {
    .begin = world_begin,
    .map = world_map,
    .unmap = world_unmap,
    .commit = world_commit,
    .expire = world_expire,
};

/* What a listener finds mapped when it is told. */
static int listener_plug(void *self, const VirtIOMEMChange *change)
{
    World *w = self;
    const unsigned last = (change->span.offset + change->span.size - 1) / SLOT;

    for (unsigned i = change->span.offset / SLOT; i <= last; i++) {
        g_assert_true(w->mapped[i]);
    }
    return w->listener_objects ? -ENOSPC : 0;
}

static int listener_unplug(void *self, const VirtIOMEMChange *change)
{
    World *w = self;

    VIRTIO_MEM_FOREACH_RUN(run, &w->blocks, change->range, true) {
        g_assert_true(w->mapped[run.first / PER_SLOT]);
    }
    return 0;
}

static const VirtIOMEMPart listener_part = {
    .name = "listener",
    .plug = listener_plug,
    .unplug = listener_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_LISTENER,
};

static void world_set_up(World *w, uint64_t slot_size)
{
    *w = (World) {
        .geo = {
            .addr.gpa = 4 * GIB,
            .region_size = NB_BLOCKS * BLOCK,
            .block_size = BLOCK,
        },
        .parts = {
            { &virtio_mem_slots_map_part, &w->slots },
            { &listener_part, w },
            { &virtio_mem_state_part, &w->blocks },
            { &virtio_mem_slots_unmap_part, &w->slots },
        },
    };
    virtio_mem_blocks_init(&w->blocks, NB_BLOCKS);
    virtio_mem_slots_init(&w->slots, &w->geo, &w->blocks, slot_size, &world_ops,
                          w);
    w->engine = virtio_mem_engine_new(w, &w->geo, &w->blocks, w->parts,
                                      G_N_ELEMENTS(w->parts));
}

static void world_tear_down(World *w)
{
    virtio_mem_slots_cleanup(&w->slots);
    for (unsigned i = 0; i < NB_SLOTS; i++) {
        g_assert_false(w->mapped[i]);
    }
    virtio_mem_engine_close(w->engine);
    virtio_mem_blocks_cleanup(&w->blocks);
}

static int world_change(World *w, VirtIOMEMAction action, bool at_once,
                        uint64_t first, uint64_t count)
{
    VirtIOMEMChange change = {
        .action = action,
        .range = { first, count },
        .at_once = at_once,
    };

    return virtio_mem_change_begin(w->engine, &change);
}

static int plug(World *w, uint64_t first, uint64_t count)
{
    return world_change(w, VIRTIO_MEM_ACTION_PLUG, false, first, count);
}

static void unplug(World *w, uint64_t first, uint64_t count)
{
    g_assert_cmpint(world_change(w, VIRTIO_MEM_ACTION_UNPLUG, false, first,
                                 count), ==, 0);
}

/* @expected: a letter a slot, 'm' if it is mapped. */
static void assert_mapped(const World *w, const char *expected)
{
    char seen[NB_SLOTS + 1] = "";
    unsigned nb = 0;

    for (unsigned i = 0; i < NB_SLOTS; i++) {
        seen[i] = w->mapped[i] ? 'm' : '-';
        nb += w->mapped[i];
    }
    g_assert_cmpstr(seen, ==, expected);
    g_assert_cmpuint(virtio_mem_slots_mapped(&w->slots), ==, nb);
}

/* --- what is mapped ------------------------------------------------------- */

static void test_covers_what_is_plugged(void)
{
    World w;

    world_set_up(&w, SLOT);
    assert_mapped(&w, "-----");
    g_assert_cmpint(plug(&w, PER_SLOT - 1, 2), ==, 0);
    assert_mapped(&w, "mm---");
    g_assert_cmpuint(w.transactions, ==, 1);
    g_assert_cmpint(plug(&w, NB_BLOCKS - 1, 1), ==, 0);
    assert_mapped(&w, "mm--m");
    unplug(&w, PER_SLOT - 1, 1);
    assert_mapped(&w, "mm--m");     /* the spare one */
    unplug(&w, PER_SLOT, 1);
    assert_mapped(&w, "-m--m");
    world_tear_down(&w);
}

static void test_all_at_once(void)
{
    World w;

    world_set_up(&w, SLOT);
    g_assert_cmpint(plug(&w, 0, NB_BLOCKS), ==, 0);
    assert_mapped(&w, "mmmmm");
    g_assert_cmpuint(w.transactions, ==, 1);
    g_assert_cmpint(world_change(&w, VIRTIO_MEM_ACTION_UNPLUG_ALL, false, 0,
                                 NB_BLOCKS), ==, 0);
    assert_mapped(&w, "-----");
    g_assert_cmpuint(w.transactions, ==, 2);
    g_assert_cmpuint(w.expires, ==, 0);
    world_tear_down(&w);
}

static void test_within_a_slot_nothing_is_mapped(void)
{
    World w;

    world_set_up(&w, SLOT);
    g_assert_cmpint(plug(&w, 0, 1), ==, 0);
    for (unsigned i = 1; i < PER_SLOT; i++) {
        g_assert_cmpint(plug(&w, i, 1), ==, 0);
    }
    unplug(&w, 0, PER_SLOT - 1);
    g_assert_cmpuint(w.transactions, ==, 1);
    world_tear_down(&w);
}

static void test_without_slots(void)
{
    World w;

    world_set_up(&w, 0);
    memset(w.mapped, true, sizeof(w.mapped));
    g_assert_cmpint(plug(&w, 0, NB_BLOCKS), ==, 0);
    unplug(&w, 0, NB_BLOCKS);
    g_assert_cmpuint(w.transactions, ==, 0);
    memset(w.mapped, false, sizeof(w.mapped));
    world_tear_down(&w);
}

static void test_veto_unmaps_what_came(void)
{
    World w;

    world_set_up(&w, SLOT);
    g_assert_cmpint(plug(&w, PER_SLOT, 1), ==, 0);
    w.listener_objects = true;
    g_assert_cmpint(plug(&w, 0, PER_SLOT), ==, -ENOSPC);
    assert_mapped(&w, "-m---");
    g_assert_cmpint(plug(&w, PER_SLOT + 1, PER_SLOT), ==, -ENOSPC);
    assert_mapped(&w, "-m---");
    w.listener_objects = false;
    g_assert_cmpint(plug(&w, 0, PER_SLOT), ==, 0);
    assert_mapped(&w, "mm---");
    world_tear_down(&w);
}

/* --- the spare one -------------------------------------------------------- */

static void test_to_and_fro_maps_once(void)
{
    World w;

    world_set_up(&w, SLOT);
    for (unsigned i = 0; i < 100; i++) {
        g_assert_cmpint(plug(&w, 7, 1), ==, 0);
        unplug(&w, 7, 1);
    }
    assert_mapped(&w, "m----");
    g_assert_cmpuint(w.transactions, ==, 1);
    g_assert_cmpuint(w.expires, ==, 100);
    world_tear_down(&w);
}

static void test_only_one_is_spare(void)
{
    World w;

    world_set_up(&w, SLOT);
    g_assert_cmpint(plug(&w, 0, NB_BLOCKS), ==, 0);
    unplug(&w, 0, PER_SLOT);
    assert_mapped(&w, "mmmmm");
    unplug(&w, 2 * PER_SLOT, PER_SLOT);
    assert_mapped(&w, "-mmmm");
    unplug(&w, PER_SLOT, NB_BLOCKS - PER_SLOT);
    assert_mapped(&w, "----m");
    world_tear_down(&w);
}

static void test_time_of_the_spare_one(void)
{
    World w;

    world_set_up(&w, SLOT);
    g_assert_cmpint(plug(&w, 0, 2), ==, 0);
    virtio_mem_slots_spare_expired(&w.slots);   /* there is none */
    assert_mapped(&w, "m----");
    unplug(&w, 0, 2);
    g_assert_cmpint(plug(&w, 0, 1), ==, 0);
    virtio_mem_slots_spare_expired(&w.slots);   /* it is in use again */
    assert_mapped(&w, "m----");
    unplug(&w, 0, 1);
    virtio_mem_slots_spare_expired(&w.slots);
    assert_mapped(&w, "-----");
    world_tear_down(&w);
}

static void test_at_once_leaves_none(void)
{
    World w;

    world_set_up(&w, SLOT);
    g_assert_cmpint(plug(&w, 0, 2), ==, 0);
    g_assert_cmpint(world_change(&w, VIRTIO_MEM_ACTION_UNPLUG, true, 0, 2), ==,
                    0);
    assert_mapped(&w, "-----");
    world_tear_down(&w);
}

static void test_random_life(void)
{
    World w;

    world_set_up(&w, SLOT);
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t first = g_test_rand_int_range(0, NB_BLOCKS);
        const uint64_t count = g_test_rand_int_range(1, NB_BLOCKS - first + 1);
        const VirtIOMEMRange range = { first, count };
        unsigned empty = 0;

        w.listener_objects = g_test_rand_bit();
        if (virtio_mem_blocks_state(&w.blocks, range) ==
            VIRTIO_MEM_BLOCKS_UNPLUGGED) {
            plug(&w, first, count);
        } else {
            world_change(&w, VIRTIO_MEM_ACTION_UNPLUG, g_test_rand_bit(), first,
                         count);
        }
        for (unsigned slot = 0; slot < NB_SLOTS; slot++) {
            const uint64_t first_of_slot = slot * PER_SLOT;
            const VirtIOMEMRange within = {
                first_of_slot, MIN(PER_SLOT, NB_BLOCKS - first_of_slot),
            };
            const bool plugged = virtio_mem_blocks_state(&w.blocks, within) !=
                                 VIRTIO_MEM_BLOCKS_UNPLUGGED;

            g_assert_true(w.mapped[slot] || !plugged);
            empty += w.mapped[slot] && !plugged;
        }
        g_assert_cmpuint(empty, <=, 1);
    }
    world_tear_down(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/slots/count", test_count);
    g_test_add_func("/virtio-mem/slots/fitting-size", test_fitting_size);
    g_test_add_func("/virtio-mem/slots/covers-what-is-plugged",
                    test_covers_what_is_plugged);
    g_test_add_func("/virtio-mem/slots/all-at-once", test_all_at_once);
    g_test_add_func("/virtio-mem/slots/within-a-slot-nothing-is-mapped",
                    test_within_a_slot_nothing_is_mapped);
    g_test_add_func("/virtio-mem/slots/without-slots", test_without_slots);
    g_test_add_func("/virtio-mem/slots/veto-unmaps-what-came",
                    test_veto_unmaps_what_came);
    g_test_add_func("/virtio-mem/slots/spare/to-and-fro-maps-once",
                    test_to_and_fro_maps_once);
    g_test_add_func("/virtio-mem/slots/spare/only-one", test_only_one_is_spare);
    g_test_add_func("/virtio-mem/slots/spare/time", test_time_of_the_spare_one);
    g_test_add_func("/virtio-mem/slots/spare/at-once-leaves-none",
                    test_at_once_leaves_none);
    g_test_add_func("/virtio-mem/slots/random-life", test_random_life);
    return g_test_run();
}
