/*
 * virtio-mem: hearing of system resets
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/core/resettable.h"
#include "system/reset.h"
#include "system-reset.h"

#define TYPE_VIRTIO_MEM_SYSTEM_RESET "virtio-mem-system-reset"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMEMSystemReset, VIRTIO_MEM_SYSTEM_RESET)

struct VirtIOMEMSystemReset {
    Object parent;
    ResettableState reset_state;
    QLIST_HEAD(, VirtIOMEMSystemResetListener) listeners;
};

/* Created with the first device of the machine. */
static VirtIOMEMSystemReset *system_reset_of_machine(void)
{
    static VirtIOMEMSystemReset *reset;

    if (!reset) {
        reset = VIRTIO_MEM_SYSTEM_RESET(
            object_new(TYPE_VIRTIO_MEM_SYSTEM_RESET));
        qemu_register_resettable(OBJECT(reset));
    }
    return reset;
}

void virtio_mem_system_reset_listen(VirtIOMEMSystemResetListener *listener)
{
    QLIST_INSERT_HEAD(&system_reset_of_machine()->listeners, listener, next);
}

void virtio_mem_system_reset_unlisten(VirtIOMEMSystemResetListener *listener)
{
    QLIST_REMOVE(listener, next);
}

static ResettableState *system_reset_get_state(Object *obj)
{
    return &VIRTIO_MEM_SYSTEM_RESET(obj)->reset_state;
}

static VirtIOMEMSystemResetListener *
system_reset_next_that_waits(const VirtIOMEMSystemReset *reset)
{
    VirtIOMEMSystemResetListener *listener;

    QLIST_FOREACH(listener, &reset->listeners, next) {
        if (listener->waits) {
            break;
        }
    }
    return listener;
}

/* By now every driver is gone, and what begins here may outlast the reset. */
static void system_reset_leave(Object *obj, ResetType type)
{
    VirtIOMEMSystemReset *reset = VIRTIO_MEM_SYSTEM_RESET(obj);
    VirtIOMEMSystemResetListener *listener;

    if (type == RESET_TYPE_WAKEUP) {
        return;
    }
    QLIST_FOREACH(listener, &reset->listeners, next) {
        listener->waits = true;
    }
    /* What one does, an interrupt among it, may take any of them away. */
    while ((listener = system_reset_next_that_waits(reset))) {
        listener->waits = false;
        listener->system_reset(listener->vmem);
    }
}

static void system_reset_class_init(ObjectClass *oc, const void *data)
{
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    rc->get_state = system_reset_get_state;
    rc->phases.exit = system_reset_leave;
}

static const TypeInfo virtio_mem_system_reset_info = {
    .name = TYPE_VIRTIO_MEM_SYSTEM_RESET,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(VirtIOMEMSystemReset),
    .class_init = system_reset_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_RESETTABLE_INTERFACE },
        { }
    },
};

static void system_reset_register_types(void)
{
    type_register_static(&virtio_mem_system_reset_info);
}

type_init(system_reset_register_types)
