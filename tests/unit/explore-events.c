/*
 * virtio-mem, explore: what may happen, and when it makes sense
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "explore-world.h"

/* --- the driver ----------------------------------------------------------- */

/* The processors of the guest do. */
static bool runs(const Batch *none)
{
    return world.live && world_vdev()->vm_running;
}

/* A kick may come late, when the VM has just stopped. */
static bool may_send(const Batch *batch)
{
    if (!batch->count) {
        return world.live && world_vq()->desc;
    }
    return world_may_add(batch->count) && !world_vdev()->broken;
}

static void send(const Batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        ring_add(batch->kinds[i]);
    }
    core_kick();
}

static bool may_reset(const Batch *none)
{
    return runs(none) && (world_vdev()->status || world_vdev()->broken);
}

static void reset(const Batch *none)
{
    core_driver_reset();
}

static bool may_start(const Batch *none)
{
    return runs(none) && !world_vdev()->status;
}

static void start(const Batch *none)
{
    core_driver_starts();
}

static bool may_be_ok(const Batch *none)
{
    return runs(none) && world_vq()->desc && !world_is_up();
}

static void is_ok(const Batch *none)
{
    core_driver_is_ok();
}

static bool has_ring(const Batch *none)
{
    return runs(none) && world_vq()->desc;
}

static void reset_queue(const Batch *none)
{
    core_queue_reset();
}

