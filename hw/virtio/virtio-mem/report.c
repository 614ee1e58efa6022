/*
 * virtio-mem: what a user is told of a resize
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-events-machine.h"
#include "standard-headers/linux/virtio_mem.h"
#include "report.h"

#define REPORT_EVENT_MS 250

static int64_t report_now(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
}

static VirtioMEMResizeStatus report_status(const VirtIOMEMProgress *progress)
{
    static const VirtioMEMResizeStatus values[] = {
        [VIRTIO_MEM_PROGRESS_SETTLED] = VIRTIO_MEM_RESIZE_STATUS_SETTLED,
        [VIRTIO_MEM_PROGRESS_RESIZING] = VIRTIO_MEM_RESIZE_STATUS_RESIZING,
        [VIRTIO_MEM_PROGRESS_BLOCKED] = VIRTIO_MEM_RESIZE_STATUS_BLOCKED,
        [VIRTIO_MEM_PROGRESS_PAUSED] = VIRTIO_MEM_RESIZE_STATUS_PAUSED,
    };

    return values[progress->status];
}

/* Of a resize that is blocked. */
static VirtioMEMResizeReason report_reason(const VirtIOMEMProgress *progress)
{
    static const VirtioMEMResizeReason values[] = {
        [VIRTIO_MEM_PROGRESS_DRIVER_FEATURES] =
            VIRTIO_MEM_RESIZE_REASON_DRIVER_FEATURES,
        [VIRTIO_MEM_PROGRESS_NO_DRIVER] = VIRTIO_MEM_RESIZE_REASON_NO_DRIVER,
        [VIRTIO_MEM_PROGRESS_MIGRATION] = VIRTIO_MEM_RESIZE_REASON_MIGRATION,
        [VIRTIO_MEM_PROGRESS_HOST_MEMORY] =
            VIRTIO_MEM_RESIZE_REASON_HOST_MEMORY,
        [VIRTIO_MEM_PROGRESS_HOST_DISCARD] =
            VIRTIO_MEM_RESIZE_REASON_HOST_DISCARD,
        [VIRTIO_MEM_PROGRESS_LISTENER] = VIRTIO_MEM_RESIZE_REASON_LISTENER,
        [VIRTIO_MEM_PROGRESS_GUEST] = VIRTIO_MEM_RESIZE_REASON_GUEST,
    };

    return values[progress->reason];
}

/*
 * Not part of QEMU 10.0's QMP: a client that knows a closed list of events
 * fails at it, so somebody has to ask for it.
 */
static void report_send_event(void *opaque)
{
    const VirtIOMEMReport *report = opaque;
    const VirtIOMEMProgress *progress = &report->progress;
    const bool blocked = progress->status == VIRTIO_MEM_PROGRESS_BLOCKED;
    const DeviceState *proxy =
        qdev_get_parent_bus(DEVICE(report->vdev))->parent;
    g_autofree char *path = NULL;

    if (!*report->events) {
        return;
    }
    path = object_get_canonical_path(OBJECT(proxy));
    qapi_event_send_memory_device_resize_status(
        proxy->id, path, progress->plugged, progress->requested,
        report_status(progress), blocked,
        blocked ? report_reason(progress) : 0);
}

/* Something was told to the state machine; was it worth an event? */
static void report_follow(VirtIOMEMReport *report, bool changed)
{
    const int64_t deadline = virtio_mem_progress_deadline(&report->progress);

    if (deadline < 0) {
        timer_del(report->timer);
    } else if (!timer_pending(report->timer)) {
        /* Progress only moves the deadline: look then, not at each block. */
        timer_mod(report->timer, deadline);
    }
    if (changed) {
        virtio_mem_throttle_changed(&report->throttle);
    }
}

static void report_tick(void *opaque)
{
    VirtIOMEMReport *report = opaque;

    report_follow(report,
                  virtio_mem_progress_tick(&report->progress, report_now()));
}

void virtio_mem_report_sizes(VirtIOMEMReport *report, uint64_t requested,
                             uint64_t plugged)
{
    VirtIOMEMProgress *progress = &report->progress;
    const uint64_t before = progress->plugged;

    if (plugged > before) {
        report->plugged += plugged - before;
    } else {
        report->unplugged += before - plugged;
    }
    report_follow(report, virtio_mem_progress_sizes(progress, report_now(),
                                                    requested, plugged));
}

void virtio_mem_report_behind(VirtIOMEMReport *report, uint64_t size)
{
    report_follow(report, virtio_mem_progress_behind(&report->progress,
                                                     report_now(), size));
}

/* Follow it from now on, as if nothing had been before. */
static bool report_restart(VirtIOMEMReport *report, uint64_t requested,
                           uint64_t plugged)
{
    VirtIOMEMProgress *progress = &report->progress;
    const VirtIOMEMProgress before = *progress;
    const int64_t now = report_now();

    virtio_mem_progress_init(progress, now);
    virtio_mem_progress_vm(progress, now, report->vdev->vm_running);
    virtio_mem_progress_driver(progress, now, before.driver);
    virtio_mem_progress_sizes(progress, now, requested, plugged);
    virtio_mem_progress_behind(progress, now, before.behind);
    return progress->status != before.status ||
           progress->reason != before.reason;
}

