/*
 * virtio-mem: fault in host memory with several threads
 *
 * The kernel keeps a process from changing its address space while it faults
 * memory in for it: an mmap(), the start of a thread, any allocation that needs
 * one waits until a whole MADV_POPULATE_WRITE is over, in the main loop with
 * the BQL held. So it is asked for little at a time; who waits gets the
 * address space between two steps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_POPULATE_H
#define HW_VIRTIO_MEM_POPULATE_H

/* Memory to fault in for writing; what it contains stays. */
typedef struct VirtIOMEMPopulate {
    char *area;             /* mapped */
    size_t size;            /* bytes */
    size_t step;            /* bytes at a time, a multiple of the page size */
    unsigned threads;       /* at most; 0: as many as there are CPUs */
    bool looks;             /* that there is room for it: see below */
    const bool *cancelled;  /* atomic; end after the steps going on. Or NULL */
} VirtIOMEMPopulate;

/*
 * virtio_mem_populate: blocks until all is faulted in.
 *
 * The calling thread takes part, and the others run where it may run. There are
 * never more threads than CPUs, than 16, than steps, or than one for each
 * 16 MiB, and fewer when the host refuses some.
 *
 * With @looks it ends with -ENOMEM 32 MiB before the host's memory, or what a cgroup
 * may have, is used up: Linux would kill a process. So it is of pages that count
 * there, which those of a pool of huge pages do not.
 *
 * Returns 0, or the negative errno value of the first step that failed; part of
 * the memory may then be there. -ECANCELED: it was cancelled. -EFAULT is what
 * Linux says when a file system or a pool of huge pages has no more.
 */
int virtio_mem_populate(VirtIOMEMPopulate *what);

#endif
