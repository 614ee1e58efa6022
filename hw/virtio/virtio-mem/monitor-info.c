/*
 * virtio-mem: how a resize looks in the human monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-types-machine.h"
#include "qemu/cutils.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

static void monitor_info_resize(Monitor *mon, const VirtioMEMDeviceInfo *info)
{
    const VirtioMEMResizeInfo *resize = info->resize;
    g_autofree char *size = size_to_str(info->size);
    g_autofree char *requested = size_to_str(info->requested_size);

    monitor_printf(mon, "  status: %s",
                   VirtioMEMResizeStatus_str(resize->status));
    if (resize->has_reason) {
        monitor_printf(mon, " (%s)", VirtioMEMResizeReason_str(resize->reason));
    }
    if (resize->status != VIRTIO_MEM_RESIZE_STATUS_PAUSED) {
        monitor_printf(mon, " since %" PRId64 " s", resize->since);
    }
    monitor_printf(mon, ", %s of %s", size, requested);
    if (resize->has_rate) {
        g_autofree char *rate = size_to_str(resize->rate);

        monitor_printf(mon, ", %s/s, %" PRId64 " s left", rate, resize->eta);
    }
    monitor_printf(mon, "\n");
}

static void monitor_info_counts(Monitor *mon, const char *name,
                                const VirtioMEMRequestCounts *counts)
{
    monitor_printf(mon, "  %s: ack %" PRIu64 ", nack %" PRIu64 ", busy %" PRIu64
                   ", error %" PRIu64 "\n", name, counts->ack, counts->nack,
                   counts->busy, counts->error);
}

static void monitor_info_requests(Monitor *mon,
                                  const VirtioMEMRequestInfo *info)
{
    g_autofree char *plugged = size_to_str(info->plugged);
    g_autofree char *unplugged = size_to_str(info->unplugged);

    monitor_info_counts(mon, "plug requests", info->plug);
    monitor_info_counts(mon, "unplug requests", info->unplug);
    monitor_info_counts(mon, "unplug-all requests", info->unplug_all);
    monitor_info_counts(mon, "state requests", info->state);
    monitor_printf(mon, "  in total: plugged %s, unplugged %s, %" PRId64
                   " ms for host memory\n", plugged, unplugged,
                   info->host_time);
}

void hmp_info_virtio_mem(Monitor *mon, const VirtioMEMDeviceInfo *info)
{
    if (info->resize) {
        monitor_info_resize(mon, info);
    }
    if (info->requests) {
        monitor_info_requests(mon, info->requests);
    }
}
