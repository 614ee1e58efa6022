/*
 * virtio-mem: the fence around unplugged blocks
 *
 * Blocks behind the fence are registered with userfaultfd, as far as the budget
 * of mappings allows. For a moment the fence can be opened as a whole, which the
 * kernel does quickly; to close it takes a while, because each run of blocks is
 * registered by itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_FENCE_H
#define HW_VIRTIO_MEM_FENCE_H

#include "guarded.h"
#include "userfault.h"

/* Private to fence.c. */
typedef struct VirtIOMEMFence {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMUserfault *userfault;
    VirtIOMEMGuarded guarded;       /* the blocks behind it */
    uint64_t closed;                /* so many of all blocks; 0: it is open */
} VirtIOMEMFence;

/* A fence that is closed and has nothing behind it; all is borrowed. */
void virtio_mem_fence_init(VirtIOMEMFence *fence, const VirtIOMEMGeometry *geo,
                           const VirtIOMEMUserfault *userfault,
                           VirtIOMEMGuardBudget *budget);
void virtio_mem_fence_cleanup(VirtIOMEMFence *fence);

/*
 * virtio_mem_fence_put: have @range behind the fence.
 *
 * Returns 0, or a negative errno value: from where the budget is used up, blocks
 * stay outside (-ENOSPC), or all of @range does.
 */
int virtio_mem_fence_put(VirtIOMEMFence *fence, VirtIOMEMRange range);

/*
 * virtio_mem_fence_take: have @range outside.
 *
 * @more: set to whether blocks beside @range are outside now, too, because the
 *        budget is used up
 *
 * Returns 0, or a negative errno value, with nothing changed.
 */
int virtio_mem_fence_take(VirtIOMEMFence *fence, VirtIOMEMRange range,
                          bool *more);

bool virtio_mem_fence_has(const VirtIOMEMFence *fence, uint64_t block);

/* Let everybody in. Returns false when nothing has kept anybody out. */
bool virtio_mem_fence_open(VirtIOMEMFence *fence);

/*
 * virtio_mem_fence_close: by @max runs of blocks more, at least one.
 *
 * A run that cannot be registered any more is outside afterwards, and @short_of
 * is set. Returns whether the fence is closed; if not, go on later.
 */
bool virtio_mem_fence_close(VirtIOMEMFence *fence, unsigned max,
                            bool *short_of);

#endif
