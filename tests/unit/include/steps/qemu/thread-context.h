/*
 * Stand-in for QEMU's qemu/thread-context.h, for steps.c and worker.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_THREAD_CONTEXT_H
#define QEMU_THREAD_CONTEXT_H

#include <pthread.h>
#include <sched.h>

typedef struct ThreadContext ThreadContext;
typedef struct QEMUBH QEMUBH;
typedef struct Error Error;

typedef struct QemuThread {
    pthread_t thread;
} QemuThread;

typedef struct QemuSemaphore {
    int unused;
} QemuSemaphore;

void *qemu_thread_join(QemuThread *thread);

#endif
