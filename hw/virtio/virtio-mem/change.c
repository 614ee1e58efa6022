/*
 * virtio-mem: a change of blocks, on its way
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/trace.h"
#include "change.h"

typedef int ChangeStep(void *self, const VirtIOMEMChange *change);

/* --- life ----------------------------------------------------------------- */

/* What may fail comes before what cannot be undone. */
static void change_check_order(const VirtIOMEMEngine *engine)
{
    bool plug_is_final = false, unplug_is_final = false;

    for (size_t i = 0; i < engine->nb_parts; i++) {
        const VirtIOMEMPart *part = engine->parts[i].part;

        g_assert(!part->plug_fails || !plug_is_final);
        g_assert(!part->unplug_fails || !unplug_is_final);
        /* One that fails has undone its own. */
        plug_is_final |= part->plug && !part->undo_plug;
        unplug_is_final |= part->unplug && !part->undo_unplug;
    }
}

VirtIOMEMEngine *virtio_mem_engine_new(void *dev, const VirtIOMEMGeometry *geo,
                                       VirtIOMEMBlocks *blocks,
                                       const VirtIOMEMPartOfDevice *parts,
                                       size_t nb_parts)
{
    VirtIOMEMEngine *engine = g_rc_box_new0(VirtIOMEMEngine);

    engine->dev = dev;
    engine->geo = geo;
    engine->blocks = blocks;
    engine->parts = parts;
    engine->nb_parts = nb_parts;
    change_check_order(engine);
    return engine;
}

void virtio_mem_engine_close(VirtIOMEMEngine *engine)
{
    g_assert(!engine->current);
    engine->closed = true;
    g_rc_box_release(engine);
}

/* --- steps ---------------------------------------------------------------- */

static const VirtIOMEMPartOfDevice *change_part(const VirtIOMEMEngine *engine)
{
    const VirtIOMEMChange *change = engine->current;

    return &engine->parts[change->undoing ? change->at - 1 : change->at];
}

/* The step that is next, of the part that is next; NULL: nothing to do. */
static ChangeStep *change_step(const VirtIOMEMEngine *engine)
{
    const VirtIOMEMPart *part = change_part(engine)->part;

    if (virtio_mem_change_is_plug(engine->current)) {
        return engine->current->undoing ? part->undo_plug : part->plug;
    }
    return engine->current->undoing ? part->undo_unplug : part->unplug;
}

static const char *change_step_name(const VirtIOMEMChange *change)
{
    if (change->undoing) {
        return "undo";
    }
    return virtio_mem_change_is_plug(change) ? "plug" : "unplug";
}

static void change_turn_back(VirtIOMEMChange *change, int ret,
                             VirtIOMEMProgressReason reason)
{
    change->ret = ret;
    change->reason = reason;
    change->undoing = true;
}

/* A step has ended. */
static void change_step_ended(VirtIOMEMEngine *engine, int ret)
{
    const VirtIOMEMPart *part = change_part(engine)->part;
    VirtIOMEMChange *change = engine->current;
    const VirtIOMEMProgressReason reason = virtio_mem_change_is_plug(change) ?
                                           part->plug_fails :
                                           part->unplug_fails;

    trace_virtio_mem_step(engine->dev, part->name, change_step_name(change),
                          ret);
    if (change->undoing) {
        change->at--;
        return;
    }
    if (ret) {
        g_assert(reason);
        change_turn_back(change, ret,
                         change->cancelled && ret == -ECANCELED ?
                         VIRTIO_MEM_PROGRESS_NO_REASON : reason);
        return;
    }
    change->at++;
    if (change->cancelled) {
        change_turn_back(change, -ECANCELED, VIRTIO_MEM_PROGRESS_NO_REASON);
    }
}

static void change_end(VirtIOMEMEngine *engine)
{
    VirtIOMEMChange *change = engine->current;

    engine->current = NULL;
    virtio_mem_blocks_end(engine->blocks);
    for (size_t i = 0; i < engine->nb_parts; i++) {
        const VirtIOMEMPartOfDevice *at = &engine->parts[i];

        if (at->part->ended) {
            at->part->ended(at->self, change);
        }
    }
}

/* Returns VIRTIO_MEM_PENDING, or how it has ended. */
static int change_go_on(VirtIOMEMEngine *engine)
{
    VirtIOMEMChange *change = engine->current;

    while (change->undoing ? change->at : change->at < engine->nb_parts) {
        ChangeStep *step = change_step(engine);
        int ret;

        if (!step) {
            change->at += change->undoing ? -1 : 1;
            continue;
        }
        ret = step(change_part(engine)->self, change);
        if (ret == VIRTIO_MEM_PENDING) {
            g_assert(change_part(engine)->part->wait &&
                     change_part(engine)->part->hurry);
            return ret;
        }
        change_step_ended(engine, ret);
    }
    change_end(engine);
    return change->ret;
}

