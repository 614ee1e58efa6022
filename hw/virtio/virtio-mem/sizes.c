/*
 * virtio-mem: the requested, the usable and the plugged size
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/virtio/trace.h"
#include "resolve.h"
#include "sizes.h"

#define SIZES_EVENT_MS 1000     /* as QEMU limits that event */

/* --- the usable size ------------------------------------------------------ */

static void sizes_set_usable(VirtIOMEMSizes *sizes, uint64_t usable)
{
    VirtIOMEMState *state = sizes->state;

    if (state->usable_size != usable) {
        trace_virtio_mem_resized_usable_region(state->usable_size, usable);
        state->usable_size = usable;
        /* A driver that reads it in two halves has to see that it changed. */
        sizes->vdev->generation++;
    }
}

static uint64_t sizes_usable_for(const VirtIOMEMSizes *sizes,
                                 uint64_t requested)
{
    return virtio_mem_geometry_usable(&sizes->state->geo, requested);
}

static void sizes_report(VirtIOMEMSizes *sizes)
{
    virtio_mem_report_sizes(sizes->report, sizes->state->requested_size,
                            virtio_mem_plugged_size(sizes->state));
}

/* --- the plugged size ----------------------------------------------------- */

static void sizes_ended(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMSizes *sizes = self;

    if (change->ret || change->origin == VIRTIO_MEM_BY_LOAD) {
        return;
    }
    if (change->range.count) {
        sizes->vdev->generation++;
        virtio_mem_throttle_changed(&sizes->size_event);
        sizes_report(sizes);
    }
    if (change->action == VIRTIO_MEM_ACTION_UNPLUG_ALL) {
        if (change->range.count) {
            trace_virtio_mem_unplugged_all();
        }
        sizes_set_usable(sizes, sizes_usable_for(sizes,
                                                 sizes->state->requested_size));
    }
}

const VirtIOMEMPart virtio_mem_sizes_part = {
    .name = "sizes",
    .ended = sizes_ended,
};

/* --- the requested size --------------------------------------------------- */

bool virtio_mem_sizes_request(VirtIOMEMSizes *sizes, const char *name,
                              uint64_t size, Error **errp)
{
    VirtIOMEMState *state = sizes->state;

    if (!virtio_mem_resolve_check_size(&state->geo, name, size, errp)) {
        return false;
    }
    if (qdev_get_parent_bus(DEVICE(sizes->vdev))->parent->
        pending_deleted_event) {
        error_setg(errp, "'%s' cannot be changed while the device is being"
                   " unplugged", name);
        return false;
    }
    trace_virtio_mem_requested(sizes->vdev, state->requested_size, size);
    state->requested_size = size;
    sizes_set_usable(sizes, MAX(state->usable_size,
                                sizes_usable_for(sizes, size)));
    sizes_report(sizes);
    /* Last: the guest may have its interrupt write to anything. */
    virtio_notify_config(sizes->vdev);
    return true;
}

/* --- life ----------------------------------------------------------------- */

void virtio_mem_sizes_load(VirtIOMEMSizes *sizes, uint64_t requested,
                           uint64_t usable)
{
    sizes->state->requested_size = requested;
    sizes->state->usable_size = usable;
    virtio_mem_report_loaded(sizes->report, requested,
                             virtio_mem_plugged_size(sizes->state));
}

void virtio_mem_sizes_init(VirtIOMEMSizes *sizes, VirtIODevice *vdev,
                           VirtIOMEMState *state, uint64_t requested,
                           VirtIOMEMReport *report,
                           void (*send_size)(void *opaque), void *opaque)
{
    *sizes = (VirtIOMEMSizes) {
        .vdev = vdev,
        .state = state,
        .report = report,
    };
    state->requested_size = requested;
    state->usable_size = sizes_usable_for(sizes, requested);
    virtio_mem_throttle_init(&sizes->size_event, SIZES_EVENT_MS, send_size,
                             opaque);
}

void virtio_mem_sizes_cleanup(VirtIOMEMSizes *sizes)
{
    virtio_mem_throttle_cleanup(&sizes->size_event);
}
