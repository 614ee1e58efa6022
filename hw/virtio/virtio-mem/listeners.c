/*
 * virtio-mem: the listeners, a part of a change, and RamDiscardManager
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "listeners.h"

void virtio_mem_listeners_init(VirtIOMEMListeners *listeners,
                               const VirtIOMEMGeometry *geo,
                               const VirtIOMEMBlocks *blocks)
{
    *listeners = (VirtIOMEMListeners) {
        .geo = geo,
        .blocks = blocks,
    };
}

/* --- sections ------------------------------------------------------------- */

static VirtIOMEMSpan listeners_span(const MemoryRegionSection *section)
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
static bool listeners_cut(const MemoryRegionSection *section,
                          VirtIOMEMSpan span, MemoryRegionSection *cut)
{
    const VirtIOMEMSpan whole = listeners_span(section);
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

static VirtIOMEMRange listeners_range(const VirtIOMEMListeners *listeners,
                                      const MemoryRegionSection *section)
{
    return virtio_mem_range_covering(listeners->geo, listeners_span(section));
}

static VirtIOMEMSpan listeners_pending_span(const VirtIOMEMListeners *listeners)
{
    return virtio_mem_range_span(listeners->geo,
                                 listeners->blocks->pending_range);
}

/* --- who knows what ------------------------------------------------------- */

/* Call @fn for the run @run of @section. */
static int listeners_replay_run(const VirtIOMEMListeners *listeners,
                                const MemoryRegionSection *section,
                                VirtIOMEMRange run, ReplayRamPopulate fn,
                                void *opaque)
{
    const VirtIOMEMSpan span = virtio_mem_range_span(listeners->geo, run);
    MemoryRegionSection cut;

    return listeners_cut(section, span, &cut) ? fn(&cut, opaque) : 0;
}

/* Call @fn for the runs of @section that are, until one fails. */
static int listeners_replay_populated(const VirtIOMEMListeners *listeners,
                                      const MemoryRegionSection *section,
                                      bool populated, ReplayRamPopulate fn,
                                      void *opaque)
{
    const VirtIOMEMRange within = listeners_range(listeners, section);
    int ret = 0;

    VIRTIO_MEM_FOREACH_POPULATED(run, listeners->blocks, within, populated) {
        ret = listeners_replay_run(listeners, section, run, fn, opaque);
        if (ret) {
            break;
        }
    }
    return ret;
}

/* The same for plugged runs, pending or not. */
static int listeners_replay_plugged(const VirtIOMEMListeners *listeners,
                                    const MemoryRegionSection *section,
                                    ReplayRamPopulate fn, void *opaque)
{
    const VirtIOMEMRange within = listeners_range(listeners, section);
    int ret = 0;

    VIRTIO_MEM_FOREACH_RUN(run, listeners->blocks, within, true) {
        ret = listeners_replay_run(listeners, section, run, fn, opaque);
        if (ret) {
            break;
        }
    }
    return ret;
}

/* Did @listener register during the change, without being told of it? */
static bool listeners_is_late(const VirtIOMEMListeners *listeners,
                              const RamDiscardListener *listener)
{
    const RamDiscardListener *at = QLIST_FIRST(&listeners->listeners);

    for (unsigned i = 0; i < listeners->late; i++) {
        if (at == listener) {
            return true;
        }
        at = QLIST_NEXT(at, next);
    }
    return false;
}

static int listeners_notify_populate(MemoryRegionSection *section, void *opaque)
{
    RamDiscardListener *listener = opaque;

    return listener->notify_populate(listener, section);
}

static int listeners_notify_discard(MemoryRegionSection *section, void *opaque)
{
    RamDiscardListener *listener = opaque;

    listener->notify_discard(listener, section);
    return 0;
}

/* Tell @listener of a discard of what it knows in @section to be pending. */
static void listeners_take_pending(const VirtIOMEMListeners *listeners,
                                   RamDiscardListener *listener,
                                   const MemoryRegionSection *section)
{
    MemoryRegionSection cut;

    if (listeners_is_late(listeners, listener) ||
        !listeners_cut(section, listeners_pending_span(listeners), &cut)) {
        return;
    }
    if (listeners->blocks->pending == VIRTIO_MEM_PENDING_GOING) {
        if (!listeners->gone) {
            listeners_replay_plugged(listeners, &cut, listeners_notify_discard,
                                     listener);
        }
    } else if (listeners->told) {
        listeners_notify_discard(&cut, listener);
    }
}

/* Tell @listener of a discard of all that it knows of in @section. */
static void listeners_take_away(const VirtIOMEMListeners *listeners,
                                RamDiscardListener *listener,
                                const MemoryRegionSection *section)
{
    if (listener->double_discard_supported) {
        MemoryRegionSection all = *section;

        listeners_notify_discard(&all, listener);
        return;
    }
    listeners_replay_populated(listeners, section, true,
                               listeners_notify_discard, listener);
    listeners_take_pending(listeners, listener, section);
}

/* Too late for it to object. */
static void listeners_tell_late(const VirtIOMEMListeners *listeners,
                                RamDiscardListener *listener,
                                const MemoryRegionSection *section)
{
    const int ret = listeners_replay_populated(listeners, section, true,
                                               listeners_notify_populate,
                                               listener);

    if (ret) {
        error_report("virtio-mem: telling a listener of plugged memory failed:"
                     " %s", strerror(-ret));
    }
}

/* --- what is populated ---------------------------------------------------- */

bool virtio_mem_listeners_is_populated(const VirtIOMEMListeners *listeners,
                                       const MemoryRegionSection *section)
{
    const VirtIOMEMRange range = listeners_range(listeners, section);

    return !range.count ||
           virtio_mem_blocks_are_populated(listeners->blocks, range);
}

int virtio_mem_listeners_replay_populated(const VirtIOMEMListeners *listeners,
                                          MemoryRegionSection *section,
                                          ReplayRamPopulate fn, void *opaque)
{
    return listeners_replay_populated(listeners, section, true, fn, opaque);
}

typedef struct DiscardReplay {
    ReplayRamDiscard fn;
    void *opaque;
} DiscardReplay;

static int listeners_replay_discarded_run(MemoryRegionSection *section,
                                          void *opaque)
{
    const DiscardReplay *dr = opaque;

    dr->fn(section, dr->opaque);
    return 0;
}

void virtio_mem_listeners_replay_discarded(const VirtIOMEMListeners *listeners,
                                           MemoryRegionSection *section,
                                           ReplayRamDiscard fn, void *opaque)
{
    DiscardReplay dr = { .fn = fn, .opaque = opaque };

    listeners_replay_populated(listeners, section, false,
                               listeners_replay_discarded_run, &dr);
}

/* --- the part ------------------------------------------------------------- */

static int listeners_plug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMListeners *listeners = self;
    RamDiscardListener *listener, *told;
    MemoryRegionSection cut;
    int ret = 0;

    QLIST_FOREACH(listener, &listeners->listeners, next) {
        if (listeners_cut(listener->section, change->span, &cut)) {
            ret = listener->notify_populate(listener, &cut);
        }
        if (ret) {
            break;
        }
    }
    if (!ret) {
        listeners->told = true;
        listeners->late = 0;
        return 0;
    }
    QLIST_FOREACH(told, &listeners->listeners, next) {
        if (told == listener) {
            break;
        }
        if (listeners_cut(told->section, change->span, &cut)) {
            told->notify_discard(told, &cut);
        }
    }
    return ret;
}

