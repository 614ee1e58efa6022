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
#include "virtio-mem-config.h"
#include "virtio-mem-effects.h"
#include "virtio-mem-live.h"
#include "virtio-mem-migration.h"

/* Never in a stream: only for QEMU's list of who hears of a load. */
#define VIRTIO_MEM_LOAD "virtio-mem-load"

/* --- what must be the same ----------------------------------------------- */

static VirtIOMEMIdentity identity_of(const VirtIOMEM *vmem)
{
    const VirtIOMEMGeometry *geo = &vmem->live->state.geo;

    return (VirtIOMEMIdentity) {
        .vmem = vmem,
        .addr = geo->addr.gpa,
        .region_size = geo->region_size,
        .block_size = geo->block_size,
        .node = vmem->node,
    };
}

static bool same(const char *what, uint64_t theirs, uint64_t ours)
{
    if (theirs != ours) {
        error_report("virtio-mem: %s differs: 0x%" PRIx64 " in the stream, 0x%"
                     PRIx64 " here", what, theirs, ours);
    }
    return theirs == ours;
}

static int identity_post_load(void *opaque, int version_id)
{
    const VirtIOMEMIdentity *theirs = opaque;
    const VirtIOMEMIdentity ours = identity_of(theirs->vmem);

    return same("'" VIRTIO_MEM_ADDR_PROP "'", theirs->addr, ours.addr) &&
           same("the size of '" VIRTIO_MEM_MEMDEV_PROP "'",
                theirs->region_size, ours.region_size) &&
           same("'" VIRTIO_MEM_BLOCK_SIZE_PROP "'", theirs->block_size,
                ours.block_size) &&
           same("'" VIRTIO_MEM_NODE_PROP "'", theirs->node, ours.node)
           ? 0 : -EINVAL;
}

static const VMStateDescription vmstate_identity = {
    .name = "virtio-mem-device/sanity-checks",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = identity_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(addr, VirtIOMEMIdentity),
        VMSTATE_UINT64(region_size, VirtIOMEMIdentity),
        VMSTATE_UINT64(block_size, VirtIOMEMIdentity),
        VMSTATE_UINT32(node, VirtIOMEMIdentity),
        VMSTATE_END_OF_LIST()
    },
};

/* --- which blocks are plugged -------------------------------------------- */

static void forget_blocks(VirtIOMEMMigration *migration)
{
    virtio_mem_blocks_cleanup(&migration->blocks);
}

/* Make room for the blocks of a stream, all of them unplugged. */
static void blocks_pre_load(VirtIOMEMMigration *migration)
{
    const VirtIOMEMState *state = &migration->vmem->live->state;

    forget_blocks(migration);
    virtio_mem_blocks_init(&migration->blocks, state->blocks.count);
    migration->nb_blocks = state->blocks.count;
    migration->identity = identity_of(migration->vmem);
}

static int blocks_pre_save(VirtIOMEMMigration *migration)
{
    const VirtIOMEMState *state = &migration->vmem->live->state;

    if (!virtio_mem_device_drain(migration->vmem)) {
        return -ENODEV;
    }
    blocks_pre_load(migration);
    virtio_mem_blocks_copy(&migration->blocks, &state->blocks);
    migration->plugged_size = virtio_mem_plugged_size(state);
    return 0;
}