void virtio_mem_report_loaded(VirtIOMEMReport *report, uint64_t requested,
                              uint64_t plugged)
{
    report->restart = true;
    report_follow(report, report_restart(report, requested, plugged));
}

static void report_tell_driver(VirtIOMEMReport *report,
                               VirtIOMEMProgressDriver driver)
{
    VirtIOMEMProgress *progress = &report->progress;
    const bool runs = report->vdev->vm_running;
    /* First the driver: it is not known after a load, until the VM runs. */
    bool changed = virtio_mem_progress_driver(progress, report_now(), driver);

    if (report->restart && runs) {
        report->restart = false;
        changed |= report_restart(report, progress->requested,
                                  progress->plugged);
    } else {
        changed |= virtio_mem_progress_vm(progress, report_now(), runs);
    }
    report_follow(report, changed);
}

void virtio_mem_report_driver(VirtIOMEMReport *report, uint8_t status)
{
    if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
        report_tell_driver(report, VIRTIO_MEM_PROGRESS_DRIVER_RUNS);
    } else if (!status || report->progress.driver !=
                          VIRTIO_MEM_PROGRESS_DRIVER_REFUSED) {
        report_tell_driver(report, VIRTIO_MEM_PROGRESS_DRIVER_NONE);
    }
}

void virtio_mem_report_refused(VirtIOMEMReport *report)
{
    report_tell_driver(report, VIRTIO_MEM_PROGRESS_DRIVER_REFUSED);
}

void virtio_mem_report_answered(VirtIOMEMReport *report, uint16_t type,
                                uint16_t response,
                                VirtIOMEMProgressReason why)
{
    if (type < VIRTIO_MEM_REPORT_TYPES &&
        response < VIRTIO_MEM_REPORT_ANSWERS) {
        report->answers[type][response]++;
    }
    if (type == VIRTIO_MEM_REQ_STATE) {
        return;     /* says nothing of whether it can go on */
    }
    if (!why && !report->progress.told_to_wait) {
        return;     /* nothing new, and the usual case */
    }
    report_follow(report, virtio_mem_progress_answered(&report->progress,
                                                       report_now(), why));
}

VirtioMEMResizeInfo *virtio_mem_report_resize(const VirtIOMEMReport *report)
{
    const VirtIOMEMProgress *progress = &report->progress;
    const uint64_t rate = virtio_mem_progress_rate(progress, report_now());
    VirtioMEMResizeInfo *info = g_new0(VirtioMEMResizeInfo, 1);

    info->status = report_status(progress);
    info->has_reason = progress->status == VIRTIO_MEM_PROGRESS_BLOCKED;
    if (info->has_reason) {
        info->reason = report_reason(progress);
    }
    info->has_rate = info->has_eta = rate;
    info->rate = rate;
    info->eta = rate ? virtio_mem_progress_eta(progress, report_now()) : 0;
    info->since = (report_now() - progress->since) / 1000;
    return info;
}

static VirtioMEMRequestCounts *report_counts(const VirtIOMEMReport *report,
                                             uint16_t type)
{
    const uint64_t *answers = report->answers[type];
    VirtioMEMRequestCounts *counts = g_new0(VirtioMEMRequestCounts, 1);

    counts->ack = answers[VIRTIO_MEM_RESP_ACK];
    counts->nack = answers[VIRTIO_MEM_RESP_NACK];
    counts->busy = answers[VIRTIO_MEM_RESP_BUSY];
    counts->error = answers[VIRTIO_MEM_RESP_ERROR];
    return counts;
}

VirtioMEMRequestInfo *virtio_mem_report_requests(const VirtIOMEMReport *report,
                                                 uint64_t host_ns)
{
    VirtioMEMRequestInfo *info = g_new0(VirtioMEMRequestInfo, 1);

    info->plug = report_counts(report, VIRTIO_MEM_REQ_PLUG);
    info->unplug = report_counts(report, VIRTIO_MEM_REQ_UNPLUG);
    info->unplug_all = report_counts(report, VIRTIO_MEM_REQ_UNPLUG_ALL);
    info->state = report_counts(report, VIRTIO_MEM_REQ_STATE);
    info->plugged = report->plugged;
    info->unplugged = report->unplugged;
    info->host_time = host_ns / SCALE_MS;
    return info;
}

void virtio_mem_report_init(VirtIOMEMReport *report, VirtIODevice *vdev,
                            const bool *events, uint64_t requested)
{
    *report = (VirtIOMEMReport) {
        .vdev = vdev,
        .events = events,
        /* The guest does not notice: replay has nothing to repeat. */
        .timer = timer_new_full(NULL, QEMU_CLOCK_VIRTUAL, SCALE_MS,
                                QEMU_TIMER_ATTR_EXTERNAL, report_tick, report),
    };
    virtio_mem_throttle_init(&report->throttle, REPORT_EVENT_MS,
                             report_send_event, report);
    report_restart(report, requested, 0);
}

void virtio_mem_report_cleanup(VirtIOMEMReport *report)
{
    virtio_mem_throttle_cleanup(&report->throttle);
    timer_free(report->timer);
}
