/*
 * virtio-mem: a request whose work on host memory goes on
 *
 * The device has memory of a file, and populates it: to plug 512 MiB takes a
 * good part of a second. Whatever happens in it, the request is answered once, and what is
 * plugged is what was answered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-mem-sides.h"

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

/* After @command, which has to find the request pending. */
static void while_pending(QVirtioMEM *mem, const char *command)
{
    settle();
    g_assert_cmpuint(queried_size(), ==, 0);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': %s }", command);
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

    while_pending(mem, "query-status");
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
    unsigned late = 0;

    /* The driver needs some of the 0.1 s, and on a busy host all of it. */
    for (;;) {
        assert_plugged(mem, begin_big_plug(mem));
        reset_system(mem);
        restart_as_usual(mem);
        buffers = batch_send(mem, &plug, 1);
        if (plugged_size(mem) == BIG) {
            break;
        }
        g_assert_cmpuint(++late, <, 10);
        batch_wait(mem, buffers, &answer, 1);
        g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                         VIRTIO_MEM_RESP_ACK);
    }
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    batch_wait(mem, buffers, &answer, 1);
    g_assert_cmpuint(answer.type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    g_assert_cmpuint(host_memory(fd), ==, BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 7), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    finish(mem, fd);
}

/* Of anonymous memory, which comes fast. */
static void begin_huge_plug(QVirtioMEM *mem)
{
    const Request plug = { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0),
                           2 * GiB / BLOCK };

    resize(2 * GiB);
    batch_send(mem, &plug, 1);
}

/*
 * What maps memory, in the main loop and with the BQL held, does not wait until
 * all is populated. Of anonymous memory, where the kernel would have it wait,
 * and by one thread, so that it takes a while on any host.
 */
static void mapping_goes_on(const void *data)
{
    Side *side = boot_driver(NEW, MEMORY, ",prealloc=on,prealloc-threads=1",
                             "");
    unsigned mapped = 0;

    begin_huge_plug(&side->mem);
    while (!queried_size()) {
        qtest_qmp_assert_success(
            global_qtest, "{ 'execute': 'object-add', 'arguments': {"
            " 'qom-type': 'memory-backend-ram', 'id': 'more', 'size': 1048576 }"
            " }");
        qtest_qmp_assert_success(
            global_qtest, "{ 'execute': 'object-del', 'arguments': {"
            " 'id': 'more' } }");
        mapped++;
    }
    g_test_message("mapped %u times", mapped);
    g_assert_cmpuint(mapped, >=, 4);
    leave(side);
}

/* CPUs that QEMU's thread @task may run on, if it is one of the device's. */
static char *cpus_of_task(const char *tasks, const char *task)
{
    g_autofree char *file = g_build_filename(tasks, task, "status", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    char *cpus = NULL;

    /* It may have ended. */
    if (!g_file_get_contents(file, &text, NULL, NULL) ||
        !g_str_has_prefix(text, "Name:\tvirtio-mem\n")) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "Cpus_allowed_list:")) {
            cpus = g_strdup(strchr(*line, '\t') + 1);
        }
    }
    return cpus;
}

/* One that this program, and so QEMU, may run on. */
static unsigned first_cpu(void)
{
    cpu_set_t allowed;
    unsigned cpu = 0;

    g_assert_cmpint(sched_getaffinity(0, sizeof(allowed), &allowed), ==, 0);
    while (!CPU_ISSET(cpu, &allowed)) {
        cpu++;
    }
    return cpu;
}

/*
 * The most threads of the device at a time while it plugs 2 GiB;
 * @on_first_cpu: those that may not run elsewhere.
 */
