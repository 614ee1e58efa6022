/*
 * virtio-mem: work on host memory, off the main loop
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/virtio/virtio.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "worker.h"

#define THREAD_NAME "virtio-mem"

/* --- threads -------------------------------------------------------------- */

int virtio_mem_thread_create(QemuThread *thread, void *(*start)(void *opaque),
                             void *opaque)
{
    sigset_t blocked, before;
    int err;

    /* As of every thread of QEMU: signals are the main loop's. */
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    err = pthread_create(&thread->thread, NULL, start, opaque);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

static void *worker_no_work(void *opaque)
{
    return NULL;
}

/*
 * A context has no way to say that the host refuses a thread. So one is made
 * without it first.
 */
static int worker_create_in_context(VirtIOMEMWorker *worker,
                                    ThreadContext *context,
                                    void *(*start)(void *opaque))
{
    const int ret =
        virtio_mem_thread_create(&worker->thread, worker_no_work, NULL);

    if (ret) {
        return ret;
    }
    qemu_thread_join(&worker->thread);
    thread_context_create_thread(context, &worker->thread, THREAD_NAME, start,
                                 worker, QEMU_THREAD_JOINABLE);
    return 0;
}

static void *worker_thread(void *opaque)
{
    VirtIOMEMWorker *worker = opaque;

    pthread_setname_np(pthread_self(), THREAD_NAME);
    /* RAM blocks are looked at under RCU. */
    rcu_register_thread();
    for (;;) {
        qemu_sem_wait(&worker->job);
        if (worker->quit) {
            break;
        }
        worker->ret = worker->work(worker->opaque);
        /* In this order: whoever waits cancels the bottom half afterwards. */
        qemu_bh_schedule(worker->bh);
        qemu_sem_post(&worker->ended);
    }
    rcu_unregister_thread();
    return NULL;
}

/* --- jobs ----------------------------------------------------------------- */

void virtio_mem_worker_start(VirtIOMEMWorker *worker)
{
    g_assert(!worker->running);
    worker->running = true;
    qemu_sem_post(&worker->job);
}

void virtio_mem_worker_wait(VirtIOMEMWorker *worker)
{
    if (worker->running) {
        qemu_sem_wait(&worker->ended);
        qemu_bh_cancel(worker->bh);
        worker->running = false;
        worker->done(worker->opaque, worker->ret);
    }
}

static void worker_has_ended(void *opaque)
{
    virtio_mem_worker_wait(opaque);
}

/* --- life ----------------------------------------------------------------- */

bool virtio_mem_worker_init(VirtIOMEMWorker *worker, DeviceState *dev,
                            ThreadContext *context, int (*work)(void *opaque),
                            void (*done)(void *opaque, int ret), void *opaque,
                            Error **errp)
{
    int ret;

    *worker = (VirtIOMEMWorker) {
        .work = work,
        .done = done,
        .opaque = opaque,
        .bh = virtio_bh_new_guarded(dev, worker_has_ended, worker),
    };
    qemu_sem_init(&worker->job, 0);
    qemu_sem_init(&worker->ended, 0);
    ret = context ? worker_create_in_context(worker, context, worker_thread)
                  : virtio_mem_thread_create(&worker->thread, worker_thread,
                                             worker);
    if (ret) {
        error_setg_errno(errp, -ret, "virtio-mem: the host refuses a thread for"
                         " the work on host memory");
        qemu_sem_destroy(&worker->ended);
        qemu_sem_destroy(&worker->job);
        qemu_bh_delete(worker->bh);
        return false;
    }
    return true;
}

void virtio_mem_worker_cleanup(VirtIOMEMWorker *worker)
{
    g_assert(!worker->running);
    worker->quit = true;
    qemu_sem_post(&worker->job);
    qemu_thread_join(&worker->thread);
    qemu_sem_destroy(&worker->ended);
    qemu_sem_destroy(&worker->job);
    qemu_bh_delete(worker->bh);
}