/* Is the stream at one with itself? */
static bool blocks_are_sound(VirtIOMEMMigration *migration)
{
    const VirtIOMEMGeometry *geo = &migration->vmem->live->state.geo;
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
static int discard_unplugged(const VirtIOMEMMigration *migration)
{
    const VirtIOMEMLive *live = migration->vmem->live;
    int ret = 0;

    if (live->backing.content == VIRTIO_MEM_CONTENT_FILE &&
        !migrate_ram_is_ignored(live->backing.rb)) {
        ret = virtio_mem_backing_discard_unplugged(&live->backing,
                                                   &live->state.geo,
                                                   &migration->blocks);
    }
    return ret;
}

/* RAM comes later, or not at all; @early: early enough to get memory for it. */
static int blocks_restore(VirtIOMEMMigration *migration, bool early)
{
    const VirtIOMEM *vmem = migration->vmem;
    const bool populate = early && vmem->prealloc &&
                          !migrate_ram_is_ignored(vmem->live->backing.rb);
    const VirtIOMEMTransition *transition = &vmem->live->transition;
    int ret = discard_unplugged(migration);

    if (ret) {
        error_report("virtio-mem: memory that the stream does not have plugged"
                     " cannot be given back to the host: %s", strerror(-ret));
        return ret;
    }
    ret = virtio_mem_restore(transition, &migration->blocks, populate);
    if (ret) {
        error_report("virtio-mem: the plugged memory of the stream (0x%" PRIx64
                     " bytes) cannot be had here: %s", migration->plugged_size,
                     strerror(-ret));
        return ret;
    }
    migration->blocks_loaded = true;
    if (populate && migration_incoming_postcopy_advised()) {
        /* There is enough; but postcopy fills only what is not there. */
        return virtio_mem_release(transition);
    }
    return 0;
}

static int early_pre_load(void *opaque)
{
    blocks_pre_load(opaque);
    return 0;
}

static int early_pre_save(void *opaque)
{
    return blocks_pre_save(opaque);
}

static int early_post_load(void *opaque, int version_id)
{
    VirtIOMEMMigration *migration = opaque;
    int ret = -EINVAL;

    if (blocks_are_sound(migration)) {
        ret = blocks_restore(migration, true);
    }
    forget_blocks(migration);
    return ret;
}

static int early_post_save(void *opaque)
{
    forget_blocks(opaque);
    return 0;
}

static const VMStateDescription vmstate_early = {
    .name = "virtio-mem-device-early",
    .version_id = 1,
    .minimum_version_id = 1,
    .early_setup = true,
    .pre_save = early_pre_save,
    .post_save = early_post_save,
    .pre_load = early_pre_load,
    .post_load = early_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(identity, VirtIOMEMMigration, 1, vmstate_identity,
                       VirtIOMEMIdentity),
        VMSTATE_UINT64(plugged_size, VirtIOMEMMigration),
        VMSTATE_BITMAP(blocks.bitmap, VirtIOMEMMigration, 0, nb_blocks),
        VMSTATE_END_OF_LIST()
    },
};

/* --- the rest, with the blocks when they do not come early --------------- */

static int device_pre_save(void *opaque)
{
    VirtIOMEMLive *live = opaque;
    VirtIOMEMMigration *migration = &live->migration;

    migration->usable_size = live->state.usable_size;
    migration->requested_size = live->state.requested_size;
    return migration->vmem->early_migration ? 0 : blocks_pre_save(migration);
}

static int device_post_save(void *opaque)
{
    VirtIOMEMLive *live = opaque;

    forget_blocks(&live->migration);
    return 0;
}

static int device_pre_load(void *opaque)
{
    VirtIOMEMLive *live = opaque;
    VirtIOMEMMigration *migration = &live->migration;

    if (!migration->vmem->early_migration) {
        blocks_pre_load(migration);
    } else if (!migration->blocks_loaded) {
        error_report("virtio-mem: the stream does not tell early which blocks"
                     " are plugged; '" VIRTIO_MEM_EARLY_MIGRATION_PROP "' must"
                     " be the same on both sides");
        return -EINVAL;
    }
    return 0;
}

