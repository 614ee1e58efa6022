/*
 * virtio-mem: RamDiscardManager, with listeners that record what they hear
 *
 * Needs QEMU's headers but no QEMU: the room is linked into the test. It lies
 * with the qtests because the stand-alone build has no exec/memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../../hw/virtio/virtio-mem-rdm.h"

#define BLOCK 0x200000ULL
#define NB_BLOCKS 16

/* Stand-ins: sections of this test refer to no MemoryRegion. */
MemoryRegionSection *memory_region_section_new_copy(MemoryRegionSection *s)
{
    return g_memdup2(s, sizeof(*s));
}

void memory_region_section_free_copy(MemoryRegionSection *s)
{
    g_free(s);
}

typedef struct Fixture {
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    VirtIOMEMRdm rdm;
    GString *log;
} Fixture;

typedef struct Listener {
    RamDiscardListener rdl;
    GString *log;
    const char *name;
    int answer;             /* to a populate */
} Listener;

static void setup(Fixture *f, const void *data)
{
    f->geo = (VirtIOMEMGeometry) {
        .addr.gpa = 0x100000000,
        .region_size = NB_BLOCKS * BLOCK,
        .block_size = BLOCK,
    };
    virtio_mem_blocks_init(&f->blocks, NB_BLOCKS);
    virtio_mem_rdm_init(&f->rdm, &f->geo, &f->blocks);
    f->log = g_string_new(NULL);
}

static void teardown(Fixture *f, const void *data)
{
    g_string_free(f->log, true);
    virtio_mem_blocks_cleanup(&f->blocks);
}

static void plug(Fixture *f, uint64_t first, uint64_t count)
{
    virtio_mem_blocks_set(&f->blocks, (VirtIOMEMRange) { first, count }, true);
}

static VirtIOMEMSpan span(Fixture *f, uint64_t first, uint64_t count)
{
    return virtio_mem_range_span(&f->geo, (VirtIOMEMRange) { first, count });
}

/* A section of the region that is mapped at 0x100000000 in its space. */
static MemoryRegionSection section(uint64_t offset, uint64_t size)
{
    return (MemoryRegionSection) {
        .offset_within_region = offset,
        .offset_within_address_space = 0x100000000 + offset,
        .size = int128_make64(size),
    };
}

/* Blocks as "first+count", or bytes where they are not whole blocks. */
static void append(GString *log, const char *who, const char *what,
                   const MemoryRegionSection *s)
{
    const uint64_t offset = s->offset_within_region;
    const uint64_t size = int128_get64(s->size);

    g_assert_cmphex(s->offset_within_address_space, ==, 0x100000000 + offset);
    if (offset % BLOCK || size % BLOCK) {
        g_string_append_printf(log, "%s%s 0x%" PRIx64 "+0x%" PRIx64 "; ", who,
                               what, offset, size);
    } else {
        g_string_append_printf(log, "%s%s %" PRIu64 "+%" PRIu64 "; ", who, what,
                               (uint64_t)(offset / BLOCK), (uint64_t)(size / BLOCK));
    }
}

static void assert_log(Fixture *f, const char *want)
{
    g_assert_cmpstr(f->log->str, ==, want);
    g_string_truncate(f->log, 0);
}

static int on_populate(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    Listener *listener = container_of(rdl, Listener, rdl);

    append(listener->log, listener->name, "populate", s);
    return listener->answer;
}

static void on_discard(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    Listener *listener = container_of(rdl, Listener, rdl);

    append(listener->log, listener->name, "discard", s);
}

static void add_listener(Fixture *f, Listener *listener, const char *name,
                         bool double_discard, MemoryRegionSection s)
{
    *listener = (Listener) { .log = f->log, .name = name };
    ram_discard_listener_init(&listener->rdl, on_populate, on_discard,
                              double_discard);
    virtio_mem_rdm_register(&f->rdm, &listener->rdl, &s);
}

static int log_populated(MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "populated", s);
    return 0;
}

static void log_discarded(MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "discarded", s);
}

static int fail(MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "populated", s);
    return -ENOSPC;
}

static void replay(Fixture *f, const void *data)
{
    MemoryRegionSection whole = section(0, NB_BLOCKS * BLOCK);

    plug(f, 0, 2);
    plug(f, 5, 1);
    plug(f, 14, 2);
    g_assert_cmpint(virtio_mem_rdm_replay_populated(&f->rdm, &whole,
                                                    log_populated, f->log), ==,
                    0);
    assert_log(f, "populated 0+2; populated 5+1; populated 14+2; ");
    virtio_mem_rdm_replay_discarded(&f->rdm, &whole, log_discarded, f->log);
    assert_log(f, "discarded 2+3; discarded 6+8; ");
}

static void replay_stops_at_error(Fixture *f, const void *data)
{
    MemoryRegionSection whole = section(0, NB_BLOCKS * BLOCK);

    plug(f, 0, 2);
    plug(f, 5, 1);
    g_assert_cmpint(virtio_mem_rdm_replay_populated(&f->rdm, &whole, fail,
                                                    f->log), ==, -ENOSPC);
    assert_log(f, "populated 0+2; ");
}

/* Sections need not be aligned to blocks. */
static void replay_is_cut_to_section(Fixture *f, const void *data)
{
    MemoryRegionSection part = section(BLOCK + 0x1000, 4 * BLOCK);

    plug(f, 0, 3);
    g_assert_cmpint(virtio_mem_rdm_replay_populated(&f->rdm, &part,
                                                    log_populated, f->log), ==,
                    0);
    assert_log(f, "populated 0x201000+0x3ff000; ");
    virtio_mem_rdm_replay_discarded(&f->rdm, &part, log_discarded, f->log);
    assert_log(f, "discarded 0x600000+0x401000; ");
}

