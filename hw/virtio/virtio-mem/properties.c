/*
 * virtio-mem: what a user may set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "hw/core/boards.h"
#include "hw/core/qdev-properties.h"
#include "hw/mem/memory-device.h"
#include "monitor/monitor.h"
#include "system/numa.h"
#include "system/system.h"
#include "backend.h"
#include "memslots.h"
#include "patrol.h"
#include "properties.h"
#include "target.h"

/* --- sizes in messages --------------------------------------------------- */

/* Two sizes that stand in one message. */
typedef struct PropertiesSizes {
    char first[32];
    char second[32];
} PropertiesSizes;

/* QMP's monitor prints nothing, and says so. */
static bool properties_for_qmp(void)
{
    Monitor *mon = monitor_cur();

    return mon && monitor_printf(mon, "%s", "") < 0;
}

/*
 * As the user has written them. QMP knows bytes only. On the command line and
 * in HMP sizes have suffixes: both get the largest unit in which both are whole
 * numbers, so that they can be compared and nothing is rounded.
 */
static PropertiesSizes properties_sizes(uint64_t first, uint64_t second)
{
    const uint64_t both = first | second;
    const int shift = both && !properties_for_qmp() ? ctz64(both) / 10 * 10 : 0;
    const char *unit = shift ? "B" : "bytes";
    PropertiesSizes sizes;

    snprintf(sizes.first, sizeof(sizes.first), "%" PRIu64 " %s%s",
             first >> shift, iec_binary_prefix(shift), unit);
    snprintf(sizes.second, sizeof(sizes.second), "%" PRIu64 " %s%s",
             second >> shift, iec_binary_prefix(shift), unit);
    return sizes;
}

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

bool virtio_mem_properties_check_size(const VirtIOMEMGeometry *geo,
                                      const char *name, uint64_t size,
                                      Error **errp)
{
    PropertiesSizes sizes;

    switch (virtio_mem_geometry_check_size(geo, size)) {
    case VIRTIO_MEM_FAULT_NONE:
        return true;
    case VIRTIO_MEM_FAULT_SIZE_LARGE:
        if (size > INT64_MAX) {
            /* The visitors of QEMU turn -1 into 2^64 - 1. */
            sizes = properties_sizes(geo->region_size, geo->region_size);
            error_setg(errp, "'%s' is negative or too large; it must be from 0"
                       " to the memory backend size (%s)", name, sizes.first);
        } else {
            sizes = properties_sizes(size, geo->region_size);
            error_setg(errp, "'%s' cannot exceed the memory backend size (%s >"
                       " %s)", name, sizes.first, sizes.second);
        }
        return false;
    default:
        sizes = properties_sizes(size, geo->block_size);
        error_setg(errp, "'%s' must be a multiple of the block size (%s is no"
                   " multiple of %s)", name, sizes.first, sizes.second);
        return false;
    }
}

/* --- checks at realize -------------------------------------------------- */

static bool properties_check_backend(const VirtIOMEM *vmem, Error **errp)
{
    if (!virtio_mem_get_region(vmem, errp)) {
        return false;
    }
    if (should_mlock(mlock_state)) {
        error_setg(errp,
                   "virtio-mem cannot be used with '-overcommit mem-lock':"
                   " locked memory cannot be given back to the host");
        return false;
    }
    return virtio_mem_backend_check(vmem->memdev, errp);
}

static bool properties_check_node(const VirtIOMEM *vmem, Error **errp)
{
    const MachineState *ms = MACHINE(qdev_get_machine());
    const int configured = ms->numa_state ? ms->numa_state->num_nodes : 0;
    const unsigned int nodes = MAX(configured, 1);

    if (vmem->node >= nodes) {
        error_setg(errp, "'" VIRTIO_MEM_NODE_PROP "' (%" PRIu32 ") must be"
                   " below the number of NUMA nodes (%u)", vmem->node, nodes);
        return false;
    }
    return true;
}

/*
 * The machine assigns the address when it plugs the transport, just before
 * realize. One that knows nothing of memory devices does not, whatever the
 * user wrote; nobody would map the memory.
 */
static bool properties_check_plugged(const VirtIOMEM *vmem, Error **errp)
{
    const MachineState *ms = MACHINE(qdev_get_machine());
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmem))->parent;

    if (!ms->device_memory || !vmem->addr ||
        !object_dynamic_cast(OBJECT(proxy), TYPE_MEMORY_DEVICE)) {
        error_setg(errp, "machine '%s' does not support virtio-mem on bus '%s'",
                   MACHINE_GET_CLASS(ms)->name,
                   qdev_get_parent_bus(proxy)->name);
        return false;
    }
    return true;
}

