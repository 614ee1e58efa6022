/*
 * virtio-mem: RamDiscardManager
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "virtio-mem-rdm.h"

void virtio_mem_rdm_init(VirtIOMEMRdm *rdm, const VirtIOMEMGeometry *geo,
                         const VirtIOMEMBlocks *blocks)
{
    rdm->geo = geo;
    rdm->blocks = blocks;
    QLIST_INIT(&rdm->listeners);
    memset(&rdm->change, 0, sizeof(rdm->change));
}

bool virtio_mem_rdm_has_listeners(const VirtIOMEMRdm *rdm)
{
    return !QLIST_EMPTY(&rdm->listeners);
}

static VirtIOMEMSpan section_span(const MemoryRegionSection *section)
{
    return (VirtIOMEMSpan) {
        .offset = section->offset_within_region,
        .size = int128_get64(section->size),
    };
}

/*
 * Cut @section to @span. Returns false when they do not overlap. The bounds
 * of a section need not be those of blocks.
 */
static bool cut_section(const MemoryRegionSection *section, VirtIOMEMSpan span,
                        MemoryRegionSection *cut)
{
    const VirtIOMEMSpan whole = section_span(section);
    const uint64_t start = MAX(whole.offset, span.offset);
    const uint64_t end = MIN(whole.offset + whole.size,
                             span.offset + span.size);

    if (start >= end) {
        return false;
    }
    *cut = *section;
    cut->offset_within_region = start;
    cut->offset_within_address_space += start - whole.offset;
    cut->size = int128_make64(end - start);
    return true;
}

/* --- who knows what ------------------------------------------------------ */

