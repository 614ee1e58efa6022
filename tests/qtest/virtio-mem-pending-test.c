/*
 * virtio-mem: a request whose work on host memory goes on
 *
 * The device has memory of a file, and populates it. Whatever happens before
 * that has ended, the request is answered once, and what is plugged is what was
 * answered. Where the test is to be sure that it has not ended, it is held up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-mem-hold.h"
#include "virtio-mem-sides.h"

#define HELD_MS 100

#define BIG (512 * MiB)
#define BIG_BLOCKS (BIG / BLOCK)

static uint64_t host_memory(int fd)
{
    struct stat file;

    g_assert_cmpint(fstat(fd, &file), ==, 0);
    return file.st_blocks * 512;
}

/* Send PLUG for 512 MiB, and one request behind it. */
static uint64_t begin_big_plug(QVirtioMEM *mem)
{
    const Request requests[] = {
        { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0), BIG_BLOCKS },
        { VIRTIO_MEM_REQ_STATE, block_addr(mem, 0), BIG_BLOCKS },
    };

    return batch_send(mem, requests, ARRAY_SIZE(requests));
}

static void assert_plugged(QVirtioMEM *mem, uint64_t buffers)
{
    Answer answers[2];

    batch_wait(mem, buffers, answers, ARRAY_SIZE(answers));
    g_assert_cmpuint(answers[0].type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(answers[1].type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(answers[1].state, ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(plugged_size(mem), ==, BIG);
}

/* ... whose work does not begin. */
static Hold *begin_held_plug(QVirtioMEM *mem, uint64_t *buffers)
{
    Hold *hold = hold_work(global_qtest);

    *buffers = begin_big_plug(mem);
    settle();
    g_assert_cmpuint(queried_size(), ==, 0);
    return hold;
}

/* Unplug what is plugged by a system reset, but do not let it begin. */
static Hold *begin_held_reset(QVirtioMEM *mem)
{
    Hold *hold;

    assert_plugged(mem, begin_big_plug(mem));
    hold = hold_work(global_qtest);
    qtest_system_reset(global_qtest);
    g_assert_cmpuint(queried_size(), ==, BIG);
    return hold;
}

/* What is done between these two has to wait for the work. */
static gint64 let_go_soon(Hold *hold)
{
    hold_let_go_after(hold, HELD_MS);
    return g_get_monotonic_time();
}

static void assert_waited(gint64 since)
{
    g_assert_cmpint(g_get_monotonic_time() - since, >=, HELD_MS * 1000);
}

static void finish(QVirtioMEM *mem, int fd)
{
    resize(0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

/* --- the others go on ----------------------------------------------------- */

/*
 * The monitor answers several times before the plugged size is @size. If the
 * work were done in the main loop, its first answer would come afterwards.
 */
static void assert_monitor_answers(uint64_t size)
{
    gint64 asked = g_get_monotonic_time(), longest = 0;
    unsigned answers = 0;

    while (queried_size() != size) {
        const gint64 now = g_get_monotonic_time();

        longest = MAX(longest, now - asked);
        asked = now;
        answers++;
    }
    g_test_message("%u answers, the longest after %d ms", answers,
                   (int)longest / 1000);
    g_assert_cmpuint(answers, >=, 3);
}

static void monitor_goes_on(QVirtioMEM *mem, int fd)
{
    const Request all = { VIRTIO_MEM_REQ_UNPLUG_ALL };
    const uint64_t buffers = begin_big_plug(mem);

    assert_monitor_answers(BIG);
    assert_plugged(mem, buffers);
    g_assert_cmpuint(host_memory(fd), ==, BIG);

    resize(0);
    batch_send(mem, &all, 1);
    assert_monitor_answers(0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

/* What a system reset unplugs goes back to the host in the background, too. */
static void monitor_goes_on_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    assert_plugged(mem, begin_big_plug(mem));
    qtest_system_reset(global_qtest);
    assert_monitor_answers(0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

/*
 * And so does the next driver, as far as it gets without the device: it can
 * reset it and read its config, but what it asks for is done afterwards.
 */
static void driver_goes_on_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    const Request plug = { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 7), 1 };
    Answer answer;
    uint64_t buffers;
    Hold *hold;

    assert_plugged(mem, begin_big_plug(mem));
    hold = hold_work(global_qtest);
    reset_system(mem);
    restart_as_usual(mem);
    buffers = batch_send(mem, &plug, 1);
    settle();
    g_assert_cmpuint(plugged_size(mem), ==, BIG);
    hold_let_go_after(hold, 0);
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    batch_wait(mem, buffers, &answer, 1);
    g_assert_cmpuint(answer.type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    g_assert_cmpuint(host_memory(fd), ==, BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 7), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    finish(mem, fd);
}

/* As SeaBIOS does it, always: nobody waits here either. */
static void another_system_reset(QVirtioMEM *mem, int fd)
{
    Hold *hold = begin_held_reset(mem);

    qtest_system_reset(global_qtest);
    g_assert_cmpuint(queried_size(), ==, BIG);
    hold_let_go_after(hold, 0);
    assert_monitor_answers(0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

static void resize_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    resize(BLOCK);
    g_assert_cmpuint(requested_size(mem), ==, BLOCK);
    hold_let_go_after(hold, 0);
    assert_plugged(mem, buffers);
    finish(mem, fd);
}

/* --- it comes to its end before ... --------------------------------------- */

static void stop_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    const gint64 start = let_go_soon(begin_held_plug(mem, &buffers));

    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    assert_waited(start);
    g_assert_cmpuint(queried_size(), ==, BIG);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    assert_plugged(mem, buffers);
    finish(mem, fd);
}

static void device_reset_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    const gint64 start = let_go_soon(begin_held_plug(mem, &buffers));

    restart_as_usual(mem);
    assert_waited(start);
    g_assert_cmpuint(plugged_size(mem), ==, BIG);
    g_assert_cmpuint(state_of(mem, 0, BIG_BLOCKS), ==,
                     VIRTIO_MEM_STATE_PLUGGED);
    finish(mem, fd);
}

static void system_reset_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    const gint64 start = let_go_soon(begin_held_plug(mem, &buffers));

    reset_system(mem);
    assert_waited(start);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 7, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    finish(mem, fd);
}

static void migration_meanwhile(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    uint64_t buffers;
    const gint64 start = let_go_soon(begin_held_plug(mem, &buffers));

    migrate_slowly(path);
    assert_waited(start);
    g_assert_cmpuint(queried_size(), ==, BIG);
    cancel();
    assert_plugged(mem, buffers);
    finish(mem, fd);
    unlink(path);
}

static void snapshot_meanwhile(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    uint64_t buffers;
    gint64 start;

    add_snapshot_disk(path);
    start = let_go_soon(begin_held_plug(mem, &buffers));
    hmp("savevm one");
    assert_waited(start);
    assert_plugged(mem, buffers);
    finish(mem, fd);
    hmp("loadvm one");
    g_assert_cmpuint(queried_size(), ==, BIG);
    restart_as_usual(mem);
    finish(mem, fd);
    unlink(path);
}

/* Nothing was plugged when the user asked, but it was about to be. */
static void unplug_of_the_device_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);
    gint64 start;
    QDict *rsp;

    resize(0);
    start = let_go_soon(hold);
    rsp = qtest_qmp(global_qtest, "{ 'execute': 'device_del', 'arguments':"
                    " { 'id': %s } }", QVIRTIO_MEM_ID);
    assert_waited(start);
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"), "still plugged"));
    qobject_unref(rsp);
    assert_plugged(mem, buffers);
    finish(mem, fd);
}

/* leave() demands that QEMU ends as it should. */
static void quit_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;

    let_go_soon(begin_held_plug(mem, &buffers));
}

/* --- what a system reset has begun, too ----------------------------------- */

static void stop_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    const gint64 start = let_go_soon(begin_held_reset(mem));

    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    assert_waited(start);
    g_assert_cmpuint(queried_size(), ==, 0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

static void migration_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    const gint64 start = let_go_soon(begin_held_reset(mem));

    migrate_slowly(path);
    assert_waited(start);
    g_assert_cmpuint(queried_size(), ==, 0);
    cancel();
    unlink(path);
}

static void quit_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    let_go_soon(begin_held_reset(mem));
}

/* While the VM is stopped, nothing changes that one may be looking at. */
static void system_reset_of_a_stopped_vm(QVirtioMEM *mem, int fd)
{
    assert_plugged(mem, begin_big_plug(mem));
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    qtest_system_reset(global_qtest);
    g_assert_cmpuint(queried_size(), ==, 0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

/* QEMU resets the system before it loads. */
static void load_when_plugged(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();

    add_snapshot_disk(path);
    assert_plugged(mem, begin_big_plug(mem));
    hmp("savevm one");
    hmp("loadvm one");
    g_assert_cmpuint(queried_size(), ==, BIG);
    restart_as_usual(mem);
    g_assert_cmpuint(state_of(mem, 0, BIG_BLOCKS), ==,
                     VIRTIO_MEM_STATE_PLUGGED);
    finish(mem, fd);
    unlink(path);
}

/* A big unplug: its memory is there until it is not. */
static void reset_while_unplugging(QVirtioMEM *mem, int fd)
{
    const Request all = { VIRTIO_MEM_REQ_UNPLUG_ALL };
    Hold *hold;
    gint64 start;

    assert_plugged(mem, begin_big_plug(mem));
    resize(0);
    hold = hold_work(global_qtest);
    batch_send(mem, &all, 1);
    start = let_go_soon(hold);
    restart_as_usual(mem);
    assert_waited(start);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(usable_size(mem), ==, 0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

/* -------------------------------------------------------------------------- */

typedef void PendingTest(QVirtioMEM *mem, int fd);

static void run_on(const char *machine, PendingTest *test)
{
    const int fd = memfd_create("virtio-mem-test", 0);
    g_autofree char *memory = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=%llu,"
        "mem-path=/proc/%d/fd/%d", REGION, getpid(), fd);
    Side *side = boot_driver(machine, memory, ",prealloc=on", "");

    resize(BIG);
    test(&side->mem, fd);
    leave(side);
    close(fd);
}

static void run(const void *test)
{
    run_on(NEW, (PendingTest *)test);
}

static void run_held_on(const char *machine, PendingTest *test)
{
    if (!hold_is_permitted()) {
        g_test_skip("the work cannot be held up: ptrace is not permitted here");
        return;
    }
    run_on(machine, test);
}

static void run_held(const void *test)
{
    run_held_on(NEW, (PendingTest *)test);
}

static void run_held_old(const void *test)
{
    run_held_on(OLD, (PendingTest *)test);
}

static void add_as(const char *name, PendingTest *test,
                   void (*run_as)(const void *test))
{
    g_autofree char *path = g_strconcat("virtio-mem/pending/", name, NULL);

    qtest_add_data_func(path, test, run_as);
}

static void add(const char *name, PendingTest *test)
{
    add_as(name, test, run);
}

static void add_held(const char *name, PendingTest *test)
{
    add_as(name, test, run_held);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("monitor-goes-on", monitor_goes_on);
    add("monitor-goes-on-after-a-system-reset",
        monitor_goes_on_after_a_system_reset);
    add_held("driver-goes-on-after-a-system-reset",
             driver_goes_on_after_a_system_reset);
    add_held("resize-meanwhile", resize_meanwhile);
    add_held("ends-before-a-stop", stop_meanwhile);
    add_held("ends-before-a-device-reset", device_reset_meanwhile);
    add_held("ends-before-a-system-reset", system_reset_meanwhile);
    add_held("ends-before-a-migration", migration_meanwhile);
    /* Where blocks are not saved before RAM asks for them. */
    add_as("ends-before-a-migration-of-7.2", migration_meanwhile, run_held_old);
    add_held("ends-before-a-snapshot", snapshot_meanwhile);
    add_held("ends-before-quit", quit_meanwhile);
    add_held("system-reset-ends-before-a-stop", stop_after_a_system_reset);
    add("system-reset-of-a-stopped-vm", system_reset_of_a_stopped_vm);
    add_held("system-reset-ends-before-a-migration",
             migration_after_a_system_reset);
    add_held("system-reset-goes-on-after-another", another_system_reset);
    add_held("system-reset-ends-before-quit", quit_after_a_system_reset);
    add("load-resets-before", load_when_plugged);
    add_held("keeps-the-device", unplug_of_the_device_meanwhile);
    add_held("unplug-ends-before-a-device-reset", reset_while_unplugging);
    return g_test_run();
}
