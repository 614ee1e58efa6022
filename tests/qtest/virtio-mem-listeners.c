/*
 * virtio-mem: listeners that record what they hear
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-listeners.h"

/* Stand-ins: sections of this test refer to no MemoryRegion. */
MemoryRegionSection *memory_region_section_new_copy(MemoryRegionSection *s)
{
    return g_memdup2(s, sizeof(*s));
}

void memory_region_section_free_copy(MemoryRegionSection *s)
{
    g_free(s);
}

void setup(Fixture *f, const void *data)
{
    f->geo = (VirtIOMEMGeometry) {
        .addr.gpa = 0x100000000,
        .region_size = NB_BLOCKS * BLOCK,
        .block_size = BLOCK,
    };
    virtio_mem_blocks_init(&f->blocks, NB_BLOCKS);
    virtio_mem_listeners_init(&f->rdm, &f->geo, &f->blocks);
    f->log = g_string_new(NULL);
}

void teardown(Fixture *f, const void *data)
{
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
    virtio_mem_blocks_begin(&f->blocks, VIRTIO_MEM_PENDING_GOING,
                            f->change.range);
}

void coming(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    virtio_mem_blocks_begin(&f->blocks, VIRTIO_MEM_PENDING_COMING,
                            f->change.range);
}

void retract(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    virtio_mem_listeners_part.unplug(&f->rdm, &f->change);
}

int announce(Fixture *f, uint64_t first, uint64_t count)
{
    change(f, first, count);
    return virtio_mem_listeners_part.plug(&f->rdm, &f->change);
}

void settled(Fixture *f)
{
    virtio_mem_blocks_end(&f->blocks);
    virtio_mem_listeners_part.ended(&f->rdm, &f->change);
}

bool may_refuse(Fixture *f)
{
    return virtio_mem_listeners_part.may_refuse(&f->rdm);
}

MemoryRegionSection section(uint64_t offset, uint64_t size)
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
                               (uint64_t)(offset / BLOCK),
                               (uint64_t)(size / BLOCK));
    }
}

void assert_log(Fixture *f, const char *want)
{
    g_assert_cmpstr(f->log->str, ==, want);
    g_string_truncate(f->log, 0);
}

int on_populate(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    Listener *listener = container_of(rdl, Listener, rdl);

    append(listener->log, listener->name, "populate", s);
    return listener->answer;
}

void on_discard(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    Listener *listener = container_of(rdl, Listener, rdl);

    append(listener->log, listener->name, "discard", s);
}

void remove_listener(Fixture *f, Listener *listener)
{
    virtio_mem_listeners_unregister(&f->rdm, &listener->rdl);
}

void add_listener(Fixture *f, Listener *listener, const char *name,
                  bool double_discard, MemoryRegionSection s)
{
    *listener = (Listener) { .log = f->log, .name = name };
    ram_discard_listener_init(&listener->rdl, on_populate, on_discard,
                              double_discard);
    virtio_mem_listeners_register(&f->rdm, &listener->rdl, &s);
}

int log_populated(MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "populated", s);
    return 0;
}

void log_discarded(MemoryRegionSection *s, void *opaque)
{
    append(opaque, "", "discarded", s);
}

void unplug(Fixture *f, uint64_t first, uint64_t count)
{
    virtio_mem_blocks_set(&f->blocks, (VirtIOMEMRange) { first, count }, false);
}

MemoryRegionSection whole(void)
{
    return section(0, NB_BLOCKS * BLOCK);
}
