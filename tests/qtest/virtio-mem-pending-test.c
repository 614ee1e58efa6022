/*
 * virtio-mem: a request whose work on host memory goes on
 *
 * The device has memory of a file, and populates it. Whatever happens before
 * that has ended, the request is answered once, and what is plugged is what was
 * answered. Where the test is to be sure that it has not ended, it is held up:
 * then nobody who needs the device at rest waits for it.
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

/* Send PLUG for 512 MiB, and one request behind it. */
static uint64_t begin_big_plug(QVirtioMEM *mem)
{
    const Request requests[] = {
        { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0), BIG_BLOCKS },
        { VIRTIO_MEM_REQ_STATE, block_addr(mem, 0), BIG_BLOCKS },
    };

    return batch_send(mem, requests, ARRAY_SIZE(requests));
}

static void assert_answers(QVirtioMEM *mem, uint64_t buffers, uint16_t response,
                           uint16_t state)
{
    Answer answers[2];

    batch_wait(mem, buffers, answers, ARRAY_SIZE(answers));
    g_assert_cmpuint(answers[0].type, ==, response);
    g_assert_cmpuint(answers[1].type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(answers[1].state, ==, state);
}

static void assert_plugged(QVirtioMEM *mem, uint64_t buffers)
{
    assert_answers(mem, buffers, VIRTIO_MEM_RESP_ACK, VIRTIO_MEM_STATE_PLUGGED);
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

static uint64_t pending_discard(void)
{
    QDict *info = queried_device();
    const uint64_t size = qdict_get_int(info, "pending-discard");

    qobject_unref(info);
    return size;
}

static void assert_status(const char *expected)
{
    QDict *info = queried_device();

    g_assert_cmpstr(qdict_get_str(qdict_get_qdict(info, "resize"), "status"),
                    ==, expected);
    qobject_unref(info);
}

static void assert_reason(const char *expected)
{
    QDict *info = queried_device();

    g_assert_cmpstr(qdict_get_try_str(qdict_get_qdict(info, "resize"),
                                      "reason"), ==, expected);
    qobject_unref(info);
}

/* The device is at rest, and its thread has not done anything. */
static void assert_goes_on_behind(uint64_t plugged)
{
    g_assert_cmpuint(queried_size(), ==, plugged);
    g_assert_cmpuint(pending_discard(), ==, BIG);
}

/* The thread works again, if it was held, until it has no work left. */
static void let_go(Hold *hold, int fd)
{
    const gint64 until = g_get_monotonic_time() + TIMEOUT_US;

    if (hold) {
        hold_let_go_after(hold, 0);
    }
    while (pending_discard()) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
    }
    g_assert_cmpuint(memory_of_file(fd), ==, 0);
}

/* The PLUG was cancelled; STATE, behind it, is answered as usual. */
static void assert_cancelled(QVirtioMEM *mem, uint64_t buffers)
{
    assert_answers(mem, buffers, VIRTIO_MEM_RESP_BUSY,
                   VIRTIO_MEM_STATE_UNPLUGGED);
}

static void finish(QVirtioMEM *mem, int fd)
{
    resize(0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(memory_of_file(fd), ==, 0);
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
    g_assert_cmpuint(memory_of_file(fd), ==, BIG);

    resize(0);
    batch_send(mem, &all, 1);
    assert_monitor_answers(0);
    g_assert_cmpuint(memory_of_file(fd), ==, 0);
}

/* What a system reset unplugs goes back to the host in the background, too. */
static void monitor_goes_on_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    assert_plugged(mem, begin_big_plug(mem));
    qtest_system_reset(global_qtest);
    assert_monitor_answers(0);
    g_assert_cmpuint(memory_of_file(fd), ==, 0);
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
    g_assert_cmpuint(memory_of_file(fd), ==, BLOCK);
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
    g_assert_cmpuint(memory_of_file(fd), ==, 0);
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

/* --- a plug is cancelled by ... ------------------------------------------- */

/* The guest is told to try again, and the memory comes when it can. */
static void assert_retried(QVirtioMEM *mem, int fd)
{
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    assert_plugged(mem, begin_big_plug(mem));
    g_assert_cmpuint(memory_of_file(fd), ==, BIG);
    finish(mem, fd);
}

static void stop_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    assert_goes_on_behind(0);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    assert_cancelled(mem, buffers);
    let_go(hold, fd);
    assert_retried(mem, fd);
}

/*
 * Where pages are caught, none may come after that, or be taken for the guest's:
 * what the thread is just doing is waited for.
 */
static void guarded_stop_meanwhile(QVirtioMEM *mem, int fd)
{
    unsigned cancelled = 0;
    QDict *info;

    for (int i = 0; i < 20; i++) {
        const uint64_t buffers = begin_big_plug(mem);

        g_usleep(10000);
        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
        if (queried_size()) {       /* a fast host */
            qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
            assert_plugged(mem, buffers);
            finish(mem, fd);
            resize(BIG);
        } else {
            cancelled++;
            let_go(NULL, fd);
            qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
            assert_cancelled(mem, buffers);
        }
    }
    if (!cancelled) {
        g_test_skip("this host plugs faster than the VM is stopped");
    }
    info = queried_device();
    g_assert_cmpuint(qdict_get_int(info, "unplugged-accesses"), ==, 0);
    qobject_unref(info);
}

/* What is given back would take away what comes. */
static void plug_waits_for_what_goes(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    assert_cancelled(mem, buffers);
    buffers = begin_big_plug(mem);
    settle();
    assert_goes_on_behind(0);
    hold_let_go_after(hold, 0);
    assert_plugged(mem, buffers);
    g_assert_cmpuint(pending_discard(), ==, 0);
    g_assert_cmpuint(memory_of_file(fd), ==, BIG);
    finish(mem, fd);
}

/* One that waits may be cancelled, too. */
static void stop_while_a_plug_waits(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    for (int i = 0; i < 3; i++) {
        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
        assert_cancelled(mem, buffers);
        buffers = begin_big_plug(mem);
        settle();
        assert_goes_on_behind(0);
    }
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    let_go(hold, fd);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    assert_cancelled(mem, buffers);
    assert_retried(mem, fd);
}

static void device_reset_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    restart_as_usual(mem);
    assert_goes_on_behind(0);
    g_assert_cmpuint(state_of(mem, 0, BIG_BLOCKS), ==,
                     VIRTIO_MEM_STATE_UNPLUGGED);
    let_go(hold, fd);
    finish(mem, fd);
}

