/*
 * virtio-mem: paravirtualized, resizable memory
 *
 * The device itself: config space, features, resets, realize; and where the
 * modules of the device in hw/virtio/virtio-mem/ come together. Requests come
 * in through `queue`, what to answer is decided in `protocol`, a change of
 * blocks is carried out by `change` through its parts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "hw/acpi/acpi.h"
#include "hw/core/boards.h"
#include "hw/virtio/virtio-mem.h"
#include "standard-headers/linux/virtio_ids.h"
#include "standard-headers/linux/virtio_mem.h"
#include "system/replay.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-mem/device.h"
#include "virtio-mem/memslots.h"
#include "virtio-mem/properties.h"
#include "virtio-mem/resolve.h"
#include "virtio-mem/state.h"
#include "virtio-mem/target.h"

G_STATIC_ASSERT(sizeof(struct virtio_mem_config) == 56);

/* --- config space, features, reset ------------------------------------- */

/* VIRTIO 1.2, 5.15.4. Writes change nothing: there is no set_config. */
static void virtio_mem_get_config(VirtIODevice *vdev, uint8_t *data)
{
    const VirtIOMEM *vmem = VIRTIO_MEM(vdev);
    const VirtIOMEMState *state = &vmem->live->state;
    const struct virtio_mem_config config = {
        .block_size = cpu_to_le64(state->geo.block_size),
        .node_id = cpu_to_le16(vmem->node),
        .addr = cpu_to_le64(state->geo.addr.gpa),
        .region_size = cpu_to_le64(state->geo.region_size),
        .usable_region_size = cpu_to_le64(state->usable_size),
        .plugged_size = cpu_to_le64(virtio_mem_plugged_size(state)),
        .requested_size = cpu_to_le64(state->requested_size),
    };

    memcpy(data, &config, sizeof(config));
}

static uint64_t virtio_mem_get_features(VirtIODevice *vdev, uint64_t features,
                                        Error **errp)
{
    /* Also without nodes, so that machines of one type offer the same. */
    if (virtio_mem_target()->has_acpi && acpi_builtin() &&
        MACHINE(qdev_get_machine())->numa_state) {
        virtio_add_feature(&features, VIRTIO_MEM_F_ACPI_PXM);
    }
    if (VIRTIO_MEM(vdev)->live->unplugged_inaccessible) {
        virtio_add_feature(&features, VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE);
    }
    if (qemu_wakeup_suspend_enabled()) {
        virtio_add_feature(&features, VIRTIO_MEM_F_PERSISTENT_SUSPEND);
    }
    return features;
}

/* Called at FEATURES_OK; may refuse the driver (VIRTIO 1.2, 5.15.5). */
static int virtio_mem_validate_features(VirtIODevice *vdev)
{
    if (virtio_host_has_feature(vdev, VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE) &&
        !virtio_vdev_has_feature(vdev, VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE)) {
        virtio_mem_report_refused(&VIRTIO_MEM(vdev)->live->report);
        return -EFAULT;
    }
    return 0;
}

/*
 * Also called when the VM starts and stops. A driver that goes away gets its
 * last answer while its ring is there.
 */
static int virtio_mem_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIOMEMLive *live = VIRTIO_MEM(vdev)->live;

    virtio_mem_report_driver(&live->report, status);
    if (!vdev->vm_running) {
        virtio_mem_ahead_give_back(&live->ahead);
        virtio_mem_change_drain(live->engine);      /* the device may go */
    } else if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
        virtio_mem_queue_run(live->queue);
        virtio_mem_retry_vm_runs(&live->retry);
        virtio_mem_ahead_driver_runs(&live->ahead);
    } else {
        virtio_mem_queue_drain(live->queue);
    }
    return 0;
}

static void virtio_mem_queue_reset(VirtIODevice *vdev, uint32_t index)
{
    virtio_mem_queue_drain(VIRTIO_MEM(vdev)->live->queue);
}

static void virtio_mem_handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    virtio_mem_queue_serve(VIRTIO_MEM(vdev)->live->queue);
}

