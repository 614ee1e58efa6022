/*
 * virtio-mem: fault in host memory with several threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/uio.h>
#include "qemu/atomic.h"
#include "qemu/madvise.h"
#include "qemu/units.h"
#include "populate.h"
#include "worker.h"

#define POPULATE_MAX_THREADS 16
#define POPULATE_LEAST_OF_A_THREAD (16 * MiB)

typedef struct Populate {
    const VirtIOMEMPopulate *what;
    size_t steps;
    size_t next;                /* step that nobody has taken */
    int ret;                    /* of the step that failed first */
} Populate;

/*
 * For a kernel before 5.14: write a byte of each page that was read before. The
 * kernel does it, so that a page that is not to be had is an error and no
 * SIGBUS.
 */
static int populate_touch(char *area, size_t size)
{
    const pid_t pid = getpid();

    for (size_t at = 0; at < size; at += qemu_real_host_page_size()) {
        char byte;
        const struct iovec here = { &byte, 1 };
        const struct iovec there = { area + at, 1 };

        if (process_vm_readv(pid, &here, 1, &there, 1, 0) != 1 ||
            process_vm_writev(pid, &here, 1, &there, 1, 0) != 1) {
            return -errno;
        }
    }
    return 0;
}

static int populate_step(const VirtIOMEMPopulate *what, size_t step)
{
    char *area = what->area + step * what->step;
    const size_t size = MIN(what->step, what->size - step * what->step);

    if (!qemu_madvise(area, size, QEMU_MADV_POPULATE_WRITE)) {
        return 0;
    }
    return errno == EINVAL ? populate_touch(area, size) : -errno;
}

static int populate_step_unless_cancelled(const VirtIOMEMPopulate *what,
                                          size_t step)
{
    return what->cancelled && qatomic_read(what->cancelled) ?
           -ECANCELED : populate_step(what, step);
}

/* Whoever has time takes the next step, so that all end together. */
static void *populate_thread(void *opaque)
{
    Populate *all = opaque;
    size_t step;

    while (!qatomic_read(&all->ret) &&
           (step = qatomic_fetch_inc(&all->next)) < all->steps) {
        const int ret = populate_step_unless_cancelled(all->what, step);

        if (ret) {
            qatomic_cmpxchg(&all->ret, 0, ret);
        }
    }
    return NULL;
}

/* That the calling thread, and so those it creates, may run on. */
static unsigned populate_number_of_cpus(void)
{
    cpu_set_t allowed;

    return sched_getaffinity(0, sizeof(allowed), &allowed) ?
           MAX(sysconf(_SC_NPROCESSORS_ONLN), 1) : CPU_COUNT(&allowed);
}

static unsigned populate_number_of_threads(const VirtIOMEMPopulate *what,
                                           size_t steps)
{
    const unsigned most = what->threads ?
                          MIN(what->threads, POPULATE_MAX_THREADS) :
                          POPULATE_MAX_THREADS;
    const size_t busy = DIV_ROUND_UP(what->size, POPULATE_LEAST_OF_A_THREAD);

    return MIN(MIN(most, populate_number_of_cpus()), MIN(busy, steps));
}

int virtio_mem_populate(const VirtIOMEMPopulate *what)
{
    Populate all = {
        .what = what,
        .steps = DIV_ROUND_UP(what->size, what->step),
    };
    const unsigned threads = populate_number_of_threads(what, all.steps);
    QemuThread others[POPULATE_MAX_THREADS];
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