/* Nothing is plugged then: the reset has nothing to unplug. */
static void system_reset_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    reset_system(mem);
    assert_goes_on_behind(0);
    let_go(hold, fd);
    restart_as_usual(mem);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 7, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    finish(mem, fd);
}

static void migration_meanwhile(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);

    migrate_slowly(path);
    assert_goes_on_behind(0);
    assert_reason("migration");
    let_go(hold, fd);
    cancel();
    assert_cancelled(mem, buffers);
    assert_retried(mem, fd);
    unlink(path);
}

static void snapshot_meanwhile(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    uint64_t buffers;
    Hold *hold;

    add_snapshot_disk(path);
    hold = begin_held_plug(mem, &buffers);
    hmp("savevm one");
    assert_goes_on_behind(0);
    assert_cancelled(mem, buffers);
    let_go(hold, fd);
    assert_retried(mem, fd);
    unlink(path);
}

/* Nothing was plugged when the user asked, and nothing is. */
static void unplug_of_the_device_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;
    Hold *hold = begin_held_plug(mem, &buffers);
    QDict *rsp;

    resize(0);
    rsp = qtest_qmp(global_qtest, "{ 'execute': 'device_del', 'arguments':"
                    " { 'id': %s } }", QVIRTIO_MEM_ID);
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"),
                            "512 MiB of its unplugged memory"));
    qobject_unref(rsp);
    assert_goes_on_behind(0);
    assert_status("resizing");
    let_go(hold, fd);
    assert_status("settled");
    assert_cancelled(mem, buffers);
    finish(mem, fd);
}

/* leave() demands that QEMU ends as it should. */
static void quit_meanwhile(QVirtioMEM *mem, int fd)
{
    uint64_t buffers;

    hold_let_go_after(begin_held_plug(mem, &buffers), HELD_MS);
}

/* --- an unplug is carried out, and its memory goes behind ----------------- */

static void stop_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    Hold *hold = begin_held_reset(mem);

    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    assert_goes_on_behind(0);
    g_assert_cmpuint(memory_of_file(fd), ==, BIG);
    let_go(hold, fd);
}