/* --- system reset ------------------------------------------------------- */

static void virtio_mem_system_reset_ended(VirtIOMEMChange *change)
{
    const VirtIOMEMLive *live = container_of(change, VirtIOMEMLive,
                                             reset_change);

    virtio_mem_queue_reset_ended(live->queue);
}

static void virtio_mem_system_reset(VirtIOMEM *vmem)
{
    VirtIOMEMLive *live = vmem->live;

    virtio_mem_queue_drain(live->queue);
    virtio_mem_ahead_give_back(&live->ahead);
    /*
     * "Should", not "must" (VIRTIO 1.2, 5.15.6): when it cannot be done now,
     * or has not come to its end when the driver looks, that finds memory
     * plugged and asks for UNPLUG ALL. What is pending here is the same for an
     * earlier reset: SeaBIOS answers each with another one.
     */
    if (!virtio_mem_change_is_pending(live->engine) &&
        !virtio_mem_retry_is_migrating()) {
        live->reset_change = (VirtIOMEMChange) {
            .action = VIRTIO_MEM_ACTION_UNPLUG_ALL,
            .origin = VIRTIO_MEM_BY_SYSTEM_RESET,
            .at_once = !VIRTIO_DEVICE(vmem)->vm_running ||
                       replay_mode != REPLAY_MODE_NONE,
            .done = virtio_mem_system_reset_ended,
        };
        if (live->state.blocks.plugged) {
            live->reset_change.range = virtio_mem_range_all(&live->state.geo);
        }
        virtio_mem_change_begin(live->engine, &live->reset_change);
    }
}

/* --- life -------------------------------------------------------------- */

/* The parts of a change, in the order in which they are run. */
static const struct {
    const VirtIOMEMPart *part;
    size_t self;                /* where in VirtIOMEMLive it has its own */
} virtio_mem_parts[] = {
    { &virtio_mem_guard_part, offsetof(VirtIOMEMLive, guard) },
    { &virtio_mem_memory_part, offsetof(VirtIOMEMLive, memory) },
    { &virtio_mem_slots_map_part, offsetof(VirtIOMEMLive, slots) },
    { &virtio_mem_listeners_part, offsetof(VirtIOMEMLive, listeners) },
    { &virtio_mem_state_part, offsetof(VirtIOMEMLive, state.blocks) },
    { &virtio_mem_slots_unmap_part, offsetof(VirtIOMEMLive, slots) },
    /* These hear of the end. */
    { &virtio_mem_sizes_part, offsetof(VirtIOMEMLive, sizes) },
    { &virtio_mem_retry_part, offsetof(VirtIOMEMLive, retry) },
};

static VirtIOMEMPartOfDevice *virtio_mem_parts_of(VirtIOMEMLive *live)
{
    VirtIOMEMPartOfDevice *parts = g_new(VirtIOMEMPartOfDevice,
                                         ARRAY_SIZE(virtio_mem_parts));

    for (size_t i = 0; i < ARRAY_SIZE(virtio_mem_parts); i++) {
        parts[i].part = virtio_mem_parts[i].part;
        parts[i].self = (char *)live + virtio_mem_parts[i].self;
    }
    return parts;
}

static VirtIOMEMLive *virtio_mem_live_new(VirtIOMEM *vmem,
                                          const VirtIOMEMProperties *properties)
{
    VirtIOMEMLive *live = g_new0(VirtIOMEMLive, 1);
    VirtIOMEMState *state = &live->state;

    state->geo = properties->geo;
    virtio_mem_blocks_init(&state->blocks,
                           virtio_mem_geometry_blocks(&state->geo));
    live->unplugged_inaccessible = properties->unplugged_inaccessible;
    live->parts = virtio_mem_parts_of(live);
    live->engine = virtio_mem_engine_new(vmem, &state->geo, &state->blocks,
                                         live->parts,
                                         ARRAY_SIZE(virtio_mem_parts));
    virtio_mem_listeners_init(&live->listeners, &state->geo, &state->blocks);
    return live;
}

