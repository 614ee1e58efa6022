/*
 * virtio-mem: migration
 *
 * What of a device goes into a migration stream and a snapshot, what is checked
 * when it comes out, and how a guest goes on that had to wait meanwhile.
 *
 * The stream is the one of QEMU's own device, in both of its forms: since
 * machine types 8.0 the plugged blocks come before all RAM, so that they are
 * known when RAM arrives; before, with everything else (x-early-migration=off).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_MIGRATION_H
#define HW_VIRTIO_MEM_MIGRATION_H

#include "qemu/timer.h"
#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-blocks.h"

/* What must be the same on both sides. */
typedef struct VirtIOMEMIdentity {
    const VirtIOMEM *vmem;
    uint64_t addr;
    uint64_t region_size;
    uint64_t block_size;
    uint32_t node;
} VirtIOMEMIdentity;

typedef struct VirtIOMEMMigration {
    VirtIOMEM *vmem;

    /* The stream: copies made for a save, or not trusted yet by a load. */
    VirtIOMEMIdentity identity;
    uint64_t usable_size;               /* bytes */
    uint64_t requested_size;            /* bytes */
    uint64_t plugged_size;              /* bytes */
    int32_t nb_blocks;
    VirtIOMEMBlocks blocks;             /* exist during a save or load only */
    bool blocks_loaded;                 /* by the load that goes on */

    bool guest_waits;                   /* and needs to be told to go on */
    QEMUTimer *look_again;
} VirtIOMEMMigration;

/* Take part in migrations of a device that is realized; stop doing so. */
void virtio_mem_migration_init(VirtIOMEM *vmem, VirtIOMEMMigration *migration);
void virtio_mem_migration_cleanup(VirtIOMEMMigration *migration);

/* Declare the device's part of the stream. */
void virtio_mem_migration_class_init(ObjectClass *oc);

/* Blocks cannot change while their state is on its way to another QEMU. */
bool virtio_mem_migration_is_busy(void);

/*
 * The guest was answered BUSY because virtio_mem_migration_is_busy(). A driver
 * then waits for minutes, unless it hears of a change of configuration: it will,
 * within 0.1 s of the end of the migration, or of the start of the VM when that
 * is later.
 */
void virtio_mem_migration_guest_waits(VirtIOMEMMigration *migration);

/* The VM runs, with a driver. */
void virtio_mem_migration_vm_runs(VirtIOMEMMigration *migration);

#endif
