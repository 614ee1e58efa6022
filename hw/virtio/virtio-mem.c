/*
 * virtio-mem: paravirtualized, resizable memory
 *
 * The device itself: config space, features, reset, realize. Requests come in
 * through virtio-mem-queue, what to answer is decided in virtio-mem-protocol,
 * how a change is carried out in virtio-mem-transition, how a device may be
 * configured in virtio-mem-config.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/virtio/virtio-mem.h"
#include "standard-headers/linux/virtio_ids.h"
#include "standard-headers/linux/virtio_mem.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-mem-backing.h"
#include "virtio-mem-config.h"
#include "virtio-mem-effects.h"
#include "virtio-mem-live.h"
#include "virtio-mem-migration.h"
#include CONFIG_DEVICES

#define VIRTIO_MEM_SIZE_NEWS_MS 1000    /* as QEMU limits that event */

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
#ifdef CONFIG_ACPI
    /* Also without nodes, so that machines of one type offer the same. */
    if (MACHINE(qdev_get_machine())->numa_state) {
        virtio_add_feature(&features, VIRTIO_MEM_F_ACPI_PXM);
    }
#endif
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
        virtio_mem_status_driver(&VIRTIO_MEM(vdev)->live->status,
                                 VIRTIO_MEM_RESIZE_DRIVER_REFUSED);
        return -EFAULT;
    }
    return 0;
}

/* A driver that was refused is so until the device is reset. */
static void virtio_mem_follow_driver(VirtIOMEM *vmem, uint8_t status)
{
    VirtIOMEMStatus *told = &vmem->live->status;

    if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
        virtio_mem_status_driver(told, VIRTIO_MEM_RESIZE_DRIVER_RUNS);
    } else if (!status ||
               told->resize.driver != VIRTIO_MEM_RESIZE_DRIVER_REFUSED) {
        virtio_mem_status_driver(told, VIRTIO_MEM_RESIZE_DRIVER_NONE);
    }
}

/*
 * Also called when the VM starts and stops. A driver that goes away gets its
 * last answer while its ring is there.
 */
static void virtio_mem_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIOMEM *vmem = VIRTIO_MEM(vdev);

    virtio_mem_follow_driver(vmem, status);
    if (!vdev->vm_running) {
        virtio_mem_device_drain(vmem);
    } else if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
        virtio_mem_queue_run(&vmem->live->queue);
        virtio_mem_wakeup_vm_runs(&vmem->live->wakeup);
    } else {
        virtio_mem_queue_drain(&vmem->live->queue);
    }
}

static void virtio_mem_queue_reset(VirtIODevice *vdev, uint32_t index)
{
    virtio_mem_queue_drain(&VIRTIO_MEM(vdev)->live->queue);
}

static void virtio_mem_tell_size(void *opaque)
{
    virtio_mem_transport_size_changed(opaque);
}

static void virtio_mem_done(VirtIOMEM *vmem, int ret)
{
    virtio_mem_queue_done(&vmem->live->queue, ret);
}

static void virtio_mem_system_reset(VirtIOMEM *vmem)
{
    virtio_mem_queue_drain(&vmem->live->queue);
    /*
     * "Should", not "must" (VIRTIO 1.2, 5.15.6): when it cannot be done now,
     * or has not come to its end when the driver looks, that finds memory
     * plugged and asks for UNPLUG ALL. What is pending here is the same for an
     * earlier reset: SeaBIOS answers each with another one.
     */
    if (!virtio_mem_device_is_pending(vmem) &&
        !virtio_mem_wakeup_is_migrating()) {
        virtio_mem_device_begin(vmem, VIRTIO_MEM_ACTION_UNPLUG_ALL,
                                (VirtIOMEMRange) { 0 });
    }
    if (!VIRTIO_DEVICE(vmem)->vm_running) {
        virtio_mem_device_drain(vmem);
    }
}

/* --- life -------------------------------------------------------------- */

static VirtIOMEMLive *virtio_mem_live_new(VirtIOMEM *vmem,
                                          const VirtIOMEMConfig *config,
                                          Error **errp)
{
    VirtIOMEMLive *live = g_new0(VirtIOMEMLive, 1);
    VirtIOMEMState *state = &live->state;

    if (!virtio_mem_effects_init(vmem, live, virtio_mem_done, errp)) {
        g_free(live);
        return NULL;
    }
    state->geo = config->geo;
    state->requested_size = vmem->initial_size;
    state->usable_size = virtio_mem_geometry_usable(&state->geo,
                                                    state->requested_size);
    virtio_mem_blocks_init(&state->blocks,
                           virtio_mem_geometry_blocks(&state->geo));
    virtio_mem_rdm_init(&live->rdm, &state->geo, &state->blocks);
    live->unplugged_inaccessible = config->unplugged_inaccessible;
    return live;
}

static void virtio_mem_live_free(VirtIOMEMLive *live)
{
    virtio_mem_effects_cleanup(live);
    virtio_mem_blocks_cleanup(&live->state.blocks);
    g_free(live);
}