static void virtio_mem_live_free(VirtIOMEMLive *live)
{
    virtio_mem_engine_close(live->engine);
    g_free(live->parts);
    virtio_mem_blocks_cleanup(&live->state.blocks);
    g_free(live);
}

static void virtio_mem_give_memory_up(VirtIOMEM *vmem, VirtIOMEMLive *live)
{
    virtio_mem_patrol_stop(&live->patrol);
    virtio_mem_guard_free(live->guard);
    virtio_mem_memory_cleanup(&live->memory);
    virtio_mem_ahead_cleanup(&live->ahead);
    virtio_mem_backend_release(&live->backend, DEVICE(vmem));
}

static VirtioMEMProtection virtio_mem_protection_of(const VirtIOMEMGuard *guard)
{
    return !guard ? VIRTIO_MEM_PROTECTION_DISCARD :
           virtio_mem_guard_is_user_mode(guard) ?
           VIRTIO_MEM_PROTECTION_USERFAULTFD_USER_MODE :
           VIRTIO_MEM_PROTECTION_USERFAULTFD;
}

/* The strongest that works; live->protection tells which. */
static bool virtio_mem_protect(VirtIOMEM *vmem, VirtIOMEMLive *live,
                               Error **errp)
{
    const VirtioMEMProtection wanted = vmem->protection;
    const bool is_auto = wanted == VIRTIO_MEM_PROTECTION_AUTO;
    const bool user_mode =
        wanted == VIRTIO_MEM_PROTECTION_USERFAULTFD_USER_MODE;

    live->protection = wanted;
    if (is_auto || user_mode || wanted == VIRTIO_MEM_PROTECTION_USERFAULTFD) {
        live->guard = virtio_mem_guard_new(&live->state.geo,
                                           &live->state.blocks, &live->backend,
                                           &live->violations, user_mode,
                                           is_auto ? NULL : errp);
        if (!live->guard && !is_auto) {
            return false;
        }
        live->protection = virtio_mem_protection_of(live->guard);
        if (live->guard) {
            virtio_mem_memory_set_guarded(&live->memory);
        }
    }
    if (wanted == VIRTIO_MEM_PROTECTION_USERFAULTFD &&
        wanted != live->protection) {
        warn_report("'unplugged-protection' is userfaultfd-user-mode: the kernel"
                    " does not let this process handle faults of KVM and of"
                    " vhost; that needs access to /dev/userfaultfd, or"
                    " vm.unprivileged_userfaultfd=1, or CAP_SYS_PTRACE");
    }
    /* It finds also what other processes and a time without guard have left. */
    return live->protection == VIRTIO_MEM_PROTECTION_NONE ||
           virtio_mem_patrol_start(&live->patrol, &live->state.geo,
                                   &live->state.blocks, &live->backend,
                                   &live->memory, live->guard,
                                   &live->violations,
                                   vmem->protection_interval ?:
                                   VIRTIO_MEM_PATROL_DEFAULT_MS, errp);
}

static void virtio_mem_behind_changed(void *opaque)
{
    VirtIOMEMLive *live = opaque;

    virtio_mem_report_behind(&live->report,
                             virtio_mem_memory_behind(&live->memory));
}

/* All that can fail at realize. Undone by virtio_mem_give_memory_up(). */
static bool virtio_mem_take_memory(VirtIOMEM *vmem, VirtIOMEMLive *live,
                                   Error **errp)
{
    if (!virtio_mem_memory_init(&live->memory, DEVICE(vmem), live->engine,
                                &live->state, &live->backend,
                                vmem->memdev->prealloc_context, vmem->prealloc,
                                virtio_mem_behind_changed, live, errp)) {
        return false;
    }
    if (!virtio_mem_backend_take(&live->backend, vmem->memdev,
                                 vmem->prealloc_threads,
                                 RAM_DISCARD_SOURCE(vmem), errp)) {
        virtio_mem_memory_cleanup(&live->memory);
        return false;
    }
    live->listeners.source = RAM_DISCARD_SOURCE(vmem);
    live->listeners.manager =
        memory_region_get_ram_discard_manager(&vmem->memdev->mr);
    if (!virtio_mem_protect(vmem, live, errp)) {
        virtio_mem_give_memory_up(vmem, live);
        return false;
    }
    return true;
}

