/*
 * virtio-mem: holding up the device's work on host memory
 *
 * All of ptrace has to be done by one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ptrace.h>
#include <sys/wait.h>
#include "virtio-mem-hold.h"

#define PATIENCE_US (30 * G_USEC_PER_SEC)

struct Hold {
    pid_t main;
    GMutex lock;
    GCond change;
    bool ready;             /* the main thread is watched */
    pid_t worker;           /* the thread that is held */
    bool let_go;
    unsigned after_ms;
};

/* Wait for @flag, under the lock. */
static void await(Hold *hold, const bool *flag)
{
    const gint64 until = g_get_monotonic_time() + PATIENCE_US;

    while (!*flag) {
        g_assert_true(g_cond_wait_until(&hold->change, &hold->lock, until));
    }
}

static void tell(Hold *hold, bool *flag)
{
    g_mutex_lock(&hold->lock);
    *flag = true;
    g_cond_broadcast(&hold->change);
    g_mutex_unlock(&hold->lock);
}

static void trace(int request, pid_t tid, intptr_t data)
{
    const long ret = ptrace(request, tid, NULL, data);

    g_assert_cmpint(ret == 0 ? 0 : errno, ==, 0);
}

/* Wait until @tid stops, for whatever reason. */
static int await_stop(pid_t tid)
{
    int status;

    g_assert_cmpint(waitpid(tid, &status, __WALL), ==, tid);
    g_assert_true(WIFSTOPPED(status));
    return status;
}

/* Let the main thread run until it has created another one. */
static pid_t await_clone(pid_t main)
{
    for (;;) {
        const int status = await_stop(main);
        unsigned long tid;

        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_CLONE << 8)) {
            trace(PTRACE_GETEVENTMSG, main, (intptr_t)&tid);
            return tid;
        }
        trace(PTRACE_CONT, main, status >> 16 ? 0 : WSTOPSIG(status));
    }
}

static gpointer tracer(gpointer opaque)
{
    Hold *hold = opaque;
    pid_t worker;

    trace(PTRACE_SEIZE, hold->main, PTRACE_O_TRACECLONE);
    tell(hold, &hold->ready);
    worker = await_clone(hold->main);
    await_stop(worker);
    trace(PTRACE_DETACH, hold->main, 0);

    g_mutex_lock(&hold->lock);
    hold->worker = worker;
    g_cond_broadcast(&hold->change);
    await(hold, &hold->let_go);
    g_mutex_unlock(&hold->lock);

    g_usleep(hold->after_ms * 1000);
    trace(PTRACE_DETACH, worker, 0);
    g_mutex_clear(&hold->lock);
    g_cond_clear(&hold->change);
    g_free(hold);
    return NULL;
}

bool hold_is_permitted(void)
{
    const pid_t child = fork();
    bool permitted;

    g_assert_cmpint(child, >=, 0);
    if (!child) {
        pause();
        _exit(0);
    }
    permitted = !ptrace(PTRACE_SEIZE, child, NULL, PTRACE_O_TRACECLONE);
    kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, NULL, __WALL), ==, child);
    return permitted;
}

Hold *hold_work(QTestState *qts)
{
    Hold *hold = g_new0(Hold, 1);

    hold->main = qtest_pid(qts);
    g_mutex_init(&hold->lock);
    g_cond_init(&hold->change);
    g_thread_unref(g_thread_new("tracer", tracer, hold));
    g_mutex_lock(&hold->lock);
    await(hold, &hold->ready);
    g_mutex_unlock(&hold->lock);
    return hold;
}

void hold_wait(Hold *hold)
{
    const gint64 until = g_get_monotonic_time() + PATIENCE_US;

    g_mutex_lock(&hold->lock);
    while (!hold->worker) {
        g_assert_true(g_cond_wait_until(&hold->change, &hold->lock, until));
    }
    g_mutex_unlock(&hold->lock);
}

void hold_let_go_after(Hold *hold, unsigned ms)
{
    hold->after_ms = ms;
    tell(hold, &hold->let_go);
}