/* Is nothing plugged outside the first @usable_size bytes? */
static bool blocks_are_usable(const VirtIOMEMGeometry *geo,
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
static bool sizes_are_sound(const VirtIOMEMMigration *migration,
                            const VirtIOMEMBlocks *blocks)
{
    const VirtIOMEMGeometry *geo = &migration->vmem->live->state.geo;
    const uint64_t usable = migration->usable_size;
    const uint64_t requested = migration->requested_size;
    Error *err = NULL;

    if (!virtio_mem_config_check_size(geo, VIRTIO_MEM_REQUESTED_SIZE_PROP,
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
    if (!blocks_are_usable(geo, blocks, usable)) {
        error_report("virtio-mem: the stream has blocks plugged outside its"
                     " usable region (0x%" PRIx64 ")", usable);
        return false;
    }
    return true;
}

static int device_load(VirtIOMEMLive *live)
{
    VirtIOMEMMigration *migration = &live->migration;
    const bool early = migration->vmem->early_migration;
    int ret = 0;

    if ((!early && !blocks_are_sound(migration)) ||
        !sizes_are_sound(migration, early ? &live->state.blocks
                                          : &migration->blocks)) {
        return -EINVAL;
    }
    if (!early) {
        ret = blocks_restore(migration, false);
    }
    if (!ret) {
        live->state.usable_size = migration->usable_size;
        live->state.requested_size = migration->requested_size;
        /* The guest may have been told to wait where it came from. */
        virtio_mem_wakeup_after_migration(&live->wakeup);
        virtio_mem_status_loaded(&live->status);
    }
    return ret;
}

static int device_post_load(void *opaque, int version_id)
{
    VirtIOMEMLive *live = opaque;
    const int ret = device_load(live);

    forget_blocks(&live->migration);
    return ret;
}

static bool is_late(void *opaque, int version_id)
{
    const VirtIOMEMLive *live = opaque;

    return !live->migration.vmem->early_migration;
}

static const VMStateDescription vmstate_live = {
    .name = "virtio-mem-device/live",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = device_pre_save,
    .post_save = device_post_save,
    .pre_load = device_pre_load,
    .post_load = device_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_TEST(migration.identity, VirtIOMEMLive, is_late, 1,
                            vmstate_identity, VirtIOMEMIdentity),
        VMSTATE_UINT64(migration.usable_size, VirtIOMEMLive),
        VMSTATE_UINT64_TEST(migration.plugged_size, VirtIOMEMLive, is_late),
        VMSTATE_UINT64(migration.requested_size, VirtIOMEMLive),
        VMSTATE_BITMAP_TEST(migration.blocks.bitmap, VirtIOMEMLive, is_late, 0,
                            migration.nb_blocks),
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
        VMSTATE_STRUCT_POINTER(live, VirtIOMEM, vmstate_live, VirtIOMEMLive),
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
static int load_setup(QEMUFile *f, void *opaque, Error **errp)
{
    VirtIOMEMMigration *migration = opaque;
    const VirtIOMEMLive *live = migration->vmem->live;
    int ret;

    migration->blocks_loaded = false;
    if (migrate_ram_is_ignored(live->backing.rb)) {
        return 0;
    }
    ret = virtio_mem_unplug(&live->transition,
                            virtio_mem_range_all(&live->state.geo));
    if (ret) {
        error_setg_errno(errp, -ret, "memory of '" VIRTIO_MEM_MEMDEV_PROP
                         "' cannot be given back to the host");
    }
    return ret;
}

/* No stream has a section of this name, unless someone made it up. */
static int load_state(QEMUFile *f, void *opaque, int version_id)
{
    return -EINVAL;
}

static const SaveVMHandlers load_handlers = {
    .load_setup = load_setup,
    .load_state = load_state,
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

    if (event->type == MIG_EVENT_PRECOPY_SETUP) {
        virtio_mem_device_drain(migration->vmem);
    }
    return 0;
}

/* --- life ---------------------------------------------------------------- */

void virtio_mem_migration_init(VirtIOMEM *vmem, VirtIOMEMMigration *migration)
{
    *migration = (VirtIOMEMMigration) {
        .vmem = vmem,
    };
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
    if (migration->vmem->early_migration) {
        vmstate_unregister(VMSTATE_IF(migration->vmem), &vmstate_early,
                           migration);
    }
    migration_remove_notifier(&migration->notifier);
    forget_blocks(migration);
}

void virtio_mem_migration_class_init(ObjectClass *oc)
{
    DEVICE_CLASS(oc)->vmsd = &vmstate_virtio_mem;
    VIRTIO_DEVICE_CLASS(oc)->vmsd = &vmstate_device;
}
