/*
 * virtio-mem: work on host memory, off the main loop
 *
 * One job at a time, on a thread that exists from realize on. Getting and
 * giving back gigabytes takes seconds, in which the main loop, the vCPUs and
 * the monitor have to go on. No request waits for a thread that the host may
 * refuse to start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_WORKER_H
#define HW_VIRTIO_MEM_WORKER_H

#include "hw/core/qdev.h"
#include "qemu/thread-context.h"

typedef struct VirtIOMEMWorker {
    int (*work)(void *opaque);              /* must not take the BQL */
    void (*done)(void *opaque, int ret);    /* under the BQL */
    void *opaque;
    int ret;                                /* of work() */
    bool running;                           /* until done() is called */
    bool quit;
    QemuSemaphore job;
    QemuSemaphore ended;
    QemuThread thread;
    QEMUBH *bh;
} VirtIOMEMWorker;

/*
 * virtio_mem_worker_init: make the worker of @dev, and its thread.
 *
 * @context: where the thread runs, or NULL; needed during the call only
 * @work, @done: called with @opaque
 *
 * Returns false and sets @errp when the host refuses the thread.
 */
bool virtio_mem_worker_init(VirtIOMEMWorker *worker, DeviceState *dev,
                            ThreadContext *context, int (*work)(void *opaque),
                            void (*done)(void *opaque, int ret), void *opaque,
                            Error **errp);

/* No job may be running. */
void virtio_mem_worker_cleanup(VirtIOMEMWorker *worker);

/* Start work(). When it has ended the main loop calls done(). */
void virtio_mem_worker_start(VirtIOMEMWorker *worker);

/*
 * If a job is running, wait for its end and call done() here and now. By what
 * done() does the worker may be gone afterwards.
 */
void virtio_mem_worker_wait(VirtIOMEMWorker *worker);

/*
 * virtio_mem_thread_create: start a thread, if the host lets it.
 *
 * As qemu_thread_create(), joinable, which ends QEMU if the host refuses.
 * Returns 0, or a negative errno value.
 */
int virtio_mem_thread_create(QemuThread *thread, void *(*start)(void *opaque),
                             void *opaque);

#endif
