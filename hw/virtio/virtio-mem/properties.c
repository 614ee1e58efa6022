/*
 * virtio-mem: what a user may set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/host-utils.h"
#include "hw/core/qdev-properties.h"
#include "backend.h"
#include "memslots.h"
#include "properties.h"
#include "resolve.h"
#include "target.h"

/* --- what is known before realize --------------------------------------- */

MemoryRegion *virtio_mem_get_region(const VirtIOMEM *vmem, Error **errp)
{
    if (!vmem->memdev) {
        error_setg(errp, "'" VIRTIO_MEM_MEMDEV_PROP "' must be set to the id of"
                   " a memory backend");
        return NULL;
    }
    if (!host_memory_backend_mr_inited(vmem->memdev) ||
        !memory_region_is_ram(&vmem->memdev->mr) ||
        !vmem->memdev->mr.ram_block) {
        error_setg(errp, "'" VIRTIO_MEM_MEMDEV_PROP "' names a memory backend"
                   " without RAM");
        return NULL;
    }
    if (memory_region_is_rom(&vmem->memdev->mr)) {
        g_autofree char *name = host_memory_backend_get_name(vmem->memdev);

        error_setg(errp, "'" VIRTIO_MEM_MEMDEV_PROP "' names the memory backend"
                   " '%s', which is ROM; give it readonly=off", name);
        return NULL;
    }
    return &vmem->memdev->mr;
}

uint64_t virtio_mem_get_block_size(const VirtIOMEM *vmem)
{
    if (vmem->block_size) {
        return vmem->block_size;
    }
    if (virtio_mem_get_region(vmem, NULL)) {
        return virtio_mem_backend_default_block_size(vmem->memdev);
    }
    return 0;
}

/* --- properties --------------------------------------------------------- */

static void properties_visit_value(Visitor *v, const char *name, uint64_t value,
                                   Error **errp)
{
    visit_type_size(v, name, &value, errp);
}

static void properties_get_plugged_size(Object *obj, Visitor *v,
                                        const char *name, void *opaque,
                                        Error **errp)
{
    properties_visit_value(v, name,
                           virtio_mem_get_plugged_size(VIRTIO_MEM(obj)), errp);
}

static void properties_get_requested_size(Object *obj, Visitor *v,
                                          const char *name, void *opaque,
                                          Error **errp)
{
    properties_visit_value(
        v, name, virtio_mem_get_requested_size(VIRTIO_MEM(obj)), errp);
}

static void properties_set_requested_size(Object *obj, Visitor *v,
                                          const char *name, void *opaque,
                                          Error **errp)
{
    uint64_t size;

    if (visit_type_size(v, name, &size, errp)) {
        virtio_mem_set_requested_size(VIRTIO_MEM(obj),
                                      VIRTIO_MEM_REQUESTED_SIZE_PROP, size,
                                      errp);
    }
}

bool virtio_mem_properties_set_size(VirtIOMEM *vmem, const char *name,
                                    uint64_t size, Error **errp)
{
    const bool other = vmem->initial_size_name &&
                       !g_str_equal(vmem->initial_size_name, name);

    if (other && vmem->initial_size != size) {
        const bool is_size = g_str_equal(name, VIRTIO_MEM_SIZE_PROP);
        const VirtIOMEMSizesText sizes =
            virtio_mem_resolve_sizes(is_size ? size : vmem->initial_size,
                             is_size ? vmem->initial_size : size);

        error_setg(errp, "'" VIRTIO_MEM_SIZE_PROP "' (%s) and '"
                   VIRTIO_MEM_REQUESTED_SIZE_PROP "' (%s) both set the"
                   " requested size at start, and differ; give one of them",
                   sizes.first, sizes.second);
        return false;
    }
    vmem->initial_size = size;
    vmem->initial_size_name = name;
    return true;
}

/* 'size' is what is plugged; before there is a device, what is wanted. */
static void properties_set_first_size(Object *obj, Visitor *v, const char *name,
                                      void *opaque, Error **errp)
{
    uint64_t size;

    if (VIRTIO_MEM(obj)->live) {
        error_setg(errp, "'" VIRTIO_MEM_SIZE_PROP "' is read-only once the"
                   " device exists; set '" VIRTIO_MEM_REQUESTED_SIZE_PROP
                   "' instead");
        return;
    }
    if (visit_type_size(v, name, &size, errp)) {
        virtio_mem_set_requested_size(VIRTIO_MEM(obj), VIRTIO_MEM_SIZE_PROP,
                                      size, errp);
    }
}

/* Fixed at realize, as properties of qdev are. */
static bool properties_may_set(const VirtIOMEM *vmem, const char *name,
                               Error **errp)
{
    if (vmem->live) {
        error_setg(errp, "'%s' cannot be changed once the device exists", name);
    }
    return !vmem->live;
}

