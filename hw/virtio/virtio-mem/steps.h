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
    size_t most;                /* that may be done as one; 0: 1 */
    /* Any thread; without the BQL. From @first on so many. */
    int (*step)(void *opaque, size_t first, size_t count);
    void *opaque;
} VirtIOMEMSteps;

/*
 * virtio_mem_steps_run: blocks until all steps are done.
 *
 * The calling thread takes part, and the others run where it may run. There are
 * never more threads than CPUs, than 16, or than steps, and fewer when the host
 * refuses some. Steps that take next to no time are done several at a time.
 *
 * Returns 0, or what the step that failed first returned; none is begun after
 * that.
 */
int virtio_mem_steps_run(const VirtIOMEMSteps *steps);

#endif
