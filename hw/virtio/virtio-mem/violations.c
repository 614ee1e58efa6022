/*
 * virtio-mem: somebody has used unplugged memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-events-machine.h"
#include "system/runstate.h"
#include "violations.h"

/* A guest may do it all the time. */
#define VIOLATIONS_EVENT_MS 1000

static void violations_send_event(void *opaque)
{
    VirtIOMEMViolations *violations = opaque;
    const DeviceState *proxy =
        qdev_get_parent_bus(DEVICE(violations->vdev))->parent;
    g_autofree char *path = object_get_canonical_path(OBJECT(proxy));

    qapi_event_send_memory_device_unplugged_access(
        proxy->id, path, violations->offset,
        violations->count - violations->told);
    violations->told = violations->count;
}

void virtio_mem_violations_found(VirtIOMEMViolations *violations,
                                 uint64_t offset, uint64_t count)
{
    if (violations->told == violations->count) {
        violations->offset = offset;
    }
    violations->count += count;
    virtio_mem_throttle_changed(&violations->throttle);
    if (violations->stop && runstate_is_running()) {
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_PAUSED);
    }
}

void virtio_mem_violations_init(VirtIOMEMViolations *violations,
                                const VirtIODevice *vdev, bool stop)
{
    *violations = (VirtIOMEMViolations) {
        .vdev = vdev,
        .stop = stop,
    };
    virtio_mem_throttle_init(&violations->throttle, VIOLATIONS_EVENT_MS,
                             violations_send_event, violations);
}

void virtio_mem_violations_cleanup(VirtIOMEMViolations *violations)
{
    virtio_mem_throttle_cleanup(&violations->throttle);
}