static int listeners_unplug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMListeners *listeners = self;
    RamDiscardListener *listener;
    MemoryRegionSection cut;

    QLIST_FOREACH(listener, &listeners->listeners, next) {
        if (listeners_cut(listener->section, change->span, &cut)) {
            listeners_take_away(listeners, listener, &cut);
        }
    }
    listeners->gone = true;
    return 0;
}

static bool listeners_may_refuse(void *self)
{
    const VirtIOMEMListeners *listeners = self;

    return !QLIST_EMPTY(&listeners->listeners);
}

static void listeners_ended(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMListeners *listeners = self;
    RamDiscardListener *listener = QLIST_FIRST(&listeners->listeners);

    while (listeners->late) {
        MemoryRegionSection cut;

        listeners->late--;
        if (listeners_cut(listener->section, change->span, &cut)) {
            listeners_tell_late(listeners, listener, &cut);
        }
        listener = QLIST_NEXT(listener, next);
    }
    listeners->told = listeners->gone = false;
}

const VirtIOMEMPart virtio_mem_listeners_part = {
    .name = "listeners",
    .plug = listeners_plug,
    .unplug = listeners_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_LISTENER,
    .may_refuse = listeners_may_refuse,
    .ended = listeners_ended,
};

/* --- registration --------------------------------------------------------- */

void virtio_mem_listeners_register(VirtIOMEMListeners *listeners,
                                   RamDiscardListener *listener,
                                   MemoryRegionSection *section)
{
    g_assert(!listener->section);
    listener->section = memory_region_section_new_copy(section);
    QLIST_INSERT_HEAD(&listeners->listeners, listener, next);
    if (listeners->blocks->pending) {
        listeners->late++;
    }
    listeners_tell_late(listeners, listener, section);
}

void virtio_mem_listeners_unregister(VirtIOMEMListeners *listeners,
                                     RamDiscardListener *listener)
{
    listeners_take_away(listeners, listener, listener->section);
    if (listeners_is_late(listeners, listener)) {
        listeners->late--;
    }
    memory_region_section_free_copy(listener->section);
    listener->section = NULL;
    QLIST_REMOVE(listener, next);
}
