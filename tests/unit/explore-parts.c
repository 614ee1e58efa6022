/*
 * virtio-mem, explore: what is below the engine
 *
 * Host memory, which may take its time and fail; a mapping of it, which needs
 * it; listeners, which need that, and may object; the real plugged state; and
 * one that hears of the end. Each knows what it did to each block.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/state.h"
#include "explore-world.h"

static bool all_are(const bool *blocks, VirtIOMEMRange range, bool value)
{
    for (uint64_t i = 0; i < range.count; i++) {
        if (blocks[range.first + i] != value) {
            return false;
        }
    }
    return true;
}

static void set_all(bool *blocks, VirtIOMEMRange range, bool value)
{
    for (uint64_t i = 0; i < range.count; i++) {
        blocks[range.first + i] = value;
    }
}

/* Does what @choice is about go wrong? In one event, one thing at most does. */
static bool goes_wrong(const Choice *choice)
{
    if (!world.troubled) {
        world.troubled = world_choose(choice);
        return world.troubled;
    }
    return false;
}

/* Whoever looks in the middle sees what is coming or going. */
static void check_step(const VirtIOMEMChange *change)
{
    const VirtIOMEMBlocks *blocks = &world.live->state.blocks;

    MUST(blocks->pending == (virtio_mem_change_is_plug(change) ?
                             VIRTIO_MEM_PENDING_COMING :
                             VIRTIO_MEM_PENDING_GOING) &&
         blocks->pending_range.first == change->range.first &&
         blocks->pending_range.count == change->range.count,
         "a change is on its way and its blocks are not pending");
}

/* --- host memory ---------------------------------------------------------- */

static const Choice memory_choice = { 2, { NULL, "the host has no memory" } };
static const Choice worker_choice = { 2, { NULL, "the worker fails" } };

static void work_done(Live *live, Work work, VirtIOMEMRange range, int ret)
{
    /* What could not be given back when a plug is undone is of no use. */
    if (!ret || work == WORK_UNDO) {
        set_all(live->held, range, work == WORK_PLUG);
    }
}

static int memory_works(Live *live, Work work, const VirtIOMEMChange *change)
{
    int ret;

    check_step(change);
    MUST(live->work == NO_WORK, "the worker has two jobs");
    if (change->range.count > WORLD_LITTLE) {
        live->work = work;
        live->work_range = change->range;
        return VIRTIO_MEM_PENDING;
    }
    ret = goes_wrong(&memory_choice) ? -ENOMEM : 0;
    work_done(live, work, change->range, ret);
    return ret;
}

void parts_work_ends(void)
{
    Live *live = world.live;
    const Work work = live->work;
    const int ret = goes_wrong(&worker_choice) ? -EIO : 0;

    live->work = NO_WORK;
    work_done(live, work, live->work_range, ret);
    virtio_mem_change_resume(live->engine, ret);
}

static int memory_plug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    MUST(all_are(live->held, change->range, false), "memory comes twice");
    MUST(change->origin != VIRTIO_MEM_BY_DRIVER || ring_count(TAKEN) == 1 ||
         world.listener == LISTENER_NONE,
         "plugs are carried out as one, and one may fail");
    return memory_works(live, WORK_PLUG, change);
}

static int memory_undo_plug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    MUST(all_are(live->held, change->range, true) &&
         all_are(live->mapped, change->range, false),
         "memory is given back in the wrong order");
    return memory_works(live, WORK_UNDO, change);
}

static int memory_unplug(void *self, const VirtIOMEMChange *change)
{
    return memory_works(self, WORK_UNPLUG, change);
}

static void memory_wait(void *self)
{
    const Live *live = self;

    MUST(live->work != NO_WORK, "somebody waits, and no worker works");
    MUST(live->engine->current->at_once &&
         virtio_mem_change_is_plug(live->engine->current),
         "somebody waits for what could go on behind");
    parts_work_ends();
}