static void migration_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    Hold *hold = begin_held_reset(mem);

    migrate_slowly(path);
    assert_goes_on_behind(0);
    let_go(hold, fd);
    cancel();
    unlink(path);
}

static void quit_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    hold_let_go_after(begin_held_reset(mem), HELD_MS);
}

/* While the VM is stopped, nothing changes that one may be looking at. */
static void system_reset_of_a_stopped_vm(QVirtioMEM *mem, int fd)
{
    assert_plugged(mem, begin_big_plug(mem));
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    qtest_system_reset(global_qtest);
    g_assert_cmpuint(queried_size(), ==, 0);
    let_go(NULL, fd);
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

/* The driver has asked for what the answer cannot reach any more. */
static void reset_while_unplugging(QVirtioMEM *mem, int fd)
{
    const Request all = { VIRTIO_MEM_REQ_UNPLUG_ALL };
    Hold *hold;

    assert_plugged(mem, begin_big_plug(mem));
    resize(0);
    hold = hold_work(global_qtest);
    batch_send(mem, &all, 1);
    settle();
    g_assert_cmpuint(plugged_size(mem), ==, BIG);
    restart_as_usual(mem);
    assert_goes_on_behind(0);
    g_assert_cmpuint(usable_size(mem), ==, 0);
    g_assert_cmpuint(memory_of_file(fd), ==, BIG);
    let_go(hold, fd);
}

/* -------------------------------------------------------------------------- */

typedef void PendingTest(QVirtioMEM *mem, int fd);

static void run_on(const char *machine, const char *options, PendingTest *test)
{
    const int fd = memfd_create("virtio-mem-test", 0);
    g_autofree char *memory = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=%llu,"
        "mem-path=/proc/%d/fd/%d", REGION, getpid(), fd);
    g_autofree char *all = g_strconcat(",prealloc=on", options, NULL);
    Side *side = boot_driver(machine, memory, all, "");

    resize(BIG);
    test(&side->mem, fd);
    leave(side);
    close(fd);
}

static void run(const void *test)
{
    run_on(NEW, "", (PendingTest *)test);
}

static void run_held_on(const char *machine, PendingTest *test)
{
    if (!hold_is_permitted()) {
        g_test_skip("the work cannot be held up: ptrace is not permitted here");
        return;
    }
    run_on(machine, "", test);
}

static void run_held(const void *test)
{
    run_held_on(NEW, (PendingTest *)test);
}

static void run_held_old(const void *test)
{
    run_held_on(OLD, (PendingTest *)test);
}

/* With userfaultfd, where that is permitted. */
static void run_guarded(const void *test)
{
    run_on(NEW, ",unplugged-protection=auto,unplugged-protection-interval=10",
           (PendingTest *)test);
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
    add_held("stop-cancels-a-plug", stop_meanwhile);
    add_as("stop-cancels-a-guarded-plug", guarded_stop_meanwhile, run_guarded);
    add_held("plug-waits-for-what-goes", plug_waits_for_what_goes);
    add_held("stop-cancels-a-plug-that-waits", stop_while_a_plug_waits);
    add_held("device-reset-cancels-a-plug", device_reset_meanwhile);
    add_held("system-reset-cancels-a-plug", system_reset_meanwhile);
    add_held("migration-cancels-a-plug", migration_meanwhile);
    /* Where blocks are not saved before RAM asks for them. */
    add_as("migration-of-7.2-cancels-a-plug", migration_meanwhile, run_held_old);
    add_held("snapshot-cancels-a-plug", snapshot_meanwhile);
    add_held("quit-cancels-a-plug", quit_meanwhile);
    add_held("stop-leaves-a-system-reset-behind", stop_after_a_system_reset);
    add("system-reset-of-a-stopped-vm", system_reset_of_a_stopped_vm);
    add_held("migration-leaves-a-system-reset-behind",
             migration_after_a_system_reset);
    add_held("system-reset-goes-on-after-another", another_system_reset);
    add_held("quit-leaves-a-system-reset-behind", quit_after_a_system_reset);
    add("load-resets-before", load_when_plugged);
    add_held("keeps-the-device", unplug_of_the_device_meanwhile);
    add_held("device-reset-leaves-an-unplug-behind", reset_while_unplugging);
    return g_test_run();
}
