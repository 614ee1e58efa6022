/*
 * virtio-mem: migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "migration/misc.h"
#include "migration/register.h"
#include "migration/vmstate.h"
#include "migration.h"
#include "resolve.h"

/* Never in a stream: only for QEMU's list of who hears of a load. */
#define VIRTIO_MEM_LOAD "virtio-mem-load"

/* --- what must be the same ----------------------------------------------- */

static VirtIOMEMIdentity
migration_identity(const VirtIOMEMMigration *migration)
{
    const VirtIOMEMGeometry *geo = &migration->device.state->geo;

    return (VirtIOMEMIdentity) {
        .migration = migration,
        .addr = geo->addr.gpa,
        .region_size = geo->region_size,
        .block_size = geo->block_size,
        .node = migration->device.vmem->node,
    };
}

static bool migration_same(const char *what, uint64_t theirs, uint64_t ours)
{
    if (theirs != ours) {
        error_report("virtio-mem: %s differs: 0x%" PRIx64 " in the stream, 0x%"
                     PRIx64 " here", what, theirs, ours);
    }
    return theirs == ours;
}

static int migration_identity_post_load(void *opaque, int version_id)
{
    const VirtIOMEMIdentity *theirs = opaque;
    const VirtIOMEMIdentity ours = migration_identity(theirs->migration);
    const bool same =
        migration_same("'" VIRTIO_MEM_ADDR_PROP "'", theirs->addr, ours.addr) &&
        migration_same("the size of '" VIRTIO_MEM_MEMDEV_PROP "'",
                       theirs->region_size, ours.region_size) &&
        migration_same("'" VIRTIO_MEM_BLOCK_SIZE_PROP "'", theirs->block_size,
                       ours.block_size) &&
        migration_same("'" VIRTIO_MEM_NODE_PROP "'", theirs->node, ours.node);

    return same ? 0 : -EINVAL;
}

static const VMStateDescription vmstate_identity = {
    .name = "virtio-mem-device/sanity-checks",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = migration_identity_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(addr, VirtIOMEMIdentity),
        VMSTATE_UINT64(region_size, VirtIOMEMIdentity),
        VMSTATE_UINT64(block_size, VirtIOMEMIdentity),
        VMSTATE_UINT32(node, VirtIOMEMIdentity),
        VMSTATE_END_OF_LIST()
    },
};

/* --- which blocks are plugged -------------------------------------------- */

static void migration_forget_blocks(VirtIOMEMMigration *migration)
{
    virtio_mem_blocks_cleanup(&migration->blocks);
}

/* Make room for the blocks of a stream, all of them unplugged. */
static void migration_blocks_pre_load(VirtIOMEMMigration *migration)
{
    const VirtIOMEMState *state = migration->device.state;

    migration_forget_blocks(migration);
    virtio_mem_blocks_init(&migration->blocks, state->blocks.count);
    migration->nb_blocks = state->blocks.count;
    migration->identity = migration_identity(migration);
}

static int migration_blocks_pre_save(VirtIOMEMMigration *migration)
{
    const VirtIOMEMState *state = migration->device.state;

    if (!virtio_mem_change_drain(migration->device.engine)) {
        return -ENODEV;
    }
    migration_blocks_pre_load(migration);
    virtio_mem_blocks_copy(&migration->blocks, &state->blocks);
    migration->plugged_size = virtio_mem_plugged_size(state);
    return 0;
}

/* Is the stream at one with itself? */
static bool migration_blocks_are_sound(VirtIOMEMMigration *migration)
{
    const VirtIOMEMGeometry *geo = &migration->device.state->geo;
    uint64_t size;

    if (!virtio_mem_blocks_recount(&migration->blocks)) {
        error_report("virtio-mem: the stream has blocks plugged beyond the"
                     " last one (%" PRId32 " blocks)", migration->nb_blocks);
        return false;
    }
    size = migration->blocks.plugged * geo->block_size;
    if (migration->plugged_size != size) {
        error_report("virtio-mem: the stream says that '" VIRTIO_MEM_SIZE_PROP
                     "' is 0x%" PRIx64 ", but its blocks are 0x%" PRIx64,
                     migration->plugged_size, size);
        return false;
    }
    return true;
}

