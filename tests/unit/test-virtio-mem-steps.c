/*
 * virtio-mem, steps: each is done once, whoever does it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/steps.h"
#include "virtio-mem/worker.h"
#include "qemu/rcu.h"
#include "unit.h"

#define COUNT 1000

/* --- QEMU ----------------------------------------------------------------- */

static unsigned most_threads;       /* that the host lets start */
static unsigned started, joined;
static int registered;

int virtio_mem_thread_create(QemuThread *thread, void *(*start)(void *opaque),
                             void *opaque)
{
    if (started == most_threads) {
        return -EAGAIN;
    }
    started++;
    return -pthread_create(&thread->thread, NULL, start, opaque);
}

void *qemu_thread_join(QemuThread *thread)
{
    joined++;
    pthread_join(thread->thread, NULL);
    return NULL;
}

void rcu_register_thread(void)
{
    __atomic_fetch_add(&registered, 1, __ATOMIC_SEQ_CST);
}

void rcu_unregister_thread(void)
{
    __atomic_fetch_sub(&registered, 1, __ATOMIC_SEQ_CST);
}

/* --- steps ---------------------------------------------------------------- */

static unsigned done[COUNT];
static size_t fails_at;             /* or COUNT */

static size_t most;
static size_t at_once;              /* the most that were */

static int step(void *opaque, size_t first, size_t count)
{
    g_assert_true(opaque == done);
    g_assert_cmpuint(count, >=, 1);
    g_assert_cmpuint(count, <=, MAX(most, 1));
    g_assert_cmpuint(first + count, <=, COUNT);
    at_once = MAX(at_once, count);
    for (size_t number = first; number < first + count; number++) {
        __atomic_fetch_add(&done[number], 1, __ATOMIC_SEQ_CST);
    }
    return fails_at - first < count ? -ENOSPC : 0;
}

static int run(size_t count, unsigned threads, unsigned allowed)
{
    const VirtIOMEMSteps steps = {
        .count = count,
        .threads = threads,
        .most = most,
        .step = step,
        .opaque = done,
    };

    memset(done, 0, sizeof(done));
    most_threads = allowed;
    started = joined = 0;
    return virtio_mem_steps_run(&steps);
}

static void assert_ended(void)
{
    g_assert_cmpuint(started, ==, joined);
    g_assert_cmpint(registered, ==, 0);
}

static void test_each_once(void)
{
    static const unsigned threads[] = { 1, 2, 16, 1000 };
    static const size_t counts[] = { 0, 1, 2, 15, COUNT };

    fails_at = COUNT;
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(counts); j++) {
            g_assert_cmpint(run(counts[j], threads[i], COUNT), ==, 0);
            for (size_t k = 0; k < COUNT; k++) {
                g_assert_cmpuint(done[k], ==, k < counts[j]);
            }
            assert_ended();
            /* This one is among them. */
            g_assert_cmpuint(started, <, MAX(threads[i], 1));
            g_assert_cmpuint(started, <, MAX(counts[j], 1));
            g_assert_cmpuint(started, <, VIRTIO_MEM_STEPS_MAX_THREADS);
            g_assert_cmpuint(started, <, g_get_num_processors());
        }
    }
}

/* What takes no time is done several at a time, and each step once. */
static void test_several(void)
{
    static const size_t counts[] = { 1, 7, 333, COUNT };

    fails_at = COUNT;
    most = 8;
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        at_once = 0;
        g_assert_cmpint(run(counts[i], 2, COUNT), ==, 0);
        for (size_t k = 0; k < COUNT; k++) {
            g_assert_cmpuint(done[k], ==, k < counts[i]);
        }
        assert_ended();
    }
    g_assert_cmpuint(at_once, >, 1);
    most = 0;
}

/* The host refuses threads: fewer do it, at least this one. */
static void test_refused(void)
{
    fails_at = COUNT;
    for (unsigned allowed = 0; allowed < 3; allowed++) {
        g_assert_cmpint(run(COUNT, 16, allowed), ==, 0);
        g_assert_cmpuint(started, <=, allowed);
        for (size_t k = 0; k < COUNT; k++) {
            g_assert_cmpuint(done[k], ==, 1);
        }
        assert_ended();
    }
}

/* One fails: its error is returned, and those that had not begun do not. */
static void test_fails(void)
{
    for (unsigned threads = 1; threads <= 16; threads *= 4) {
        size_t after = 0;

        fails_at = 100;
        g_assert_cmpint(run(COUNT, threads, COUNT), ==, -ENOSPC);
        for (size_t k = 0; k < COUNT; k++) {
            g_assert_cmpuint(done[k], <=, 1);
            g_assert_true(k > fails_at || done[k]);
            after += k > fails_at && done[k];
        }
        g_assert_true(threads > 1 || !after);
        assert_ended();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/steps/each-once", test_each_once);
    g_test_add_func("/virtio-mem/steps/several", test_several);
    g_test_add_func("/virtio-mem/steps/refused", test_refused);
    g_test_add_func("/virtio-mem/steps/fails", test_fails);
    return g_test_run();
}
