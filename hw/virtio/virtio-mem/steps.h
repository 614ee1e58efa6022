/*
 * virtio-mem: work in steps, by several threads
 *
 * Whoever has time takes the next step, so that all end together.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_STEPS_H
#define HW_VIRTIO_MEM_STEPS_H

#define VIRTIO_MEM_STEPS_MAX_THREADS 16

typedef struct VirtIOMEMSteps {
    size_t count;
    unsigned threads;           /* at most */
    int (*step)(void *opaque, size_t number);   /* any thread; without the BQL */
    void *opaque;
} VirtIOMEMSteps;

/*
 * virtio_mem_steps_run: blocks until all steps are done.
 *
 * The calling thread takes part, and the others run where it may run. There are
 * never more threads than CPUs, than 16, or than steps, and fewer when the host
 * refuses some.
 *
 * Returns 0, or what the step that failed first returned; none is begun after
 * that.
 */
int virtio_mem_steps_run(const VirtIOMEMSteps *steps);

#endif
