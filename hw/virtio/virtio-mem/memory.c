/*
 * virtio-mem: host memory, the first part of a change
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "memory.h"

/* What is done at once: a thread would take longer than that. */
#define MEMORY_LITTLE (4 * MiB)

/* --- behind --------------------------------------------------------------- */

uint64_t virtio_mem_memory_behind(const VirtIOMEMMemory *memory)
{
    return virtio_mem_jobs_behind(&memory->jobs);
}

bool virtio_mem_memory_is_behind(const VirtIOMEMMemory *memory,
                                 VirtIOMEMSpan span)
{
    return virtio_mem_jobs_is_behind(&memory->jobs, span);
}

static void memory_behind_changed(void *opaque)
{
    const VirtIOMEMMemory *memory = opaque;

    memory->behind_changed(memory->opaque);
}

/* --- ahead ---------------------------------------------------------------- */

/* The blocks are plugged or discarded: what is there is nothing in reserve. */
static void memory_leave_reserve(VirtIOMEMMemory *memory,
                                 const VirtIOMEMChange *change)
{
    if (memory->ahead.reserve) {
        virtio_mem_reserve_set(memory->ahead.reserve, change->range, false);
    }
    if (virtio_mem_jobs_is_ahead(&memory->jobs, change->span)) {
        virtio_mem_jobs_cancel_ahead(&memory->jobs);
    }
}

static bool memory_is_in_reserve(const VirtIOMEMMemory *memory,
                                 const VirtIOMEMChange *change)
{
    return memory->ahead.reserve &&
           virtio_mem_reserve_covers(memory->ahead.reserve, change->range);
}

static void memory_ahead_ended(void *opaque, VirtIOMEMSpan span, int ret,
                               bool waited)
{
    VirtIOMEMMemory *memory = opaque;
    const VirtIOMEMGeometry *geo = &memory->state->geo;
    const VirtIOMEMRange range = virtio_mem_range_covering(geo, span);
    VirtIOMEMRange run = { .first = range.first };

    if (!ret) {
        virtio_mem_reserve_set(memory->ahead.reserve, range, true);
    }
    while (ret && virtio_mem_blocks_next_vacant(&memory->state->blocks, range,
                                                &run)) {
        virtio_mem_jobs_put_behind(&memory->jobs,
                                   virtio_mem_range_span(geo, run));
    }
    memory->ahead.ended(memory->ahead.opaque, ret, waited);
}

void virtio_mem_memory_set_ahead(VirtIOMEMMemory *memory,
                                 VirtIOMEMMemoryAhead ahead)
{
    memory->ahead = ahead;
}

void virtio_mem_memory_populate_ahead(VirtIOMEMMemory *memory,
                                      VirtIOMEMRange range)
{
    virtio_mem_jobs_begin_ahead(&memory->jobs, virtio_mem_range_span(
                                    &memory->state->geo, range));
}

void virtio_mem_memory_give_back(VirtIOMEMMemory *memory, VirtIOMEMRange range)
{
    VirtIOMEMReserve *reserve = memory->ahead.reserve;

    VIRTIO_MEM_FOREACH_RUN(run, &reserve->warm, range, true) {
        virtio_mem_reserve_set(reserve, run, false);
        virtio_mem_jobs_put_behind(&memory->jobs, virtio_mem_range_span(
                                       &memory->state->geo, run));
    }
    virtio_mem_jobs_start(&memory->jobs);
}

void virtio_mem_memory_give_reserve_back(VirtIOMEMMemory *memory)
{
    virtio_mem_jobs_cancel_ahead(&memory->jobs);
    if (memory->ahead.reserve &&
        virtio_mem_reserve_count(memory->ahead.reserve)) {
        virtio_mem_memory_give_back(memory,
                                    virtio_mem_range_all(&memory->state->geo));
    }
}

bool virtio_mem_memory_is_short(const VirtIOMEMMemory *memory)
{
    return virtio_mem_jobs_is_short(&memory->jobs);
}

/* --- the part ------------------------------------------------------------- */

static int memory_begin(VirtIOMEMMemory *memory, VirtIOMEMJobKind kind,
                        const VirtIOMEMChange *change, uint64_t size)
{
    virtio_mem_jobs_begin(&memory->jobs, kind, change->span, size);
    return VIRTIO_MEM_PENDING;
}

/* The guest needs what others have in advance. */
static void memory_look_at_shortage(VirtIOMEMMemory *memory)
{
    if (virtio_mem_jobs_is_short(&memory->jobs)) {
        virtio_mem_memory_give_reserve_back(memory);
    }
}

