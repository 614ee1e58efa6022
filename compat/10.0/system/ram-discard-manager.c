/*
 * The RamDiscardManager of QEMU 11.1, as far as virtio-mem uses it, for 10.0
 *
 * There, a manager is whoever implements the interface. This one does so for a
 * RamDiscardSource.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "system/memory.h"

#define TYPE_COMPAT_RAM_DISCARD_MANAGER "virtio-mem-ram-discard-manager"

/* --- runs ------------------------------------------------------------------ */

static RamDiscardSourceClass *source_class(const RamDiscardManager *rdm)
{
    return RAM_DISCARD_SOURCE_GET_CLASS(rdm->source);
}

static void section_move(MemoryRegionSection *s, uint64_t by, uint64_t size)
{
    s->offset_within_region += by;
    s->offset_within_address_space += by;
    s->size = int128_make64(size);
}

/* Cut @s to a part of its region. Returns false when nothing is left. */
static bool section_cut(MemoryRegionSection *s, uint64_t offset, uint64_t size)
{
    const uint64_t first = s->offset_within_region;
    const uint64_t start = MAX(first, offset);
    const uint64_t end = MIN(first + int128_get64(s->size), offset + size);

    if (start >= end) {
        return false;
    }
    section_move(s, start - first, end - start);
    return true;
}

static int replay(const RamDiscardManager *rdm,
                  const MemoryRegionSection *section, bool populated,
                  ReplayRamDiscardState replay_fn, void *opaque)
{
    const RamDiscardSourceClass *rdsc = source_class(rdm);
    MemoryRegionSection rest = *section;
    int ret = 0;

    while (!ret && int128_nz(rest.size)) {
        MemoryRegionSection run = rest;
        bool is_populated;
        const uint64_t size =
            rdsc->find_run(rdm->source, &rest, &is_populated);

        if (is_populated == populated) {
            section_move(&run, 0, size);
            ret = replay_fn(&run, opaque);
        }
        section_move(&rest, size, int128_get64(rest.size) - size);
    }
    return ret;
}

bool ram_discard_manager_is_populated(const RamDiscardManager *rdm,
                                      const MemoryRegionSection *section)
{
    return source_class(rdm)->is_populated(rdm->source, section);
}

int ram_discard_manager_replay_populated(const RamDiscardManager *rdm,
                                         const MemoryRegionSection *section,
                                         ReplayRamDiscardState replay_fn,
                                         void *opaque)
{
    return replay(rdm, section, true, replay_fn, opaque);
}

int ram_discard_manager_replay_discarded(const RamDiscardManager *rdm,
                                         const MemoryRegionSection *section,
                                         ReplayRamDiscardState replay_fn,
                                         void *opaque)
{
    return replay(rdm, section, false, replay_fn, opaque);
}

/* --- listeners ------------------------------------------------------------- */

static int tell_populate(const MemoryRegionSection *section, void *opaque)
{
    RamDiscardListener *rdl = opaque;
    MemoryRegionSection cut = *section;

    return rdl->notify_populate(rdl, &cut);
}

void ram_discard_manager_register_listener(RamDiscardManager *rdm,
                                           RamDiscardListener *rdl,
                                           MemoryRegionSection *section)
{
    int ret;

    /* All of 10.0 do; 11.1 knows no others. */
    g_assert(rdl->double_discard_supported);
    rdl->section = memory_region_section_new_copy(section);
    QLIST_INSERT_HEAD(&rdm->rdl_list, rdl, next);
    ret = replay(rdm, rdl->section, true, tell_populate, rdl);
    if (ret) {
        error_report("telling a listener of populated memory failed: %s",
                     strerror(-ret));
    }
}

void ram_discard_manager_unregister_listener(RamDiscardManager *rdm,
                                             RamDiscardListener *rdl)
{
    rdl->notify_discard(rdl, rdl->section);
    memory_region_section_free_copy(rdl->section);
    rdl->section = NULL;
    QLIST_REMOVE(rdl, next);
}