static unsigned most_threads(const char *memory, const char *options,
                             unsigned *on_first_cpu)
{
    g_autofree char *first = g_strdup_printf("%u", first_cpu());
    g_autofree char *more = g_strdup_printf(
        " -name tested,debug-threads=on"
        " -object thread-context,id=first,cpu-affinity=%s", first);
    Side *side = boot_driver(NEW, memory, options, more);
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task",
                                             (int)qtest_pid(global_qtest));
    unsigned most = 0;

    *on_first_cpu = 0;
    begin_huge_plug(&side->mem);
    while (!queried_size()) {
        GDir *dir = g_dir_open(tasks, 0, NULL);
        unsigned number = 0, bound = 0;
        const char *task;

        while ((task = g_dir_read_name(dir))) {
            g_autofree char *cpus = cpus_of_task(tasks, task);

            number += !!cpus;
            bound += !g_strcmp0(cpus, first);
        }
        g_dir_close(dir);
        most = MAX(most, number);
        *on_first_cpu = MAX(*on_first_cpu, bound);
    }
    leave(side);
    return most;
}

static void threads_are_limited(const void *data)
{
    const unsigned cpus = MIN(g_get_num_processors(), 16);
    unsigned bound;

    g_assert_cmpuint(most_threads(MEMORY, ",prealloc=on,prealloc-threads=1",
                                  &bound), ==, 1);
    g_assert_cmpuint(most_threads(MEMORY, ",prealloc=on,prealloc-threads=2",
                                  &bound), ==, MIN(cpus, 2));
    g_assert_cmpuint(most_threads(MEMORY, ",prealloc=on", &bound), ==, cpus);
}

/* The one that waits for them may run anywhere. */
static void threads_run_where_told(const void *data)
{
    const unsigned cpus = MIN(sysconf(_SC_NPROCESSORS_ONLN), 16);
    unsigned bound;

    g_assert_cmpuint(most_threads(MEMORY ",prealloc-context=first",
                                  ",prealloc=on", &bound), ==, cpus + 1);
    g_assert_cmpuint(bound, >=, cpus);
}

static void resize_meanwhile(QVirtioMEM *mem, int fd)
{
    const uint64_t buffers = begin_big_plug(mem);

    while_pending(mem, "query-status");
    resize(BLOCK);
    g_assert_cmpuint(requested_size(mem), ==, BLOCK);
    assert_plugged(mem, buffers);
    finish(mem, fd);
}

/* --- it comes to its end before ... --------------------------------------- */

static void stop_meanwhile(QVirtioMEM *mem, int fd)
{
    const uint64_t buffers = begin_big_plug(mem);

    while_pending(mem, "stop");
    g_assert_cmpuint(queried_size(), ==, BIG);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    assert_plugged(mem, buffers);
    finish(mem, fd);
}

static void device_reset_meanwhile(QVirtioMEM *mem, int fd)
{
    begin_big_plug(mem);
    while_pending(mem, "query-status");
    restart_as_usual(mem);
    g_assert_cmpuint(plugged_size(mem), ==, BIG);
    g_assert_cmpuint(state_of(mem, 0, BIG_BLOCKS), ==,
                     VIRTIO_MEM_STATE_PLUGGED);
    finish(mem, fd);
}

static void system_reset_meanwhile(QVirtioMEM *mem, int fd)
{
    begin_big_plug(mem);
    while_pending(mem, "query-status");
    reset_system(mem);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 7, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    finish(mem, fd);
}

/* What a system reset has begun comes to its end before ... */
static void after_a_system_reset(QVirtioMEM *mem)
{
    assert_plugged(mem, begin_big_plug(mem));
    qtest_system_reset(global_qtest);
    g_assert_cmpuint(queried_size(), ==, BIG);
}

static void stop_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    after_a_system_reset(mem);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    g_assert_cmpuint(queried_size(), ==, 0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
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

static void migration_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();

    after_a_system_reset(mem);
    migrate_slowly(path);
    g_assert_cmpuint(queried_size(), ==, 0);
    cancel();
    unlink(path);
}

