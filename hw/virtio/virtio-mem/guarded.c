/*
 * virtio-mem: which blocks are guarded
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "guarded.h"

void virtio_mem_guarded_init(VirtIOMEMGuarded *guarded, uint64_t count,
                             VirtIOMEMGuardBudget *budget)
{
    *guarded = (VirtIOMEMGuarded) { .budget = budget };
    virtio_mem_blocks_init(&guarded->blocks, count);
}

static void guarded_set_runs(VirtIOMEMGuarded *guarded, uint64_t runs)
{
    guarded->budget->runs += runs - guarded->runs;
    guarded->runs = runs;
}

void virtio_mem_guarded_cleanup(VirtIOMEMGuarded *guarded)
{
    guarded_set_runs(guarded, 0);
    virtio_mem_blocks_cleanup(&guarded->blocks);
}

bool virtio_mem_guarded_is_empty(const VirtIOMEMGuarded *guarded)
{
    return !guarded->runs;
}

bool virtio_mem_guarded_has(const VirtIOMEMGuarded *guarded, uint64_t block)
{
    const VirtIOMEMRange one = { .first = block, .count = 1 };

    return block < guarded->blocks.count &&
           virtio_mem_blocks_state(&guarded->blocks, one) ==
           VIRTIO_MEM_BLOCKS_PLUGGED;
}

/* Is a run on that side of the border, and another block of it on this? */
static bool guarded_crosses(const VirtIOMEMGuarded *guarded, uint64_t border)
{
    return border && virtio_mem_guarded_has(guarded, border - 1) &&
           virtio_mem_guarded_has(guarded, border);
}

bool virtio_mem_guarded_add(VirtIOMEMGuarded *guarded, VirtIOMEMRange range)
{
    const bool left = range.first &&
                      virtio_mem_guarded_has(guarded, range.first - 1);
    const bool right = virtio_mem_guarded_has(guarded,
                                              range.first + range.count);

    if (!left && !right &&
        guarded->budget->runs >= guarded->budget->most) {
        return false;
    }
    guarded_set_runs(guarded, guarded->runs + 1 - left - right);
    virtio_mem_blocks_set(&guarded->blocks, range, true);
    return true;
}

static VirtIOMEMRange guarded_run_with(const VirtIOMEMGuarded *guarded,
                                       uint64_t block)
{
    const VirtIOMEMRange all = { .count = guarded->blocks.count };

    VIRTIO_MEM_FOREACH_RUN(run, &guarded->blocks, all, true) {
        if (block < run.first + run.count) {
            return run;
        }
    }
    g_assert_not_reached();
}

VirtIOMEMRange virtio_mem_guarded_remove(VirtIOMEMGuarded *guarded,
                                         VirtIOMEMRange range)
{
    const uint64_t behind = range.first + range.count;
    const bool left = guarded_crosses(guarded, range.first);
    const bool right = guarded_crosses(guarded, behind);
    uint64_t runs = guarded->runs + left + right;

    VIRTIO_MEM_FOREACH_RUN(run, &guarded->blocks, range, true) {
        runs--;
    }
    if (runs > guarded->runs &&
        guarded->budget->runs >= guarded->budget->most) {
        /* One run is cut in two: all of it was guarded. */
        const VirtIOMEMRange run = guarded_run_with(guarded, range.first);
        const uint64_t end = run.first + run.count;

        if (range.first - run.first < end - behind) {
            range.count = behind - run.first;
            range.first = run.first;
        } else {
            range.count = end - range.first;
        }
        runs--;
    }
    guarded_set_runs(guarded, runs);
    virtio_mem_blocks_set(&guarded->blocks, range, false);
    return range;
}