/* Call @fn for the runs of @section marked so, until one fails. */
static int replay_marked(const VirtIOMEMRdm *rdm,
                         const MemoryRegionSection *section, bool plugged,
                         ReplayRamPopulate fn, void *opaque)
{
    const VirtIOMEMRange within =
        virtio_mem_range_covering(rdm->geo, section_span(section));

    VIRTIO_MEM_FOREACH_RUN(run, rdm->blocks, within, plugged) {
        MemoryRegionSection cut;
        int ret = 0;

        if (cut_section(section, virtio_mem_range_span(rdm->geo, run), &cut)) {
            ret = fn(&cut, opaque);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

/* The same without what is on its way, which counts as unplugged. */
static int replay(const VirtIOMEMRdm *rdm, const MemoryRegionSection *section,
                  bool plugged, ReplayRamPopulate fn, void *opaque)
{
    const VirtIOMEMSpan change = rdm->change.span;
    const uint64_t behind = change.offset + change.size;
    MemoryRegionSection cut;
    int ret = 0;

    if (cut_section(section, (VirtIOMEMSpan) { .size = change.offset }, &cut)) {
        ret = replay_marked(rdm, &cut, plugged, fn, opaque);
    }
    if (!ret && !plugged && cut_section(section, change, &cut)) {
        ret = fn(&cut, opaque);
    }
    if (!ret && cut_section(section, (VirtIOMEMSpan) {
                                .offset = behind,
                                .size = rdm->geo->region_size - behind,
                            }, &cut)) {
        ret = replay_marked(rdm, &cut, plugged, fn, opaque);
    }
    return ret;
}

/* Has @listener been told of the memory on its way? */
static bool knows_change(const VirtIOMEMRdm *rdm,
                         const RamDiscardListener *listener)
{
    const RamDiscardListener *before = rdm->change.before;

    while (before && before != listener) {
        before = QLIST_NEXT(before, next);
    }
    return rdm->change.told && before;
}

static int notify_populate(MemoryRegionSection *section, void *opaque)
{
    RamDiscardListener *listener = opaque;

    return listener->notify_populate(listener, section);
}

static int notify_discard(MemoryRegionSection *section, void *opaque)
{
    RamDiscardListener *listener = opaque;

    listener->notify_discard(listener, section);
    return 0;
}

/* Tell @listener of a discard of all that it knows of in @section. */
static void take_away(const VirtIOMEMRdm *rdm, RamDiscardListener *listener,
                      const MemoryRegionSection *section)
{
    MemoryRegionSection cut;

    replay(rdm, section, true, notify_discard, listener);
    if (!knows_change(rdm, listener) ||
        !cut_section(section, rdm->change.span, &cut)) {
        return;
    }
    if (rdm->change.coming) {
        notify_discard(&cut, listener);
    } else {
        replay_marked(rdm, &cut, true, notify_discard, listener);
    }
}

/* Too late for @listener to object. */
static void report_veto(int ret)
{
    if (ret) {
        error_report("virtio-mem: telling a listener of plugged memory failed:"
                     " %s", strerror(-ret));
    }
}

/* --- what is populated --------------------------------------------------- */

bool virtio_mem_rdm_is_populated(const VirtIOMEMRdm *rdm,
                                 const MemoryRegionSection *section)
{
    const VirtIOMEMRange range =
        virtio_mem_range_covering(rdm->geo, section_span(section));
    MemoryRegionSection cut;

    return !range.count || (!cut_section(section, rdm->change.span, &cut) &&
                            virtio_mem_blocks_state(rdm->blocks, range) ==
                            VIRTIO_MEM_BLOCKS_PLUGGED);
}

int virtio_mem_rdm_replay_populated(const VirtIOMEMRdm *rdm,
                                    MemoryRegionSection *section,
                                    ReplayRamPopulate fn, void *opaque)
{
    return replay(rdm, section, true, fn, opaque);
}

typedef struct DiscardReplay {
    ReplayRamDiscard fn;
    void *opaque;
} DiscardReplay;

static int discard_replay(MemoryRegionSection *section, void *opaque)
{
    const DiscardReplay *dr = opaque;

    dr->fn(section, dr->opaque);
    return 0;
}

void virtio_mem_rdm_replay_discarded(const VirtIOMEMRdm *rdm,
                                     MemoryRegionSection *section,
                                     ReplayRamDiscard fn, void *opaque)
{
    DiscardReplay dr = { .fn = fn, .opaque = opaque };

    replay(rdm, section, false, discard_replay, &dr);
}

/* --- changes ------------------------------------------------------------- */

static void begin_change(VirtIOMEMRdm *rdm, VirtIOMEMSpan span, bool coming)
{
    g_assert(!rdm->change.span.size);
    rdm->change.span = span;
    rdm->change.coming = coming;
    rdm->change.told = !coming;
    rdm->change.before = QLIST_FIRST(&rdm->listeners);
}

void virtio_mem_rdm_going(VirtIOMEMRdm *rdm, VirtIOMEMSpan span)
{
    begin_change(rdm, span, false);
}

void virtio_mem_rdm_coming(VirtIOMEMRdm *rdm, VirtIOMEMSpan span)
{
    begin_change(rdm, span, true);
}

void virtio_mem_rdm_settled(VirtIOMEMRdm *rdm)
{
    const VirtIOMEMSpan span = rdm->change.span;
    const RamDiscardListener *knows = rdm->change.told ? rdm->change.before
                                                       : NULL;
    RamDiscardListener *listener;

    memset(&rdm->change, 0, sizeof(rdm->change));
    QLIST_FOREACH(listener, &rdm->listeners, next) {
        MemoryRegionSection cut;

        if (listener == knows) {
            break;
        }
        if (cut_section(listener->section, span, &cut)) {
            report_veto(replay(rdm, &cut, true, notify_populate, listener));
        }
    }
}

int virtio_mem_rdm_announce(VirtIOMEMRdm *rdm, VirtIOMEMSpan span)
{
    RamDiscardListener *listener, *told;
    MemoryRegionSection cut;
    int ret = 0;

    if (rdm->change.coming) {
        rdm->change.before = QLIST_FIRST(&rdm->listeners);
    }
    QLIST_FOREACH(listener, &rdm->listeners, next) {
        if (cut_section(listener->section, span, &cut)) {
            ret = listener->notify_populate(listener, &cut);
        }
        if (ret) {
            break;
        }
    }
    if (!ret) {
        rdm->change.told |= rdm->change.coming;
        return 0;
    }
    QLIST_FOREACH(told, &rdm->listeners, next) {
        if (told == listener) {
            break;
        }
        if (cut_section(told->section, span, &cut)) {
            told->notify_discard(told, &cut);
        }
    }
    return ret;
}

void virtio_mem_rdm_retract(VirtIOMEMRdm *rdm, VirtIOMEMSpan span)
{
    RamDiscardListener *listener;

    QLIST_FOREACH(listener, &rdm->listeners, next) {
        MemoryRegionSection cut;

        if (!cut_section(listener->section, span, &cut)) {
            continue;
        }
        if (listener->double_discard_supported) {
            listener->notify_discard(listener, &cut);
        } else {
            take_away(rdm, listener, &cut);
        }
    }
    rdm->change.told = false;
}

void virtio_mem_rdm_register(VirtIOMEMRdm *rdm, RamDiscardListener *listener,
                             MemoryRegionSection *section)
{
    g_assert(!listener->section);
    listener->section = memory_region_section_new_copy(section);
    QLIST_INSERT_HEAD(&rdm->listeners, listener, next);
    report_veto(replay(rdm, section, true, notify_populate, listener));
}

void virtio_mem_rdm_unregister(VirtIOMEMRdm *rdm, RamDiscardListener *listener)
{
    if (listener->double_discard_supported) {
        listener->notify_discard(listener, listener->section);
    } else {
        take_away(rdm, listener, listener->section);
    }
    if (rdm->change.before == listener) {
        rdm->change.before = QLIST_NEXT(listener, next);
    }
    memory_region_section_free_copy(listener->section);
    listener->section = NULL;
    QLIST_REMOVE(listener, next);
}
