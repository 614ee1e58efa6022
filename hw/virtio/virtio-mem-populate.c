/*
 * virtio-mem: fault in host memory with several threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/units.h"
#include "virtio-mem-populate.h"

#define MAX_THREADS 16
#define LEAST_OF_A_THREAD (16 * MiB)

typedef struct Populate {
    const VirtIOMEMPopulate *what;
    size_t steps;
    size_t next;                /* step that nobody has taken */
    bool failed;
    Error *err;                 /* of the step that failed first */
} Populate;

static bool populate_step(const VirtIOMEMPopulate *what, size_t step,
                          Error **errp)
{
    const size_t start = step * what->step;

    return qemu_prealloc_mem(what->fd, what->area + start,
                             MIN(what->step, what->size - start),
                             1, NULL, false, errp);
}

/* Whoever has time takes the next step, so that all end together. */
static void *populate_thread(void *opaque)
{
    Populate *all = opaque;
    size_t step;

    while (!qatomic_read(&all->failed) &&
           (step = qatomic_fetch_inc(&all->next)) < all->steps) {
        Error *err = NULL;

        if (!populate_step(all->what, step, &err)) {
            if (qatomic_xchg(&all->failed, true)) {
                error_free(err);
            } else {
                all->err = err;
            }
        }
        sched_yield();
    }
    return NULL;
}

/* That threads can run on. Those of a context need not be the caller's. */
static unsigned number_of_cpus(const VirtIOMEMPopulate *what)
{
    return what->context ? MAX(sysconf(_SC_NPROCESSORS_ONLN), 1)
                         : g_get_num_processors();
}

static unsigned number_of_threads(const VirtIOMEMPopulate *what, size_t steps)
{
    const unsigned most = what->threads ? MIN(what->threads, MAX_THREADS)
                                        : MAX_THREADS;
    const size_t busy = DIV_ROUND_UP(what->size, LEAST_OF_A_THREAD);

    return MIN(MIN(most, number_of_cpus(what)), MIN(busy, steps));
}

static void create_thread(Populate *all, QemuThread *thread)
{
    if (all->what->context) {
        thread_context_create_thread(all->what->context, thread,
                                     "virtio-mem", populate_thread, all,
                                     QEMU_THREAD_JOINABLE);
    } else {
        qemu_thread_create(thread, "virtio-mem", populate_thread, all,
                           QEMU_THREAD_JOINABLE);
    }
}

int virtio_mem_populate(const VirtIOMEMPopulate *what, Error **errp)
{
    Populate all = {
        .what = what,
        .steps = DIV_ROUND_UP(what->size, what->step),
    };
    /* The calling thread is one of them, unless it runs on the wrong CPUs. */
    const unsigned others = number_of_threads(what, all.steps) -
                            (what->context ? 0 : 1);
    QemuThread threads[MAX_THREADS];

    for (unsigned i = 0; i < others; i++) {
        create_thread(&all, &threads[i]);
    }
    if (!what->context) {
        populate_thread(&all);
    }
    for (unsigned i = 0; i < others; i++) {
        qemu_thread_join(&threads[i]);
    }
    if (all.err) {
        error_propagate(errp, all.err);
        return -ENOMEM;
    }
    return 0;
}