static bool has_no_ring(const Batch *none)
{
    return runs(none) && !world_vq()->desc &&
           world_vdev()->status & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void set_up_queue(const Batch *none)
{
    core_set_up_queue();
}

static bool may_err(const Batch *none)
{
    return has_ring(none) && !world_vdev()->broken;
}

static void err(const Batch *none)
{
    core_driver_errs();
}

static bool may_move(const Batch *none)
{
    return has_ring(none) && world_vq()->desc < WORLD_REGISTERS;
}

static void move_ring(const Batch *none)
{
    core_move_ring();
}

/* --- the host ------------------------------------------------------------- */

static bool works(const Batch *none)
{
    return world.live && world.live->work != NO_WORK;
}

static void work_ends(const Batch *none)
{
    parts_work_ends();
}

static bool has_bottom_halves(const Batch *none)
{
    return qemu_has_bottom_halves();
}

static void run_bottom_halves(const Batch *none)
{
    qemu_run_bottom_halves();
}

/* --- the user ------------------------------------------------------------- */

static bool is_there(const Batch *none)
{
    return world.live;
}

static void system_reset(const Batch *none)
{
    core_system_reset();
}

static void device_del(const Batch *none)
{
    core_device_del();
}

static void removal(const Batch *none)
{
    core_remove();
}

static void stop(const Batch *none)
{
    core_vm_runs(false);
}

static bool is_stopped(const Batch *none)
{
    return world.live && !world_vdev()->vm_running;
}

static void go_on(const Batch *none)
{
    core_vm_runs(true);
}

static bool may_migrate(const Batch *none)
{
    return world.live && !world.migrating;
}

static void migrate(const Batch *none)
{
    core_migration(true);
}

static bool migrates(const Batch *none)
{
    return world.live && world.migrating;
}

static void migration_ends(const Batch *none)
{
    core_migration(false);
}

/* --- all of them ---------------------------------------------------------- */

#define HAPPENS(name_, makes_sense_, happens_) \
    { name_, makes_sense_, happens_, { 0, { 0 } } }

#define SENDS(name_, ...) \
    { "the driver sends " name_, may_send, send, { __VA_ARGS__ } }

/*
 * A driver sends one request of each kind; those that join; and behind good
 * ones what stops the device.
 */
const Event events[] = {
    SENDS("nothing, and kicks", 0, { 0 }),
    SENDS("PLUG 0", 1, { PLUG_0 }),
    SENDS("PLUG 1", 1, { PLUG_1 }),
    SENDS("PLUG 2-4", 1, { PLUG_BIG }),
    SENDS("UNPLUG 1", 1, { UNPLUG_1 }),
    SENDS("UNPLUG 2-4", 1, { UNPLUG_BIG }),
    SENDS("UNPLUG ALL", 1, { UNPLUG_ALL }),
    SENDS("STATE", 1, { STATE }),
    SENDS("what is too short", 1, { TOO_SHORT }),
    SENDS("a bad chain", 1, { BAD_CHAIN }),
    SENDS("PLUG 0 and 1", 2, { PLUG_0, PLUG_1 }),
    SENDS("PLUG 1 and 2-4", 2, { PLUG_1, PLUG_BIG }),
    SENDS("UNPLUG 1 and 2-4", 2, { UNPLUG_1, UNPLUG_BIG }),
    SENDS("PLUG 0 and STATE", 2, { PLUG_0, STATE }),
    SENDS("PLUG 0 and what is too short", 2, { PLUG_0, TOO_SHORT }),
    SENDS("PLUG 0 and a bad chain", 2, { PLUG_0, BAD_CHAIN }),
    SENDS("UNPLUG 1 and a bad chain", 2, { UNPLUG_1, BAD_CHAIN }),
    SENDS("PLUG 0, 1 and 2-4", 3, { PLUG_0, PLUG_1, PLUG_BIG }),
    SENDS("PLUG 0, 1 and STATE", 3, { PLUG_0, PLUG_1, STATE }),
    SENDS("PLUG 0, 1 and what is too short", 3, { PLUG_0, PLUG_1, TOO_SHORT }),
    SENDS("PLUG 0, 1 and a bad chain", 3, { PLUG_0, PLUG_1, BAD_CHAIN }),
    HAPPENS("the driver resets the device", may_reset, reset),
    HAPPENS("the driver starts", may_start, start),
    HAPPENS("the driver is DRIVER_OK", may_be_ok, is_ok),
    HAPPENS("the driver resets the queue", has_ring, reset_queue),
    HAPPENS("the driver sets the queue up again", has_no_ring, set_up_queue),
    HAPPENS("the driver errs, and the virtio core notices", may_err, err),
    HAPPENS("the driver moves the ring to registers", may_move, move_ring),
    HAPPENS("the guest removes the device", runs, removal),
    HAPPENS("the worker ends", works, work_ends),
    HAPPENS("bottom halves run", has_bottom_halves, run_bottom_halves),
    HAPPENS("the system is reset", is_there, system_reset),
    HAPPENS("the user deletes the device", is_there, device_del),
    HAPPENS("the VM stops", runs, stop),
    HAPPENS("the VM goes on", is_stopped, go_on),
    HAPPENS("a migration starts", may_migrate, migrate),
    HAPPENS("the migration ends", migrates, migration_ends),
};

const unsigned nb_events = G_N_ELEMENTS(events);

bool event_makes_sense(const Event *event)
{
    return event->makes_sense(&event->batch);
}

void event_happens(const Event *event)
{
    world.busy = 0;
    world.added = world.troubled = false;
    world.listener = LISTENER_UNKNOWN;
    event->happens(&event->batch);
}

/* --- the end -------------------------------------------------------------- */

/* Nothing is left to be done. */
static void settle(void)
{
    for (unsigned i = 0; works(NULL) || qemu_has_bottom_halves(); i++) {
        MUST(i < WORLD_REQUESTS, "it does not come to rest");
        world.busy = 0;
        if (works(NULL)) {
            parts_work_ends();
        } else {
            qemu_run_bottom_halves();
        }
        check_world();
    }
}

/* All that the driver has kicked for is answered, without another kick. */
static void check_served(void)
{
    const VirtQueue *vq = world_vq();

    if (world_is_up() && !world_vdev()->broken) {
        MUST(vq->taken >= vq->kicked && !ring_count(TAKEN),
             "the driver has kicked and is not served");
    }
}

/* It was reset in the middle of a stop, after which QEMU sets the old status. */
static bool has_status_only(void)
{
    return world_vdev()->status && !world_vdev()->guest_features;
}

static void bring_up(void)
{
    if (world_vdev()->broken || has_status_only() ||
        world_vq()->desc >= WORLD_REGISTERS) {
        core_driver_reset();
    }
    if (!world_vdev()->status) {
        core_driver_starts();
    }
    if (!world_vq()->desc) {
        core_set_up_queue();
    }
    if (!world_is_up()) {
        core_driver_is_ok();
    }
    settle();
}

static void check_request(RequestKind kind)
{
    ring_add(kind);
    core_kick();
    settle();
    check_served();
    MUST(!world_vdev()->broken, "the device stops for a driver that behaves");
}

void world_comes_to_rest(void)
{
    if (world.live) {
        if (world.migrating) {
            core_migration(false);
        }
        if (!world_vdev()->vm_running) {
            core_vm_runs(true);
        }
        settle();
        check_served();
        bring_up();
        bring_up();     /* what waited in the ring may have stopped it */
        check_request(UNPLUG_ALL);
        check_request(PLUG_BIG);
        check_request(STATE);
        core_device_del();
    }
    settle();
    check_world();
    MUST(!world.transport, "the transport outlives the device");
    world_end();
}