/*
 * Of a file that others may use nothing was discarded when the load began. What
 * is not plugged has no content that anybody needs.
 */
static int migration_discard_unplugged(const VirtIOMEMMigration *migration)
{
    const VirtIOMEMMigrated *device = &migration->device;

    return virtio_mem_backend_is_left_out(device->backend) ? 0 :
           virtio_mem_backend_discard_unplugged(device->backend,
                                                &device->state->geo,
                                                &migration->blocks);
}

/*
 * There was enough to populate; but postcopy fills only what is not there, and
 * the content of plugged blocks is still to come.
 */
static int migration_release_all(const VirtIOMEMMigration *migration)
{
    const VirtIOMEMSpan all = {
        .size = migration->device.state->geo.region_size,
    };

    return virtio_mem_backend_discard(migration->device.backend, all);
}

/* RAM comes later, or not at all; @early: early enough to get memory for it. */
static int migration_blocks_restore(VirtIOMEMMigration *migration, bool early)
{
    const VirtIOMEMMigrated *device = &migration->device;
    const bool populate = early && device->vmem->prealloc &&
                          !virtio_mem_backend_is_left_out(device->backend);
    int ret = migration_discard_unplugged(migration);

    if (ret) {
        error_report("virtio-mem: memory that the stream does not have plugged"
                     " cannot be given back to the host: %s", strerror(-ret));
        return ret;
    }
    /* Many runs may map many slots: all at once. */
    memory_region_transaction_begin();
    ret = virtio_mem_change_restore(device->engine, &migration->blocks,
                                    populate);
    memory_region_transaction_commit();
    if (ret) {
        error_report("virtio-mem: the plugged memory of the stream (0x%" PRIx64
                     " bytes) cannot be had here: %s", migration->plugged_size,
                     strerror(-ret));
        return ret;
    }
    migration->blocks_loaded = true;
    return populate && migration_incoming_postcopy_advised() ?
           migration_release_all(migration) : 0;
}

static int migration_early_pre_load(void *opaque)
{
    migration_blocks_pre_load(opaque);
    return 0;
}

static int migration_early_pre_save(void *opaque)
{
    return migration_blocks_pre_save(opaque);
}

static int migration_early_post_load(void *opaque, int version_id)
{
    VirtIOMEMMigration *migration = opaque;
    int ret = -EINVAL;

    if (migration_blocks_are_sound(migration)) {
        ret = migration_blocks_restore(migration, true);
    }
    migration_forget_blocks(migration);
    return ret;
}

static void migration_post_save(void *opaque)
{
    migration_forget_blocks(opaque);
}

static const VMStateDescription vmstate_early = {
    .name = "virtio-mem-device-early",
    .version_id = 1,
    .minimum_version_id = 1,
    .early_setup = true,
    .pre_save = migration_early_pre_save,
    .post_save = migration_post_save,
    .pre_load = migration_early_pre_load,
    .post_load = migration_early_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(identity, VirtIOMEMMigration, 1, vmstate_identity,
                       VirtIOMEMIdentity),
        VMSTATE_UINT64(plugged_size, VirtIOMEMMigration),
        VMSTATE_BITMAP(blocks.bitmap, VirtIOMEMMigration, 0, nb_blocks),
        VMSTATE_END_OF_LIST()
    },
};

/* --- the rest, with the blocks when they do not come early --------------- */

static int migration_device_pre_save(void *opaque)
{
    VirtIOMEMMigration *migration = opaque;

    migration->usable_size = migration->device.state->usable_size;
    migration->requested_size = migration->device.state->requested_size;
    return migration->device.vmem->early_migration ?
           0 : migration_blocks_pre_save(migration);
}

