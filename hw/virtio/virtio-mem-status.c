/*
 * virtio-mem: what a user is told of a resize
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-events-machine.h"
#include "standard-headers/linux/virtio_mem.h"
#include "virtio-mem-status.h"

#define NEWS_MS 250

static int64_t now(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
}

static VirtioMEMResizeStatus status_of(const VirtIOMEMResize *resize)
{
    static const VirtioMEMResizeStatus values[] = {
        [VIRTIO_MEM_RESIZE_SETTLED] = VIRTIO_MEM_RESIZE_STATUS_SETTLED,
        [VIRTIO_MEM_RESIZE_RESIZING] = VIRTIO_MEM_RESIZE_STATUS_RESIZING,
        [VIRTIO_MEM_RESIZE_BLOCKED] = VIRTIO_MEM_RESIZE_STATUS_BLOCKED,
        [VIRTIO_MEM_RESIZE_PAUSED] = VIRTIO_MEM_RESIZE_STATUS_PAUSED,
    };

    return values[resize->status];
}

/* Of a resize that is blocked. */
static VirtioMEMResizeReason reason_of(const VirtIOMEMResize *resize)
{
    static const VirtioMEMResizeReason values[] = {
        [VIRTIO_MEM_RESIZE_DRIVER_FEATURES] =
            VIRTIO_MEM_RESIZE_REASON_DRIVER_FEATURES,
        [VIRTIO_MEM_RESIZE_NO_DRIVER] = VIRTIO_MEM_RESIZE_REASON_NO_DRIVER,
        [VIRTIO_MEM_RESIZE_MIGRATION] = VIRTIO_MEM_RESIZE_REASON_MIGRATION,
        [VIRTIO_MEM_RESIZE_HOST_MEMORY] = VIRTIO_MEM_RESIZE_REASON_HOST_MEMORY,
        [VIRTIO_MEM_RESIZE_HOST_DISCARD] =
            VIRTIO_MEM_RESIZE_REASON_HOST_DISCARD,
        [VIRTIO_MEM_RESIZE_LISTENER] = VIRTIO_MEM_RESIZE_REASON_LISTENER,
        [VIRTIO_MEM_RESIZE_GUEST] = VIRTIO_MEM_RESIZE_REASON_GUEST,
    };

    return values[resize->reason];
}

/*
 * Not part of QEMU 10.0's QMP: a client that knows a closed list of events
 * fails at it, so somebody has to ask for it.
 */
static void send_event(void *opaque)
{
    const VirtIOMEMStatus *status = opaque;
    const VirtIOMEMResize *resize = &status->resize;
    const bool blocked = resize->status == VIRTIO_MEM_RESIZE_BLOCKED;
    const DeviceState *proxy =
        qdev_get_parent_bus(DEVICE(status->vmem))->parent;
    g_autofree char *path = NULL;

    if (!status->vmem->resize_events) {
        return;
    }
    path = object_get_canonical_path(OBJECT(proxy));
    qapi_event_send_memory_device_resize_status(
        proxy->id, path, resize->plugged, resize->requested, status_of(resize),
        blocked, blocked ? reason_of(resize) : 0);
}

/* Something was told to the state machine; was it worth an event? */
static void follow(VirtIOMEMStatus *status, bool changed)
{
    const int64_t deadline = virtio_mem_resize_deadline(&status->resize);

    if (deadline < 0) {
        timer_del(status->timer);
    } else if (!timer_pending(status->timer)) {
        /* Progress only moves the deadline: look then, not at each block. */
        timer_mod(status->timer, deadline);
    }
    if (changed) {
        virtio_mem_news_changed(&status->news);
    }
}

static void tick(void *opaque)
{
    VirtIOMEMStatus *status = opaque;

    follow(status, virtio_mem_resize_tick(&status->resize, now()));
}

void virtio_mem_status_sizes(VirtIOMEMStatus *status)
{
    VirtIOMEMResize *resize = &status->resize;
    const uint64_t before = resize->plugged;
    const uint64_t plugged = virtio_mem_get_plugged_size(status->vmem);

    if (plugged > before) {
        status->plugged += plugged - before;
    } else {
        status->unplugged += before - plugged;
    }
    follow(status, virtio_mem_resize_sizes(
        resize, now(), virtio_mem_get_requested_size(status->vmem), plugged));
}

static bool vm_runs(const VirtIOMEMStatus *status)
{
    return VIRTIO_DEVICE(status->vmem)->vm_running;
}

