/*
 * virtio-mem: what the properties come to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "hw/core/boards.h"
#include "hw/mem/memory-device.h"
#include "monitor/monitor.h"
#include "system/numa.h"
#include "system/system.h"
#include "backend.h"
#include "memslots.h"
#include "patrol.h"
#include "resolve.h"
#include "target.h"

/* --- sizes in messages --------------------------------------------------- */

/* QMP's monitor prints nothing, and says so. */
static bool resolve_for_qmp(void)
{
    Monitor *mon = monitor_cur();

    return mon && monitor_printf(mon, "%s", "") < 0;
}

VirtIOMEMSizesText virtio_mem_resolve_sizes(uint64_t first, uint64_t second)
{
    const uint64_t both = first | second;
    const int shift = both && !resolve_for_qmp() ? ctz64(both) / 10 * 10 : 0;
    const char *unit = shift ? "B" : "bytes";
    VirtIOMEMSizesText sizes;

    snprintf(sizes.first, sizeof(sizes.first), "%" PRIu64 " %s%s",
             first >> shift, iec_binary_prefix(shift), unit);
    snprintf(sizes.second, sizeof(sizes.second), "%" PRIu64 " %s%s",
             second >> shift, iec_binary_prefix(shift), unit);
    return sizes;
}

bool virtio_mem_resolve_check_size(const VirtIOMEMGeometry *geo,
                                   const char *name, uint64_t size,
                                   Error **errp)
{
    VirtIOMEMSizesText sizes;

    switch (virtio_mem_geometry_check_size(geo, size)) {
    case VIRTIO_MEM_FAULT_NONE:
        return true;
    case VIRTIO_MEM_FAULT_SIZE_LARGE:
        if (size > INT64_MAX) {
            /* The visitors of QEMU turn -1 into 2^64 - 1. */
            sizes = virtio_mem_resolve_sizes(geo->region_size, geo->region_size);
            error_setg(errp, "'%s' is negative or too large; it must be from 0"
                       " to the memory backend size (%s)", name, sizes.first);
        } else {
            sizes = virtio_mem_resolve_sizes(size, geo->region_size);
            error_setg(errp, "'%s' cannot exceed the memory backend size (%s >"
                       " %s)", name, sizes.first, sizes.second);
        }
        return false;
    default:
        sizes = virtio_mem_resolve_sizes(size, geo->block_size);
        error_setg(errp, "'%s' must be a multiple of the block size (%s is no"
                   " multiple of %s)", name, sizes.first, sizes.second);
        return false;
    }
}

/* --- checks at realize -------------------------------------------------- */

static bool resolve_check_backend(const VirtIOMEM *vmem, Error **errp)
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

static bool resolve_check_node(const VirtIOMEM *vmem, Error **errp)
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
static bool resolve_check_plugged(const VirtIOMEM *vmem, Error **errp)
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