static void virtio_mem_send_size(void *opaque)
{
    virtio_mem_transport_size_changed(opaque);
}

static void virtio_mem_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOMEM *vmem = VIRTIO_MEM(dev);
    VirtIOMEMProperties properties;
    VirtIOMEMLive *live;

    if (!virtio_mem_resolve(vmem, &properties, errp)) {
        return;
    }
    live = virtio_mem_live_new(vmem, &properties);
    if (!virtio_mem_take_memory(vmem, live, errp)) {
        virtio_mem_live_free(live);
        return;
    }

    virtio_mem_resolve_warn(vmem);
    virtio_mem_memslots_start(vmem->memslots, &live->slots, &live->state.geo,
                              &live->state.blocks);
    vmem->live = live;
    vmem->migration = &live->migration;
    virtio_init(vdev, VIRTIO_ID_MEM, sizeof(struct virtio_mem_config));
    virtio_mem_violations_init(&live->violations, vdev, vmem->violation ==
                               VIRTIO_MEM_VIOLATION_STOP);
    virtio_mem_report_init(&live->report, vdev, &vmem->resize_events,
                           vmem->initial_size);
    virtio_mem_sizes_init(&live->sizes, vdev, &live->state, vmem->initial_size,
                          &live->report, virtio_mem_send_size, vmem);
    virtio_mem_retry_init(&live->retry, vdev);
    virtio_mem_ahead_init(&live->ahead, vdev, live->engine, &live->memory,
                          &live->state.geo, &live->state.blocks,
                          vmem->prealloc_reserve);
    live->queue = virtio_mem_queue_new(vdev, virtio_mem_handle_output,
                                       &live->state, live->engine,
                                       &live->retry, &live->report);
    live->system_reset = (VirtIOMEMSystemResetListener) {
        .system_reset = virtio_mem_system_reset,
        .vmem = vmem,
    };
    virtio_mem_system_reset_listen(&live->system_reset);
    virtio_mem_migration_init(&live->migration, &(VirtIOMEMMigrated) {
        .vmem = vmem,
        .state = &live->state,
        .backend = &live->backend,
        .guard = live->guard,
        .ahead = &live->ahead,
        .engine = live->engine,
        .sizes = &live->sizes,
        .retry = &live->retry,
    });
}

static void virtio_mem_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOMEM *vmem = VIRTIO_MEM(dev);
    VirtIOMEMLive *live = vmem->live;

    virtio_mem_queue_silence(live->queue);
    virtio_mem_change_drain(live->engine);
    virtio_mem_migration_cleanup(&live->migration);
    virtio_mem_system_reset_unlisten(&live->system_reset);
    virtio_mem_queue_free(live->queue);
    virtio_mem_retry_cleanup(&live->retry);
    virtio_mem_sizes_cleanup(&live->sizes);
    virtio_mem_report_cleanup(&live->report);
    virtio_cleanup(vdev);
    virtio_mem_memslots_stop(vmem->memslots, &live->slots);
    virtio_mem_give_memory_up(vmem, live);
    virtio_mem_violations_cleanup(&live->violations);
    vmem->live = NULL;
    vmem->migration = NULL;
    virtio_mem_live_free(live);
}

/* --- sizes, for users ------------------------------------------------------ */

uint64_t virtio_mem_get_requested_size(const VirtIOMEM *vmem)
{
    return vmem->live ? vmem->live->state.requested_size : vmem->initial_size;
}

uint64_t virtio_mem_get_plugged_size(const VirtIOMEM *vmem)
{
    return vmem->live ? virtio_mem_plugged_size(&vmem->live->state) : 0;
}

