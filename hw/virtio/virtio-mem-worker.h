/*
 * virtio-mem: work on host memory, off the main loop
 *
 * One job at a time, on a thread that lives as long as the job. Getting and
 * giving back gigabytes takes seconds, in which the main loop, the vCPUs and
 * the monitor have to go on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_WORKER_H
#define HW_VIRTIO_MEM_WORKER_H

#include "qemu/thread.h"

typedef struct VirtIOMEMWorker {
    int (*work)(void *opaque);              /* without the BQL; must not take it */
    void (*done)(void *opaque, int ret);    /* under the BQL, exactly once */
    void *opaque;
    int ret;                                /* of work() */
    bool running;                           /* until done() is called */
    QemuThread thread;
    QEMUBH *bh;
} VirtIOMEMWorker;

/* @work and @done are called with @opaque. */
void virtio_mem_worker_init(VirtIOMEMWorker *worker, int (*work)(void *opaque),
                            void (*done)(void *opaque, int ret), void *opaque);

/* No job may be running. */
void virtio_mem_worker_cleanup(VirtIOMEMWorker *worker);

/* Start work(). When it has ended the main loop calls done(). */
void virtio_mem_worker_start(VirtIOMEMWorker *worker);

/* If a job is running, wait for its end and call done() here and now. */
void virtio_mem_worker_wait(VirtIOMEMWorker *worker);

#endif
