/*
 * virtio-mem: fault in host memory with several threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/madvise.h"
#include "qemu/units.h"
#include "virtio-mem-populate.h"
#include "virtio-mem-worker.h"

#define MAX_THREADS 16
#define LEAST_OF_A_THREAD (16 * MiB)

typedef struct Populate {
    const VirtIOMEMPopulate *what;
    size_t steps;
    size_t next;                /* step that nobody has taken */
    int ret;                    /* of the step that failed first */
} Populate;

static int populate_step(const VirtIOMEMPopulate *what, size_t step)
{
    const size_t start = step * what->step;
    const size_t size = MIN(what->step, what->size - start);

    if (!qemu_madvise(what->area + start, size, QEMU_MADV_POPULATE_WRITE)) {
        return 0;
    }
    if (errno != EINVAL) {
        return -errno;
    }
    /* A kernel that cannot do it: touch each page. */
    return qemu_prealloc_mem(what->fd, what->area + start, size, 1, NULL, false,
                             NULL) ? 0 : -ENOMEM;
}

/* Whoever has time takes the next step, so that all end together. */
static void *populate_thread(void *opaque)
{
    Populate *all = opaque;
    size_t step;

    while (!qatomic_read(&all->ret) &&
           (step = qatomic_fetch_inc(&all->next)) < all->steps) {
        const int ret = populate_step(all->what, step);

        if (ret) {
            qatomic_cmpxchg(&all->ret, 0, ret);
        }
        sched_yield();
    }
    return NULL;
}

/* That the calling thread, and so those it creates, may run on. */
static unsigned number_of_cpus(void)
{
    cpu_set_t allowed;

    return sched_getaffinity(0, sizeof(allowed), &allowed) ?
           MAX(sysconf(_SC_NPROCESSORS_ONLN), 1) : CPU_COUNT(&allowed);
}

static unsigned number_of_threads(const VirtIOMEMPopulate *what, size_t steps)
{
    const unsigned most = what->threads ? MIN(what->threads, MAX_THREADS)
                                        : MAX_THREADS;
    const size_t busy = DIV_ROUND_UP(what->size, LEAST_OF_A_THREAD);

    return MIN(MIN(most, number_of_cpus()), MIN(busy, steps));
}

int virtio_mem_populate(const VirtIOMEMPopulate *what)
{
    Populate all = {
        .what = what,
        .steps = DIV_ROUND_UP(what->size, what->step),
    };
    const unsigned threads = number_of_threads(what, all.steps);
    QemuThread others[MAX_THREADS];
    unsigned running = 0;

    while (running + 1 < threads &&
           !virtio_mem_thread_create(&others[running], populate_thread, &all)) {
        running++;
    }
    populate_thread(&all);
    while (running) {
        qemu_thread_join(&others[--running]);
    }
    return all.ret;
}