/* --- changes -------------------------------------------------------------- */

/* Of what is done at once nothing is cancelled: its end is what is asked for. */
static void change_wait(VirtIOMEMEngine *engine)
{
    while (engine->current) {
        const VirtIOMEMPartOfDevice *at = change_part(engine);

        if (virtio_mem_change_is_plug(engine->current)) {
            at->part->wait(at->self);
        } else {
            at->part->hurry(at->self);
        }
    }
}

bool virtio_mem_change_drain(VirtIOMEMEngine *engine)
{
    bool there;

    g_rc_box_acquire(engine);
    while (engine->current) {
        const VirtIOMEMPartOfDevice *at = change_part(engine);

        engine->current->cancelled = virtio_mem_change_is_plug(engine->current);
        at->part->hurry(at->self);
    }
    there = !engine->closed;
    g_rc_box_release(engine);
    return there;
}

int virtio_mem_change_begin(VirtIOMEMEngine *engine, VirtIOMEMChange *change)
{
    int ret;

    g_assert(!engine->current);

    change->span = virtio_mem_range_span(engine->geo, change->range);
    change->ret = 0;
    change->reason = VIRTIO_MEM_PROGRESS_NO_REASON;
    change->at = change->range.count ? 0 : engine->nb_parts;
    change->undoing = change->cancelled = false;
    engine->current = change;
    if (change->range.count) {
        virtio_mem_blocks_begin(engine->blocks,
                                virtio_mem_change_is_plug(change) ?
                                VIRTIO_MEM_PENDING_COMING :
                                VIRTIO_MEM_PENDING_GOING, change->range);
    }
    ret = change_go_on(engine);
    if (ret == VIRTIO_MEM_PENDING && change->at_once) {
        change_wait(engine);
        ret = change->ret;
    }
    return ret;
}

void virtio_mem_change_resume(VirtIOMEMEngine *engine, int ret)
{
    VirtIOMEMChange *change = engine->current;

    change_step_ended(engine, ret);
    if (change_go_on(engine) != VIRTIO_MEM_PENDING && !change->at_once) {
        change->done(change);
    }
}

bool virtio_mem_change_may_join(const VirtIOMEMEngine *engine,
                                VirtIOMEMAction action)
{
    if (action != VIRTIO_MEM_ACTION_PLUG) {
        return action == VIRTIO_MEM_ACTION_UNPLUG;
    }
    for (size_t i = 0; i < engine->nb_parts; i++) {
        const VirtIOMEMPartOfDevice *at = &engine->parts[i];

        if (at->part->may_refuse && at->part->may_refuse(at->self)) {
            return false;
        }
    }
    return true;
}

/* --- by a load ------------------------------------------------------------ */

static int change_load(VirtIOMEMEngine *engine, VirtIOMEMAction action,
                       VirtIOMEMRange range, bool keeps_memory)
{
    VirtIOMEMChange change = {
        .action = action,
        .range = range,
        .origin = VIRTIO_MEM_BY_LOAD,
        .at_once = true,
        .keeps_memory = keeps_memory,
    };

    return virtio_mem_change_begin(engine, &change);
}

int virtio_mem_change_clear(VirtIOMEMEngine *engine, bool keeps_memory)
{
    return change_load(engine, VIRTIO_MEM_ACTION_UNPLUG_ALL,
                       virtio_mem_range_all(engine->geo), keeps_memory);
}

int virtio_mem_change_restore(VirtIOMEMEngine *engine,
                              const VirtIOMEMBlocks *wanted, bool with_memory)
{
    const VirtIOMEMRange all = virtio_mem_range_all(engine->geo);
    int ret = 0;

    if (engine->blocks->plugged) {
        virtio_mem_change_clear(engine, true);
    }
    VIRTIO_MEM_FOREACH_RUN(plugged, wanted, all, true) {
        ret = change_load(engine, VIRTIO_MEM_ACTION_PLUG, plugged,
                          !with_memory);
        if (ret) {
            break;
        }
    }
    if (ret && with_memory) {
        virtio_mem_change_clear(engine, false);
    }
    if (ret && engine->blocks->plugged) {
        virtio_mem_change_clear(engine, true);
    }
    return ret;
}
