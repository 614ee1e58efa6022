/*
 * virtio-mem, progress: what is said of a resize, and why, at any time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/progress.h"
#include "unit.h"

#define GiB (1024 * MiB)
#define PATIENCE VIRTIO_MEM_PROGRESS_PATIENCE_MS

typedef enum What { SIZES, DRIVER, ANSWER, VM, TICK } What;

typedef struct Event {
    int64_t at;                     /* ms */
    What what;
    uint64_t a, b;                  /* requested and plugged; or one value */
    /* Afterwards: */
    VirtIOMEMProgressStatus status;
    VirtIOMEMProgressReason reason;
    int64_t since;
} Event;

#define SETTLED VIRTIO_MEM_PROGRESS_SETTLED, VIRTIO_MEM_PROGRESS_NO_REASON
#define RESIZING VIRTIO_MEM_PROGRESS_RESIZING, VIRTIO_MEM_PROGRESS_NO_REASON
#define PAUSED VIRTIO_MEM_PROGRESS_PAUSED, VIRTIO_MEM_PROGRESS_NO_REASON
#define BLOCKED(why) VIRTIO_MEM_PROGRESS_BLOCKED, VIRTIO_MEM_PROGRESS_##why
#define RUNS VIRTIO_MEM_PROGRESS_DRIVER_RUNS
#define NONE VIRTIO_MEM_PROGRESS_DRIVER_NONE
#define REFUSED VIRTIO_MEM_PROGRESS_DRIVER_REFUSED

typedef struct Case {
    const char *name;
    Event events[10];               /* up to the first with @at 0 */
} Case;

