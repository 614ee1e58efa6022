/*
 * virtio-mem: what a user is told of a resize, and why it does not go on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-mem-sides.h"

#define SECOND (1000 * 1000 * 1000LL)
#define EVENTS ",resize-events=on"

/* --- what is said --------------------------------------------------------- */

/* @reason: NULL for none */
static void assert_status(const char *status, const char *reason)
{
    QDict *info = device_info();
    const QDict *resize = qdict_get_qdict(info, "resize");

    g_assert_cmpstr(qdict_get_str(resize, "status"), ==, status);
    g_assert_cmpstr(qdict_get_try_str(resize, "reason"), ==, reason);
    g_assert_cmpint(qdict_get_int(resize, "since"), >=, 0);
    qobject_unref(info);
}

/* ... and the last event says the same. */
static void assert_told(const char *status, const char *reason)
{
    QDict *event, *last = NULL;

    clock_step(SECOND);
    settle();
    while ((event = qtest_qmp_event_ref(global_qtest,
                                        "MEMORY_DEVICE_RESIZE_STATUS"))) {
        qobject_unref(last);
        last = event;
    }
    g_assert_nonnull(last);
    event = qdict_get_qdict(last, "data");
    g_assert_cmpstr(qdict_get_str(event, "id"), ==, QVIRTIO_MEM_ID);
    g_assert_cmpstr(qdict_get_str(event, "qom-path"), ==,
                    "/machine/peripheral/" QVIRTIO_MEM_ID);
    g_assert_cmpstr(qdict_get_str(event, "status"), ==, status);
    g_assert_cmpstr(qdict_get_try_str(event, "reason"), ==, reason);
    qobject_unref(last);
    assert_status(status, reason);
}

static unsigned count_events(void)
{
    unsigned count = 0;
    QDict *event;

    settle();
    while ((event = qtest_qmp_event_ref(global_qtest,
                                        "MEMORY_DEVICE_RESIZE_STATUS"))) {
        qobject_unref(event);
        count++;
    }
    return count;
}

static void assert_monitor_has(const char *text)
{
    g_autofree char *answer = qtest_hmp(global_qtest, "info memory-devices -v");

    g_test_message("%s", answer);
    g_assert_nonnull(strstr(answer, text));
}

static void stop(void)
{
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
}

static void cont(void)
{
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
}

/* A VM that runs, with a driver, and tells of resizes. */
static Side *telling(void)
{
    return boot_driver(NEW, MEMORY, EVENTS, "");
}

static void plug(QVirtioMEM *mem, uint64_t block, uint16_t nb_blocks)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, block, nb_blocks), ==,
                     VIRTIO_MEM_RESP_ACK);
}

/* --- reasons -------------------------------------------------------------- */

static void grow_and_shrink(void)
{
    Side *side = telling();

    assert_status("settled", NULL);
    resize(8 * BLOCK);
    assert_told("resizing", NULL);
    plug(&side->mem, 0, 4);
    assert_status("resizing", NULL);
    plug(&side->mem, 4, 4);
    assert_told("settled", NULL);
    resize(4 * BLOCK);
    assert_told("resizing", NULL);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_UNPLUG, 0, 4), ==,
                     VIRTIO_MEM_RESP_ACK);
    assert_told("settled", NULL);
    leave(side);
}

static void no_driver(void)
{
    Side *side = boot(NEW, MEMORY, EVENTS ",requested-size=64M", "");

    assert_status("blocked", "no-driver");
    look_at_device(side);
    restart_driver(side);
    assert_told("resizing", NULL);
    reset_device(&side->mem);
    assert_told("blocked", "no-driver");
    qvirtio_mem_start(&side->mem, qvirtio_mem_usable_features(&side->mem));
    assert_told("resizing", NULL);
    leave(side);
}

static void driver_features(void)
{
    Side *side = boot(NEW, MEMORY, EVENTS ",requested-size=64M", "");
    QVirtioDevice *vdev;

    look_at_device(side);
    vdev = side->mem.vdev;
    qvirtio_start_device(vdev);
    vdev->bus->set_features(vdev, FEATURE(F_VERSION_1));
    vdev->bus->set_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE |
                          VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
    assert_told("blocked", "driver-features");
    vdev->bus->set_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE |
                          VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FAILED);
    assert_status("blocked", "driver-features");
    vdev->bus->set_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE |
                          VIRTIO_CONFIG_S_DRIVER);
    stop();
    cont();
    assert_status("blocked", "driver-features");
    restart_driver(side);
    assert_told("resizing", NULL);
    leave(side);
}

static void guest(void)
{
    Side *side = telling();

    resize(8 * BLOCK);
    clock_step(3 * SECOND);
    plug(&side->mem, 0, 1);
    clock_step(3 * SECOND);
    assert_status("resizing", NULL);
    clock_step(2 * SECOND);
    assert_told("blocked", "guest");
    plug(&side->mem, 1, 1);
    assert_told("resizing", NULL);
    leave(side);
}

