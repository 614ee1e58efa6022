/*
 * virtio-mem: which blocks are guarded
 *
 * The guard costs the kernel a mapping at each end of a run of blocks, and a
 * process may have only so many. So all devices share a budget of runs: where
 * another one would be too many, blocks stay unguarded that could be guarded.
 * Plugged blocks never are guarded. This module is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_GUARDED_H
#define HW_VIRTIO_MEM_GUARDED_H

#include "blocks.h"

typedef struct VirtIOMEMGuardBudget {
    uint64_t runs;              /* of all devices */
    uint64_t most;
} VirtIOMEMGuardBudget;

typedef struct VirtIOMEMGuarded {
    VirtIOMEMBlocks blocks;     /* "plugged" is guarded */
    uint64_t runs;              /* of them */
    VirtIOMEMGuardBudget *budget;
} VirtIOMEMGuarded;

/* @budget: outlives it; all who share it are used by one thread at a time */
void virtio_mem_guarded_init(VirtIOMEMGuarded *guarded, uint64_t count,
                             VirtIOMEMGuardBudget *budget);
void virtio_mem_guarded_cleanup(VirtIOMEMGuarded *guarded);

/*
 * virtio_mem_guarded_add: guard @range, which is not guarded yet.
 *
 * Returns false, with nothing changed, when that were a run too many.
 */
bool virtio_mem_guarded_add(VirtIOMEMGuarded *guarded, VirtIOMEMRange range);

/*
 * virtio_mem_guarded_remove: do not guard @range any more, of which any part
 * may be guarded.
 *
 * Returns the range that is left unguarded: @range, or more, when what is left
 * of a run on one side were a run too many.
 */
VirtIOMEMRange virtio_mem_guarded_remove(VirtIOMEMGuarded *guarded,
                                         VirtIOMEMRange range);

bool virtio_mem_guarded_is_empty(const VirtIOMEMGuarded *guarded);
bool virtio_mem_guarded_has(const VirtIOMEMGuarded *guarded, uint64_t block);

#endif
