/*
 * virtio-mem: the requested, the usable and the plugged size
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "trace.h"
#include "virtio-mem-config.h"
#include "virtio-mem-live.h"
#include "virtio-mem-sizes.h"

uint64_t virtio_mem_get_requested_size(const VirtIOMEM *vmem)
{
    return vmem->live ? vmem->live->state.requested_size : vmem->initial_size;
}

uint64_t virtio_mem_get_plugged_size(const VirtIOMEM *vmem)
{
    return vmem->live ? virtio_mem_plugged_size(&vmem->live->state) : 0;
}

void virtio_mem_set_usable(VirtIOMEM *vmem, uint64_t usable_size)
{
    VirtIOMEMState *state = &vmem->live->state;

    if (state->usable_size != usable_size) {
        trace_virtio_mem_resized_usable_region(state->usable_size, usable_size);
        state->usable_size = usable_size;
        /* A driver that reads it in two halves has to see that it changed. */
        VIRTIO_DEVICE(vmem)->generation++;
    }
}

/* 'size' and 'requested-size' are two names for it, set in any order. */
static bool set_initial_size(VirtIOMEM *vmem, const char *name, uint64_t size,
                             Error **errp)
{
    const bool other = vmem->initial_size_name &&
                       !g_str_equal(vmem->initial_size_name, name);

    if (other && vmem->initial_size != size) {
        const bool is_size = g_str_equal(name, VIRTIO_MEM_SIZE_PROP);

        error_setg(errp, "'" VIRTIO_MEM_SIZE_PROP "' (0x%" PRIx64 ") and '"
                   VIRTIO_MEM_REQUESTED_SIZE_PROP "' (0x%" PRIx64 ") both set"
                   " the requested size at start, and differ; give one of them",
                   is_size ? size : vmem->initial_size,
                   is_size ? vmem->initial_size : size);
        return false;
    }
    vmem->initial_size = size;
    vmem->initial_size_name = name;
    return true;
}

bool virtio_mem_set_requested_size(VirtIOMEM *vmem, const char *name,
                                   uint64_t size, Error **errp)
{
    VirtIOMEMState *state;
    uint64_t usable_size;

    if (!vmem->live) {
        return set_initial_size(vmem, name, size, errp);
    }

    state = &vmem->live->state;
    if (!virtio_mem_config_check_size(&state->geo, name, size, errp)) {
        return false;
    }
    if (qdev_get_parent_bus(DEVICE(vmem))->parent->pending_deleted_event) {
        error_setg(errp, "'%s' cannot be changed while the device is being"
                   " unplugged", name);
        return false;
    }
    trace_virtio_mem_requested(vmem, state->requested_size, size);
    state->requested_size = size;
    usable_size = virtio_mem_geometry_usable(&state->geo, size);
    virtio_mem_set_usable(vmem, MAX(state->usable_size, usable_size));
    virtio_mem_status_sizes(&vmem->live->status);
    /* Last: the guest may have its interrupt write to anything. */
    virtio_notify_config(VIRTIO_DEVICE(vmem));
    return true;
}
