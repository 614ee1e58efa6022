/*
 * virtio-mem: work in steps, by several threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/rcu.h"
#include "steps.h"
#include "worker.h"

/* There was next to nothing to do. */
#define STEPS_QUICK_US 50

typedef struct Steps {
    const VirtIOMEMSteps *what;
    size_t next;                /* step that nobody has taken */
    int ret;                    /* of the step that failed first */
} Steps;

static void steps_take_part(Steps *all)
{
    const VirtIOMEMSteps *what = all->what;
    size_t first, count = 1;

    while (!qatomic_read(&all->ret) &&
           (first = qatomic_fetch_add(&all->next, count)) < what->count) {
        const gint64 start = g_get_monotonic_time();
        const int ret = what->step(what->opaque, first,
                                   MIN(count, what->count - first));

        if (ret) {
            qatomic_cmpxchg(&all->ret, 0, ret);
        }
        count = g_get_monotonic_time() - start < STEPS_QUICK_US ?
                MIN(2 * count, MAX(what->most, 1)) : 1;
    }
}

static void *steps_thread(void *opaque)
{
    rcu_register_thread();
    steps_take_part(opaque);
    rcu_unregister_thread();
    return NULL;
}

/* That the calling thread, and so those it creates, may run on. */
static unsigned steps_number_of_cpus(void)
{
    cpu_set_t allowed;

    return sched_getaffinity(0, sizeof(allowed), &allowed) ?
           MAX(sysconf(_SC_NPROCESSORS_ONLN), 1) : CPU_COUNT(&allowed);
}

int virtio_mem_steps_run(const VirtIOMEMSteps *steps)
{
    Steps all = { .what = steps };
    const unsigned most = MIN(steps->threads, VIRTIO_MEM_STEPS_MAX_THREADS);
    const size_t threads = MIN(MIN(most, steps_number_of_cpus()), steps->count);
    QemuThread others[VIRTIO_MEM_STEPS_MAX_THREADS];
    unsigned running = 0;

    while (running + 1 < threads &&
           !virtio_mem_thread_create(&others[running], steps_thread, &all)) {
        running++;
    }
    steps_take_part(&all);
    while (running) {
        qemu_thread_join(&others[--running]);
    }
    return all.ret;
}
