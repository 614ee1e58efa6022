/*
 * virtio-mem: calls of the host that fail when a test wants it
 *
 * A library that is loaded before QEMU's own libraries stands in front of the
 * calls below. The test and the library share one page, through a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_FAULTS_H
#define TESTS_VIRTIO_MEM_FAULTS_H

#include <stdint.h>

/* What the library finds the file by. */
#define FAULTS_VARIABLE "VIRTIO_MEM_FAULTS"

typedef enum FaultCall {
    FAULT_THREAD,               /* pthread_create() */
    FAULT_DONTNEED,             /* madvise() with MADV_DONTNEED */
    FAULT_REMOVE,               /* ... MADV_REMOVE */
    FAULT_POPULATE,             /* ... MADV_POPULATE_WRITE */
    FAULT_FALLOCATE,
    FAULT_SEEK_DATA,            /* lseek() */
    FAULT_MINCORE,
    FAULT_MMAP,
    FAULT_EVENTFD,
    FAULT_CALLS,
} FaultCall;

typedef struct Fault {
    int error;                  /* errno value; 0: the call goes through */
    int skip;                   /* so many calls go through before */
    int seen;                   /* calls since @error was set */
    int failed;                 /* those that failed of them */
} Fault;

typedef struct Faults {
    Fault fault[FAULT_CALLS];
} Faults;

#endif
