/*
 * virtio-mem: the memory device that a machine sees
 *
 * A machine plugs the transport (virtio-mem-pci, virtio-mem-ccw), so the
 * transport has the MemoryDevice interface. What it answers is the same for
 * all transports and stands here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "hw/mem/memory-device.h"
#include "hw/virtio/virtio-mem.h"
#include "device.h"
#include "memslots.h"

/* The name that virtio_instance_init_common() gives the device. */
#define VIRTIO_BACKEND "virtio-backend"

VirtIOMEM *virtio_mem_of_transport(Object *proxy)
{
    Object *child = object_resolve_path_component(proxy, VIRTIO_BACKEND);

    return (VirtIOMEM *)object_dynamic_cast(child, TYPE_VIRTIO_MEM);
}

static VirtIOMEM *transport_device_of(const MemoryDeviceState *md)
{
    return virtio_mem_of_transport(OBJECT(md));
}

static uint64_t transport_get_addr(const MemoryDeviceState *md)
{
    return transport_device_of(md)->addr;
}

static void transport_set_addr(MemoryDeviceState *md, uint64_t addr, Error **errp)
{
    object_property_set_uint(OBJECT(transport_device_of(md)), VIRTIO_MEM_ADDR_PROP, addr,
                             errp);
}

static uint64_t transport_get_plugged_size(const MemoryDeviceState *md, Error **errp)
{
    return virtio_mem_get_plugged_size(transport_device_of(md));
}

/*
 * What is mapped is asked for before realize, and after unrealize. With
 * dynamic-memslots it is made when it is first asked for.
 */
static MemoryRegion *transport_get_memory_region(MemoryDeviceState *md, Error **errp)
{
    VirtIOMEM *vmem = transport_device_of(md);
    MemoryRegion *ram = virtio_mem_get_region(vmem, errp);

    if (!ram || !vmem->dynamic_memslots) {
        return ram;
    }
    if (!vmem->memslots) {
        vmem->memslots = virtio_mem_memslots_new(OBJECT(vmem), ram);
    }
    return virtio_mem_memslots_region(vmem->memslots);
}

/* After the machine has asked for the region the first time. */
static void transport_decide_memslots(MemoryDeviceState *md, unsigned int limit)
{
    VirtIOMEM *vmem = transport_device_of(md);
    const uint64_t page_size = host_memory_backend_pagesize(vmem->memdev);

    if (vmem->memslots) {
        virtio_mem_memslots_decide(
            vmem->memslots, limit, vmem->memslot_size,
            MAX(virtio_mem_get_block_size(vmem), page_size));
    }
}

static unsigned int transport_get_memslots(MemoryDeviceState *md)
{
    const VirtIOMEM *vmem = transport_device_of(md);

    return vmem->memslots ? virtio_mem_memslots_count(vmem->memslots) : 1;
}

static uint64_t transport_get_min_alignment(const MemoryDeviceState *md)
{
    return virtio_mem_get_block_size(transport_device_of(md));
}

static void transport_fill_device_info(const MemoryDeviceState *md,
                             MemoryDeviceInfo *info)
{
    const VirtIOMEM *vmem = transport_device_of(md);
    VirtioMEMDeviceInfo *vi = g_new0(VirtioMEMDeviceInfo, 1);

    vi->id = g_strdup(DEVICE(md)->id);
    vi->memaddr = vmem->addr;
    vi->requested_size = virtio_mem_get_requested_size(vmem);
    vi->size = virtio_mem_get_plugged_size(vmem);
    vi->max_size = memory_region_size(&vmem->memdev->mr);
    vi->block_size = virtio_mem_get_block_size(vmem);
    vi->node = vmem->node;
    vi->memdev = object_get_canonical_path(OBJECT(vmem->memdev));

    if (vmem->live) {
        vi->resize = virtio_mem_report_resize(&vmem->live->report);
        vi->requests = virtio_mem_report_requests(
            &vmem->live->report,
            virtio_mem_memory_host_time(&vmem->live->memory));
        vi->has_pending_discard = true;
        vi->pending_discard = virtio_mem_memory_behind(&vmem->live->memory);
        if (vmem->prealloc_reserve) {
            vi->has_prealloc_reserve = true;
            vi->prealloc_reserve = virtio_mem_ahead_count(&vmem->live->ahead) *
                                   vi->block_size;
        }
        if (vmem->protection != VIRTIO_MEM_PROTECTION_NONE) {
            vi->has_unplugged_protection = vi->has_unplugged_accesses = true;
            vi->unplugged_protection = vmem->live->protection;
            vi->unplugged_accesses =
                virtio_mem_violations_count(&vmem->live->violations);
        }
        if (vmem->memslots) {
            vi->has_memslots = vi->has_mapped_memslots = true;
            vi->memslots = virtio_mem_memslots_count(vmem->memslots);
            vi->mapped_memslots = virtio_mem_slots_mapped(&vmem->live->slots);
        }
    }
    info->type = MEMORY_DEVICE_INFO_KIND_VIRTIO_MEM;
    info->u.virtio_mem.data = vi;
}

void virtio_mem_transport_size_changed(const VirtIOMEM *vmem)
{
    const DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmem))->parent;
    g_autofree char *path = object_get_canonical_path(OBJECT(proxy));

    qapi_event_send_memory_device_size_change(
        proxy->id, virtio_mem_get_plugged_size(vmem), path);
}

void virtio_mem_transport_class_init(ObjectClass *oc)
{
    MemoryDeviceClass *mdc = MEMORY_DEVICE_CLASS(oc);

    mdc->get_addr = transport_get_addr;
    mdc->set_addr = transport_set_addr;
    mdc->get_plugged_size = transport_get_plugged_size;
    mdc->get_memory_region = transport_get_memory_region;
    mdc->decide_memslots = transport_decide_memslots;
    mdc->get_memslots = transport_get_memslots;
    mdc->get_min_alignment = transport_get_min_alignment;
    mdc->fill_device_info = transport_fill_device_info;
}
