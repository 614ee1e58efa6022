/*
 * virtio-mem: host memory, the first part of a change
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "memory.h"

/* What is done at once: a thread would take longer than that. */
#define MEMORY_LITTLE (4 * MiB)

/* --- jobs ----------------------------------------------------------------- */

/* Any thread. What could be had before memory ran out goes back to the host. */
static int memory_populate(const VirtIOMEMBackend *backend, VirtIOMEMJob *job)
{
    const int ret = virtio_mem_backend_populate(backend, job->span,
                                                &job->cancelled, &job->err);

    if (ret && job->give_back) {
        virtio_mem_backend_discard_in_steps(backend, job->span);
    }
    return ret;
}

/* On the worker's thread. */
static int memory_work(void *opaque)
{
    VirtIOMEMMemory *memory = opaque;
    VirtIOMEMJob *job = &memory->job;

    return job->populate ? memory_populate(memory->backend, job)
                         : virtio_mem_backend_discard_in_steps(memory->backend,
                                                               job->span);
}

/* Once until there is enough, however often the guest tries. */
static void memory_report_shortage(VirtIOMEMMemory *memory)
{
    const VirtIOMEMJob *job = &memory->job;

    if (job->err && !memory->shortage_told) {
        g_autofree char *name = virtio_mem_backend_name(memory->backend);
        g_autofree char *size = size_to_str(job->span.size);

        warn_report("virtio-mem: memory backend '%s' ran out of memory (%s"
                    " more were needed): %s", name, size,
                    error_get_pretty(job->err));
    }
    if (job->populate) {
        memory->shortage_told = job->err;
    }
}

static void memory_job_starts(VirtIOMEMMemory *memory, bool populate,
                              VirtIOMEMSpan span)
{
    memory->job = (VirtIOMEMJob) {
        .populate = populate,
        .give_back = populate &&
                     !virtio_mem_backend_may_be_needed(memory->backend),
        .span = span,
        .start = get_clock(),
    };
}

static void memory_job_ended(VirtIOMEMMemory *memory)
{
    VirtIOMEMJob *job = &memory->job;

    memory->host_ns += get_clock() - job->start;
    memory_report_shortage(memory);
    error_free(g_steal_pointer(&job->err));
}

static void memory_worker_ended(void *opaque, int ret)
{
    VirtIOMEMMemory *memory = opaque;

    memory_job_ended(memory);
    virtio_mem_change_resume(memory->engine, ret);
}

/* --- the part ------------------------------------------------------------- */

static int memory_plug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMMemory *memory = self;
    int ret;

    virtio_mem_backend_set_dirty(memory->backend, change->span);
    if (!memory->prealloc || change->keeps_memory) {
        return 0;
    }
    memory_job_starts(memory, true, change->span);
    if (change->span.size > MEMORY_LITTLE) {
        virtio_mem_worker_start(&memory->worker);
        return VIRTIO_MEM_PENDING;
    }
    ret = memory_populate(memory->backend, &memory->job);
    memory_job_ended(memory);
    return ret;
}

/*
 * Also undoes a plug: a listener may have brought pages, whoever populates. A
 * single discard of all is quicker than many steps.
 */
static int memory_unplug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMMemory *memory = self;
    int ret;

    if (change->keeps_memory ||
        virtio_mem_backend_may_be_needed(memory->backend)) {
        return 0;
    }
    memory_job_starts(memory, false, change->span);
    if (!change->at_once && virtio_mem_backend_holds(memory->backend,
                                                     change->span,
                                                     MEMORY_LITTLE)) {
        virtio_mem_worker_start(&memory->worker);
        return VIRTIO_MEM_PENDING;
    }
    ret = virtio_mem_backend_discard(memory->backend, change->span);
    memory_job_ended(memory);
    return ret;
}

static bool memory_may_refuse(void *self)
{
    const VirtIOMEMMemory *memory = self;

    return memory->prealloc;
}

static void memory_wait(void *self)
{
    VirtIOMEMMemory *memory = self;

    virtio_mem_worker_wait(&memory->worker);
}

static void memory_cancel(void *self)
{
    VirtIOMEMMemory *memory = self;

    qatomic_set(&memory->job.cancelled, true);
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
    .cancel = memory_cancel,
};

/* --- life ----------------------------------------------------------------- */

bool virtio_mem_memory_init(VirtIOMEMMemory *memory, DeviceState *dev,
                            VirtIOMEMEngine *engine,
                            const VirtIOMEMBackend *backend,
                            ThreadContext *context, bool prealloc,
                            Error **errp)
{
    *memory = (VirtIOMEMMemory) {
        .engine = engine,
        .backend = backend,
        .prealloc = prealloc,
    };
    return virtio_mem_worker_init(&memory->worker, dev, context, memory_work,
                                  memory_worker_ended, memory, errp);
}

void virtio_mem_memory_cleanup(VirtIOMEMMemory *memory)
{
    virtio_mem_worker_cleanup(&memory->worker);
}

uint64_t virtio_mem_memory_host_time(const VirtIOMEMMemory *memory)
{
    return memory->host_ns;
}