static const Case cases[] = {
    { "grow-and-settle", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, SIZES, 4 * MiB, 2 * MiB, RESIZING, 20 },
        { 40, SIZES, 4 * MiB, 4 * MiB, SETTLED, 40 },
        { 90000, TICK, 0, 0, SETTLED, 40 } } },
    { "shrink-and-settle", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 4 * MiB, SETTLED, 0 },
        { 30, SIZES, 0, 4 * MiB, RESIZING, 30 },
        { 40, SIZES, 0, 0, SETTLED, 40 } } },
    { "no-driver-until-there-is-one", {
        { 10, SIZES, 4 * MiB, 0, BLOCKED(NO_DRIVER), 10 },
        { 20000, TICK, 0, 0, BLOCKED(NO_DRIVER), 10 },
        { 20010, DRIVER, RUNS, 0, RESIZING, 20010 },
        { 20020, DRIVER, NONE, 0, BLOCKED(NO_DRIVER), 20020 } } },
    { "driver-that-is-refused", {
        { 10, SIZES, 4 * MiB, 0, BLOCKED(NO_DRIVER), 10 },
        { 20, DRIVER, REFUSED, 0, BLOCKED(DRIVER_FEATURES), 10 },
        { 30, DRIVER, NONE, 0, BLOCKED(NO_DRIVER), 10 } } },
    { "guest-that-does-nothing", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 19 + PATIENCE, TICK, 0, 0, RESIZING, 20 },
        { 20 + PATIENCE, TICK, 0, 0, BLOCKED(GUEST), 20 + PATIENCE },
        { 30 + PATIENCE, SIZES, 4 * MiB, 2 * MiB, RESIZING, 30 + PATIENCE },
        { 40 + PATIENCE, SIZES, 4 * MiB, 4 * MiB, SETTLED, 40 + PATIENCE } } },
    { "guest-that-asks-in-vain", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 2000, ANSWER, 0, 0, RESIZING, 20 },
        { 4000, ANSWER, 0, 0, RESIZING, 20 },
        { 20 + PATIENCE, ANSWER, 0, 0, BLOCKED(GUEST), 20 + PATIENCE } } },
    { "another-size-gives-the-guest-time-again", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 9000, TICK, 0, 0, BLOCKED(GUEST), 9000 },
        { 9010, SIZES, 8 * MiB, 0, RESIZING, 9010 },
        { 9009 + PATIENCE, TICK, 0, 0, RESIZING, 9010 },
        { 9010 + PATIENCE, TICK, 0, 0, BLOCKED(GUEST), 9010 + PATIENCE } } },
    { "same-size-does-not", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 9000, SIZES, 4 * MiB, 0, BLOCKED(GUEST), 9000 } } },
    { "migration-and-then-on", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, ANSWER, VIRTIO_MEM_PROGRESS_MIGRATION, 0, BLOCKED(MIGRATION), 30 },
        { 60000, TICK, 0, 0, BLOCKED(MIGRATION), 30 },
        { 60010, ANSWER, 0, 0, RESIZING, 60010 },
        { 60009 + PATIENCE, TICK, 0, 0, RESIZING, 60010 } } },
    { "host-memory-then-migration", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, ANSWER, VIRTIO_MEM_PROGRESS_HOST_MEMORY, 0, BLOCKED(HOST_MEMORY),
          30 },
        { 40, ANSWER, VIRTIO_MEM_PROGRESS_MIGRATION, 0, BLOCKED(MIGRATION), 30 },
        { 50, DRIVER, NONE, 0, BLOCKED(NO_DRIVER), 30 },
        { 60, DRIVER, RUNS, 0, RESIZING, 60 } } },
    { "listener-and-discard-have-reasons-of-their-own", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, ANSWER, VIRTIO_MEM_PROGRESS_LISTENER, 0, BLOCKED(LISTENER), 30 },
        { 60000, TICK, 0, 0, BLOCKED(LISTENER), 30 },
        { 60010, ANSWER, 0, 0, RESIZING, 60010 },
        { 60020, SIZES, 4 * MiB, 4 * MiB, SETTLED, 60020 },
        { 60030, SIZES, 0, 4 * MiB, RESIZING, 60030 },
        { 60040, ANSWER, VIRTIO_MEM_PROGRESS_HOST_DISCARD, 0,
          BLOCKED(HOST_DISCARD), 60040 },
        { 60050, SIZES, 0, 0, SETTLED, 60050 } } },
    { "waiting-ends-when-another-size-is-there", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, ANSWER, VIRTIO_MEM_PROGRESS_HOST_MEMORY, 0, BLOCKED(HOST_MEMORY),
          30 },
        { 40, SIZES, 0, 0, SETTLED, 40 } } },
    { "paused-and-then-on", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, VM, false, 0, PAUSED, 30 },
        { 30, SIZES, 4 * MiB, 2 * MiB, PAUSED, 30 },
        { 30, SIZES, 8 * MiB, 2 * MiB, PAUSED, 30 },
        { 40, VM, true, 0, RESIZING, 40 },
        { 29 + PATIENCE, TICK, 0, 0, RESIZING, 40 },
        { 30 + PATIENCE, TICK, 0, 0, BLOCKED(GUEST), 30 + PATIENCE } } },
    { "paused-has-patience-with-everybody", {
        { 10, VM, false, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, PAUSED, 20 },
        { 30, DRIVER, REFUSED, 0, PAUSED, 20 },
        { 40, DRIVER, RUNS, 0, PAUSED, 20 },
        { 50, ANSWER, VIRTIO_MEM_PROGRESS_MIGRATION, 0, PAUSED, 20 },
        { 60, ANSWER, 0, 0, PAUSED, 20 },
        { 90000, TICK, 0, 0, PAUSED, 20 },
        { 90000, DRIVER, NONE, 0, PAUSED, 20 },
        { 90000, VM, true, 0, BLOCKED(NO_DRIVER), 90000 } } },
    { "paused-does-not-end-what-blocks", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 9000, TICK, 0, 0, BLOCKED(GUEST), 9000 },
        { 9010, VM, false, 0, PAUSED, 9010 },
        { 9010, VM, true, 0, BLOCKED(GUEST), 9010 },
        { 9020, ANSWER, VIRTIO_MEM_PROGRESS_MIGRATION, 0, BLOCKED(MIGRATION),
          9010 },
        { 9030, VM, false, 0, PAUSED, 9030 },
        { 9040, VM, true, 0, BLOCKED(MIGRATION), 9040 } } },
    { "settled-while-paused-is-settled", {
        { 10, DRIVER, RUNS, 0, SETTLED, 0 },
        { 20, SIZES, 4 * MiB, 0, RESIZING, 20 },
        { 30, SIZES, 4 * MiB, 4 * MiB, SETTLED, 30 },
        { 40, VM, false, 0, SETTLED, 30 },
        { 50, DRIVER, NONE, 0, SETTLED, 30 },
        { 60, SIZES, 8 * MiB, 4 * MiB, PAUSED, 60 },
        { 70, SIZES, 4 * MiB, 4 * MiB, SETTLED, 70 },
        { 80, VM, true, 0, SETTLED, 70 } } },
};

static bool happen(VirtIOMEMProgress *r, const Event *e)
{
    switch (e->what) {
    case SIZES:
        return virtio_mem_progress_sizes(r, e->at, e->a, e->b);
    case DRIVER:
        return virtio_mem_progress_driver(r, e->at, e->a);
    case ANSWER:
        return virtio_mem_progress_answered(r, e->at, e->a);
    case VM:
        return virtio_mem_progress_vm(r, e->at, e->a);
    default:
        return virtio_mem_progress_tick(r, e->at);
    }
}

static void test_case(gconstpointer data)
{
    const Case *c = data;
    VirtIOMEMProgress r;

    virtio_mem_progress_init(&r, 0);
    for (const Event *e = c->events; e->at; e++) {
        const VirtIOMEMProgress before = r;
        const bool changed = happen(&r, e);

        g_assert_cmpint(r.status, ==, e->status);
        g_assert_cmpint(r.reason, ==, e->reason);
        g_assert_cmpint(r.since, ==, e->since);
        g_assert_cmpint(changed, ==, before.status != r.status ||
                                     before.reason != r.reason);
    }
}