static bool restart(VirtIOMEMStatus *status)
{
    VirtIOMEMResize *resize = &status->resize;
    const VirtIOMEMResize before = *resize;

    virtio_mem_resize_init(resize, now());
    virtio_mem_resize_vm(resize, now(), vm_runs(status));
    virtio_mem_resize_driver(resize, now(), before.driver);
    virtio_mem_resize_sizes(resize, now(),
        virtio_mem_get_requested_size(status->vmem),
        virtio_mem_get_plugged_size(status->vmem));
    return resize->status != before.status || resize->reason != before.reason;
}

void virtio_mem_status_loaded(VirtIOMEMStatus *status)
{
    status->restart = true;
    follow(status, restart(status));
}

void virtio_mem_status_driver(VirtIOMEMStatus *status,
                              VirtIOMEMResizeDriver driver)
{
    /* First the driver: it is not known after a load, until the VM runs. */
    bool changed = virtio_mem_resize_driver(&status->resize, now(), driver);

    if (status->restart && vm_runs(status)) {
        status->restart = false;
        changed |= restart(status);
    } else {
        changed |= virtio_mem_resize_vm(&status->resize, now(),
                                        vm_runs(status));
    }
    follow(status, changed);
}

void virtio_mem_status_answered(VirtIOMEMStatus *status, uint16_t type,
                                uint16_t response, VirtIOMEMResizeReason why)
{
    if (type < VIRTIO_MEM_STATUS_TYPES &&
        response < VIRTIO_MEM_STATUS_ANSWERS) {
        status->answers[type][response]++;
    }
    if (type == VIRTIO_MEM_REQ_STATE) {
        return;     /* says nothing of whether it can go on */
    }
    if (!why && !status->resize.told_to_wait) {
        return;     /* nothing new, and the usual case */
    }
    follow(status, virtio_mem_resize_answered(&status->resize, now(), why));
}

void virtio_mem_status_host_time(VirtIOMEMStatus *status, uint64_t ns)
{
    status->host_ns += ns;
}

VirtioMEMResizeInfo *virtio_mem_status_resize(const VirtIOMEMStatus *status)
{
    const VirtIOMEMResize *resize = &status->resize;
    const uint64_t rate = virtio_mem_resize_rate(resize, now());
    VirtioMEMResizeInfo *info = g_new0(VirtioMEMResizeInfo, 1);

    info->status = status_of(resize);
    info->has_reason = resize->status == VIRTIO_MEM_RESIZE_BLOCKED;
    if (info->has_reason) {
        info->reason = reason_of(resize);
    }
    info->has_rate = info->has_eta = rate;
    info->rate = rate;
    info->eta = rate ? virtio_mem_resize_eta(resize, now()) : 0;
    info->since = (now() - resize->since) / 1000;
    return info;
}

static VirtioMEMRequestCounts *counts_of(const VirtIOMEMStatus *status,
                                         uint16_t type)
{
    const uint64_t *answers = status->answers[type];
    VirtioMEMRequestCounts *counts = g_new0(VirtioMEMRequestCounts, 1);

    counts->ack = answers[VIRTIO_MEM_RESP_ACK];
    counts->nack = answers[VIRTIO_MEM_RESP_NACK];
    counts->busy = answers[VIRTIO_MEM_RESP_BUSY];
    counts->error = answers[VIRTIO_MEM_RESP_ERROR];
    return counts;
}

VirtioMEMRequestInfo *virtio_mem_status_requests(const VirtIOMEMStatus *status)
{
    VirtioMEMRequestInfo *info = g_new0(VirtioMEMRequestInfo, 1);

    info->plug = counts_of(status, VIRTIO_MEM_REQ_PLUG);
    info->unplug = counts_of(status, VIRTIO_MEM_REQ_UNPLUG);
    info->unplug_all = counts_of(status, VIRTIO_MEM_REQ_UNPLUG_ALL);
    info->state = counts_of(status, VIRTIO_MEM_REQ_STATE);
    info->plugged = status->plugged;
    info->unplugged = status->unplugged;
    info->host_time = status->host_ns / SCALE_MS;
    return info;
}

void virtio_mem_status_init(VirtIOMEMStatus *status, VirtIOMEM *vmem)
{
    *status = (VirtIOMEMStatus) {
        .vmem = vmem,
        /* The guest does not notice: replay has nothing to repeat. */
        .timer = timer_new_full(NULL, QEMU_CLOCK_VIRTUAL, SCALE_MS,
                                QEMU_TIMER_ATTR_EXTERNAL, tick, status),
    };
    virtio_mem_news_init(&status->news, NEWS_MS, send_event, status);
    restart(status);
}

void virtio_mem_status_cleanup(VirtIOMEMStatus *status)
{
    virtio_mem_news_cleanup(&status->news);
    timer_free(status->timer);
}
