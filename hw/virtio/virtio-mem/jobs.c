/*
 * virtio-mem: work on host memory, one job after the other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "qemu/timer.h"
#include "jobs.h"

struct VirtIOMEMJob {
    VirtIOMEMJobKind kind;
    VirtIOMEMSpan span;
    uint64_t counts;            /* bytes of what is behind */
    bool give_back;             /* what was populated, when it fails */
    bool cancelled;             /* atomic */
    int64_t start;              /* ns */
    int64_t cpu_time;           /* ns, of AHEAD */
    Error *err;
    QSIMPLEQ_ENTRY(VirtIOMEMJob) next;
};

/* --- on the thread -------------------------------------------------------- */

/* What could be had before memory ran out goes back to the host. */
static int jobs_populate(const VirtIOMEMBackend *backend, VirtIOMEMJob *job)
{
    const int ret = virtio_mem_backend_populate(backend, job->span,
                                                &job->cancelled, &job->err);

    if (ret && job->give_back) {
        virtio_mem_backend_discard_in_steps(backend, job->span,
                                            &job->cancelled);
    }
    return ret;
}

/* ns, of this thread */
static int64_t jobs_cpu_time(void)
{
    struct timespec time;

    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) ? 0 :
           time.tv_sec * NANOSECONDS_PER_SECOND + time.tv_nsec;
}

static int jobs_work(void *opaque)
{
    VirtIOMEMJobs *jobs = opaque;
    VirtIOMEMJob *job = jobs->running;
    const int64_t before = jobs_cpu_time();
    int ret;

    if (job->kind == VIRTIO_MEM_JOB_DISCARD) {
        return virtio_mem_backend_discard_in_steps(jobs->backend, job->span,
                                                   &job->cancelled);
    }
    ret = jobs_populate(jobs->backend, job);
    job->cpu_time = jobs_cpu_time() - before;
    return ret;
}

/* --- a job ---------------------------------------------------------------- */

static VirtIOMEMJob *jobs_new(const VirtIOMEMJobs *jobs, VirtIOMEMJobKind kind,
                              VirtIOMEMSpan span)
{
    VirtIOMEMJob *job = g_new0(VirtIOMEMJob, 1);

    job->kind = kind;
    job->span = span;
    job->give_back = kind == VIRTIO_MEM_JOB_POPULATE &&
                     !virtio_mem_backend_may_be_needed(jobs->backend);
    job->start = get_clock();
    return job;
}

/* Once until there is enough, however often the guest tries. */
static void jobs_tell_shortage(VirtIOMEMJobs *jobs, const VirtIOMEMJob *job)
{
    if (job->err && !jobs->shortage_told) {
        g_autofree char *name = virtio_mem_backend_name(jobs->backend);
        g_autofree char *size = size_to_str(job->span.size);

        warn_report("virtio-mem: memory backend '%s' ran out of memory (%s"
                    " more were needed): %s", name, size,
                    error_get_pretty(job->err));
    }
    jobs->shortage_told = job->err;
}

static void jobs_free(VirtIOMEMJobs *jobs, VirtIOMEMJob *job)
{
    jobs->host_ns += get_clock() - job->start;
    /* One that was cancelled does not know whether there is enough. */
    if (job->kind == VIRTIO_MEM_JOB_POPULATE && (job->err || !job->cancelled)) {
        jobs_tell_shortage(jobs, job);
    }
    error_free(job->err);
    g_free(job);
}

/* --- which is next -------------------------------------------------------- */

static bool jobs_overlap(VirtIOMEMSpan a, VirtIOMEMSpan b)
{
    return ranges_overlap(a.offset, a.size, b.offset, b.size);
}

bool virtio_mem_jobs_is_behind(const VirtIOMEMJobs *jobs, VirtIOMEMSpan span)
{
    const VirtIOMEMJob *job;

    QSIMPLEQ_FOREACH(job, &jobs->behind, next) {
        if (jobs_overlap(job->span, span)) {
            return true;
        }
    }
    return false;
}

bool virtio_mem_jobs_is_ahead(const VirtIOMEMJobs *jobs, VirtIOMEMSpan span)
{
    return jobs->ahead && jobs_overlap(jobs->ahead->span, span);
}

/* It has to wait where pages are still given back, or populated ahead. */
static bool jobs_may_run(const VirtIOMEMJobs *jobs, const VirtIOMEMJob *job)
{
    return job->kind == VIRTIO_MEM_JOB_DISCARD ||
           !virtio_mem_jobs_is_behind(jobs, job->span);
}