static bool properties_check_geometry(const VirtIOMEMGeometry *geo,
                                      uint64_t page_size, Error **errp)
{
    const uint64_t block = geo->block_size;
    const PropertiesSizes region = properties_sizes(geo->region_size, block);
    PropertiesSizes sizes;

    switch (virtio_mem_geometry_check(geo, page_size)) {
    case VIRTIO_MEM_FAULT_NONE:
        return true;
    case VIRTIO_MEM_FAULT_BLOCK_POWER:
        sizes = properties_sizes(block, block);
        error_setg(errp, "'" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) must be a power"
                   " of two", sizes.first);
        return false;
    case VIRTIO_MEM_FAULT_BLOCK_SMALL:
        sizes = properties_sizes(block, VIRTIO_MEM_MIN_BLOCK_SIZE);
        error_setg(errp, "'" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) must be at"
                   " least %s", sizes.first, sizes.second);
        return false;
    case VIRTIO_MEM_FAULT_BLOCK_PAGE:
        sizes = properties_sizes(block, page_size);
        error_setg(errp, "'" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) must be at"
                   " least the page size of the memory backend (%s)",
                   sizes.first, sizes.second);
        return false;
    case VIRTIO_MEM_FAULT_REGION_EMPTY:
    case VIRTIO_MEM_FAULT_REGION_BLOCKS:
        error_setg(errp, "'" VIRTIO_MEM_MEMDEV_PROP "': the memory backend size"
                   " (%s) must be a multiple of '" VIRTIO_MEM_BLOCK_SIZE_PROP
                   "' (%s)", region.first, region.second);
        return false;
    case VIRTIO_MEM_FAULT_REGION_MANY:
        error_setg(errp, "'" VIRTIO_MEM_MEMDEV_PROP "': the memory backend size"
                   " (%s) must be at most %" PRIu64 " blocks of '"
                   VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s)", region.first,
                   VIRTIO_MEM_MAX_BLOCKS, region.second);
        return false;
    case VIRTIO_MEM_FAULT_ADDR_ALIGN:
    case VIRTIO_MEM_FAULT_ADDR_WRAP:
    default:
        error_setg(errp, "'" VIRTIO_MEM_ADDR_PROP "' (0x%" PRIx64 ") must be a"
                   " multiple of '" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) and"
                   " leave room for the memory backend (%s)", geo->addr.gpa,
                   region.second, region.first);
        return false;
    }
}

static bool properties_unplugged_inaccessible(const VirtIOMEM *vmem)
{
    if (!virtio_mem_target()->has_legacy_guests) {
        return true;
    }
    switch (vmem->unplugged_inaccessible) {
    case ON_OFF_AUTO_AUTO:
        /* A legacy guest may read it all: that must not cost memory. */
        return !virtio_mem_backend_has_zero_page(vmem->memdev);
    case ON_OFF_AUTO_OFF:
        return false;
    default:
        return true;
    }
}

/* @least: bytes; the block size and the page size of memdev, the larger. */
static bool properties_check_memslot_size(const VirtIOMEM *vmem, uint64_t least,
                                          Error **errp)
{
    const uint64_t wanted = vmem->memslot_size;
    PropertiesSizes sizes;

    if (!wanted) {
        return true;
    }
    if (!vmem->dynamic_memslots) {
        error_setg(errp, "'" VIRTIO_MEM_MEMSLOT_SIZE_PROP "' needs '"
                   VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP "' to be on");
        return false;
    }
    if (wanted < least) {
        sizes = properties_sizes(wanted, least);
        error_setg(errp, "'" VIRTIO_MEM_MEMSLOT_SIZE_PROP "' (%s) must be at"
                   " least '" VIRTIO_MEM_BLOCK_SIZE_PROP "' and the page size"
                   " of the memory backend (%s)", sizes.first, sizes.second);
        return false;
    }
    if (virtio_mem_memslots_size(vmem->memslots) != wanted) {
        const uint64_t fitting =
            virtio_mem_memslots_fitting_size(vmem->memslots, wanted);

        sizes = properties_sizes(wanted, fitting);
        error_setg(errp, "'" VIRTIO_MEM_MEMSLOT_SIZE_PROP "' (%s) needs %"
                   PRIu64 " memory slots, of which %u can be had; it must be at"
                   " least %s", sizes.first,
                   virtio_mem_slots_count(memory_region_size(&vmem->memdev->mr),
                                          wanted),
                   virtio_mem_memslots_offered(vmem->memslots), sizes.second);
        return false;
    }
    return true;
}

