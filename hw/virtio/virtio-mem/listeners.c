/*
 * virtio-mem: the listeners, a part of a change, and RamDiscardSource
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

/* --- what is populated ---------------------------------------------------- */

static VirtIOMEMSpan listeners_span(const MemoryRegionSection *section)
{
    return (VirtIOMEMSpan) {
        .offset = section->offset_within_region,
        .size = int128_get64(section->size),
    };
}

bool virtio_mem_listeners_is_populated(const VirtIOMEMListeners *listeners,
                                       const MemoryRegionSection *section)
{
    const VirtIOMEMRange range =
        virtio_mem_range_covering(listeners->geo, listeners_span(section));

    return !range.count ||
           virtio_mem_blocks_are_populated(listeners->blocks, range);
}

/* The bounds of a section need not be those of blocks. */
uint64_t virtio_mem_listeners_find_run(const VirtIOMEMListeners *listeners,
                                       const MemoryRegionSection *section,
                                       bool *populated)
{
    const VirtIOMEMSpan within = listeners_span(section);
    const VirtIOMEMRange range =
        virtio_mem_range_covering(listeners->geo, within);
    VirtIOMEMRange run = { .first = range.first };
    VirtIOMEMSpan span;

    if (!virtio_mem_blocks_next_populated(listeners->blocks, range, true,
                                          &run)) {
        *populated = false;
        return within.size;
    }
    span = virtio_mem_range_span(listeners->geo, run);
    *populated = run.first == range.first;
    return *populated ? MIN(span.offset + span.size - within.offset,
                            within.size) :
                        span.offset - within.offset;
}

/* --- the part ------------------------------------------------------------- */

static int listeners_plug(void *self, const VirtIOMEMChange *change)
{
    const VirtIOMEMListeners *listeners = self;

    return ram_discard_manager_notify_populate(listeners->manager,
                                               listeners->source,
                                               change->span.offset,
                                               change->span.size);
}

static void listeners_take_away(const VirtIOMEMListeners *listeners,
                                VirtIOMEMSpan span)
{
    ram_discard_manager_notify_discard(listeners->manager, listeners->source,
                                       span.offset, span.size);
}

static int listeners_unplug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMListeners *listeners = self;

    listeners_take_away(listeners, change->span);
    listeners->gone = true;
    return 0;
}

static bool listeners_may_refuse(void *self)
{
    const VirtIOMEMListeners *listeners = self;

    return !QLIST_EMPTY(&listeners->manager->rdl_list);
}

static void listeners_tell_anew(const VirtIOMEMListeners *listeners,
                                VirtIOMEMRange range)
{
    int ret;

    VIRTIO_MEM_FOREACH_RUN(run, listeners->blocks, range, true) {
        const VirtIOMEMSpan span = virtio_mem_range_span(listeners->geo, run);

        listeners_take_away(listeners, span);
        ret = ram_discard_manager_notify_populate(listeners->manager,
                                                  listeners->source,
                                                  span.offset, span.size);
        if (ret) {
            error_report("virtio-mem: telling a listener of plugged memory"
                         " failed: %s", strerror(-ret));
        }
    }
}

static void listeners_ended(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMListeners *listeners = self;

    if (!virtio_mem_change_is_plug(change) && !listeners->gone &&
        listeners_may_refuse(listeners)) {
        listeners_tell_anew(listeners, change->range);
    }
    listeners->gone = false;
}

const VirtIOMEMPart virtio_mem_listeners_part = {
    .name = "listeners",
    .plug = listeners_plug,
    .unplug = listeners_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_LISTENER,
    .may_refuse = listeners_may_refuse,
    .ended = listeners_ended,
};
