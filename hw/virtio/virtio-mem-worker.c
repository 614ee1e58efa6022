/*
 * virtio-mem: work on host memory, off the main loop
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "virtio-mem-worker.h"

static void *worker_thread(void *opaque)
{
    VirtIOMEMWorker *worker = opaque;

    worker->ret = worker->work(worker->opaque);
    qemu_bh_schedule(worker->bh);
    return NULL;
}

void virtio_mem_worker_wait(VirtIOMEMWorker *worker)
{
    if (!worker->running) {
        return;
    }
    qemu_thread_join(&worker->thread);
    qemu_bh_cancel(worker->bh);
    worker->running = false;
    worker->done(worker->opaque, worker->ret);
}

static void worker_has_ended(void *opaque)
{
    virtio_mem_worker_wait(opaque);
}

void virtio_mem_worker_init(VirtIOMEMWorker *worker, int (*work)(void *opaque),
                            void (*done)(void *opaque, int ret), void *opaque)
{
    *worker = (VirtIOMEMWorker) {
        .work = work,
        .done = done,
        .opaque = opaque,
        .bh = qemu_bh_new(worker_has_ended, worker),
    };
}

void virtio_mem_worker_cleanup(VirtIOMEMWorker *worker)
{
    g_assert(!worker->running);
    qemu_bh_delete(worker->bh);
}

void virtio_mem_worker_start(VirtIOMEMWorker *worker)
{
    g_assert(!worker->running);
    worker->running = true;
    qemu_thread_create(&worker->thread, "virtio-mem", worker_thread, worker,
                       QEMU_THREAD_JOINABLE);
}