static bool properties_check_memslots(const VirtIOMEM *vmem,
                                      const VirtIOMEMProperties *properties,
                                      Error **errp)
{
    const uint64_t page_size = host_memory_backend_pagesize(vmem->memdev);

    if (vmem->dynamic_memslots && !properties->unplugged_inaccessible) {
        error_setg(errp, "'" VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP "' needs '"
                   VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP "' to be on: memory"
                   " without a slot cannot be read");
        return false;
    }
    if (vmem->dynamic_memslots && vmem->memdev->guest_memfd) {
        g_autofree char *name = host_memory_backend_get_name(vmem->memdev);

        error_setg(errp, "'" VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP "' cannot be on:"
                   " '" VIRTIO_MEM_MEMDEV_PROP "' names the memory backend '%s'"
                   " of a confidential guest, whose memory has to stay where it"
                   " is", name);
        return false;
    }
    return properties_check_memslot_size(
        vmem, MAX(properties->geo.block_size, page_size), errp);
}

static bool properties_check_protected(const VirtIOMEM *vmem,
                                       const VirtIOMEMProperties *properties,
                                       Error **errp)
{
    g_autofree char *name = host_memory_backend_get_name(vmem->memdev);
    bool guessed;
    const uint64_t usual = virtio_mem_backend_find_block_size(vmem->memdev,
                                                              &guessed);
    const PropertiesSizes sizes = properties_sizes(properties->geo.block_size,
                                                   usual);

    if (!properties->unplugged_inaccessible) {
        error_setg(errp, "'" VIRTIO_MEM_PROTECTION_PROP "' needs '"
                   VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP "' to be on: a driver"
                   " that may read unplugged memory does nothing wrong");
        return false;
    }
    if (vmem->memdev->guest_memfd) {
        error_setg(errp, "'" VIRTIO_MEM_PROTECTION_PROP "' must be none: '"
                   VIRTIO_MEM_MEMDEV_PROP "' names the memory backend '%s' of a"
                   " confidential guest, whose memory cannot be looked at",
                   name);
        return false;
    }
    if (properties->geo.block_size < usual) {
        error_setg(errp, "'" VIRTIO_MEM_PROTECTION_PROP "' needs '"
                   VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) to be at least %s: the"
                   " kernel may put a huge page where a block is plugged and"
                   " its neighbour is not", sizes.first, sizes.second);
        return false;
    }
    if (vmem->protection_interval > VIRTIO_MEM_PATROL_MAX_MS) {
        error_setg(errp, "'" VIRTIO_MEM_PROTECTION_INTERVAL_PROP "' (%" PRIu32
                   ") must be from 1 to %d milliseconds, or 0 for the default"
                   " (%d)", vmem->protection_interval, VIRTIO_MEM_PATROL_MAX_MS,
                   VIRTIO_MEM_PATROL_DEFAULT_MS);
        return false;
    }
    return true;
}

static bool properties_check_protection(const VirtIOMEM *vmem,
                                        const VirtIOMEMProperties *properties,
                                        Error **errp)
{
    const char *needs = vmem->violation == VIRTIO_MEM_VIOLATION_STOP ?
                        VIRTIO_MEM_VIOLATION_PROP "=stop" :
                        vmem->protection_interval ?
                        VIRTIO_MEM_PROTECTION_INTERVAL_PROP : NULL;

    if (vmem->protection != VIRTIO_MEM_PROTECTION_NONE) {
        return properties_check_protected(vmem, properties, errp);
    }
    if (needs) {
        error_setg(errp, "'%s' needs '" VIRTIO_MEM_PROTECTION_PROP "' to be"
                   " other than none", needs);
        return false;
    }
    return true;
}

static bool properties_check_reserve(const VirtIOMEM *vmem,
                                     const VirtIOMEMProperties *properties,
                                     Error **errp)
{
    if (!vmem->prealloc_reserve) {
        return true;
    }
    if (!vmem->prealloc) {
        error_setg(errp, "'" VIRTIO_MEM_PREALLOC_RESERVE_PROP "' needs '"
                   VIRTIO_MEM_PREALLOC_PROP "' to be on");
        return false;
    }
    if (vmem->protection != VIRTIO_MEM_PROTECTION_NONE) {
        error_setg(errp, "'" VIRTIO_MEM_PREALLOC_RESERVE_PROP "' has unplugged"
                   " memory populated, which '" VIRTIO_MEM_PROTECTION_PROP "'"
                   " (%s) keeps empty; use one of them",
                   VirtioMEMProtection_str(vmem->protection));
        return false;
    }
    return virtio_mem_properties_check_size(
        &properties->geo, VIRTIO_MEM_PREALLOC_RESERVE_PROP,
        vmem->prealloc_reserve, errp);
}

