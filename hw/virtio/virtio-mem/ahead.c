/*
 * virtio-mem: memory that is there before a guest plugs it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "standard-headers/linux/virtio_config.h"
#include "system/replay.h"
#include "ahead.h"
#include "headroom.h"
#include "retry.h"

#define AHEAD_AT_A_TIME (16 * MiB)
#define AHEAD_LOOK_MS 1000
#define AHEAD_SHORTAGE_MS 10000

/* What has to stay free on the host, and in its cgroups; and to grow again. */
#define AHEAD_SPARE (256 * MiB)
#define AHEAD_ROOM (AHEAD_SPARE + 128 * MiB)

static void ahead_again(VirtIOMEMAhead *ahead, unsigned after)
{
    timer_mod(ahead->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + after);
}

static bool ahead_stands_aside(const VirtIOMEMAhead *ahead)
{
    return virtio_mem_retry_is_migrating() ||
           virtio_mem_change_is_pending(ahead->engine) ||
           virtio_mem_memory_is_short(ahead->memory);
}

static void ahead_step(VirtIOMEMAhead *ahead)
{
    VirtIOMEMRange range;

    switch (virtio_mem_reserve_next(&ahead->reserve, ahead->most, &range)) {
    case VIRTIO_MEM_RESERVE_NOTHING:
        ahead_again(ahead, AHEAD_LOOK_MS);
        break;
    case VIRTIO_MEM_RESERVE_GIVE_BACK:
        virtio_mem_memory_give_back(ahead->memory, range);
        ahead_again(ahead, 1);
        break;
    case VIRTIO_MEM_RESERVE_POPULATE:
        ahead->works = true;
        virtio_mem_memory_populate_ahead(ahead->memory, range);
        break;
    }
}

/* Others need memory: shrink by what is missing. */
static void ahead_shrink(VirtIOMEMAhead *ahead, uint64_t missing)
{
    const uint64_t blocks = DIV_ROUND_UP(missing, ahead->block_size);

    if (virtio_mem_reserve_count(&ahead->reserve)) {
        virtio_mem_memory_give_back(
            ahead->memory, virtio_mem_reserve_last(&ahead->reserve, blocks));
    }
}

static void ahead_tick(void *opaque)
{
    VirtIOMEMAhead *ahead = opaque;
    uint64_t room;

    if (!ahead->vdev->vm_running || ahead->works ||
        !(ahead->vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    room = virtio_mem_headroom("");
    if (room < AHEAD_SPARE) {
        ahead_shrink(ahead, AHEAD_SPARE - room);
    }
    if (room < AHEAD_ROOM || ahead_stands_aside(ahead)) {
        ahead_again(ahead, AHEAD_LOOK_MS);
    } else {
        ahead_step(ahead);
    }
}

/*
 * Idle priority of the thread would do harm: it would hold a lock of the kernel that
 * the main loop waits for, and not get a CPU to go on. So it takes little, and next
 * to nothing of a CPU that others want.
 */
static void ahead_ended(void *opaque, int ret, bool waited)
{
    VirtIOMEMAhead *ahead = opaque;

    ahead->works = false;
    if (ret) {
        ahead_again(ahead, AHEAD_SHORTAGE_MS);
    } else {
        ahead_again(ahead, waited ? AHEAD_LOOK_MS : 10);
    }
}

void virtio_mem_ahead_init(VirtIOMEMAhead *ahead, const VirtIODevice *vdev,
                           const VirtIOMEMEngine *engine,
                           VirtIOMEMMemory *memory,
                           const VirtIOMEMGeometry *geo,
                           const VirtIOMEMBlocks *blocks, uint64_t size)
{
    /* Recorded and replayed, nothing depends on the host's time. */
    if (!size || replay_mode != REPLAY_MODE_NONE) {
        return;
    }
    ahead->vdev = vdev;
    ahead->engine = engine;
    ahead->memory = memory;
    ahead->block_size = geo->block_size;
    ahead->most = MAX(1, AHEAD_AT_A_TIME / geo->block_size);
    virtio_mem_reserve_init(&ahead->reserve, blocks, size / geo->block_size);
    virtio_mem_memory_set_ahead(memory, (VirtIOMEMMemoryAhead) {
        &ahead->reserve, ahead_ended, ahead });
    ahead->timer = timer_new_ms(QEMU_CLOCK_REALTIME, ahead_tick, ahead);
}

void virtio_mem_ahead_cleanup(VirtIOMEMAhead *ahead)
{
    if (ahead->timer) {
        timer_free(ahead->timer);
        virtio_mem_reserve_cleanup(&ahead->reserve);
    }
}

void virtio_mem_ahead_give_back(VirtIOMEMAhead *ahead)
{
    if (ahead->timer) {
        virtio_mem_memory_give_reserve_back(ahead->memory);
    }
}

void virtio_mem_ahead_driver_runs(VirtIOMEMAhead *ahead)
{
    if (ahead->timer && !timer_pending(ahead->timer)) {
        ahead_again(ahead, AHEAD_LOOK_MS);
    }
}

uint64_t virtio_mem_ahead_count(const VirtIOMEMAhead *ahead)
{
    return virtio_mem_reserve_count(&ahead->reserve);
}