static int migration_device_pre_load(void *opaque)
{
    VirtIOMEMMigration *migration = opaque;

    if (!migration->device.vmem->early_migration) {
        migration_blocks_pre_load(migration);
    } else if (!migration->blocks_loaded) {
        error_report("virtio-mem: the stream does not tell early which blocks"
                     " are plugged; '" VIRTIO_MEM_EARLY_MIGRATION_PROP "' must"
                     " be the same on both sides");
        return -EINVAL;
    }
    return 0;
}

/* Is nothing plugged outside the first @usable_size bytes? */
static bool migration_blocks_are_usable(const VirtIOMEMGeometry *geo,
                                        const VirtIOMEMBlocks *blocks,
                                        uint64_t usable_size)
{
    VirtIOMEMRange beyond = virtio_mem_range_all(geo);
    VirtIOMEMRange run;

    beyond.first = usable_size / geo->block_size;
    beyond.count -= beyond.first;
    run = (VirtIOMEMRange) { .first = beyond.first };
    return !virtio_mem_blocks_next_run(blocks, beyond, true, &run);
}

/* @blocks: those of the stream */
static bool migration_sizes_are_sound(const VirtIOMEMMigration *migration,
                                      const VirtIOMEMBlocks *blocks)
{
    const VirtIOMEMGeometry *geo = &migration->device.state->geo;
    const uint64_t usable = migration->usable_size;
    const uint64_t requested = migration->requested_size;
    Error *err = NULL;

    if (!virtio_mem_resolve_check_size(geo, VIRTIO_MEM_REQUESTED_SIZE_PROP,
                                       requested, &err)) {
        error_reportf_err(err, "virtio-mem: in the stream, ");
        return false;
    }
    if (virtio_mem_geometry_check_size(geo, usable) || usable < requested) {
        error_report("virtio-mem: the usable region of the stream (0x%" PRIx64
                     ") must be a multiple of '" VIRTIO_MEM_BLOCK_SIZE_PROP
                     "' (0x%" PRIx64 ") from '" VIRTIO_MEM_REQUESTED_SIZE_PROP
                     "' (0x%" PRIx64 ") to the memory backend size (0x%" PRIx64
                     ")", usable, geo->block_size, requested, geo->region_size);
        return false;
    }
    if (!migration_blocks_are_usable(geo, blocks, usable)) {
        error_report("virtio-mem: the stream has blocks plugged outside its"
                     " usable region (0x%" PRIx64 ")", usable);
        return false;
    }
    return true;
}

static int migration_device_load(VirtIOMEMMigration *migration)
{
    const VirtIOMEMMigrated *device = &migration->device;
    const bool early = device->vmem->early_migration;
    int ret = 0;

    if ((!early && !migration_blocks_are_sound(migration)) ||
        !migration_sizes_are_sound(migration, early ? &device->state->blocks
                                          : &migration->blocks)) {
        return -EINVAL;
    }
    if (!early) {
        ret = migration_blocks_restore(migration, false);
    }
    if (!ret) {
        virtio_mem_sizes_load(device->sizes, migration->requested_size,
                              migration->usable_size);
        /* The guest may have been told to wait where it came from. */
        virtio_mem_retry_soon(device->retry);
    }
    return ret;
}

static int migration_device_post_load(void *opaque, int version_id)
{
    const int ret = migration_device_load(opaque);

    migration_forget_blocks(opaque);
    return ret;
}

static bool migration_is_late(void *opaque, int version_id)
{
    const VirtIOMEMMigration *migration = opaque;

    return !migration->device.vmem->early_migration;
}

static const VMStateDescription vmstate_migration = {
    .name = "virtio-mem-device/live",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = migration_device_pre_save,
    .post_save = migration_post_save,
    .pre_load = migration_device_pre_load,
    .post_load = migration_device_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_TEST(identity, VirtIOMEMMigration, migration_is_late, 1,
                            vmstate_identity, VirtIOMEMIdentity),
        VMSTATE_UINT64(usable_size, VirtIOMEMMigration),
        VMSTATE_UINT64_TEST(plugged_size, VirtIOMEMMigration,
                            migration_is_late),
        VMSTATE_UINT64(requested_size, VirtIOMEMMigration),
        VMSTATE_BITMAP_TEST(blocks.bitmap, VirtIOMEMMigration,
                            migration_is_late, 0, nb_blocks),
        VMSTATE_END_OF_LIST()
    },
};

