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

/*
 * Call @fn for the plugged (or unplugged) runs of @section, until one fails.
 */
static int replay(const VirtIOMEMRdm *rdm, const MemoryRegionSection *section,
                  bool plugged, ReplayRamPopulate fn, void *opaque)
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

bool virtio_mem_rdm_is_populated(const VirtIOMEMRdm *rdm,
                                 const MemoryRegionSection *section)
{
    const VirtIOMEMRange range =
        virtio_mem_range_covering(rdm->geo, section_span(section));

    return !range.count || virtio_mem_blocks_state(rdm->blocks, range) ==
                           VIRTIO_MEM_BLOCKS_PLUGGED;
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

int virtio_mem_rdm_announce(VirtIOMEMRdm *rdm, VirtIOMEMSpan span)
{
    RamDiscardListener *listener, *told;
    MemoryRegionSection cut;
    int ret = 0;

    QLIST_FOREACH(listener, &rdm->listeners, next) {
        if (cut_section(listener->section, span, &cut)) {
            ret = listener->notify_populate(listener, &cut);
        }
        if (ret) {
            break;
        }
    }
    if (!ret) {
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
            replay(rdm, &cut, true, notify_discard, listener);
        }
    }
}

void virtio_mem_rdm_register(VirtIOMEMRdm *rdm, RamDiscardListener *listener,
                             MemoryRegionSection *section)
{
    int ret;

    g_assert(!listener->section);
    listener->section = memory_region_section_new_copy(section);
    QLIST_INSERT_HEAD(&rdm->listeners, listener, next);

    ret = replay(rdm, section, true, notify_populate, listener);
    if (ret) {
        error_report("virtio-mem: telling a listener of plugged memory failed:"
                     " %s", strerror(-ret));
    }
}

void virtio_mem_rdm_unregister(VirtIOMEMRdm *rdm, RamDiscardListener *listener)
{
    if (listener->double_discard_supported) {
        listener->notify_discard(listener, listener->section);
    } else {
        replay(rdm, listener->section, true, notify_discard, listener);
    }
    memory_region_section_free_copy(listener->section);
    listener->section = NULL;
    QLIST_REMOVE(listener, next);
}
