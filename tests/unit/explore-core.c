/*
 * virtio-mem, explore: what QEMU's virtio core and transport do with the
 * device, and what the device's callbacks (hw/virtio/virtio-mem.c) do then, in
 * the same order
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "explore-world.h"

#define RING_ADDR 0x1000

#define DRIVER_STARTS (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
                       VIRTIO_CONFIG_S_FEATURES_OK)

/* --- the device's callbacks ----------------------------------------------- */

static void device_set_status(VirtIODevice *vdev, uint8_t status)
{
    Live *live = world.live;

    if (!vdev->vm_running) {
        virtio_mem_change_drain(live->engine);
    } else if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
        virtio_mem_queue_run(live->queue);
    } else {
        virtio_mem_queue_drain(live->queue);
    }
}

static void device_handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    virtio_mem_queue_serve(world.live->queue);
}

static void device_system_reset_ended(VirtIOMEMChange *change)
{
    Live *live = container_of(change, Live, reset_change);

    virtio_mem_queue_reset_ended(live->queue);
}

static void device_system_reset(void)
{
    Live *live = world.live;

    virtio_mem_queue_drain(live->queue);
    if (!virtio_mem_change_is_pending(live->engine) &&
        !virtio_mem_retry_is_migrating()) {
        live->reset_change = (VirtIOMEMChange) {
            .action = VIRTIO_MEM_ACTION_UNPLUG_ALL,
            .origin = VIRTIO_MEM_BY_SYSTEM_RESET,
            .at_once = !world_vdev()->vm_running ||
                       replay_mode != REPLAY_MODE_NONE,
            .done = device_system_reset_ended,
        };
        if (live->state.blocks.plugged) {
            live->reset_change.range = virtio_mem_range_all(&live->state.geo);
        }
        virtio_mem_change_begin(live->engine, &live->reset_change);
    }
}

static void device_realize(void)
{
    Live *live = g_new0(Live, 1);
    VirtIOMEMState *state = &live->state;

    world.live = live;
    state->geo = (VirtIOMEMGeometry) {
        .addr.gpa = 4096 * MiB,
        .region_size = WORLD_BLOCKS * MiB,
        .block_size = MiB,
    };
    state->usable_size = state->requested_size = state->geo.region_size;
    virtio_mem_blocks_init(&state->blocks, WORLD_BLOCKS);
    parts_list(live);
    live->engine = virtio_mem_engine_new(world_vdev(), &state->geo,
                                         &state->blocks, live->parts,
                                         WORLD_PARTS);
    live->queue = virtio_mem_queue_new(world_vdev(), device_handle_output,
                                       state, live->engine, &live->retry,
                                       &live->report);
}

static void device_unrealize(void)
{
    Live *live = world.live;

    virtio_mem_queue_silence(live->queue);
    virtio_mem_change_drain(live->engine);
    virtio_mem_queue_free(live->queue);
    MUST(live->work == NO_WORK, "the device goes, and its worker works");
    world.live = NULL;
    virtio_mem_engine_close(live->engine);
    virtio_mem_blocks_cleanup(&live->state.blocks);
    g_free(live);
}

/* --- status and resets ---------------------------------------------------- */

static void virtio_set_status(VirtIODevice *vdev, uint8_t status)
{
    device_set_status(vdev, status);
    world_touch(vdev);
    vdev->status = status;
}

static void virtio_reset(VirtIODevice *vdev)
{
    virtio_set_status(vdev, 0);
    world_needs_bus(vdev, "a reset goes on");
    vdev->broken = false;
    vdev->guest_features = 0;
    vdev->status = 0;
    ring_reset(&world.transport->vq, 0);
}

/* The guest writes 0 to the register. */
void core_driver_reset(void)
{
    VirtIODevice *vdev = world_vdev();

    world.quiet++;
    virtio_set_status(vdev, 0);
    world_needs_bus(vdev, "a reset goes on");
    virtio_reset(vdev);
    world.quiet--;
}

void core_queue_reset(void)
{
    VirtIODevice *vdev = world_vdev();

    world.quiet++;
    virtio_mem_queue_drain(world.live->queue);
    world_needs_bus(vdev, "a reset of the queue goes on");
    ring_reset(world_vq(), 0);
    world.quiet--;
}

/* The driver is taken away first; the device hears of the rest at the end. */
void core_system_reset(void)
{
    world.quiet++;
    virtio_reset(world_vdev());
    device_system_reset();
    world.quiet--;
}

/* --- the driver ----------------------------------------------------------- */

void core_set_up_queue(void)
{
    ring_reset(world_vq(), RING_ADDR);
}

void core_driver_starts(void)
{
    VirtIODevice *vdev = world_vdev();

    vdev->guest_features = 1ULL << VIRTIO_F_VERSION_1 |
                           (uint64_t)world.kind.packed << VIRTIO_F_RING_PACKED;
    virtio_set_status(vdev, DRIVER_STARTS);
    core_set_up_queue();
}

void core_driver_is_ok(void)
{
    virtio_set_status(world_vdev(), DRIVER_STARTS | VIRTIO_CONFIG_S_DRIVER_OK);
}

void core_move_ring(void)
{
    world_vq()->desc = WORLD_REGISTERS;
}

/* It writes nonsense to a register. QEMU's map of memory has a reference. */
void core_driver_errs(void)
{
    Transport *transport = world.transport;

    object_ref(transport);
    virtio_error(&transport->vdev, "wrong value for queue_enable");
    object_unref(transport);
}

/*
 * By an event notifier: QEMU holds no reference, and looks at the device once
 * more at the end.
 */
void core_kick(void)
{
    VirtQueue *vq = world_vq();
    VirtIODevice *vdev = vq->vdev;

    vq->kicked = world.nb_requests;
    if (vq->desc && vq->handle_output && !vdev->broken) {
        vq->handle_output(vdev, vq);
        world_touch(vdev);
    }
}

/* --- the VM, and the user ------------------------------------------------- */

void core_vm_runs(bool runs)
{
    VirtIODevice *vdev = world_vdev();

    vdev->vm_running = runs;
    virtio_set_status(vdev, vdev->status);
}

void core_migration(bool runs)
{
    if (runs) {
        virtio_mem_change_drain(world.live->engine);
    }
    world.migrating = runs;
}

void core_remove(void)
{
    Transport *transport = world.transport;

    world.quiet++;
    world.removing = true;
    device_unrealize();
    world.quiet--;
    world.untold = world.unseen = false;
    transport->vdev.parent_obj.parent_bus = NULL;
    object_unref(transport);
}

/* What would be in the way of it (plugged memory) is not looked at. */
void core_device_del(void)
{
    if (virtio_mem_change_drain(world.live->engine)) {
        core_remove();
    }
}

/* --- life of the world ---------------------------------------------------- */

World world;

void world_begin(const WorldKind *kind)
{
    Transport *transport = g_new0(Transport, 1);

    world = (World) {
        .kind = *kind,
        .transport = transport,
    };
    replay_mode = kind->recorded ? REPLAY_MODE_RECORD : REPLAY_MODE_NONE;
    transport->parent_obj = (DeviceState) { .magic = WORLD_ALIVE, .refs = 1 };
    transport->bus.parent = &transport->parent_obj;
    transport->vdev.parent_obj = (DeviceState) {
        .magic = WORLD_ALIVE,
        .parent_bus = &transport->bus,
    };
    transport->vdev.vm_running = true;
    device_realize();
    core_driver_starts();
    core_driver_is_ok();
}
