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

typedef struct Steps {
    const VirtIOMEMSteps *what;
    size_t next;                /* step that nobody has taken */
    int ret;                    /* of the step that failed first */
} Steps;

static void steps_take_part(Steps *all)
{
    size_t number;

    while (!qatomic_read(&all->ret) &&
           (number = qatomic_fetch_inc(&all->next)) < all->what->count) {
        const int ret = all->what->step(all->what->opaque, number);

        if (ret) {
            qatomic_cmpxchg(&all->ret, 0, ret);
        }
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
