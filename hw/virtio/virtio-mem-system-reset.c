/*
 * virtio-mem: hearing of system resets
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/resettable.h"
#include "system/reset.h"
#include "virtio-mem-system-reset.h"

#define TYPE_VIRTIO_MEM_SYSTEM_RESET "virtio-mem-system-reset"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMEMSystemReset, VIRTIO_MEM_SYSTEM_RESET)

struct VirtIOMEMSystemReset {
    Object parent;
    ResettableState reset_state;
    VirtIOMEM *vmem;
    VirtIOMEMSystemResetFn *fn;
};

Object *virtio_mem_system_reset_new(VirtIOMEM *vmem,
                                    VirtIOMEMSystemResetFn *fn)
{
    Object *obj = object_new(TYPE_VIRTIO_MEM_SYSTEM_RESET);
    VirtIOMEMSystemReset *reset = VIRTIO_MEM_SYSTEM_RESET(obj);

    reset->vmem = vmem;
    reset->fn = fn;
    qemu_register_resettable(obj);
    return obj;
}

void virtio_mem_system_reset_free(Object *obj)
{
    qemu_unregister_resettable(obj);
    object_unref(obj);
}

static ResettableState *get_state(Object *obj)
{
    return &VIRTIO_MEM_SYSTEM_RESET(obj)->reset_state;
}

static void hold(Object *obj, ResetType type)
{
    VirtIOMEMSystemReset *reset = VIRTIO_MEM_SYSTEM_RESET(obj);

    if (type != RESET_TYPE_WAKEUP) {
        reset->fn(reset->vmem);
    }
}

static void class_init(ObjectClass *oc, void *data)
{
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    rc->get_state = get_state;
    rc->phases.hold = hold;
}

static const TypeInfo virtio_mem_system_reset_info = {
    .name = TYPE_VIRTIO_MEM_SYSTEM_RESET,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(VirtIOMEMSystemReset),
    .class_init = class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_RESETTABLE_INTERFACE },
        { }
    },
};

static void register_types(void)
{
    type_register_static(&virtio_mem_system_reset_info);
}

type_init(register_types)
