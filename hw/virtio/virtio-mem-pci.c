/*
 * virtio-mem: PCI transport
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/core/qdev-properties.h"
#include "hw/virtio/virtio-md-pci.h"
#include "hw/virtio/virtio-mem.h"

#define TYPE_VIRTIO_MEM_PCI "virtio-mem-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMEMPCI, VIRTIO_MEM_PCI)

struct VirtIOMEMPCI {
    VirtIOMDPCI parent_obj;
    VirtIOMEM vdev;
};

/* One for the queue, one for changes of the configuration. */
#define VIRTIO_MEM_PCI_VECTORS 2

static void virtio_mem_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    if (proxy->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        proxy->nvectors = VIRTIO_MEM_PCI_VECTORS;
    }
    virtio_pci_force_virtio_1(proxy);
    qdev_realize(DEVICE(&VIRTIO_MEM_PCI(proxy)->vdev), BUS(&proxy->bus), errp);
}

static void virtio_mem_pci_unplug_request_check(VirtIOMDPCI *vmd, Error **errp)
{
    virtio_mem_check_unplug(&VIRTIO_MEM_PCI(vmd)->vdev, errp);
}

static void virtio_mem_pci_instance_init(Object *obj)
{
    VirtIOMEMPCI *pci = VIRTIO_MEM_PCI(obj);

    virtio_instance_init_common(obj, &pci->vdev, sizeof(pci->vdev),
                                TYPE_VIRTIO_MEM);
}

static const Property virtio_mem_pci_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, true),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void virtio_mem_pci_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    VIRTIO_PCI_CLASS(oc)->realize = virtio_mem_pci_realize;
    VIRTIO_MD_PCI_CLASS(oc)->unplug_request_check =
        virtio_mem_pci_unplug_request_check;
    virtio_mem_transport_class_init(oc);

    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, virtio_mem_pci_properties);
    object_class_property_set_description(
        oc, "vectors", "number of MSI-X vectors; 2 unless set");
    object_class_property_set_description(
        oc, "ioeventfd", "on/off; a vCPU that kicks does not wait for QEMU");
    pc->revision = VIRTIO_PCI_ABI_VERSION;
    pc->class_id = PCI_CLASS_OTHERS;
}

static const VirtioPCIDeviceTypeInfo virtio_mem_pci_info = {
    .base_name = TYPE_VIRTIO_MEM_PCI,
    .generic_name = "virtio-mem-pci",
    .parent = TYPE_VIRTIO_MD_PCI,
    .instance_size = sizeof(VirtIOMEMPCI),
    .instance_init = virtio_mem_pci_instance_init,
    .class_init = virtio_mem_pci_class_init,
};

static void virtio_mem_pci_register_types(void)
{
    virtio_pci_types_register(&virtio_mem_pci_info);
}

type_init(virtio_mem_pci_register_types)
