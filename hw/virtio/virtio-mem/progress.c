/*
 * virtio-mem: following a resize
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "progress.h"

#define MARK_EVERY_MS 2000

static uint64_t progress_distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static VirtIOMEMProgressReason progress_blocked_by(const VirtIOMEMProgress *r,
                                                   int64_t now)
{
    if (r->driver == VIRTIO_MEM_PROGRESS_DRIVER_REFUSED) {
        return VIRTIO_MEM_PROGRESS_DRIVER_FEATURES;
    }
    if (r->driver == VIRTIO_MEM_PROGRESS_DRIVER_NONE) {
        return VIRTIO_MEM_PROGRESS_NO_DRIVER;
    }
    if (r->told_to_wait) {
        return r->told_to_wait;
    }
    return now - r->progress >= VIRTIO_MEM_PROGRESS_PATIENCE_MS ?
           VIRTIO_MEM_PROGRESS_GUEST : VIRTIO_MEM_PROGRESS_NO_REASON;
}

static bool progress_assess(VirtIOMEMProgress *r, int64_t now)
{
    VirtIOMEMProgressReason reason = VIRTIO_MEM_PROGRESS_NO_REASON;
    VirtIOMEMProgressStatus status = VIRTIO_MEM_PROGRESS_SETTLED;
    bool changed;

    if (r->requested != r->plugged && r->stopped) {
        /* Whatever else is so: nobody can do anything about it now. */
        status = VIRTIO_MEM_PROGRESS_PAUSED;
    } else if (r->requested != r->plugged) {
        reason = progress_blocked_by(r, now);
        status = reason ? VIRTIO_MEM_PROGRESS_BLOCKED
                        : VIRTIO_MEM_PROGRESS_RESIZING;
    } else if (r->behind) {
        status = VIRTIO_MEM_PROGRESS_RESIZING;
    }
    changed = status != r->status || reason != r->reason;
    if (status != r->status) {
        r->since = now;
    }
    r->status = status;
    r->reason = reason;
    return changed;
}

/* The guest gets its time, and the speed is measured, from now on. */
static void progress_begin(VirtIOMEMProgress *r, int64_t now)
{
    const VirtIOMEMProgressMark mark = { now, r->plugged };

    r->progress = now;
    r->marks[0] = r->marks[1] = mark;
}

void virtio_mem_progress_init(VirtIOMEMProgress *r, int64_t now)
{
    *r = (VirtIOMEMProgress) { .since = now };
    progress_begin(r, now);
}

bool virtio_mem_progress_sizes(VirtIOMEMProgress *r, int64_t now,
                               uint64_t requested, uint64_t plugged)
{
    if (plugged != r->plugged) {
        r->progress = now;
    }
    r->plugged = plugged;
    if (now - r->marks[1].at >= MARK_EVERY_MS) {
        r->marks[0] = r->marks[1];
        r->marks[1] = (VirtIOMEMProgressMark) { now, plugged };
    }
    if (requested != r->requested) {
        r->requested = requested;
        progress_begin(r, now);
    }
    return progress_assess(r, now);
}

bool virtio_mem_progress_behind(VirtIOMEMProgress *r, int64_t now,
                                uint64_t size)
{
    r->behind = size;
    return progress_assess(r, now);
}

bool virtio_mem_progress_vm(VirtIOMEMProgress *r, int64_t now, bool runs)
{
    r->stopped = !runs;
    return progress_assess(r, now);
}

bool virtio_mem_progress_driver(VirtIOMEMProgress *r, int64_t now,
                                VirtIOMEMProgressDriver driver)
{
    if (driver != r->driver) {
        r->driver = driver;
        r->told_to_wait = VIRTIO_MEM_PROGRESS_NO_REASON;
        progress_begin(r, now);
    }
    return progress_assess(r, now);
}

bool virtio_mem_progress_answered(VirtIOMEMProgress *r, int64_t now,
                                  VirtIOMEMProgressReason why)
{
    if (r->told_to_wait && !why) {
        progress_begin(r, now);
    }
    r->told_to_wait = why;
    return progress_assess(r, now);
}

bool virtio_mem_progress_tick(VirtIOMEMProgress *r, int64_t now)
{
    return progress_assess(r, now);
}

uint64_t virtio_mem_progress_rate(const VirtIOMEMProgress *r, int64_t now)
{
    const VirtIOMEMProgressMark *mark = &r->marks[0];

    if (r->status != VIRTIO_MEM_PROGRESS_RESIZING || now <= mark->at) {
        return 0;
    }
    /* In this order nothing overflows, and a second is coarse enough. */
    return progress_distance(r->plugged, mark->plugged) / 1024 * 1000 /
           (now - mark->at) * 1024;
}

int64_t virtio_mem_progress_eta(const VirtIOMEMProgress *r, int64_t now)
{
    const uint64_t rate = virtio_mem_progress_rate(r, now);
    const uint64_t left = progress_distance(r->requested, r->plugged);

    return rate ? (int64_t)(left / rate + !!(left % rate)) : -1;
}
