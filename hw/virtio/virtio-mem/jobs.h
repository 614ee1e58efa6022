/*
 * virtio-mem: work on host memory, one job after the other
 *
 * Three kinds of them, in the order in which they are done: what a change waits for;
 * what goes on behind changes, which nobody waits for; and what is done ahead of a
 * change. A change waits for the end of a job that is running, and for those that give
 * memory back where it plugs.
 *
 * All of it is called with the BQL, by which it is protected, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_JOBS_H
#define HW_VIRTIO_MEM_JOBS_H

#include "qapi/error.h"
#include "backend.h"
#include "worker.h"

typedef enum VirtIOMEMJobKind {
    VIRTIO_MEM_JOB_NOTHING,     /* wait until no page is given back there */
    VIRTIO_MEM_JOB_POPULATE,    /* what came goes back when it fails */
    VIRTIO_MEM_JOB_DISCARD,
    VIRTIO_MEM_JOB_AHEAD,       /* populate */
} VirtIOMEMJobKind;

/* Who has the jobs done. Each is called with the BQL, when the job is over. */
typedef struct VirtIOMEMJobsOwner {
    /* What virtio_mem_jobs_begin() began; the jobs may be gone afterwards. */
    void (*ended)(void *opaque, int ret);
    /*
     * What virtio_mem_jobs_begin_ahead() began. Not 0: part of the memory may be
     * there. @waited: the thread had to wait for a CPU
     */
    void (*ahead_ended)(void *opaque, VirtIOMEMSpan span, int ret, bool waited);
    /* What virtio_mem_jobs_behind() returns has changed. */
    void (*behind_changed)(void *opaque);
} VirtIOMEMJobsOwner;

typedef struct VirtIOMEMJob VirtIOMEMJob;

/* Private to jobs.c. */
typedef struct VirtIOMEMJobs {
    const VirtIOMEMBackend *backend;
    const VirtIOMEMJobsOwner *owner;
    void *opaque;
    VirtIOMEMWorker worker;
    VirtIOMEMJob *running;      /* one of those below, or NULL */
    VirtIOMEMJob *pending;      /* for which a change waits, or NULL */
    QSIMPLEQ_HEAD(, VirtIOMEMJob) behind;
    VirtIOMEMJob *ahead;        /* or NULL */
    uint64_t behind_size;       /* bytes */
    bool closing;
    bool shortage_told;         /* to the user, and not over since */
    bool discard_told;
    uint64_t host_ns;
} VirtIOMEMJobs;

/*
 * virtio_mem_jobs_init: the jobs of @dev on the memory of @backend.
 *
 * @context: where the thread runs, or NULL
 *
 * Returns false and sets @errp when the host refuses the thread.
 */
bool virtio_mem_jobs_init(VirtIOMEMJobs *jobs, DeviceState *dev,
                          const VirtIOMEMBackend *backend,
                          ThreadContext *context,
                          const VirtIOMEMJobsOwner *owner, void *opaque,
                          Error **errp);

/* Nothing is pending. What is still to be given back stays with the backend. */
void virtio_mem_jobs_cleanup(VirtIOMEMJobs *jobs);

/* --- for a change --------------------------------------------------------- */

/*
 * Do it now, here. Of a discard a single one of all is quicker than many steps.
 * Returns 0 or a negative errno value.
 */
int virtio_mem_jobs_do(VirtIOMEMJobs *jobs, VirtIOMEMJobKind kind,
                       VirtIOMEMSpan span);

/*
 * virtio_mem_jobs_begin: have it done on the thread. owner->ended() is called.
 *
 * @size: bytes of @span that it is about; the others are unplugged already
 */
void virtio_mem_jobs_begin(VirtIOMEMJobs *jobs, VirtIOMEMJobKind kind,
                           VirtIOMEMSpan span, uint64_t size);

/* Wait for the end of the job that is running, and have that told. */
void virtio_mem_jobs_wait(VirtIOMEMJobs *jobs);

/*
 * virtio_mem_jobs_hurry: the one that was begun ends now, for its owner. A populate
 * is cancelled, and its pages go behind; a discard goes on behind.
 *
 * @ends_step: wait for what the thread is just populating. Otherwise pages may come
 *     after this.
 */
void virtio_mem_jobs_hurry(VirtIOMEMJobs *jobs, bool ends_step);

/* Wait until there is none left, neither behind nor ahead. */
void virtio_mem_jobs_finish(VirtIOMEMJobs *jobs);

/* A guest has asked for more than the host has, and was not given it since. */
static inline bool virtio_mem_jobs_is_short(const VirtIOMEMJobs *jobs)
{
    return jobs->shortage_told;
}

/* ns; how long jobs have taken so far. */
static inline uint64_t virtio_mem_jobs_host_time(const VirtIOMEMJobs *jobs)
{
    return jobs->host_ns;
}

/* --- behind --------------------------------------------------------------- */

/* Bytes; at most so much memory of changes is still to be given back. */
static inline uint64_t virtio_mem_jobs_behind(const VirtIOMEMJobs *jobs)
{
    return jobs->behind_size;
}

/* Is something in @span still to be given back? */
bool virtio_mem_jobs_is_behind(const VirtIOMEMJobs *jobs, VirtIOMEMSpan span);

/* Give memory back that no change was about. Begins with the next job. */
void virtio_mem_jobs_put_behind(VirtIOMEMJobs *jobs, VirtIOMEMSpan span);

/* --- ahead ---------------------------------------------------------------- */

/* Populate @span when there is nothing else to do. Only one at a time. */
void virtio_mem_jobs_begin_ahead(VirtIOMEMJobs *jobs, VirtIOMEMSpan span);

/* Is it in @span? */
bool virtio_mem_jobs_is_ahead(const VirtIOMEMJobs *jobs, VirtIOMEMSpan span);

/* If there is one, have it end soon with -ECANCELED. */
void virtio_mem_jobs_cancel_ahead(VirtIOMEMJobs *jobs);

/* Begin with a job, if none is running. */
void virtio_mem_jobs_start(VirtIOMEMJobs *jobs);

#endif