static void migration(void)
{
    g_autofree char *path = temporary_file();
    Side *side = telling();

    resize(8 * BLOCK);
    migrate_slowly(path);
    assert_told("resizing", NULL);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_BUSY);
    assert_told("blocked", "migration");
    cancel();
    plug(&side->mem, 0, 8);
    assert_told("settled", NULL);
    leave(side);
    unlink(path);
}

/* The backend is a file of this test, which is made too small. */
static void host_memory(void)
{
    const int fd = memfd_create("virtio-mem-test", 0);
    g_autofree char *memory = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=%llu,"
        "mem-path=/proc/%d/fd/%d", REGION, getpid(), fd);
    Side *side = boot_driver(NEW, memory, EVENTS ",prealloc=on", "");

    resize(8 * BLOCK);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_BUSY);
    assert_told("blocked", "host-memory");
    g_assert_cmpint(ftruncate(fd, REGION), ==, 0);
    plug(&side->mem, 0, 8);
    assert_told("settled", NULL);
    leave(side);
    close(fd);
}

/* --- a VM that does not run ----------------------------------------------- */

/* How many events there are; none of them is of a resize that is blocked. */
static unsigned count_calm_events(void)
{
    unsigned count = 0;
    QDict *event;

    clock_step(SECOND);
    settle();
    while ((event = qtest_qmp_event_ref(global_qtest,
                                        "MEMORY_DEVICE_RESIZE_STATUS"))) {
        const QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(data, "status"), !=, "blocked");
        g_assert_false(qdict_haskey(data, "reason"));
        qobject_unref(event);
        count++;
    }
    return count;
}

static void paused(void)
{
    Side *side = telling();

    resize(8 * BLOCK);
    plug(&side->mem, 0, 4);
    assert_told("resizing", NULL);
    stop();
    assert_told("paused", NULL);
    assert_monitor_has("  status: paused\r\n");
    resize(16 * BLOCK);
    assert_status("paused", NULL);
    qtest_system_reset(global_qtest);
    assert_status("paused", NULL);
    g_assert_cmpuint(count_calm_events(), ==, 0);

    /* What is requested is there: also while nothing runs, that is all. */
    resize(0);
    assert_status("settled", NULL);
    cont();
    assert_told("settled", NULL);
    stop();
    g_assert_cmpuint(count_calm_events(), ==, 0);
    resize(8 * BLOCK);
    assert_told("paused", NULL);
    cont();
    assert_told("blocked", "no-driver");
    leave(side);
}

static void paused_from_the_start(void)
{
    Side *side = boot(NEW, MEMORY, EVENTS ",requested-size=64M", "-S");

    assert_status("paused", NULL);
    g_assert_cmpuint(count_calm_events(), ==, 0);
    cont();
    assert_told("blocked", "no-driver");
    look_at_device(side);
    restart_driver(side);
    assert_told("resizing", NULL);
    leave(side);
}

/*
 * The stream has the driver's state, but who is not running yet does not say
 * so; as libvirt starts a destination.
 */
static void paused_destination(const char *machine, unsigned plugged)
{
    g_autofree char *path = temporary_file();
    Side *from = boot_driver(machine, MEMORY, EVENTS, ""), *to;
    const bool all = plugged == 8;

    resize(8 * BLOCK);
    plug(&from->mem, 0, plugged);
    assert_told(all ? "settled" : "resizing", NULL);
    stop();
    save(from, path);
    assert_status(all ? "settled" : "paused", NULL);
    g_assert_cmpuint(count_calm_events(), ==, !all);

    to = destination(machine, EVENTS, "-S");
    assert_status("settled", NULL);
    load(to, path);
    assert_status(all ? "settled" : "paused", NULL);
    g_assert_cmpuint(count_calm_events(), <=, 1);
    cont();
    if (all) {
        assert_status("settled", NULL);
        g_assert_cmpuint(count_calm_events(), ==, 0);
    } else {
        assert_told("resizing", NULL);
        clock_step(5 * SECOND);
        assert_told("blocked", "guest");
    }
    leave(to);
    leave(from);
    unlink(path);
}

static void paused_destinations(void)
{
    paused_destination(NEW, 4);
    paused_destination(NEW, 8);
    paused_destination(OLD, 4);
    paused_destination(OLD, 8);
}

/* Another VM, and another clock: what matters is what is so here. */
static void after_a_migration(void)
{
    g_autofree char *path = temporary_file();
    Side *from = telling(), *to;

    clock_step(1000 * SECOND);
    resize(8 * BLOCK);
    plug(&from->mem, 0, 4);
    save(from, path);
    to = destination(NEW, EVENTS, "");
    assert_status("settled", NULL);
    load(to, path);
    assert_told("resizing", NULL);
    clock_step(5 * SECOND);
    assert_told("blocked", "guest");
    leave(to);
    leave(from);
    unlink(path);
}

static void set_events(const char *path, bool on)
{
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'qom-set',"
                             "  'arguments': { 'path': %s, 'value': %i,"
                             "  'property': 'resize-events' } }", path, on);
}