bool virtio_mem_set_requested_size(VirtIOMEM *vmem, const char *name,
                                   uint64_t size, Error **errp)
{
    return vmem->live ?
           virtio_mem_sizes_request(&vmem->live->sizes, name, size, errp) :
           virtio_mem_properties_set_size(vmem, name, size, errp);
}

/* --- unplug of the device ------------------------------------------------- */

bool virtio_mem_check_unplug(VirtIOMEM *vmem, Error **errp)
{
    /* What is plugged now may be gone then; what is requested is not. */
    if (!virtio_mem_get_requested_size(vmem) &&
        !virtio_mem_change_drain(vmem->live->engine)) {
        error_setg(errp, "virtio-mem device is gone: its guest has taken it out"
                   " of its slot");
        return false;
    }
    if (!vmem->live->unplugged_inaccessible) {
        error_setg(errp, "virtio-mem device cannot get unplugged while"
                   " '" VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP "' != 'on'");
        return false;
    }
    if (virtio_mem_get_plugged_size(vmem)) {
        error_setg(errp, "virtio-mem device cannot get unplugged while some of"
                   " its memory is still plugged: '" VIRTIO_MEM_SIZE_PROP
                   "' != '0'");
        return false;
    }
    if (virtio_mem_get_requested_size(vmem)) {
        error_setg(errp, "virtio-mem device cannot get unplugged while"
                   " '" VIRTIO_MEM_REQUESTED_SIZE_PROP "' != '0'");
        return false;
    }
    if (virtio_mem_memory_behind(&vmem->live->memory)) {
        g_autofree char *left =
            size_to_str(virtio_mem_memory_behind(&vmem->live->memory));

        error_setg(errp, "virtio-mem device cannot get unplugged while %s of its"
                   " unplugged memory are still being given back to the host;"
                   " try again", left);
        return false;
    }
    return true;
}

/* --- type -------------------------------------------------------------- */

static uint64_t virtio_mem_rds_get_min_granularity(const RamDiscardSource *rds,
                                                   const MemoryRegion *mr)
{
    return virtio_mem_get_block_size(VIRTIO_MEM(rds));
}

static bool virtio_mem_rds_is_populated(const RamDiscardSource *rds,
                                        const MemoryRegionSection *section)
{
    return virtio_mem_listeners_is_populated(&VIRTIO_MEM(rds)->live->listeners,
                                             section);
}

static uint64_t virtio_mem_rds_find_run(const RamDiscardSource *rds,
                                        const MemoryRegionSection *section,
                                        bool *populated)
{
    return virtio_mem_listeners_find_run(&VIRTIO_MEM(rds)->live->listeners,
                                         section, populated);
}

static void virtio_mem_finalize(Object *obj)
{
    virtio_mem_memslots_free(VIRTIO_MEM(obj)->memslots);
}

static void virtio_mem_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(oc);
    RamDiscardSourceClass *rdsc = RAM_DISCARD_SOURCE_CLASS(oc);

    virtio_mem_properties_class_init(oc);
    virtio_mem_migration_class_init(oc);
    dc->desc = "resizable memory";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    vdc->realize = virtio_mem_realize;
    vdc->unrealize = virtio_mem_unrealize;
    vdc->get_config = virtio_mem_get_config;
    vdc->get_features = virtio_mem_get_features;
    vdc->validate_features = virtio_mem_validate_features;
    vdc->set_status = virtio_mem_set_status;
    vdc->queue_reset = virtio_mem_queue_reset;

    rdsc->get_min_granularity = virtio_mem_rds_get_min_granularity;
    rdsc->is_populated = virtio_mem_rds_is_populated;
    rdsc->find_run = virtio_mem_rds_find_run;
}

static const TypeInfo virtio_mem_info = {
    .name = TYPE_VIRTIO_MEM,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOMEM),
    .instance_finalize = virtio_mem_finalize,
    .class_init = virtio_mem_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_RAM_DISCARD_SOURCE },
        { }
    },
};

static void virtio_mem_register_types(void)
{
    type_register_static(&virtio_mem_info);
}

type_init(virtio_mem_register_types)