bool virtio_mem_properties_resolve(const VirtIOMEM *vmem,
                                   VirtIOMEMProperties *properties,
                                   Error **errp)
{
    if (!properties_check_backend(vmem, errp) ||
        !properties_check_node(vmem, errp) ||
        !properties_check_plugged(vmem, errp)) {
        return false;
    }
    properties->geo = (VirtIOMEMGeometry) {
        .addr.gpa = vmem->addr,
        .region_size = memory_region_size(&vmem->memdev->mr),
        .block_size = virtio_mem_get_block_size(vmem),
        .usable_extent = virtio_mem_target()->usable_extent,
    };
    properties->unplugged_inaccessible =
        properties_unplugged_inaccessible(vmem);

    return properties_check_geometry(&properties->geo,
                          host_memory_backend_pagesize(vmem->memdev), errp) &&
           properties_check_memslots(vmem, properties, errp) &&
           properties_check_protection(vmem, properties, errp) &&
           properties_check_reserve(vmem, properties, errp) &&
           virtio_mem_properties_check_size(
               &properties->geo,
               vmem->initial_size_name ?: VIRTIO_MEM_REQUESTED_SIZE_PROP,
               vmem->initial_size, errp);
}

/* --- warnings ----------------------------------------------------------- */

static void properties_warn_of_block_size(const VirtIOMEM *vmem)
{
    bool guessed;
    const uint64_t usual = virtio_mem_backend_find_block_size(vmem->memdev,
                                                              &guessed);

    const PropertiesSizes sizes = properties_sizes(vmem->block_size, usual);

    if (!vmem->block_size && guessed) {
        warn_report("virtio-mem: " VIRTIO_MEM_THP_SIZE_FILE " does not tell the"
                    " size of a huge page, so '" VIRTIO_MEM_BLOCK_SIZE_PROP "'"
                    " is the usual %s; set '" VIRTIO_MEM_BLOCK_SIZE_PROP "',"
                    " which must be the same on both sides of a migration",
                    sizes.second);
    } else if (vmem->block_size && vmem->block_size < usual) {
        warn_report("virtio-mem: '" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) is below"
                    " the default (%s), the size of a huge page; unplugging one"
                    " block splits such a page, so leave '"
                    VIRTIO_MEM_BLOCK_SIZE_PROP "' out or make it larger",
                    sizes.first, sizes.second);
    }
}

static void properties_warn_of_reads(const VirtIOMEM *vmem)
{
    g_autofree char *name = host_memory_backend_get_name(vmem->memdev);

    if (vmem->unplugged_inaccessible == ON_OFF_AUTO_OFF &&
        !virtio_mem_backend_has_zero_page(vmem->memdev)) {
        warn_report("virtio-mem: '" VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP
                    "' is off, and memory backend '%s' has no shared zero page:"
                    " when the guest reads unplugged memory, that takes host"
                    " memory; set '" VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP "'"
                    " to on or auto", name);
    }
}

static void properties_warn_of_migration(const VirtIOMEM *vmem)
{
    if (vmem->prealloc && !vmem->early_migration) {
        warn_report("virtio-mem: '" VIRTIO_MEM_PREALLOC_PROP "' is on and '"
                    VIRTIO_MEM_EARLY_MIGRATION_PROP "' is off: the destination"
                    " of a migration does not get memory for plugged blocks"
                    " beforehand; set '" VIRTIO_MEM_EARLY_MIGRATION_PROP "' to"
                    " on, on both sides");
    }
}

void virtio_mem_properties_warn(const VirtIOMEM *vmem)
{
    properties_warn_of_block_size(vmem);
    properties_warn_of_reads(vmem);
    properties_warn_of_migration(vmem);
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
        const PropertiesSizes sizes =
            properties_sizes(is_size ? size : vmem->initial_size,
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
        const PropertiesSizes sizes =
            properties_sizes(size, VIRTIO_MEM_MIN_BLOCK_SIZE);

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
        const PropertiesSizes sizes =
            properties_sizes(size, VIRTIO_MEM_MIN_SLOT_SIZE);

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