static bool resolve_check_geometry(const VirtIOMEMGeometry *geo,
                                      uint64_t page_size, Error **errp)
{
    const uint64_t block = geo->block_size;
    const VirtIOMEMSizesText region =
        virtio_mem_resolve_sizes(geo->region_size, block);
    VirtIOMEMSizesText sizes;

    switch (virtio_mem_geometry_check(geo, page_size)) {
    case VIRTIO_MEM_FAULT_NONE:
        return true;
    case VIRTIO_MEM_FAULT_BLOCK_POWER:
        sizes = virtio_mem_resolve_sizes(block, block);
        error_setg(errp, "'" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) must be a power"
                   " of two", sizes.first);
        return false;
    case VIRTIO_MEM_FAULT_BLOCK_SMALL:
        sizes = virtio_mem_resolve_sizes(block, VIRTIO_MEM_MIN_BLOCK_SIZE);
        error_setg(errp, "'" VIRTIO_MEM_BLOCK_SIZE_PROP "' (%s) must be at"
                   " least %s", sizes.first, sizes.second);
        return false;
    case VIRTIO_MEM_FAULT_BLOCK_PAGE:
        sizes = virtio_mem_resolve_sizes(block, page_size);
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

static bool resolve_unplugged_inaccessible(const VirtIOMEM *vmem)
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
static bool resolve_check_memslot_size(const VirtIOMEM *vmem, uint64_t least,
                                          Error **errp)
{
    const uint64_t wanted = vmem->memslot_size;
    VirtIOMEMSizesText sizes;

    if (!wanted) {
        return true;
    }
    if (!vmem->dynamic_memslots) {
        error_setg(errp, "'" VIRTIO_MEM_MEMSLOT_SIZE_PROP "' needs '"
                   VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP "' to be on");
        return false;
    }
    if (wanted < least) {
        sizes = virtio_mem_resolve_sizes(wanted, least);
        error_setg(errp, "'" VIRTIO_MEM_MEMSLOT_SIZE_PROP "' (%s) must be at"
                   " least '" VIRTIO_MEM_BLOCK_SIZE_PROP "' and the page size"
                   " of the memory backend (%s)", sizes.first, sizes.second);
        return false;
    }
    if (virtio_mem_memslots_size(vmem->memslots) != wanted) {
        const uint64_t fitting =
            virtio_mem_memslots_fitting_size(vmem->memslots, wanted);

        sizes = virtio_mem_resolve_sizes(wanted, fitting);
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

static bool resolve_check_memslots(const VirtIOMEM *vmem,
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
    return resolve_check_memslot_size(
        vmem, MAX(properties->geo.block_size, page_size), errp);
}

static bool resolve_check_protected(const VirtIOMEM *vmem,
                                       const VirtIOMEMProperties *properties,
                                       Error **errp)
{
    g_autofree char *name = host_memory_backend_get_name(vmem->memdev);
    bool guessed;
    const uint64_t usual = virtio_mem_backend_find_block_size(vmem->memdev,
                                                              &guessed);
    const VirtIOMEMSizesText sizes =
        virtio_mem_resolve_sizes(properties->geo.block_size, usual);

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

static bool resolve_check_protection(const VirtIOMEM *vmem,
                                        const VirtIOMEMProperties *properties,
                                        Error **errp)
{
    const char *needs = vmem->violation == VIRTIO_MEM_VIOLATION_STOP ?
                        VIRTIO_MEM_VIOLATION_PROP "=stop" :
                        vmem->protection_interval ?
                        VIRTIO_MEM_PROTECTION_INTERVAL_PROP : NULL;

    if (vmem->protection != VIRTIO_MEM_PROTECTION_NONE) {
        return resolve_check_protected(vmem, properties, errp);
    }
    if (needs) {
        error_setg(errp, "'%s' needs '" VIRTIO_MEM_PROTECTION_PROP "' to be"
                   " other than none", needs);
        return false;
    }
    return true;
}

static bool resolve_check_reserve(const VirtIOMEM *vmem,
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
    return virtio_mem_resolve_check_size(
        &properties->geo, VIRTIO_MEM_PREALLOC_RESERVE_PROP,
        vmem->prealloc_reserve, errp);
}

bool virtio_mem_resolve(const VirtIOMEM *vmem,
                                   VirtIOMEMProperties *properties,
                                   Error **errp)
{
    if (!resolve_check_backend(vmem, errp) ||
        !resolve_check_node(vmem, errp) ||
        !resolve_check_plugged(vmem, errp)) {
        return false;
    }
    properties->geo = (VirtIOMEMGeometry) {
        .addr.gpa = vmem->addr,
        .region_size = memory_region_size(&vmem->memdev->mr),
        .block_size = virtio_mem_get_block_size(vmem),
        .usable_extent = virtio_mem_target()->usable_extent,
    };
    properties->unplugged_inaccessible =
        resolve_unplugged_inaccessible(vmem);

    return resolve_check_geometry(&properties->geo,
                          host_memory_backend_pagesize(vmem->memdev), errp) &&
           resolve_check_memslots(vmem, properties, errp) &&
           resolve_check_protection(vmem, properties, errp) &&
           resolve_check_reserve(vmem, properties, errp) &&
           virtio_mem_resolve_check_size(
               &properties->geo,
               vmem->initial_size_name ?: VIRTIO_MEM_REQUESTED_SIZE_PROP,
               vmem->initial_size, errp);
}

/* --- warnings ----------------------------------------------------------- */

static void resolve_warn_of_block_size(const VirtIOMEM *vmem)
{
    bool guessed;
    const uint64_t usual = virtio_mem_backend_find_block_size(vmem->memdev,
                                                              &guessed);

    const VirtIOMEMSizesText sizes = virtio_mem_resolve_sizes(vmem->block_size, usual);

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

static void resolve_warn_of_reads(const VirtIOMEM *vmem)
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

static void resolve_warn_of_migration(const VirtIOMEM *vmem)
{
    if (vmem->prealloc && !vmem->early_migration) {
        warn_report("virtio-mem: '" VIRTIO_MEM_PREALLOC_PROP "' is on and '"
                    VIRTIO_MEM_EARLY_MIGRATION_PROP "' is off: the destination"
                    " of a migration does not get memory for plugged blocks"
                    " beforehand; set '" VIRTIO_MEM_EARLY_MIGRATION_PROP "' to"
                    " on, on both sides");
    }
}

void virtio_mem_resolve_warn(const VirtIOMEM *vmem)
{
    resolve_warn_of_block_size(vmem);
    resolve_warn_of_reads(vmem);
    resolve_warn_of_migration(vmem);
}