static void events_are_asked_for(void)
{
    Side *side = source(NEW);

    resize(8 * BLOCK);
    plug(&side->mem, 0, 4);
    clock_step(6 * SECOND);
    assert_status("blocked", "guest");
    clock_step(SECOND);
    g_assert_cmpuint(count_events(), ==, 0);

    set_events(QVIRTIO_MEM_ID, true);
    clock_step(SECOND);
    g_assert_cmpuint(count_events(), ==, 0);    /* nothing is new */
    plug(&side->mem, 4, 1);
    assert_told("resizing", NULL);

    set_events("/machine/peripheral/" QVIRTIO_MEM_ID "/virtio-backend", false);
    plug(&side->mem, 5, 3);
    clock_step(SECOND);
    assert_status("settled", NULL);
    g_assert_cmpuint(count_events(), ==, 0);
    leave(side);
}

static void events_are_few(void)
{
    Side *side = telling();

    resize(1 * BLOCK);
    clock_step(SECOND);
    count_events();
    for (int i = 0; i < 50; i++) {
        plug(&side->mem, 0, 1);
        g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_UNPLUG, 0, 1), ==,
                         VIRTIO_MEM_RESP_ACK);
    }
    g_assert_cmpuint(count_events(), <=, 1);
    plug(&side->mem, 0, 1);
    assert_told("settled", NULL);
    leave(side);
}

/* --- counters, and the human monitor -------------------------------------- */

static void assert_counts(const QDict *requests, const char *type, int ack,
                          int nack, int busy, int error)
{
    const QDict *counts = qdict_get_qdict(requests, type);

    g_assert_cmpint(qdict_get_int(counts, "ack"), ==, ack);
    g_assert_cmpint(qdict_get_int(counts, "nack"), ==, nack);
    g_assert_cmpint(qdict_get_int(counts, "busy"), ==, busy);
    g_assert_cmpint(qdict_get_int(counts, "error"), ==, error);
}

static void counters(void)
{
    Side *side = telling();
    QVirtioMEM *mem = &side->mem;
    QDict *info;

    resize(8 * BLOCK);
    plug(mem, 0, 4);
    plug(mem, 4, 2);
    request(mem, VIRTIO_MEM_REQ_PLUG, 6, 100);
    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1);
    request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 1);
    request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 1);
    request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 1);
    state_of(mem, 0, 1);
    request(mem, 77, 0, 1);
    assert_monitor_has("  size: 10485760\r\n");
    assert_monitor_has("  status: resizing since 0 s\r\n");
    assert_monitor_has("  plug requests: ack 2, nack 1, busy 0, error 1\r\n");
    request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
    plug(mem, 7, 1);
    reset_system(mem);
    await_unplugged();
    info = device_info();
    assert_counts(qdict_get_qdict(info, "requests"), "plug", 3, 1, 0, 1);
    assert_counts(qdict_get_qdict(info, "requests"), "unplug", 1, 0, 0, 2);
    assert_counts(qdict_get_qdict(info, "requests"), "unplug-all", 1, 0, 0, 0);
    assert_counts(qdict_get_qdict(info, "requests"), "state", 1, 0, 0, 0);
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(info, "requests"), "plugged"),
                    ==, 7 * BLOCK);
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(info, "requests"),
                                  "unplugged"), ==, 7 * BLOCK);
    qobject_unref(info);
    assert_monitor_has("  plugged in total: 14680064\r\n"
                       "  unplugged in total: 14680064\r\n"
                       "  host-time: ");
    leave(side);
}

static void rate(void)
{
    Side *side = telling();
    QDict *info;

    resize(64 * BLOCK);
    for (int i = 0; i < 16; i++) {
        clock_step(SECOND / 4);
        plug(&side->mem, i, 1);
    }
    info = device_info();
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(info, "resize"), "rate"), ==,
                    4 * BLOCK);
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(info, "resize"), "eta"), ==,
                    12);
    qobject_unref(info);
    assert_monitor_has("  status: resizing since 4 s, 8388608 bytes/s, 12 s"
                       " left\r\n");
    leave(side);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-mem/status/grow-and-shrink", grow_and_shrink);
    qtest_add_func("virtio-mem/status/no-driver", no_driver);
    qtest_add_func("virtio-mem/status/driver-features", driver_features);
    qtest_add_func("virtio-mem/status/guest", guest);
    qtest_add_func("virtio-mem/status/migration", migration);
    qtest_add_func("virtio-mem/status/host-memory", host_memory);
    qtest_add_func("virtio-mem/status/paused", paused);
    qtest_add_func("virtio-mem/status/paused-from-the-start",
                   paused_from_the_start);
    qtest_add_func("virtio-mem/status/paused-destination",
                   paused_destinations);
    qtest_add_func("virtio-mem/status/after-a-migration", after_a_migration);
    qtest_add_func("virtio-mem/status/events-are-asked-for",
                   events_are_asked_for);
    qtest_add_func("virtio-mem/status/events-are-few", events_are_few);
    qtest_add_func("virtio-mem/status/counters", counters);
    qtest_add_func("virtio-mem/status/rate", rate);
    return g_test_run();
}