/* As SeaBIOS does it, always: nobody waits here either. */
static void another_system_reset(QVirtioMEM *mem, int fd)
{
    after_a_system_reset(mem);
    qtest_system_reset(global_qtest);
    assert_monitor_answers(0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

static void quit_after_a_system_reset(QVirtioMEM *mem, int fd)
{
    after_a_system_reset(mem);
}

/* QEMU resets the system before it loads. */
static void load_after_a_system_reset(QVirtioMEM *mem, int fd)
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

static void migration_meanwhile(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();
    const uint64_t buffers = begin_big_plug(mem);

    while_pending(mem, "query-status");
    migrate_slowly(path);
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

    add_snapshot_disk(path);
    buffers = begin_big_plug(mem);
    while_pending(mem, "query-status");
    hmp("savevm one");
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
    const uint64_t buffers = begin_big_plug(mem);
    QDict *rsp;

    while_pending(mem, "query-status");
    resize(0);
    rsp = qtest_qmp(global_qtest, "{ 'execute': 'device_del', 'arguments':"
                    " { 'id': %s } }", QVIRTIO_MEM_ID);
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"), "still plugged"));
    qobject_unref(rsp);
    assert_plugged(mem, buffers);
    finish(mem, fd);
}

/* leave() demands that QEMU ends as it should. */
static void quit_meanwhile(QVirtioMEM *mem, int fd)
{
    begin_big_plug(mem);
    while_pending(mem, "query-status");
}

/* A big unplug, too: its memory is there until it is not. */
static void reset_while_unplugging(QVirtioMEM *mem, int fd)
{
    const Request all = { VIRTIO_MEM_REQ_UNPLUG_ALL };

    assert_plugged(mem, begin_big_plug(mem));
    resize(0);
    batch_send(mem, &all, 1);
    restart_as_usual(mem);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(usable_size(mem), ==, 0);
    g_assert_cmpuint(host_memory(fd), ==, 0);
}

/* -------------------------------------------------------------------------- */

typedef void PendingTest(QVirtioMEM *mem, int fd);

static void run(const void *test)
{
    const int fd = memfd_create("virtio-mem-test", 0);
    g_autofree char *memory = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=%llu,"
        "mem-path=/proc/%d/fd/%d", REGION, getpid(), fd);
    Side *side = boot_driver(NEW, memory, ",prealloc=on", "");

    resize(BIG);
    ((PendingTest *)test)(&side->mem, fd);
    leave(side);
    close(fd);
}

static void add(const char *name, PendingTest *test)
{
    g_autofree char *path = g_strconcat("virtio-mem/pending/", name, NULL);

    qtest_add_data_func(path, test, run);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("monitor-goes-on", monitor_goes_on);
    add("monitor-goes-on-after-a-system-reset",
        monitor_goes_on_after_a_system_reset);
    add("driver-goes-on-after-a-system-reset",
        driver_goes_on_after_a_system_reset);
    qtest_add_data_func("virtio-mem/pending/mapping-goes-on", NULL,
                        mapping_goes_on);
    qtest_add_data_func("virtio-mem/pending/threads-are-limited", NULL,
                        threads_are_limited);
    qtest_add_data_func("virtio-mem/pending/threads-run-where-told", NULL,
                        threads_run_where_told);
    add("resize-meanwhile", resize_meanwhile);
    add("ends-before-a-stop", stop_meanwhile);
    add("ends-before-a-device-reset", device_reset_meanwhile);
    add("ends-before-a-system-reset", system_reset_meanwhile);
    add("ends-before-a-migration", migration_meanwhile);
    add("ends-before-a-snapshot", snapshot_meanwhile);
    add("ends-before-quit", quit_meanwhile);
    add("system-reset-ends-before-a-stop", stop_after_a_system_reset);
    add("system-reset-of-a-stopped-vm", system_reset_of_a_stopped_vm);
    add("system-reset-ends-before-a-migration",
        migration_after_a_system_reset);
    add("system-reset-goes-on-after-another", another_system_reset);
    add("system-reset-ends-before-quit", quit_after_a_system_reset);
    add("system-reset-ends-before-a-load", load_after_a_system_reset);
    add("keeps-the-device", unplug_of_the_device_meanwhile);
    add("unplug-ends-before-a-device-reset", reset_while_unplugging);
    return g_test_run();
}
