/*
 * virtio-mem: CCW transport
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "hw/core/qdev-properties.h"
#include "hw/s390x/virtio-ccw-md.h"
#include "hw/virtio/virtio-mem.h"

#define TYPE_VIRTIO_MEM_CCW "virtio-mem-ccw"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMEMCcw, VIRTIO_MEM_CCW)

struct VirtIOMEMCcw {
    VirtIOMDCcw parent_obj;
    VirtIOMEM vdev;
};

static void virtio_ccw_mem_realize(VirtioCcwDevice *ccw_dev, Error **errp)
{
    qdev_realize(DEVICE(&VIRTIO_MEM_CCW(ccw_dev)->vdev), BUS(&ccw_dev->bus),
                 errp);
}

static void virtio_ccw_mem_unplug_request_check(VirtIOMDCcw *vmd, Error **errp)
{
    virtio_mem_check_unplug(&VIRTIO_MEM_CCW(vmd)->vdev, errp);
}

static void virtio_ccw_mem_instance_init(Object *obj)
{
    VirtIOMEMCcw *dev = VIRTIO_MEM_CCW(obj);

    VIRTIO_CCW_DEVICE(obj)->force_revision_1 = true;
    virtio_instance_init_common(obj, &dev->vdev, sizeof(dev->vdev),
                                TYPE_VIRTIO_MEM);
}

static const Property virtio_ccw_mem_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtioCcwDevice, flags,
                    VIRTIO_CCW_FLAG_USE_IOEVENTFD_BIT, true),
    DEFINE_PROP_UINT32("max_revision", VirtioCcwDevice, max_rev,
                       VIRTIO_CCW_MAX_REV),
};

static void virtio_ccw_mem_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    VIRTIO_CCW_DEVICE_CLASS(oc)->realize = virtio_ccw_mem_realize;
    VIRTIO_MD_CCW_CLASS(oc)->unplug_request_check =
        virtio_ccw_mem_unplug_request_check;
    virtio_mem_transport_class_init(oc);

    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, virtio_ccw_mem_properties);
    object_class_property_set_description(
        oc, "ioeventfd", "on/off; a vCPU that kicks does not wait for QEMU");
    object_class_property_set_description(
        oc, "max_revision", "highest revision of virtio-ccw that is offered");
}

static const TypeInfo virtio_ccw_mem_info = {
    .name = TYPE_VIRTIO_MEM_CCW,
    .parent = TYPE_VIRTIO_MD_CCW,
    .instance_size = sizeof(VirtIOMEMCcw),
    .instance_init = virtio_ccw_mem_instance_init,
    .class_init = virtio_ccw_mem_class_init,
};

static void virtio_ccw_mem_register_types(void)
{
    type_register_static(&virtio_ccw_mem_info);
}

type_init(virtio_ccw_mem_register_types)