static VirtIOMEMJob *jobs_next(const VirtIOMEMJobs *jobs)
{
    if (jobs->pending && jobs->pending->kind != VIRTIO_MEM_JOB_NOTHING &&
        jobs_may_run(jobs, jobs->pending)) {
        return jobs->pending;
    }
    return QSIMPLEQ_FIRST(&jobs->behind) ?: jobs->ahead;
}

void virtio_mem_jobs_start(VirtIOMEMJobs *jobs)
{
    VirtIOMEMJob *job = jobs->running || jobs->closing ? NULL
                                                       : jobs_next(jobs);

    if (job) {
        jobs->running = job;
        job->start = get_clock();
        virtio_mem_worker_start(&jobs->worker);
    }
}

/* --- behind --------------------------------------------------------------- */

static void jobs_count_behind(VirtIOMEMJobs *jobs, int64_t bytes)
{
    jobs->behind_size += bytes;
    if (bytes && !jobs->closing) {
        jobs->owner->behind_changed(jobs->opaque);
    }
}

static void jobs_put_behind(VirtIOMEMJobs *jobs, VirtIOMEMJob *job)
{
    QSIMPLEQ_INSERT_TAIL(&jobs->behind, job, next);
    jobs_count_behind(jobs, job->counts);
}

void virtio_mem_jobs_put_behind(VirtIOMEMJobs *jobs, VirtIOMEMSpan span)
{
    jobs_put_behind(jobs, jobs_new(jobs, VIRTIO_MEM_JOB_DISCARD, span));
}

/* A populate that was cancelled has left pages. */
static void jobs_becomes_discard(VirtIOMEMJob *job)
{
    job->kind = VIRTIO_MEM_JOB_DISCARD;
    job->give_back = false;
    job->cancelled = false;
}

/* Nobody hears of it otherwise: the change has ended well. */
static void jobs_tell_discard(VirtIOMEMJobs *jobs, int ret)
{
    if (ret && !jobs->discard_told) {
        g_autofree char *name = virtio_mem_backend_name(jobs->backend);

        warn_report("virtio-mem: unplugged memory of the memory backend '%s'"
                    " cannot be given back to the host: %s", name,
                    strerror(-ret));
    }
    jobs->discard_told = ret;
}

static void jobs_behind_ended(VirtIOMEMJobs *jobs, VirtIOMEMJob *job, int ret)
{
    const uint64_t counts = job->counts;

    if (job->give_back) {
        jobs_becomes_discard(job);
        return;
    }
    if (job->kind == VIRTIO_MEM_JOB_DISCARD && ret != -ECANCELED) {
        jobs_tell_discard(jobs, ret);
    }
    QSIMPLEQ_REMOVE(&jobs->behind, job, VirtIOMEMJob, next);
    jobs_free(jobs, job);
    jobs_count_behind(jobs, -counts);
}

/* --- ahead ---------------------------------------------------------------- */

void virtio_mem_jobs_begin_ahead(VirtIOMEMJobs *jobs, VirtIOMEMSpan span)
{
    g_assert(!jobs->ahead);
    jobs->ahead = jobs_new(jobs, VIRTIO_MEM_JOB_AHEAD, span);
    virtio_mem_jobs_start(jobs);
}

void virtio_mem_jobs_cancel_ahead(VirtIOMEMJobs *jobs)
{
    if (jobs->ahead) {
        qatomic_set(&jobs->ahead->cancelled, true);
    }
}

static void jobs_ahead_ended(VirtIOMEMJobs *jobs, VirtIOMEMJob *job, int ret)
{
    const int64_t took = get_clock() - job->start;
    const bool waited = took > 2 * job->cpu_time + SCALE_MS;
    const VirtIOMEMSpan span = job->span;

    jobs->ahead = NULL;
    ret = ret ?: job->cancelled ? -ECANCELED : 0;
    jobs_free(jobs, job);
    if (!jobs->closing) {
        jobs->owner->ahead_ended(jobs->opaque, span, ret, waited);
    }
}

/* --- for a change --------------------------------------------------------- */