int ram_discard_manager_notify_populate(RamDiscardManager *rdm,
                                        RamDiscardSource *source,
                                        uint64_t offset, uint64_t size)
{
    RamDiscardListener *rdl, *told;
    int ret = 0;

    QLIST_FOREACH(rdl, &rdm->rdl_list, next) {
        MemoryRegionSection cut = *rdl->section;

        if (section_cut(&cut, offset, size)) {
            ret = rdl->notify_populate(rdl, &cut);
        }
        if (ret) {
            break;
        }
    }
    if (!ret) {
        return 0;
    }
    QLIST_FOREACH(told, &rdm->rdl_list, next) {
        MemoryRegionSection cut = *told->section;

        if (section_cut(&cut, offset, size)) {
            told->notify_discard(told, &cut);
        }
        if (told == rdl) {
            break;
        }
    }
    return ret;
}

void ram_discard_manager_notify_discard(RamDiscardManager *rdm,
                                        RamDiscardSource *source,
                                        uint64_t offset, uint64_t size)
{
    RamDiscardListener *rdl;

    QLIST_FOREACH(rdl, &rdm->rdl_list, next) {
        MemoryRegionSection cut = *rdl->section;

        if (section_cut(&cut, offset, size)) {
            rdl->notify_discard(rdl, &cut);
        }
    }
}

/* --- the interface of 10.0 ------------------------------------------------- */

typedef struct Replay {
    ReplayRamPopulate populate;
    ReplayRamDiscard discard;
    void *opaque;
} Replay;

static int replay_run(const MemoryRegionSection *section, void *opaque)
{
    const Replay *r = opaque;
    MemoryRegionSection run = *section;

    if (r->populate) {
        return r->populate(&run, r->opaque);
    }
    r->discard(&run, r->opaque);
    return 0;
}

static uint64_t manager_get_min_granularity(const RamDiscardManager *rdm,
                                            const MemoryRegion *mr)
{
    return source_class(rdm)->get_min_granularity(rdm->source, mr);
}

static int manager_replay_populated(const RamDiscardManager *rdm,
                                    MemoryRegionSection *section,
                                    ReplayRamPopulate fn, void *opaque)
{
    Replay r = { .populate = fn, .opaque = opaque };

    return replay(rdm, section, true, replay_run, &r);
}

static void manager_replay_discarded(const RamDiscardManager *rdm,
                                     MemoryRegionSection *section,
                                     ReplayRamDiscard fn, void *opaque)
{
    Replay r = { .discard = fn, .opaque = opaque };

    replay(rdm, section, false, replay_run, &r);
}

static void manager_class_init(ObjectClass *oc, void *data)
{
    RamDiscardManagerClass *rdmc = RAM_DISCARD_MANAGER_CLASS(oc);

    rdmc->get_min_granularity = manager_get_min_granularity;
    rdmc->is_populated = ram_discard_manager_is_populated;
    rdmc->replay_populated = manager_replay_populated;
    rdmc->replay_discarded = manager_replay_discarded;
    rdmc->register_listener = ram_discard_manager_register_listener;
    rdmc->unregister_listener = ram_discard_manager_unregister_listener;
}

static const TypeInfo manager_info = {
    .name = TYPE_COMPAT_RAM_DISCARD_MANAGER,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(RamDiscardManager),
    .class_init = manager_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_RAM_DISCARD_MANAGER },
        { }
    },
};

static const TypeInfo source_info = {
    .name = TYPE_RAM_DISCARD_SOURCE,
    .parent = TYPE_INTERFACE,
    .class_size = sizeof(RamDiscardSourceClass),
};

static void register_types(void)
{
    type_register_static(&source_info);
    type_register_static(&manager_info);
}

type_init(register_types)

/* Missing in a unit test, which has no system/memory.c. */
static void need_interface(void)
{
    static const TypeInfo info = {
        .name = TYPE_RAM_DISCARD_MANAGER,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(RamDiscardManagerClass),
    };

    if (!object_class_by_name(TYPE_RAM_DISCARD_MANAGER)) {
        type_register_static(&info);
    }
}

RamDiscardManager *ram_discard_manager_new(MemoryRegion *mr)
{
    RamDiscardManager *rdm;

    need_interface();
    rdm = (RamDiscardManager *)object_new(TYPE_COMPAT_RAM_DISCARD_MANAGER);
    rdm->mr = mr;
    return rdm;
}

int ram_discard_manager_add_source(RamDiscardManager *rdm,
                                   RamDiscardSource *source)
{
    rdm->source = source;
    return 0;
}

int ram_discard_manager_del_source(RamDiscardManager *rdm,
                                   RamDiscardSource *source)
{
    rdm->source = NULL;
    return 0;
}
