/*
 * virtio-mem: migration
 *
 * What of a device goes into a migration stream and a snapshot, and what is
 * checked when it comes out.
 *
 * The stream is the one of QEMU's own device, in both of its forms: since
 * machine types 8.0 the plugged blocks come before all RAM, so that they are
 * known when RAM arrives; before, with everything else (x-early-migration=off).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_MIGRATION_H
#define HW_VIRTIO_MEM_MIGRATION_H

#include "qemu/notify.h"
#include "hw/virtio/virtio-mem.h"
#include "backend.h"
#include "ahead.h"
#include "change.h"
#include "guard.h"
#include "retry.h"
#include "sizes.h"

/* What a device hands in. All of it outlives the migration. */
typedef struct VirtIOMEMMigrated {
    VirtIOMEM *vmem;
    const VirtIOMEMState *state;
    const VirtIOMEMBackend *backend;
    VirtIOMEMGuard *guard;
    VirtIOMEMAhead *ahead;
    VirtIOMEMEngine *engine;
    VirtIOMEMSizes *sizes;
    VirtIOMEMRetry *retry;
} VirtIOMEMMigrated;

/* What must be the same on both sides. */
typedef struct VirtIOMEMIdentity {
    const struct VirtIOMEMMigration *migration;
    uint64_t addr;
    uint64_t region_size;
    uint64_t block_size;
    uint32_t node;
} VirtIOMEMIdentity;

/* Private to migration.c. */
typedef struct VirtIOMEMMigration {
    VirtIOMEMMigrated device;

    /* The stream: copies made for a save, or not trusted yet by a load. */
    VirtIOMEMIdentity identity;
    uint64_t usable_size;               /* bytes */
    uint64_t requested_size;            /* bytes */
    uint64_t plugged_size;              /* bytes */
    int32_t nb_blocks;
    VirtIOMEMBlocks blocks;             /* exist during a save or load only */
    bool blocks_loaded;                 /* by the load that goes on */

    NotifierWithReturn notifier;
} VirtIOMEMMigration;

/* Take part in migrations of a device that is realized; stop doing so. */
void virtio_mem_migration_init(VirtIOMEMMigration *migration,
                               const VirtIOMEMMigrated *device);
void virtio_mem_migration_cleanup(VirtIOMEMMigration *migration);

/* Declare the device's part of the stream. */
void virtio_mem_migration_class_init(ObjectClass *oc);

#endif