/* Inside the state of the virtio device, which the bus saves and loads. */
static const VMStateDescription vmstate_device = {
    .name = "virtio-mem-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_VIRTIO_MEM,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_POINTER(migration, VirtIOMEM, vmstate_migration,
                               VirtIOMEMMigration),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_virtio_mem = {
    .name = "virtio-mem",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    },
};

/* --- load starts --------------------------------------------------------- */

/*
 * Nothing of the stream is here yet, RAM least of all: the one moment to give
 * all memory back at once, instead of one unplugged range after the other when
 * the blocks are known. (Pages may come before the blocks: from a file, or by
 * channels of their own.) The content of a file that others may use stays.
 */
static int migration_load_setup(QEMUFile *f, void *opaque, Error **errp)
{
    VirtIOMEMMigration *migration = opaque;
    const VirtIOMEMMigrated *device = &migration->device;
    int ret;

    migration->blocks_loaded = false;
    virtio_mem_guard_stand_aside(device->guard);
    if (virtio_mem_backend_is_left_out(device->backend)) {
        return 0;
    }
    ret = virtio_mem_change_clear(device->engine, false);
    if (ret) {
        error_setg_errno(errp, -ret, "memory of '" VIRTIO_MEM_MEMDEV_PROP
                         "' cannot be given back to the host");
    }
    return ret;
}

/* No stream has a section of this name, unless someone made it up. */
static int migration_load_state(QEMUFile *f, void *opaque, int version_id)
{
    return -EINVAL;
}

static const SaveVMHandlers load_handlers = {
    .load_setup = migration_load_setup,
    .load_state = migration_load_state,
};

/* --- start ---------------------------------------------------------------- */

/*
 * RAM asks which blocks are plugged before they are saved. From now on they do
 * not change any more; what is on its way has to come to its end before.
 */
static int migration_event(NotifierWithReturn *notifier, MigrationEvent *event,
                           Error **errp)
{
    VirtIOMEMMigration *migration = container_of(notifier, VirtIOMEMMigration,
                                                 notifier);

    if (event->type == MIG_EVENT_SETUP &&
        virtio_mem_change_drain(migration->device.engine)) {
        virtio_mem_guard_stand_aside(migration->device.guard);
        virtio_mem_ahead_give_back(migration->device.ahead);
    }
    return 0;
}

/* --- life ---------------------------------------------------------------- */

void virtio_mem_migration_init(VirtIOMEMMigration *migration,
                               const VirtIOMEMMigrated *device)
{
    VirtIOMEM *vmem = device->vmem;

    *migration = (VirtIOMEMMigration) { .device = *device };
    migration_add_notifier(&migration->notifier, migration_event);
    if (vmem->early_migration) {
        vmstate_register_any(VMSTATE_IF(vmem), &vmstate_early, migration);
    }
    register_savevm_live(VIRTIO_MEM_LOAD, VMSTATE_INSTANCE_ID_ANY, 1,
                         &load_handlers, migration);
}

void virtio_mem_migration_cleanup(VirtIOMEMMigration *migration)
{
    unregister_savevm(NULL, VIRTIO_MEM_LOAD, migration);
    if (migration->device.vmem->early_migration) {
        vmstate_unregister(VMSTATE_IF(migration->device.vmem), &vmstate_early,
                           migration);
    }
    migration_remove_notifier(&migration->notifier);
    migration_forget_blocks(migration);
}

void virtio_mem_migration_class_init(ObjectClass *oc)
{
    DEVICE_CLASS(oc)->vmsd = &vmstate_virtio_mem;
    VIRTIO_DEVICE_CLASS(oc)->vmsd = &vmstate_device;
}