static void is_populated(Fixture *f, const void *data)
{
    MemoryRegionSection s;

    plug(f, 4, 2);
    s = section(4 * BLOCK, 2 * BLOCK);
    g_assert_true(virtio_mem_rdm_is_populated(&f->rdm, &s));
    s = section(4 * BLOCK + 1, 2 * BLOCK - 1);
    g_assert_true(virtio_mem_rdm_is_populated(&f->rdm, &s));
    s = section(4 * BLOCK - 1, 2);
    g_assert_false(virtio_mem_rdm_is_populated(&f->rdm, &s));
    s = section(6 * BLOCK - 1, 2);
    g_assert_false(virtio_mem_rdm_is_populated(&f->rdm, &s));
    s = section(0, BLOCK);
    g_assert_false(virtio_mem_rdm_is_populated(&f->rdm, &s));
    s = section(0, 0);
    g_assert_true(virtio_mem_rdm_is_populated(&f->rdm, &s));
}

/* A new listener hears of what is plugged, a leaving one that it goes. */
static void register_and_unregister(Fixture *f, const void *data)
{
    Listener single, doubled;

    plug(f, 1, 2);
    plug(f, 8, 1);
    g_assert_false(virtio_mem_rdm_has_listeners(&f->rdm));
    add_listener(f, &single, "a:", false, section(0, NB_BLOCKS * BLOCK));
    g_assert_true(virtio_mem_rdm_has_listeners(&f->rdm));
    assert_log(f, "a:populate 1+2; a:populate 8+1; ");
    add_listener(f, &doubled, "b:", true, section(2 * BLOCK, 4 * BLOCK));
    assert_log(f, "b:populate 2+1; ");

    virtio_mem_rdm_unregister(&f->rdm, &single.rdl);
    assert_log(f, "a:discard 1+2; a:discard 8+1; ");
    virtio_mem_rdm_unregister(&f->rdm, &doubled.rdl);
    assert_log(f, "b:discard 2+4; ");
    g_assert_false(virtio_mem_rdm_has_listeners(&f->rdm));
}

/* It has been told too late to be refused: it stays, and misses the rest. */
static void register_outlives_failure(Fixture *f, const void *data)
{
    MemoryRegionSection whole = section(0, NB_BLOCKS * BLOCK);
    Listener a = { .log = f->log, .name = "a:", .answer = -ENOSPC };

    plug(f, 1, 2);
    plug(f, 8, 1);
    ram_discard_listener_init(&a.rdl, on_populate, on_discard, true);
    virtio_mem_rdm_register(&f->rdm, &a.rdl, &whole);
    assert_log(f, "a:populate 1+2; ");
    virtio_mem_rdm_unregister(&f->rdm, &a.rdl);
    assert_log(f, "a:discard 0+16; ");
}

static void announce_reaches_whom_it_concerns(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &b, "b:", false, section(0, 4 * BLOCK));
    add_listener(f, &c, "c:", false, section(8 * BLOCK, 8 * BLOCK));
    g_assert_cmpint(virtio_mem_rdm_announce(&f->rdm, span(f, 2, 4)), ==, 0);
    assert_log(f, "b:populate 2+2; a:populate 2+4; ");
    virtio_mem_rdm_unregister(&f->rdm, &a.rdl);
    virtio_mem_rdm_unregister(&f->rdm, &b.rdl);
    virtio_mem_rdm_unregister(&f->rdm, &c.rdl);
}

/* Listeners are told latest first; who was told before is told the contrary. */
static void veto_is_undone(Fixture *f, const void *data)
{
    Listener a, b, c;

    add_listener(f, &a, "a:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &b, "b:", false, section(0, NB_BLOCKS * BLOCK));
    add_listener(f, &c, "c:", false, section(0, NB_BLOCKS * BLOCK));
    b.answer = -ENOSPC;
    g_assert_cmpint(virtio_mem_rdm_announce(&f->rdm, span(f, 2, 4)), ==,
                    -ENOSPC);
    assert_log(f, "c:populate 2+4; b:populate 2+4; c:discard 2+4; ");
    virtio_mem_rdm_unregister(&f->rdm, &a.rdl);
    virtio_mem_rdm_unregister(&f->rdm, &b.rdl);
    virtio_mem_rdm_unregister(&f->rdm, &c.rdl);
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
    virtio_mem_rdm_retract(&f->rdm, span(f, 0, NB_BLOCKS));
    assert_log(f, "b:discard 0+16; a:discard 0+2; a:discard 6+2; ");
    virtio_mem_rdm_unregister(&f->rdm, &single.rdl);
    virtio_mem_rdm_unregister(&f->rdm, &doubled.rdl);
}

static void retract_reaches_whom_it_concerns(Fixture *f, const void *data)
{
    Listener a, b;

    plug(f, 2, 4);
    add_listener(f, &a, "a:", true, section(0, 4 * BLOCK));
    add_listener(f, &b, "b:", true, section(4 * BLOCK, 4 * BLOCK));
    g_string_truncate(f->log, 0);
    virtio_mem_rdm_retract(&f->rdm, span(f, 3, 1));
    assert_log(f, "a:discard 3+1; ");
    virtio_mem_rdm_unregister(&f->rdm, &a.rdl);
    virtio_mem_rdm_unregister(&f->rdm, &b.rdl);
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