static void memory_ended(void *opaque, int ret)
{
    VirtIOMEMMemory *memory = opaque;

    memory_look_at_shortage(memory);
    virtio_mem_change_resume(memory->engine, ret);
}

/* A load needs memory as it will stay. */
static void memory_prepare(VirtIOMEMMemory *memory,
                           const VirtIOMEMChange *change)
{
    if (change->origin == VIRTIO_MEM_BY_LOAD) {
        virtio_mem_jobs_finish(&memory->jobs);
    }
}

static int memory_plug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMMemory *memory = self;
    const bool populate = memory->prealloc && !change->keeps_memory &&
                          !memory_is_in_reserve(memory, change);
    bool waits;
    int ret;

    memory_prepare(memory, change);
    virtio_mem_backend_set_dirty(memory->backend, change->span);
    waits = virtio_mem_jobs_is_behind(&memory->jobs, change->span) ||
            virtio_mem_jobs_is_ahead(&memory->jobs, change->span);
    memory_leave_reserve(memory, change);
    if (!populate && !waits) {
        return 0;
    }
    if (waits || change->span.size > MEMORY_LITTLE) {
        return memory_begin(memory, populate ? VIRTIO_MEM_JOB_POPULATE :
                            VIRTIO_MEM_JOB_NOTHING, change, change->span.size);
    }
    ret = virtio_mem_jobs_do(&memory->jobs, VIRTIO_MEM_JOB_POPULATE,
                             change->span);
    memory_look_at_shortage(memory);
    return ret;
}

/* Also undoes a plug: a listener may have brought pages, whoever populates. */
static int memory_unplug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMMemory *memory = self;
    uint64_t size = change->span.size;

    memory_prepare(memory, change);
    memory_leave_reserve(memory, change);
    if (change->keeps_memory ||
        virtio_mem_backend_may_be_needed(memory->backend)) {
        return 0;
    }
    if (!virtio_mem_change_is_plug(change)) {
        size = MIN(size, virtio_mem_plugged_size(memory->state));
    }
    if (change->origin != VIRTIO_MEM_BY_LOAD &&
        virtio_mem_backend_holds(memory->backend, change->span,
                                 MEMORY_LITTLE)) {
        return memory_begin(memory, VIRTIO_MEM_JOB_DISCARD, change, size);
    }
    return virtio_mem_jobs_do(&memory->jobs, VIRTIO_MEM_JOB_DISCARD,
                              change->span);
}

static bool memory_may_refuse(void *self)
{
    const VirtIOMEMMemory *memory = self;

    return memory->prealloc;
}

static void memory_wait(void *self)
{
    VirtIOMEMMemory *memory = self;

    virtio_mem_jobs_wait(&memory->jobs);
}

static void memory_hurry(void *self)
{
    VirtIOMEMMemory *memory = self;

    virtio_mem_jobs_hurry(&memory->jobs, memory->is_guarded);
}

const VirtIOMEMPart virtio_mem_memory_part = {
    .name = "memory",
    .plug = memory_plug,
    .undo_plug = memory_unplug,
    .unplug = memory_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_HOST_MEMORY,
    .unplug_fails = VIRTIO_MEM_PROGRESS_HOST_DISCARD,
    .may_refuse = memory_may_refuse,
    .wait = memory_wait,
    .hurry = memory_hurry,
};

/* --- life ----------------------------------------------------------------- */

static const VirtIOMEMJobsOwner memory_owner = {
    .ended = memory_ended,
    .ahead_ended = memory_ahead_ended,
    .behind_changed = memory_behind_changed,
};

bool virtio_mem_memory_init(VirtIOMEMMemory *memory, DeviceState *dev,
                            VirtIOMEMEngine *engine,
                            const VirtIOMEMState *state,
                            const VirtIOMEMBackend *backend,
                            ThreadContext *context, bool prealloc,
                            void (*behind_changed)(void *opaque), void *opaque,
                            Error **errp)
{
    *memory = (VirtIOMEMMemory) {
        .engine = engine,
        .state = state,
        .backend = backend,
        .prealloc = prealloc,
        .behind_changed = behind_changed,
        .opaque = opaque,
    };
    return virtio_mem_jobs_init(&memory->jobs, dev, backend, context,
                                &memory_owner, memory, errp);
}

void virtio_mem_memory_set_guarded(VirtIOMEMMemory *memory)
{
    memory->is_guarded = true;
}

void virtio_mem_memory_cleanup(VirtIOMEMMemory *memory)
{
    virtio_mem_jobs_cleanup(&memory->jobs);
}

uint64_t virtio_mem_memory_host_time(const VirtIOMEMMemory *memory)
{
    return virtio_mem_jobs_host_time(&memory->jobs);
}