int virtio_mem_jobs_do(VirtIOMEMJobs *jobs, VirtIOMEMJobKind kind,
                       VirtIOMEMSpan span)
{
    VirtIOMEMJob *job = jobs_new(jobs, kind, span);
    const int ret = kind == VIRTIO_MEM_JOB_POPULATE ?
                    jobs_populate(jobs->backend, job) :
                    virtio_mem_backend_discard(jobs->backend, span);

    jobs_free(jobs, job);
    return ret;
}

void virtio_mem_jobs_begin(VirtIOMEMJobs *jobs, VirtIOMEMJobKind kind,
                           VirtIOMEMSpan span, uint64_t size)
{
    g_assert(!jobs->pending);
    jobs->pending = jobs_new(jobs, kind, span);
    jobs->pending->counts = size;
    virtio_mem_jobs_start(jobs);
}

/* The next job is begun before: what the owner does may be the end of all. */
static void jobs_pending_ended(VirtIOMEMJobs *jobs, int ret)
{
    jobs->pending = NULL;
    virtio_mem_jobs_start(jobs);
    jobs->owner->ended(jobs->opaque, ret);
}

static void jobs_worker_ended(void *opaque, int ret)
{
    VirtIOMEMJobs *jobs = opaque;
    VirtIOMEMJob *job = g_steal_pointer(&jobs->running);
    VirtIOMEMJob *pending = jobs->pending;

    if (job == pending) {
        if (ret && job->cancelled && job->give_back) {
            jobs_becomes_discard(job);
            jobs_put_behind(jobs, job);
        } else {
            jobs_free(jobs, job);
        }
        jobs_pending_ended(jobs, ret);
        return;
    }
    if (job == jobs->ahead) {
        jobs_ahead_ended(jobs, job, ret);
    } else {
        jobs_behind_ended(jobs, job, ret);
    }
    if (pending && pending->kind == VIRTIO_MEM_JOB_NOTHING &&
        jobs_may_run(jobs, pending)) {
        jobs_free(jobs, pending);
        jobs_pending_ended(jobs, 0);
        return;
    }
    virtio_mem_jobs_start(jobs);
}

void virtio_mem_jobs_wait(VirtIOMEMJobs *jobs)
{
    virtio_mem_worker_wait(&jobs->worker);
}

void virtio_mem_jobs_hurry(VirtIOMEMJobs *jobs, bool ends_step)
{
    VirtIOMEMJob *job = jobs->pending;
    const bool runs = job == jobs->running;

    if (job->kind == VIRTIO_MEM_JOB_DISCARD) {
        jobs_put_behind(jobs, job);
        jobs_pending_ended(jobs, 0);
        return;
    }
    qatomic_set(&job->cancelled, true);
    if (runs && ends_step) {
        virtio_mem_jobs_wait(jobs);
        return;
    }
    if (runs) {
        jobs_put_behind(jobs, job);
    } else {
        jobs_free(jobs, job);
    }
    jobs_pending_ended(jobs, -ECANCELED);
}

void virtio_mem_jobs_finish(VirtIOMEMJobs *jobs)
{
    while (jobs->running) {
        virtio_mem_jobs_wait(jobs);
    }
}

/* --- life ----------------------------------------------------------------- */

bool virtio_mem_jobs_init(VirtIOMEMJobs *jobs, DeviceState *dev,
                          const VirtIOMEMBackend *backend,
                          ThreadContext *context,
                          const VirtIOMEMJobsOwner *owner, void *opaque,
                          Error **errp)
{
    *jobs = (VirtIOMEMJobs) {
        .backend = backend,
        .owner = owner,
        .opaque = opaque,
        .behind = QSIMPLEQ_HEAD_INITIALIZER(jobs->behind),
    };
    return virtio_mem_worker_init(&jobs->worker, dev, context, jobs_work,
                                  jobs_worker_ended, jobs, errp);
}

void virtio_mem_jobs_cleanup(VirtIOMEMJobs *jobs)
{
    VirtIOMEMJob *job;

    g_assert(!jobs->pending);
    jobs->closing = true;
    if (jobs->running) {
        jobs->running->give_back = false;
        qatomic_set(&jobs->running->cancelled, true);
        virtio_mem_jobs_wait(jobs);
    }
    while ((job = QSIMPLEQ_FIRST(&jobs->behind))) {
        jobs_behind_ended(jobs, job, -ECANCELED);
    }
    g_clear_pointer(&jobs->ahead, g_free);
    virtio_mem_worker_cleanup(&jobs->worker);
}
