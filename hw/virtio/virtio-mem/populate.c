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
#include "headroom.h"
#include "populate.h"
#include "steps.h"

#define POPULATE_LEAST_OF_A_THREAD (16 * MiB)

/* How often it is looked whether there is room, and how much stays free. */
#define POPULATE_LOOK (64 * MiB)
#define POPULATE_SPARE (32 * MiB)

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

/* Where it is looked, there has to be room until the next look. */
static bool populate_has_room(const VirtIOMEMPopulate *what, size_t at)
{
    return !what->looks || at % POPULATE_LOOK ||
           virtio_mem_headroom("") >= POPULATE_SPARE +
                                      MIN(POPULATE_LOOK, what->size - at);
}

static int populate_step(void *opaque, size_t number, size_t count)
{
    const VirtIOMEMPopulate *what = opaque;
    const size_t at = number * what->step;
    char *area = what->area + at;
    const size_t size = MIN(what->step, what->size - at);

    if (what->cancelled && qatomic_read(what->cancelled)) {
        return -ECANCELED;
    }
    if (!populate_has_room(what, at)) {
        return -ENOMEM;
    }
    if (!qemu_madvise(area, size, QEMU_MADV_POPULATE_WRITE)) {
        return 0;
    }
    return errno == EINVAL ? populate_touch(area, size) : -errno;
}

int virtio_mem_populate(VirtIOMEMPopulate *what)
{
    const VirtIOMEMSteps steps = {
        .count = DIV_ROUND_UP(what->size, what->step),
        .threads = MIN(what->threads ?: VIRTIO_MEM_STEPS_MAX_THREADS,
                       DIV_ROUND_UP(what->size, POPULATE_LEAST_OF_A_THREAD)),
        .step = populate_step,
        .opaque = what,
    };

    return virtio_mem_steps_run(&steps);
}
