/*
 * virtio-mem: following a resize
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-resize.h"

#define MARK_EVERY_MS 2000

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static VirtIOMEMResizeReason blocked_by(const VirtIOMEMResize *r, int64_t now)
{
    if (r->driver == VIRTIO_MEM_RESIZE_DRIVER_REFUSED) {
        return VIRTIO_MEM_RESIZE_DRIVER_FEATURES;
    }
    if (r->driver == VIRTIO_MEM_RESIZE_DRIVER_NONE) {
        return VIRTIO_MEM_RESIZE_NO_DRIVER;
    }
    if (r->told_to_wait) {
        return r->told_to_wait;
    }
    return now - r->progress >= VIRTIO_MEM_RESIZE_PATIENCE_MS ?
           VIRTIO_MEM_RESIZE_GUEST : VIRTIO_MEM_RESIZE_NO_REASON;
}

static bool assess(VirtIOMEMResize *r, int64_t now)
{
    VirtIOMEMResizeReason reason = VIRTIO_MEM_RESIZE_NO_REASON;
    VirtIOMEMResizeStatus status = VIRTIO_MEM_RESIZE_SETTLED;
    bool changed;

    if (r->requested != r->plugged && r->stopped) {
        /* Whatever else is so: nobody can do anything about it now. */
        status = VIRTIO_MEM_RESIZE_PAUSED;
    } else if (r->requested != r->plugged) {
        reason = blocked_by(r, now);
        status = reason ? VIRTIO_MEM_RESIZE_BLOCKED : VIRTIO_MEM_RESIZE_RESIZING;
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
static void begin(VirtIOMEMResize *r, int64_t now)
{
    const VirtIOMEMResizeMark mark = { now, r->plugged };

    r->progress = now;
    r->marks[0] = r->marks[1] = mark;
}

void virtio_mem_resize_init(VirtIOMEMResize *r, int64_t now)
{
    *r = (VirtIOMEMResize) { .since = now };
    begin(r, now);
}

bool virtio_mem_resize_sizes(VirtIOMEMResize *r, int64_t now,
                             uint64_t requested, uint64_t plugged)
{
    if (plugged != r->plugged) {
        r->progress = now;
    }
    r->plugged = plugged;
    if (now - r->marks[1].at >= MARK_EVERY_MS) {
        r->marks[0] = r->marks[1];
        r->marks[1] = (VirtIOMEMResizeMark) { now, plugged };
    }
    if (requested != r->requested) {
        r->requested = requested;
        begin(r, now);
    }
    return assess(r, now);
}

bool virtio_mem_resize_vm(VirtIOMEMResize *r, int64_t now, bool runs)
{
    r->stopped = !runs;
    return assess(r, now);
}

bool virtio_mem_resize_driver(VirtIOMEMResize *r, int64_t now,
                              VirtIOMEMResizeDriver driver)
{
    if (driver != r->driver) {
        r->driver = driver;
        r->told_to_wait = VIRTIO_MEM_RESIZE_NO_REASON;
        begin(r, now);
    }
    return assess(r, now);
}

bool virtio_mem_resize_answered(VirtIOMEMResize *r, int64_t now,
                                VirtIOMEMResizeReason why)
{
    if (r->told_to_wait && !why) {
        begin(r, now);
    }
    r->told_to_wait = why;
    return assess(r, now);
}

bool virtio_mem_resize_tick(VirtIOMEMResize *r, int64_t now)
{
    return assess(r, now);
}

int64_t virtio_mem_resize_deadline(const VirtIOMEMResize *r)
{
    return r->status == VIRTIO_MEM_RESIZE_RESIZING ?
           r->progress + VIRTIO_MEM_RESIZE_PATIENCE_MS : -1;
}

uint64_t virtio_mem_resize_rate(const VirtIOMEMResize *r, int64_t now)
{
    const VirtIOMEMResizeMark *mark = &r->marks[0];

    if (r->status != VIRTIO_MEM_RESIZE_RESIZING || now <= mark->at) {
        return 0;
    }
    /* In this order nothing overflows, and a second is coarse enough. */
    return distance(r->plugged, mark->plugged) / 1024 * 1000 /
           (now - mark->at) * 1024;
}

int64_t virtio_mem_resize_eta(const VirtIOMEMResize *r, int64_t now)
{
    const uint64_t rate = virtio_mem_resize_rate(r, now);
    const uint64_t left = distance(r->requested, r->plugged);

    return rate ? (int64_t)(left / rate + !!(left % rate)) : -1;
}
