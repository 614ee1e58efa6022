/*
 * virtio-mem: listeners that record what they hear
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "virtio-mem-listeners.h"

/* Stand-ins: the MemoryRegion of this test is none. */
MemoryRegionSection *memory_region_section_new_copy(MemoryRegionSection *s)
{
    return g_memdup2(s, sizeof(*s));
}

void memory_region_section_free_copy(MemoryRegionSection *s)
{
    g_free(s);
}

/* --- the device, as a source ---------------------------------------------- */

#define TYPE_TEST_SOURCE "test-virtio-mem-source"
OBJECT_DECLARE_SIMPLE_TYPE(TestSource, TEST_SOURCE)

struct TestSource {
    Object parent;
    VirtIOMEMListeners *listeners;
};

static uint64_t source_get_min_granularity(const RamDiscardSource *rds,
                                           const MemoryRegion *mr)
{
    return BLOCK;
}

static bool source_is_populated(const RamDiscardSource *rds,
                                const MemoryRegionSection *s)
{
    return virtio_mem_listeners_is_populated(TEST_SOURCE(rds)->listeners, s);
}

static uint64_t source_find_run(const RamDiscardSource *rds,
                                const MemoryRegionSection *s, bool *populated)
{
    return virtio_mem_listeners_find_run(TEST_SOURCE(rds)->listeners, s,
                                         populated);
}

static const TypeInfo source_info = {
    .name = TYPE_TEST_SOURCE,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(TestSource),
    .interfaces = (InterfaceInfo[]) {
        { TYPE_RAM_DISCARD_SOURCE },
        { }
    },
};

static void source_register_types(void)
{
    type_register_static(&source_info);
}

type_init(source_register_types)

static RamDiscardSource *source_new(VirtIOMEMListeners *listeners)
{
    TestSource *source = TEST_SOURCE(object_new(TYPE_TEST_SOURCE));
    RamDiscardSourceClass *rdsc = RAM_DISCARD_SOURCE_GET_CLASS(source);

    rdsc->get_min_granularity = source_get_min_granularity;
    rdsc->is_populated = source_is_populated;
    rdsc->find_run = source_find_run;
    source->listeners = listeners;
    return RAM_DISCARD_SOURCE(source);
}

/* --- the device ----------------------------------------------------------- */

void setup(Fixture *f, const void *data)
{
    static bool called;

    if (!called) {
        called = true;
        module_call_init(MODULE_INIT_QOM);
    }
    f->geo = (VirtIOMEMGeometry) {
        .addr.gpa = 0x100000000,
        .region_size = NB_BLOCKS * BLOCK,
        .block_size = BLOCK,
    };
    virtio_mem_blocks_init(&f->blocks, NB_BLOCKS);
    virtio_mem_listeners_init(&f->listeners, &f->geo, &f->blocks);
    f->listeners.source = source_new(&f->listeners);
    f->rdm = f->listeners.manager = ram_discard_manager_new(&f->mr);
    ram_discard_manager_add_source(f->rdm, f->listeners.source);
    f->log = g_string_new(NULL);
}

void teardown(Fixture *f, const void *data)
{
    ram_discard_manager_del_source(f->rdm, f->listeners.source);
    object_unref(f->rdm);
    object_unref(f->listeners.source);
    g_string_free(f->log, true);
    virtio_mem_blocks_cleanup(&f->blocks);
}

void plug(Fixture *f, uint64_t first, uint64_t count)
{
    virtio_mem_blocks_set(&f->blocks, (VirtIOMEMRange) { first, count }, true);
}

static void change(Fixture *f, uint64_t first, uint64_t count)
{
    f->change.range = (VirtIOMEMRange) { first, count };
    f->change.span = virtio_mem_range_span(&f->geo, f->change.range);
}

void going(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    f->change.action = VIRTIO_MEM_ACTION_UNPLUG;
    virtio_mem_blocks_begin(&f->blocks, VIRTIO_MEM_PENDING_GOING,
                            f->change.range);
}

void coming(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    f->change.action = VIRTIO_MEM_ACTION_PLUG;
    virtio_mem_blocks_begin(&f->blocks, VIRTIO_MEM_PENDING_COMING,
                            f->change.range);
}

void retract(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    virtio_mem_listeners_part.unplug(&f->listeners, &f->change);
}

int announce(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    return virtio_mem_listeners_part.plug(&f->listeners, &f->change);
}

void settled(Fixture *f)
{
    virtio_mem_blocks_end(&f->blocks);
    virtio_mem_listeners_part.ended(&f->listeners, &f->change);
}

bool may_refuse(Fixture *f)
{
    return virtio_mem_listeners_part.may_refuse(&f->listeners);
}

MemoryRegionSection section(Fixture *f, uint64_t offset, uint64_t size)
{
    return (MemoryRegionSection) {
        .mr = &f->mr,
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

    if (offset % BLOCK || size % BLOCK) {
        g_string_append_printf(log, "%s%s 0x%" PRIx64 "+0x%" PRIx64 "; ", who,
                               what, offset, size);
    } else {
        g_string_append_printf(log, "%s%s %" PRIu64 "+%" PRIu64 "; ", who, what,
                               (uint64_t)(offset / BLOCK),
                               (uint64_t)(size / BLOCK));
    }
}

void assert_log(Fixture *f, const char *want)
{
    g_assert_cmpstr(f->log->str, ==, want);
    g_string_truncate(f->log, 0);
}

static void append_for(Listener *listener, const char *what,
                       const MemoryRegionSection *s)
{
    g_assert_cmphex(s->offset_within_address_space, ==,
                    0x100000000 + s->offset_within_region);
    append(listener->log, listener->name, what, s);
}

int on_populate(RamDiscardListener *rdl, const MemoryRegionSection *s)
{
    Listener *listener = container_of(rdl, Listener, rdl);

    append_for(listener, "populate", s);
    return listener->answer;
}

void on_discard(RamDiscardListener *rdl, const MemoryRegionSection *s)
{
    append_for(container_of(rdl, Listener, rdl), "discard", s);
}

void remove_listener(Fixture *f, Listener *listener)
{
    ram_discard_manager_unregister_listener(f->rdm, &listener->rdl);
}

void add_listener(Fixture *f, Listener *listener, const char *name,
                  MemoryRegionSection s)
{
    *listener = (Listener) { .log = f->log, .name = name };
    ram_discard_listener_init(&listener->rdl, on_populate, on_discard);
    ram_discard_manager_register_listener(f->rdm, &listener->rdl, &s);
}

int log_populated(const MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "populated", s);
    return 0;
}

int log_discarded(const MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "discarded", s);
    return 0;
}

void unplug(Fixture *f, uint64_t first, uint64_t count)
{
    virtio_mem_blocks_set(&f->blocks, (VirtIOMEMRange) { first, count }, false);
}

MemoryRegionSection whole(Fixture *f)
{
    return section(f, 0, NB_BLOCKS * BLOCK);
}