/* What takes long goes on behind. */
static void memory_hurry(void *self)
{
    Live *live = self;
    const Work work = live->work;

    MUST(work != NO_WORK, "somebody is in a hurry, and no worker works");
    MUST(!world.quiet || world.removing || live->engine->current->at_once ||
         live->engine->current->origin == VIRTIO_MEM_BY_DRIVER,
         "a reset ends what the driver did not ask for");
    live->work = NO_WORK;
    if (work != WORK_PLUG) {
        work_done(live, work, live->work_range, 0);
    }
    virtio_mem_change_resume(live->engine,
                             work == WORK_PLUG ? -ECANCELED : 0);
}

static const VirtIOMEMPart memory_part = {
    .name = "memory",
    .plug = memory_plug,
    .undo_plug = memory_undo_plug,
    .unplug = memory_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_HOST_MEMORY,
    .unplug_fails = VIRTIO_MEM_PROGRESS_HOST_DISCARD,
    .wait = memory_wait,
    .hurry = memory_hurry,
};

/* --- a mapping ------------------------------------------------------------ */

static int mapping_plug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    check_step(change);
    MUST(all_are(live->held, change->range, true) &&
         all_are(live->mapped, change->range, false),
         "there is no memory to map");
    set_all(live->mapped, change->range, true);
    return 0;
}

static int mapping_undo_plug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    check_step(change);
    MUST(all_are(live->held, change->range, true) &&
         all_are(live->mapped, change->range, true),
         "what is mapped no more is without memory already");
    set_all(live->mapped, change->range, false);
    return 0;
}

static int mapping_unplug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    check_step(change);
    set_all(live->mapped, change->range, false);
    return 0;
}

static const VirtIOMEMPart mapping_part = {
    .name = "mapping",
    .plug = mapping_plug,
    .undo_plug = mapping_undo_plug,
    .unplug = mapping_unplug,
};

/* --- listeners ------------------------------------------------------------ */

static const Choice veto_choice = { 2, { NULL, "a listener objects" } };
static const Choice listener_choice = { 2, { NULL, "there is a listener" } };

static int listeners_plug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    check_step(change);
    MUST(all_are(live->mapped, change->range, true) &&
         all_are(live->told, change->range, false),
         "listeners are told of what is not there, or twice");
    if (world.listener != LISTENER_NONE && goes_wrong(&veto_choice)) {
        return -EBUSY;
    }
    set_all(live->told, change->range, true);
    return 0;
}

static int listeners_unplug(void *self, const VirtIOMEMChange *change)
{
    Live *live = self;

    check_step(change);
    MUST(all_are(live->mapped, change->range, false),
         "listeners are told too early that blocks are gone");
    set_all(live->told, change->range, false);
    return 0;
}

static bool listeners_may_refuse(void *self)
{
    if (world.listener == LISTENER_UNKNOWN) {
        world.listener = LISTENER_NONE + world_choose(&listener_choice);
    }
    return world.listener == LISTENER_THERE;
}

static const VirtIOMEMPart listeners_part = {
    .name = "listeners",
    .plug = listeners_plug,
    .unplug = listeners_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_LISTENER,
    .may_refuse = listeners_may_refuse,
};

/* --- the end -------------------------------------------------------------- */

static void last_ended(void *self, const VirtIOMEMChange *change)
{
    const Live *live = self;

    MUST(!virtio_mem_change_is_pending(live->engine) &&
         live->state.blocks.pending == VIRTIO_MEM_PENDING_NOTHING,
         "a change has ended and is pending");
    check_ended(change);
}

static const VirtIOMEMPart last_part = {
    .name = "last",
    .ended = last_ended,
};

void parts_list(Live *live)
{
    const VirtIOMEMPartOfDevice parts[WORLD_PARTS] = {
        { &memory_part, live },
        { &mapping_part, live },
        { &listeners_part, live },
        { &virtio_mem_state_part, &live->state.blocks },
        { &last_part, live },
    };

    memcpy(live->parts, parts, sizeof(parts));
}
