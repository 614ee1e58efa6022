/*
 * virtio-mem: the command that resizes a memory device, in QMP and HMP
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-machine.h"
#include "qobject/qdict.h"
#include "qemu/cutils.h"
#include "qemu/readline.h"
#include "hw/core/boards.h"
#include "hw/mem/memory-device.h"
#include "hw/virtio/virtio-mem.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

/* @id is a device id, or a QOM path to the transport or to the device. */
static VirtIOMEM *monitor_find_device(const char *id, Error **errp)
{
    Object *obj = object_resolve_path_at(
        machine_get_container("peripheral"), id);
    VirtIOMEM *vmem;

    if (!obj || !object_dynamic_cast(obj, TYPE_DEVICE) ||
        !DEVICE(obj)->realized) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "'id': there is no device '%s'", id);
        return NULL;
    }
    vmem = (VirtIOMEM *)object_dynamic_cast(obj, TYPE_VIRTIO_MEM) ?:
           virtio_mem_of_transport(obj);
    if (!vmem) {
        error_setg(errp, "'id': device '%s' (%s) is not a resizable memory"
                   " device", id, object_get_typename(obj));
    }
    return vmem;
}

void qmp_memory_device_resize(const char *id, uint64_t size, Error **errp)
{
    VirtIOMEM *vmem = monitor_find_device(id, errp);

    if (vmem) {
        virtio_mem_set_requested_size(vmem, "size", size, errp);
    }
}

/*
 * Not the monitor's own argument type for sizes, which has one message,
 * "invalid size", for all that can be wrong. A size that no uint64 can hold
 * becomes one that no device can have: qmp_memory_device_resize() knows the
 * limits and names them.
 */
static bool monitor_parse_size(const char *text, uint64_t *size, Error **errp)
{
    switch (qemu_strtosz_MiB(text, NULL, size)) {
    case 0:
        return true;
    case -ERANGE:
        *size = UINT64_MAX;
        return true;
    default:
        error_setg(errp, "'size' must be a number of MiB, or a number with a"
                   " suffix (k, M, G, T), not '%s'", text);
        return false;
    }
}

void hmp_memory_device_resize(Monitor *mon, const QDict *qdict)
{
    Error *err = NULL;
    uint64_t size;

    if (monitor_parse_size(qdict_get_str(qdict, "size"), &size, &err)) {
        qmp_memory_device_resize(qdict_get_str(qdict, "id"), size, &err);
    }
    hmp_handle_error(mon, err);
}

void memory_device_resize_completion(ReadLineState *rs, int nb_args,
                                     const char *str)
{
    MemoryDeviceInfoList *list, *item;

    if (nb_args != 2) {
        return;
    }
    readline_set_completion_index(rs, strlen(str));
    list = qmp_memory_device_list();
    for (item = list; item; item = item->next) {
        const MemoryDeviceInfo *info = item->value;

        if (info->type == MEMORY_DEVICE_INFO_KIND_VIRTIO_MEM &&
            info->u.virtio_mem.data->id) {
            readline_add_completion_of(rs, str, info->u.virtio_mem.data->id);
        }
    }
    qapi_free_MemoryDeviceInfoList(list);
}
