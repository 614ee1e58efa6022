/*
 * virtio-mem: what a change of blocks does to the world
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "migration/misc.h"
#include "system/replay.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-mem-backing.h"
#include "virtio-mem-effects.h"
#include "virtio-mem-live.h"
#include "virtio-mem-sizes.h"

/* What is done at once: a thread would take longer than that. */
#define VIRTIO_MEM_LITTLE (4 * MiB)

/* --- host memory --------------------------------------------------------- */

/*
 * A VM that waits for a stream, or loads it, may map the file that the other
 * side still runs on, or that it has left its memory in. Postcopy is different:
 * QEMU itself has emptied the file before.
 */
static bool content_is_needed(const VirtIOMEM *vmem)
{
    return vmem->live->backing.content == VIRTIO_MEM_CONTENT_FILE &&
           runstate_check(RUN_STATE_INMIGRATE) &&
           !migration_incoming_postcopy_advised();
}

/* Any thread. What could be had before memory ran out goes back to the host. */
static int job_populate(const VirtIOMEMBacking *backing, VirtIOMEMJob *job)
{
    const int ret = virtio_mem_backing_populate(backing, job->span, &job->err);

    if (ret && job->give_back) {
        virtio_mem_backing_discard_in_steps(backing, job->span);
    }
    return ret;
}

/* On the worker's thread. */
static int job_work(void *opaque)
{
    VirtIOMEM *vmem = opaque;
    const VirtIOMEMBacking *backing = &vmem->live->backing;
    VirtIOMEMJob *job = &vmem->live->operation.job;

    return job->populate ? job_populate(backing, job)
                         : virtio_mem_backing_discard_in_steps(backing,
                                                               job->span);
}

/* Once until there is enough, however often the guest tries. */
static void report_shortage(VirtIOMEM *vmem, const VirtIOMEMJob *job)
{
    VirtIOMEMOperation *op = &vmem->live->operation;

    if (job->err && !op->shortage_told) {
        g_autofree char *size = size_to_str(job->span.size);

        warn_report("virtio-mem: memory backend '%s' ran out of memory (%s"
                    " more were needed): %s",
                    object_get_canonical_path_component(OBJECT(vmem->memdev)),
                    size, error_get_pretty(job->err));
    }
    if (job->populate) {
        op->shortage_told = job->err;
    }
}

static void job_prepare(VirtIOMEM *vmem, bool populate, VirtIOMEMSpan span)
{
    vmem->live->operation.job = (VirtIOMEMJob) {
        .populate = populate,
        .give_back = populate && !content_is_needed(vmem),
        .span = span,
        .start = get_clock(),
    };
}

static void job_ended(VirtIOMEM *vmem)
{
    VirtIOMEMJob *job = &vmem->live->operation.job;

    virtio_mem_status_host_time(&vmem->live->status, get_clock() - job->start);
    report_shortage(vmem, job);
    error_free(g_steal_pointer(&job->err));
}

static int job_later(VirtIOMEM *vmem, bool populate, VirtIOMEMSpan span)
{
    job_prepare(vmem, populate, span);
    virtio_mem_worker_start(&vmem->live->operation.worker);
    return VIRTIO_MEM_PENDING;
}

static int effect_populate(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;
    VirtIOMEMOperation *op = &vmem->live->operation;
    int ret;

    if (!vmem->prealloc) {
        return 0;
    }
    job_prepare(vmem, true, span);
    /* The worker runs where the backend's prealloc-context says. */
    ret = span.size > VIRTIO_MEM_LITTLE ?
          virtio_mem_worker_run(&op->worker) :
          job_populate(&vmem->live->backing, &op->job);
    job_ended(vmem);
    return ret;
}

static int effect_discard(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;
    int ret;

    if (content_is_needed(vmem)) {
        return 0;
    }
    job_prepare(vmem, false, span);
    ret = virtio_mem_backing_discard(&vmem->live->backing, span);
    job_ended(vmem);
    return ret;
}

/* Recorded and replayed, the end of a thread's work would be an event. */
static bool may_be_pending(void)
{
    return replay_mode == REPLAY_MODE_NONE;
}

static int effect_populate_later(void *opaque, VirtIOMEMSpan span)
{
    const VirtIOMEM *vmem = opaque;

    return vmem->prealloc && span.size > VIRTIO_MEM_LITTLE &&
           may_be_pending() ?
           job_later(opaque, true, span) : effect_populate(opaque, span);
}

static int effect_discard_later(void *opaque, VirtIOMEMSpan span)
{
    const VirtIOMEM *vmem = opaque;

    return may_be_pending() && !content_is_needed(vmem) &&
           virtio_mem_backing_holds(&vmem->live->backing, span,
                                    VIRTIO_MEM_LITTLE) ?
           job_later(opaque, false, span) : effect_discard(opaque, span);
}

/* --- the others ---------------------------------------------------------- */

static int effect_announce(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;

    return virtio_mem_rdm_announce(&vmem->live->rdm, span);
}

static void effect_retract(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;

    virtio_mem_rdm_retract(&vmem->live->rdm, span);
}