/* Nothing changes before the deadline; at it, the guest is what blocks. */
static void test_deadline(void)
{
    VirtIOMEMProgress r;

    virtio_mem_progress_init(&r, 7);
    g_assert_cmpint(virtio_mem_progress_deadline(&r), ==, -1);
    virtio_mem_progress_driver(&r, 8, RUNS);
    virtio_mem_progress_sizes(&r, 9, GiB, 0);
    g_assert_cmpint(virtio_mem_progress_deadline(&r), ==, 9 + PATIENCE);
    virtio_mem_progress_sizes(&r, 100, GiB, MiB);
    g_assert_cmpint(virtio_mem_progress_deadline(&r), ==, 100 + PATIENCE);
    g_assert_false(virtio_mem_progress_tick(&r, 99 + PATIENCE));
    g_assert_true(virtio_mem_progress_tick(&r, 100 + PATIENCE));
    g_assert_cmpint(r.reason, ==, VIRTIO_MEM_PROGRESS_GUEST);
    g_assert_cmpint(virtio_mem_progress_deadline(&r), ==, -1);
    /* While the VM does not run there is no patience that could end. */
    virtio_mem_progress_sizes(&r, 6000, GiB, 2 * MiB);
    virtio_mem_progress_vm(&r, 6001, false);
    g_assert_cmpint(virtio_mem_progress_deadline(&r), ==, -1);
    virtio_mem_progress_vm(&r, 6001, true);
    g_assert_cmpint(virtio_mem_progress_deadline(&r), ==, 6000 + PATIENCE);
}

/* 512 MiB a second, told ten times a second; then half of it. */
static void test_rate(void)
{
    VirtIOMEMProgress r;
    uint64_t plugged = 0;
    int64_t now = 0;

    virtio_mem_progress_init(&r, now);
    virtio_mem_progress_driver(&r, now, RUNS);
    virtio_mem_progress_sizes(&r, now, 40 * GiB, plugged);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now), ==, 0);
    g_assert_cmpint(virtio_mem_progress_eta(&r, now), ==, -1);
    for (int i = 0; i < 100; i++) {
        now += 100;
        plugged += 512 * MiB / 10;
        virtio_mem_progress_sizes(&r, now, 40 * GiB, plugged);
        g_assert_cmpuint(virtio_mem_progress_rate(&r, now), >, 505 * MiB);
        g_assert_cmpuint(virtio_mem_progress_rate(&r, now), <, 519 * MiB);
    }
    g_assert_cmpint(virtio_mem_progress_eta(&r, now), ==, 71);
    for (int i = 0; i < 60; i++) {
        now += 100;
        plugged += 256 * MiB / 10;
        virtio_mem_progress_sizes(&r, now, 40 * GiB, plugged);
    }
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now), >, 250 * MiB);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now), <, 262 * MiB);

    /* Downwards it is as fast. */
    virtio_mem_progress_sizes(&r, now, 0, plugged);
    virtio_mem_progress_sizes(&r, now + 1000, 0, plugged - GiB);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now + 1000), ==, GiB);
    /* And of what is blocked or settled there is no speed. */
    virtio_mem_progress_answered(&r, now + 1000, VIRTIO_MEM_PROGRESS_MIGRATION);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now + 1000), ==, 0);
    g_assert_cmpint(virtio_mem_progress_eta(&r, now + 1000), ==, -1);
    virtio_mem_progress_answered(&r, now + 1000, VIRTIO_MEM_PROGRESS_NO_REASON);
    virtio_mem_progress_sizes(&r, now + 2000, 0, plugged - 2 * GiB);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now + 2000), ==, GiB);
    virtio_mem_progress_vm(&r, now + 2000, false);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, now + 2000), ==, 0);
    g_assert_cmpint(virtio_mem_progress_eta(&r, now + 2000), ==, -1);
}

static void test_extremes(void)
{
    VirtIOMEMProgress r;

    virtio_mem_progress_init(&r, 0);
    virtio_mem_progress_driver(&r, 0, RUNS);
    virtio_mem_progress_sizes(&r, 0, 1ull << 50, 0);
    virtio_mem_progress_sizes(&r, 1, 1ull << 50, 1ull << 49);
    g_assert_cmpuint(virtio_mem_progress_rate(&r, 1), ==, 1000 * (1ull << 49));
    g_assert_cmpint(virtio_mem_progress_eta(&r, 1), ==, 1);
    virtio_mem_progress_sizes(&r, 2, 1ull << 50, (1ull << 49) + 1);
    /* A long time without news makes it slow, but not faulty. */
    g_assert_cmpint(virtio_mem_progress_eta(&r, 4000000000000), >, 4000000000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_CASES("/virtio-mem/progress", cases, test_case);
    g_test_add_func("/virtio-mem/progress/deadline", test_deadline);
    g_test_add_func("/virtio-mem/progress/rate", test_rate);
    g_test_add_func("/virtio-mem/progress/extremes", test_extremes);
    return g_test_run();
}