static void properties_get_block_size(Object *obj, Visitor *v, const char *name,
                                      void *opaque, Error **errp)
{
    properties_visit_value(v, name, virtio_mem_get_block_size(VIRTIO_MEM(obj)),
                           errp);
}

static void properties_set_block_size(Object *obj, Visitor *v, const char *name,
                                      void *opaque, Error **errp)
{
    VirtIOMEM *vmem = VIRTIO_MEM(obj);
    uint64_t size;

    if (!properties_may_set(vmem, name, errp) ||
        !visit_type_size(v, name, &size, errp)) {
        return;
    }
    /*
     * Checked at once: the machine asks for the alignment before realize, and
     * has no message for one that makes no sense.
     */
    if (size < VIRTIO_MEM_MIN_BLOCK_SIZE || !is_power_of_2(size)) {
        const VirtIOMEMSizesText sizes =
            virtio_mem_resolve_sizes(size, VIRTIO_MEM_MIN_BLOCK_SIZE);

        error_setg(errp, "'" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) must be a power"
                   " of two and at least %s", sizes.first, sizes.second);
        return;
    }
    vmem->block_size = size;
}

static void properties_get_memslot_size(Object *obj, Visitor *v,
                                        const char *name, void *opaque,
                                        Error **errp)
{
    const VirtIOMEM *vmem = VIRTIO_MEM(obj);

    properties_visit_value(v, name, vmem->memslots ?
                           virtio_mem_memslots_size(vmem->memslots) :
                           vmem->memslot_size, errp);
}

/* Checked at once, as the block size is. */
static void properties_set_memslot_size(Object *obj, Visitor *v,
                                        const char *name, void *opaque,
                                        Error **errp)
{
    VirtIOMEM *vmem = VIRTIO_MEM(obj);
    uint64_t size;

    if (!properties_may_set(vmem, name, errp) ||
        !visit_type_size(v, name, &size, errp)) {
        return;
    }
    if (size < VIRTIO_MEM_MIN_SLOT_SIZE || !is_power_of_2(size)) {
        const VirtIOMEMSizesText sizes =
            virtio_mem_resolve_sizes(size, VIRTIO_MEM_MIN_SLOT_SIZE);

        error_setg(errp, "'" VIRTIO_MEM_MEMSLOT_SIZE_PROP "' (%s) must be a"
                   " power of two and at least %s", sizes.first, sizes.second);
        return;
    }
    vmem->memslot_size = size;
}

static int properties_get_protection(Object *obj, Error **errp)
{
    return VIRTIO_MEM(obj)->protection;
}

static void properties_set_protection(Object *obj, int value, Error **errp)
{
    if (properties_may_set(VIRTIO_MEM(obj), VIRTIO_MEM_PROTECTION_PROP, errp)) {
        VIRTIO_MEM(obj)->protection = value;
    }
}

static int properties_get_violation(Object *obj, Error **errp)
{
    return VIRTIO_MEM(obj)->violation;
}

static void properties_set_violation(Object *obj, int value, Error **errp)
{
    if (properties_may_set(VIRTIO_MEM(obj), VIRTIO_MEM_VIOLATION_PROP, errp)) {
        VIRTIO_MEM(obj)->violation = value;
    }
}

static bool properties_get_resize_events(Object *obj, Error **errp)
{
    return VIRTIO_MEM(obj)->resize_events;
}

static void properties_set_resize_events(Object *obj, bool value, Error **errp)
{
    VIRTIO_MEM(obj)->resize_events = value;
}

static const Property virtio_mem_properties[] = {
    DEFINE_PROP_UINT64(VIRTIO_MEM_ADDR_PROP, VirtIOMEM, addr, 0),
    DEFINE_PROP_UINT32(VIRTIO_MEM_NODE_PROP, VirtIOMEM, node, 0),
    DEFINE_PROP_LINK(VIRTIO_MEM_MEMDEV_PROP, VirtIOMEM, memdev,
                     TYPE_MEMORY_BACKEND, HostMemoryBackend *),
    DEFINE_PROP_BOOL(VIRTIO_MEM_PREALLOC_PROP, VirtIOMEM, prealloc, false),
    DEFINE_PROP_UINT32(VIRTIO_MEM_PREALLOC_THREADS_PROP, VirtIOMEM,
                       prealloc_threads, 0),
    DEFINE_PROP_SIZE(VIRTIO_MEM_PREALLOC_RESERVE_PROP, VirtIOMEM,
                     prealloc_reserve, 0),
    DEFINE_PROP_BOOL(VIRTIO_MEM_EARLY_MIGRATION_PROP, VirtIOMEM,
                     early_migration, true),
    DEFINE_PROP_BOOL(VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP, VirtIOMEM,
                     dynamic_memslots, false),
    DEFINE_PROP_UINT32(VIRTIO_MEM_PROTECTION_INTERVAL_PROP, VirtIOMEM,
                       protection_interval, 0),
    /* Last: only targets with legacy guests have it, others behave as on. */
    DEFINE_PROP_ON_OFF_AUTO(VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP, VirtIOMEM,
                            unplugged_inaccessible, ON_OFF_AUTO_ON),
};