static void virtio_mem_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOMEM *vmem = VIRTIO_MEM(dev);
    VirtIOMEMConfig config;
    VirtIOMEMLive *live;

    if (!virtio_mem_config_resolve(vmem, &config, errp)) {
        return;
    }
    live = virtio_mem_live_new(vmem, &config, errp);
    if (!live) {
        return;
    }
    if (!virtio_mem_backing_take(&live->backing, vmem->memdev,
                                 vmem->prealloc_threads,
                                 RAM_DISCARD_MANAGER(vmem), errp)) {
        virtio_mem_live_free(live);
        return;
    }

    virtio_mem_config_warn(vmem);
    vmem->live = live;
    virtio_init(vdev, VIRTIO_ID_MEM, sizeof(struct virtio_mem_config));
    virtio_mem_queue_init(vmem, &live->queue);
    virtio_mem_wakeup_init(&live->wakeup, vdev);
    virtio_mem_news_init(&live->size_news, VIRTIO_MEM_SIZE_NEWS_MS,
                         virtio_mem_tell_size, vmem);
    virtio_mem_status_init(&live->status, vmem);
    live->system_reset = (VirtIOMEMSystemResetListener) {
        .system_reset = virtio_mem_system_reset,
        .vmem = vmem,
    };
    virtio_mem_system_reset_listen(&live->system_reset);
    virtio_mem_migration_init(vmem, &live->migration);
}

static void virtio_mem_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOMEM *vmem = VIRTIO_MEM(dev);
    VirtIOMEMLive *live = vmem->live;

    virtio_mem_queue_silence(&live->queue);
    virtio_mem_device_drain(vmem);
    virtio_mem_migration_cleanup(&live->migration);
    virtio_mem_system_reset_unlisten(&live->system_reset);
    virtio_mem_status_cleanup(&live->status);
    virtio_mem_news_cleanup(&live->size_news);
    virtio_mem_wakeup_cleanup(&live->wakeup);
    virtio_mem_queue_cleanup(&live->queue);
    virtio_cleanup(vdev);
    virtio_mem_backing_release(&live->backing, DEVICE(vmem));
    vmem->live = NULL;
    virtio_mem_live_free(live);
}

/* --- unplug of the device ------------------------------------------------- */

bool virtio_mem_check_unplug(VirtIOMEM *vmem, Error **errp)
{
    if (!virtio_mem_device_drain(vmem)) {
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
    return true;
}

/* --- type -------------------------------------------------------------- */

static uint64_t rdm_get_min_granularity(const RamDiscardManager *rdm,
                                        const MemoryRegion *mr)
{
    return VIRTIO_MEM(rdm)->live->state.geo.block_size;
}

static bool rdm_is_populated(const RamDiscardManager *rdm,
                             const MemoryRegionSection *section)
{
    return virtio_mem_rdm_is_populated(&VIRTIO_MEM(rdm)->live->rdm, section);
}

static int rdm_replay_populated(const RamDiscardManager *rdm,
                                MemoryRegionSection *section,
                                ReplayRamPopulate fn, void *opaque)
{
    return virtio_mem_rdm_replay_populated(&VIRTIO_MEM(rdm)->live->rdm, section,
                                           fn, opaque);
}

static void rdm_replay_discarded(const RamDiscardManager *rdm,
                                 MemoryRegionSection *section,
                                 ReplayRamDiscard fn, void *opaque)
{
    virtio_mem_rdm_replay_discarded(&VIRTIO_MEM(rdm)->live->rdm, section, fn,
                                    opaque);
}

static void rdm_register_listener(RamDiscardManager *rdm,
                                  RamDiscardListener *listener,
                                  MemoryRegionSection *section)
{
    virtio_mem_rdm_register(&VIRTIO_MEM(rdm)->live->rdm, listener, section);
}

static void rdm_unregister_listener(RamDiscardManager *rdm,
                                    RamDiscardListener *listener)
{
    virtio_mem_rdm_unregister(&VIRTIO_MEM(rdm)->live->rdm, listener);
}

static void virtio_mem_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(oc);
    RamDiscardManagerClass *rdmc = RAM_DISCARD_MANAGER_CLASS(oc);

    virtio_mem_config_class_init(oc);
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

    rdmc->get_min_granularity = rdm_get_min_granularity;
    rdmc->is_populated = rdm_is_populated;
    rdmc->replay_populated = rdm_replay_populated;
    rdmc->replay_discarded = rdm_replay_discarded;
    rdmc->register_listener = rdm_register_listener;
    rdmc->unregister_listener = rdm_unregister_listener;
}

static const TypeInfo virtio_mem_info = {
    .name = TYPE_VIRTIO_MEM,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOMEM),
    .class_init = virtio_mem_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_RAM_DISCARD_MANAGER },
        { }
    },
};

static void virtio_mem_register_types(void)
{
    type_register_static(&virtio_mem_info);
}

type_init(virtio_mem_register_types)
