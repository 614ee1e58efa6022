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
#define NAME "virtio-mem\n"

struct Hold {
    pid_t worker;           /* the thread that is held */
    GMutex lock;
    GCond change;
    bool held;
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

/* The thread gives itself its name; it may not have done so yet. */
static pid_t find_worker(pid_t pid)
{
    const gint64 until = g_get_monotonic_time() + PATIENCE_US;
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", (int)pid);

    for (;;) {
        GDir *dir = g_dir_open(tasks, 0, NULL);
        const char *task;
        pid_t worker = 0;

        while (!worker && (task = g_dir_read_name(dir))) {
            g_autofree char *file = g_build_filename(tasks, task, "comm", NULL);
            g_autofree char *name = NULL;

            if (g_file_get_contents(file, &name, NULL, NULL) &&
                g_str_equal(name, NAME)) {
                worker = atoi(task);
            }
        }
        g_dir_close(dir);
        if (worker) {
            return worker;
        }
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        g_usleep(1000);
    }
}

static gpointer tracer(gpointer opaque)
{
    Hold *hold = opaque;
    int status;

    trace(PTRACE_SEIZE, hold->worker, 0);
    trace(PTRACE_INTERRUPT, hold->worker, 0);
    g_assert_cmpint(waitpid(hold->worker, &status, __WALL), ==, hold->worker);
    g_assert_true(WIFSTOPPED(status));
    tell(hold, &hold->held);

    g_mutex_lock(&hold->lock);
    await(hold, &hold->let_go);
    g_mutex_unlock(&hold->lock);

    g_usleep(hold->after_ms * 1000);
    /* A QEMU whose worker had nothing to do may have ended meanwhile. */
    if (ptrace(PTRACE_DETACH, hold->worker, NULL, 0)) {
        g_assert_cmpint(errno, ==, ESRCH);
    }
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
    permitted = !ptrace(PTRACE_SEIZE, child, NULL, 0);
    kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, NULL, __WALL), ==, child);
    return permitted;
}

Hold *hold_work(QTestState *qts)
{
    Hold *hold = g_new0(Hold, 1);

    hold->worker = find_worker(qtest_pid(qts));
    g_mutex_init(&hold->lock);
    g_cond_init(&hold->change);
    g_thread_unref(g_thread_new("tracer", tracer, hold));
    g_mutex_lock(&hold->lock);
    await(hold, &hold->held);
    g_mutex_unlock(&hold->lock);
    return hold;
}

void hold_let_go_after(Hold *hold, unsigned ms)
{
    hold->after_ms = ms;
    tell(hold, &hold->let_go);
}