/* What -device virtio-mem-pci,help says of them. */
static const struct {
    const char *name, *text;
} descriptions[] = {    /* in the same order at the end */
    { VIRTIO_MEM_SIZE_PROP,
      "bytes plugged; before realize, same as requested-size" },
    { VIRTIO_MEM_REQUESTED_SIZE_PROP,
      "bytes the guest is asked to plug; a multiple of block-size" },
    { VIRTIO_MEM_BLOCK_SIZE_PROP,
      "bytes, a power of two; what is plugged and unplugged at once" },
    { VIRTIO_MEM_MEMSLOT_SIZE_PROP,
      "bytes of a memory slot, a power of two; with dynamic-memslots=on" },
    { VIRTIO_MEM_PROTECTION_PROP,
      "none/discard/userfaultfd/auto; what keeps a guest from using unplugged memory" },
    { VIRTIO_MEM_VIOLATION_PROP,
      "report/stop; what happens when it uses some" },
    { VIRTIO_MEM_RESIZE_EVENTS_PROP,
      "on/off; send MEMORY_DEVICE_RESIZE_STATUS to all QMP clients" },
    { VIRTIO_MEM_ADDR_PROP,
      "guest-physical address, a multiple of block-size; 0: the machine"
      " chooses" },
    { VIRTIO_MEM_NODE_PROP, "NUMA node that the memory belongs to" },
    { VIRTIO_MEM_MEMDEV_PROP,
      "id of the memory backend, whose size is the most that can be plugged" },
    { VIRTIO_MEM_PREALLOC_PROP,
      "on/off; get host memory for a block when it is plugged" },
    { VIRTIO_MEM_PREALLOC_THREADS_PROP,
      "maximum number of threads that allocate memory for prealloc, or give it"
      " back; 0: one for each CPU of the host" },
    { VIRTIO_MEM_PREALLOC_RESERVE_PROP,
      "bytes of unplugged memory that are allocated in advance, a multiple of"
      " block-size; with prealloc=on" },
    { VIRTIO_MEM_EARLY_MIGRATION_PROP,
      "on/off; migrate what is plugged before RAM; same on both sides" },
    { VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP,
      "on/off; take memory slots of KVM and vhost only for what is plugged" },
    { VIRTIO_MEM_PROTECTION_INTERVAL_PROP,
      "milliseconds between two looks at unplugged memory; 0: 1000" },
    { VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP,
      "on/off/auto; refuse drivers that may read unplugged memory" },
};

void virtio_mem_properties_class_init(ObjectClass *oc)
{
    const bool legacy = virtio_mem_target()->has_legacy_guests;

    device_class_set_props_n(DEVICE_CLASS(oc), virtio_mem_properties,
                             ARRAY_SIZE(virtio_mem_properties) - !legacy);
    object_class_property_add(oc, VIRTIO_MEM_SIZE_PROP, "size",
                              properties_get_plugged_size,
                              properties_set_first_size, NULL, NULL);
    object_class_property_add(oc, VIRTIO_MEM_REQUESTED_SIZE_PROP, "size",
                              properties_get_requested_size,
                              properties_set_requested_size, NULL, NULL);
    object_class_property_add(oc, VIRTIO_MEM_BLOCK_SIZE_PROP, "size",
                              properties_get_block_size,
                              properties_set_block_size, NULL, NULL);
    object_class_property_add(oc, VIRTIO_MEM_MEMSLOT_SIZE_PROP, "size",
                              properties_get_memslot_size,
                              properties_set_memslot_size, NULL, NULL);
    object_class_property_add_enum(oc, VIRTIO_MEM_PROTECTION_PROP,
                                   "VirtioMEMProtection",
                                   &VirtioMEMProtection_lookup,
                                   properties_get_protection,
                                   properties_set_protection);
    object_class_property_add_enum(oc, VIRTIO_MEM_VIOLATION_PROP,
                                   "VirtioMEMViolation",
                                   &VirtioMEMViolation_lookup,
                                   properties_get_violation,
                                   properties_set_violation);
    /* Not a property of qdev: those are fixed at realize. */
    object_class_property_add_bool(oc, VIRTIO_MEM_RESIZE_EVENTS_PROP,
                                   properties_get_resize_events,
                                   properties_set_resize_events);

    for (size_t i = 0; i < ARRAY_SIZE(descriptions) - !legacy; i++) {
        object_class_property_set_description(oc, descriptions[i].name,
                                              descriptions[i].text);
    }
}
