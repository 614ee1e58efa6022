/*
 * virtio-mem: calls of the host that fail when a test wants it
 *
 * The library, which is loaded by LD_PRELOAD. Memory that GLib allocates is
 * not among it: without any QEMU ends, by design, wherever it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* Both names of a call are defined below. */
#undef _FILE_OFFSET_BITS
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "virtio-mem-faults.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static Faults *faults;

/* The call of that name behind this library. */
#define NEXT(name) ((__typeof__(&name))next(#name))

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void __attribute__((constructor)) find_faults(void)
{
    const char *path = getenv(FAULTS_VARIABLE);
    const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *page;

    if (fd < 0) {
        return;
    }
    page = NEXT(mmap)(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED,
                      fd, 0);
    if (page != MAP_FAILED) {
        faults = page;
    }
    close(fd);
}

/* The errno value of this call, or 0. */
static int error_of(FaultCall call)
{
    Fault *fault;
    int error;

    if (!faults || call == FAULT_CALLS) {
        return 0;
    }
    fault = &faults->fault[call];
    error = __atomic_load_n(&fault->error, __ATOMIC_SEQ_CST);
    if (!error || __atomic_fetch_add(&fault->seen, 1, __ATOMIC_SEQ_CST) <
                  fault->skip) {
        return 0;
    }
    __atomic_fetch_add(&fault->failed, 1, __ATOMIC_SEQ_CST);
    return error;
}

static bool fails(FaultCall call)
{
    const int error = error_of(call);

    if (error) {
        errno = error;
    }
    return error;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*start)(void *), void *arg)
{
    const int error = error_of(FAULT_THREAD);

    return error ? error : NEXT(pthread_create)(thread, attr, start, arg);
}

static FaultCall call_of_advice(int advice)
{
    switch (advice) {
    case MADV_DONTNEED:
        return FAULT_DONTNEED;
    case MADV_REMOVE:
        return FAULT_REMOVE;
    case MADV_POPULATE_WRITE:
        return FAULT_POPULATE;
    default:
        return FAULT_CALLS;
    }
}

int madvise(void *addr, size_t length, int advice)
{
    return fails(call_of_advice(advice)) ? -1
                                         : NEXT(madvise)(addr, length, advice);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    return fails(FAULT_FALLOCATE) ? -1
                                  : NEXT(fallocate)(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return fails(FAULT_FALLOCATE) ? -1
                                  : NEXT(fallocate64)(fd, mode, offset, length);
}

static FaultCall call_of_whence(int whence)
{
    return whence == SEEK_DATA ? FAULT_SEEK_DATA : FAULT_CALLS;
}

off_t lseek(int fd, off_t offset, int whence)
{
    return fails(call_of_whence(whence)) ? -1
                                         : NEXT(lseek)(fd, offset, whence);
}

off64_t lseek64(int fd, off64_t offset, int whence)
{
    return fails(call_of_whence(whence)) ? -1
                                         : NEXT(lseek64)(fd, offset, whence);
}

int mincore(void *addr, size_t length, unsigned char *vec)
{
    return fails(FAULT_MINCORE) ? -1 : NEXT(mincore)(addr, length, vec);
}

void *mmap(void *addr, size_t length, int protection, int flags, int fd,
           off_t offset)
{
    return fails(FAULT_MMAP) ? MAP_FAILED
                             : NEXT(mmap)(addr, length, protection, flags, fd,
                                          offset);
}

void *mmap64(void *addr, size_t length, int protection, int flags, int fd,
             off64_t offset)
{
    return fails(FAULT_MMAP) ? MAP_FAILED
                             : NEXT(mmap64)(addr, length, protection, flags, fd,
                                            offset);
}

int eventfd(unsigned int value, int flags)
{
    return fails(FAULT_EVENTFD) ? -1 : NEXT(eventfd)(value, flags);
}
