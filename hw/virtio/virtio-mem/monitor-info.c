/*
 * virtio-mem: how a resize looks in the human monitor
 *
 * Sizes are in bytes, without a unit, as in the lines that QEMU prints above.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-types-machine.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

static void monitor_info_resize(Monitor *mon, const VirtioMEMDeviceInfo *info)
{
    const VirtioMEMResizeInfo *resize = info->resize;

    monitor_printf(mon, "  status: %s",
                   VirtioMEMResizeStatus_str(resize->status));
    if (resize->has_reason) {
        monitor_printf(mon, " (%s)", VirtioMEMResizeReason_str(resize->reason));
    }
    if (resize->status != VIRTIO_MEM_RESIZE_STATUS_PAUSED) {
        monitor_printf(mon, " since %" PRId64 " s", resize->since);
    }
    if (resize->has_rate) {
        monitor_printf(mon, ", %" PRIu64 " bytes/s, %" PRId64 " s left",
                       resize->rate, resize->eta);
    }
    if (info->pending_discard) {
        monitor_printf(mon, ", %" PRIu64 " bytes to be given back",
                       info->pending_discard);
    }
    if (info->has_prealloc_reserve) {
        monitor_printf(mon, ", %" PRIu64 " bytes in reserve",
                       info->prealloc_reserve);
    }
    if (info->has_memslots) {
        monitor_printf(mon, ", %u of %u memslots mapped", info->mapped_memslots,
                       info->memslots);
    }
    if (info->has_unplugged_protection) {
        monitor_printf(mon, ", protection %s: %" PRIu64 " unplugged accesses",
                       VirtioMEMProtection_str(info->unplugged_protection),
                       info->unplugged_accesses);
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
    monitor_info_counts(mon, "plug requests", info->plug);
    monitor_info_counts(mon, "unplug requests", info->unplug);
    monitor_info_counts(mon, "unplug-all requests", info->unplug_all);
    monitor_info_counts(mon, "state requests", info->state);
    monitor_printf(mon, "  plugged in total: %" PRIu64 "\n", info->plugged);
    monitor_printf(mon, "  unplugged in total: %" PRIu64 "\n",
                   info->unplugged);
    monitor_printf(mon, "  host-time: %" PRId64 " ms\n", info->host_time);
}

void hmp_info_virtio_mem(Monitor *mon, const VirtioMEMDeviceInfo *info,
                         bool verbose)
{
    if (info->resize) {
        monitor_info_resize(mon, info);
    }
    if (info->requests && verbose) {
        monitor_info_requests(mon, info->requests);
    }
}