static void effect_observe(void *opaque, const char *step, bool undo, int ret)
{
    trace_virtio_mem_step(opaque, step, undo ? "undo" : "do", ret);
}

static const VirtIOMEMEffects effects_now = {
    .populate = effect_populate,
    .discard = effect_discard,
    .announce = effect_announce,
    .retract = effect_retract,
    .observe = effect_observe,
};

static const VirtIOMEMEffects effects_later = {
    .populate = effect_populate_later,
    .discard = effect_discard_later,
    .announce = effect_announce,
    .retract = effect_retract,
    .observe = effect_observe,
};

/* --- operations ---------------------------------------------------------- */

/* A driver that reads the size in two halves has to see that it changed. */
static void spread_news(VirtIOMEM *vmem)
{
    VIRTIO_DEVICE(vmem)->generation++;
    virtio_mem_news_changed(&vmem->live->size_news);
    virtio_mem_status_sizes(&vmem->live->status);
}

static void all_is_unplugged(VirtIOMEM *vmem)
{
    const VirtIOMEMState *state = &vmem->live->state;

    virtio_mem_set_usable(vmem,
                          virtio_mem_geometry_usable(&state->geo,
                                                     state->requested_size));
}

/* Returns @ret. */
static int conclude(VirtIOMEM *vmem, int ret)
{
    VirtIOMEMLive *live = vmem->live;

    virtio_mem_rdm_settled(&live->rdm);
    if (ret) {
        virtio_mem_wakeup_after_shortage(&live->wakeup);
    } else {
        virtio_mem_wakeup_no_shortage(&live->wakeup);
        spread_news(vmem);
        if (live->operation.action == VIRTIO_MEM_ACTION_UNPLUG_ALL) {
            trace_virtio_mem_unplugged_all();
            all_is_unplugged(vmem);
        }
    }
    return ret;
}

bool virtio_mem_device_may_join(const VirtIOMEM *vmem, VirtIOMEMAction action)
{
    return action == VIRTIO_MEM_ACTION_UNPLUG ||
           (action == VIRTIO_MEM_ACTION_PLUG && !vmem->prealloc &&
            !virtio_mem_rdm_has_listeners(&vmem->live->rdm));
}

int virtio_mem_device_begin(VirtIOMEM *vmem, VirtIOMEMAction action,
                            VirtIOMEMRange range)
{
    VirtIOMEMLive *live = vmem->live;
    const VirtIOMEMGeometry *geo = &live->state.geo;
    VirtIOMEMOperation *op = &live->operation;
    int ret;

    op->action = action;
    if (action == VIRTIO_MEM_ACTION_UNPLUG_ALL) {
        if (!live->state.blocks.plugged) {
            all_is_unplugged(vmem);
            return 0;
        }
        range = virtio_mem_range_all(geo);
    }
    if (action == VIRTIO_MEM_ACTION_PLUG) {
        virtio_mem_rdm_coming(&live->rdm, virtio_mem_range_span(geo, range));
        ret = virtio_mem_begin_plug(&live->transition_later, range,
                                    &op->progress);
    } else {
        virtio_mem_rdm_going(&live->rdm, virtio_mem_range_span(geo, range));
        ret = virtio_mem_begin_unplug(&live->transition_later, range,
                                      &op->progress);
    }
    return ret == VIRTIO_MEM_PENDING ? ret : conclude(vmem, ret);
}

/* The worker has ended. */
static void operation_goes_on(void *opaque, int ret)
{
    VirtIOMEM *vmem = opaque;
    VirtIOMEMLive *live = vmem->live;
    VirtIOMEMOperation *op = &live->operation;

    job_ended(vmem);
    ret = virtio_mem_resume(&live->transition_later, &op->progress, ret);
    if (ret != VIRTIO_MEM_PENDING) {
        op->done(vmem, conclude(vmem, ret));
    }
}

VirtIOMEMFailure virtio_mem_device_failure(const VirtIOMEM *vmem)
{
    return vmem->live->operation.progress.failure;
}

bool virtio_mem_device_is_pending(const VirtIOMEM *vmem)
{
    return vmem->live->operation.worker.running;
}

bool virtio_mem_device_drain(VirtIOMEM *vmem)
{
    while (vmem->live && virtio_mem_device_is_pending(vmem)) {
        virtio_mem_worker_wait(&vmem->live->operation.worker);
    }
    return vmem->live;
}

bool virtio_mem_effects_init(VirtIOMEM *vmem, VirtIOMEMLive *live,
                             void (*done)(VirtIOMEM *vmem, int ret),
                             Error **errp)
{
    live->transition = (VirtIOMEMTransition) {
        .effects = &effects_now,
        .opaque = vmem,
        .geo = &live->state.geo,
        .blocks = &live->state.blocks,
    };
    live->transition_later = live->transition;
    live->transition_later.effects = &effects_later;
    live->operation.done = done;
    return virtio_mem_worker_init(&live->operation.worker, DEVICE(vmem),
                                  vmem->memdev->prealloc_context, job_work,
                                  operation_goes_on, vmem, errp);
}

void virtio_mem_effects_cleanup(VirtIOMEMLive *live)
{
    virtio_mem_worker_cleanup(&live->operation.worker);
}
