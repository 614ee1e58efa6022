/*
 * virtio-mem: the fence around unplugged blocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fence.h"

static int fence_register(const VirtIOMEMFence *fence, VirtIOMEMRange range)
{
    return virtio_mem_userfault_register(
        fence->userfault, virtio_mem_range_span(fence->geo, range));
}

static int fence_unregister(const VirtIOMEMFence *fence, VirtIOMEMRange range)
{
    return virtio_mem_userfault_unregister(
        fence->userfault, virtio_mem_range_span(fence->geo, range));
}

int virtio_mem_fence_put(VirtIOMEMFence *fence, VirtIOMEMRange range)
{
    VirtIOMEMRange run = { .first = range.first };
    int ret = 0;

    while (virtio_mem_blocks_next_run(&fence->guarded.blocks, range, false,
                                      &run)) {
        if (!virtio_mem_guarded_add(&fence->guarded, run)) {
            range.count = run.first - range.first;
            ret = -ENOSPC;
            break;
        }
    }
    if (range.count && fence->closed) {
        const int failed = fence_register(fence, range);

        if (failed) {
            virtio_mem_guarded_remove(&fence->guarded, range);
            ret = failed;
        }
    }
    return ret;
}

int virtio_mem_fence_take(VirtIOMEMFence *fence, VirtIOMEMRange range,
                          bool *more)
{
    const VirtIOMEMRange out = virtio_mem_guarded_remove(&fence->guarded,
                                                         range);
    const int ret = fence_unregister(fence, out);

    *more = out.count > range.count;
    if (ret) {
        virtio_mem_fence_put(fence, out);
    }
    return ret;
}

bool virtio_mem_fence_has(const VirtIOMEMFence *fence, uint64_t block)
{
    return virtio_mem_guarded_has(&fence->guarded, block);
}

bool virtio_mem_fence_open(VirtIOMEMFence *fence)
{
    if (!fence->closed || virtio_mem_guarded_is_empty(&fence->guarded) ||
        fence_unregister(fence, virtio_mem_range_all(fence->geo))) {
        return false;
    }
    fence->closed = 0;
    return true;
}

bool virtio_mem_fence_close(VirtIOMEMFence *fence, unsigned max,
                            bool *short_of)
{
    const uint64_t count = fence->guarded.blocks.count;
    const VirtIOMEMRange rest = {
        .first = fence->closed,
        .count = count - fence->closed,
    };
    VirtIOMEMRange run = { .first = rest.first };

    while (virtio_mem_blocks_next_run(&fence->guarded.blocks, rest, true,
                                      &run)) {
        if (fence_register(fence, run)) {
            virtio_mem_guarded_remove(&fence->guarded, run);
            *short_of = true;
        }
        fence->closed = run.first + run.count;
        if (!--max) {
            return fence->closed == count;
        }
    }
    fence->closed = count;
    return true;
}

void virtio_mem_fence_init(VirtIOMEMFence *fence, const VirtIOMEMGeometry *geo,
                           const VirtIOMEMUserfault *userfault,
                           VirtIOMEMGuardBudget *budget)
{
    const uint64_t count = virtio_mem_geometry_blocks(geo);

    *fence = (VirtIOMEMFence) {
        .geo = geo,
        .userfault = userfault,
        .closed = count,
    };
    virtio_mem_guarded_init(&fence->guarded, count, budget);
}

void virtio_mem_fence_cleanup(VirtIOMEMFence *fence)
{
    virtio_mem_guarded_cleanup(&fence->guarded);
}
