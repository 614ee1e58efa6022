/*
 * virtio-mem: the host refuses what the life of a device needs
 *
 * Migration on both sides, hot-plug, the start of a driver, and a host that has
 * no more threads.
 *
 * A limit of processes (RLIMIT_NPROC) is not among the ways to refuse threads,
 * because it does not hold for root, who runs these tests; a cgroup's does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qobject/qdict.h"
#include "virtio-mem-faults-host.h"

/* --- migration ------------------------------------------------------------ */

/*
 * The device's own part needs nothing but to come to rest. Threads and memory
 * are what QEMU itself migrates with, and ends without.
 */
static const FaultCall migration_calls[] = {
    FAULT_DONTNEED, FAULT_REMOVE, FAULT_POPULATE, FAULT_FALLOCATE,
    FAULT_SEEK_DATA, FAULT_MINCORE,
};

static void run_source(const void *data)
{
    g_autofree char *stream = temporary_file();
    Bed bed = bed_make(data, ",prealloc=on");
    QVirtioMEM *mem = &bed.side->mem;

    for (unsigned i = 0; i < ARRAY_SIZE(migration_calls); i++) {
        const Request both[] = {
            { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0), NB },
            { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 0), NB },
        };
        Answer answers[ARRAY_SIZE(both)];
        uint64_t buffers, plugged;

        resize(SIZE);
        refuse(bed.host, migration_calls[i], ENOMEM, 0);
        buffers = batch_send(mem, both, ARRAY_SIZE(both));
        migrate_slowly(stream);
        cancel();
        batch_wait(mem, buffers, answers, ARRAY_SIZE(both));
        for (unsigned j = 0; j < ARRAY_SIZE(both); j++) {
            /* ERROR: what was not plugged, as the host did not give, is not
             * unplugged either. */
            g_assert_true(answers[j].type == VIRTIO_MEM_RESP_ACK ||
                          answers[j].type == VIRTIO_MEM_RESP_BUSY ||
                          (j == 1 && answers[j].type == VIRTIO_MEM_RESP_ERROR &&
                           answers[0].type == VIRTIO_MEM_RESP_BUSY));
        }
        give_again(bed.host);
        plugged = plugged_size(mem) / BLOCK;
        g_assert_true(plugged == NB || plugged == 0);
        assert_all_agree(mem, plugged);
        unplug_all(mem);
    }
    bed_unmake(&bed);
    unlink(stream);
}

/* A load that is refused memory fails or does without, and QEMU lives. */
static void try_load(const Memory *memory, const char *stream, FaultCall call,
                     int error)
{
    g_autofree char *file = memory_file();
    g_autofree char *object = memory_object(memory, file);
    Host *host = host_new();
    Side *side = boot(NEW, object, ",prealloc=on", "-incoming defer");
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;
    g_autofree char *uri = g_strconcat("file:", stream, NULL);
    bool ended = false;
    uint64_t size;

    host_started(host);
    refuse(host, call, error, 1);
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-incoming', 'arguments':"
                             "  { 'uri': %s, 'exit-on-error': false } }", uri);
    while (!ended) {
        QDict *rsp = qtest_qmp(global_qtest, "{ 'execute': 'query-migrate' }");
        const char *status = qdict_get_try_str(qdict_get_qdict(rsp, "return"),
                                               "status");

        ended = !g_strcmp0(status, "completed") ||
                !g_strcmp0(status, "failed");
        size = device_size();
        if (!g_strcmp0(status, "completed")) {
            g_assert_cmpuint(size, ==, SIZE);
        } else if (!g_strcmp0(status, "failed")) {
            g_assert_true(size == 0 || size == SIZE);
            g_assert_true(was_refused(host, call));
        }
        qobject_unref(rsp);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    give_again(host);
    leave(side);
    host_free(host);
    unlink(file);
}

static void run_destination(const void *data)
{
    const Memory *memory = data;
    g_autofree char *stream = temporary_file();
    Side *from = boot_driver(NEW, " -object memory-backend-ram,id=mem0,"
                             "size=64M", "", "");

    resize(SIZE);
    plug(&from->mem);
    save(from, stream);
    leave(from);
    for (unsigned i = 0; i < ARRAY_SIZE(migration_calls); i++) {
        try_load(memory, stream, migration_calls[i], ENOMEM);
    }
    unlink(stream);
}

/*
 * Both sides are over one file, and there is not enough for the second one to
 * populate: what the first one has is not given back for that.
 */
static void destination_leaves_the_source_alone(const void *data)
{
    g_autofree char *file = memory_file(), *stream = temporary_file();
    g_autofree char *object = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=64M,mem-path=%s",
        file);
    Side *from = boot_driver(NEW, object, "", ""), *to;
    QVirtioMEM *mem = &from->mem;
    Host *host;

    resize(SIZE);
    plug(mem);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    save(from, stream);

    host = host_new();
    to = boot(NEW, object, ",prealloc=on", "-incoming defer");
    host_started(host);
    refuse(host, FAULT_POPULATE, EFAULT, 3);
    load_fails(stream);
    g_assert_true(was_refused(host, FAULT_POPULATE));
    leave(to);
    host_free(host);

    turn_to(from);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    for (unsigned i = 0; i < NB; i++) {
        g_assert_cmphex(readb(block_addr(mem, i)), ==, 0xa5);
        g_assert_cmphex(readb(block_addr(mem, i + 1) - 1), ==, 0xa5);
    }
    unplug_all(mem);
    leave(from);
    unlink(file);
    unlink(stream);
}

/* --- the device comes ----------------------------------------------------- */

static bool add_device(QTestState *qts, const char *prealloc)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments': {"
                           " 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                           " 'memdev': 'mem0', 'prealloc': %i } }",
                           (int)!!*prealloc);
    const bool added = qdict_haskey(rsp, "return");

    qobject_unref(rsp);
    return added;
}

/* It does without, or says that it cannot, and comes when it can. */
static void run_hot_plug(const void *data)
{
    const Memory *memory = data;

    for (unsigned call = 0; call < FAULT_CALLS; call++) {
        g_autofree char *file = NULL, *object = NULL;
        Host *host;
        QTestState *qts;

        if (call == FAULT_MMAP) {
            continue;           /* as above: QEMU itself */
        }
        file = memory_file();
        object = memory_object(memory, file);
        host = host_new();
        qts = qtest_initf("-nodefaults -m 32M,maxmem=1G %s", object);
        host_started(host);
        refuse(host, call, EAGAIN, 0);
        if (!add_device(qts, "prealloc")) {
            g_assert_true(was_refused(host, call));
            give_again(host);
            g_assert_true(add_device(qts, "prealloc"));
        }
        give_again(host);
        qtest_quit(qts);
        host_free(host);
        unlink(file);
    }
}

/* A driver comes, while QEMU cannot have what kicks become quick by. */
static void run_driver_start(const void *data)
{
    Host *host = host_new();
    Side *side = boot_driver(NEW, " -object memory-backend-memfd,id=mem0,"
                             "size=64M", ",prealloc=on", "");

    host_started(host);
    resize(SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
        refuse(host, FAULT_EVENTFD, errors[i], 0);
        restart_as_usual(&side->mem);
        plug(&side->mem);
        give_again(host);
        g_assert_cmpuint(ask(&side->mem, VIRTIO_MEM_REQ_UNPLUG), ==,
                         VIRTIO_MEM_RESP_ACK);
    }
    leave(side);
    host_free(host);
}

/* --- a real limit --------------------------------------------------------- */

static bool write_to(const char *dir, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    const int fd = open(path, O_WRONLY);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) >= 0;

    if (fd >= 0) {
        close(fd);
    }
    return written;
}

/* A cgroup that can limit processes, of version 1 or 2, or NULL. */
static char *pids_cgroup(void)
{
    static const char *const roots[] = {
        "/sys/fs/cgroup/pids", "/sys/fs/cgroup",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
        g_autofree char *dir = g_strdup_printf("%s/virtio-mem-%d", roots[i],
                                               getpid());

        write_to(roots[i], "cgroup.subtree_control", "+pids");
        if (!g_mkdir(dir, 0700)) {
            if (write_to(dir, "pids.max", "max")) {
                return g_steal_pointer(&dir);
            }
            g_rmdir(dir);
        }
    }
    return NULL;
}

/* Let QEMU have no more threads than it has now. */
static void limit_threads(const char *dir)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)qtest_pid(global_qtest));
    g_autofree char *path = g_build_filename(dir, "pids.current", NULL);
    g_autofree char *now = NULL;

    g_assert_true(write_to(dir, "cgroup.procs", pid));
    g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
    g_test_message("%s threads", g_strchomp(now));
    g_assert_true(write_to(dir, "pids.max", now));
}

static void no_more_threads(const void *data)
{
    g_autofree char *dir = pids_cgroup();
    Side *side;
    QVirtioMEM *mem;

    if (!dir) {
        g_test_skip("no cgroup can be made here that limits processes");
        return;
    }
    side = boot_driver(NEW, " -object memory-backend-memfd,id=mem0,size=64M",
                       ",prealloc=on", "");
    mem = &side->mem;
    resize(SIZE);
    limit_threads(dir);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 16 * MiB / BLOCK), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 16 * MiB);
    unplug_all(mem);
    plug(mem);
    reset_system(mem);
    unplug_all(mem);
    g_assert_true(write_to(dir, "pids.max", "max"));
    plug(mem);
    leave(side);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* -------------------------------------------------------------------------- */

static void add(const char *name, const Memory *memory,
                void (*test)(const void *))
{
    g_autofree char *path = g_strdup_printf("virtio-mem/faults/%s/%s", name,
                                            memory->name);

    qtest_add_data_func(path, memory, test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    faults_init(argv[0]);
    for (unsigned i = 0; i < ARRAY_SIZE(memories); i++) {
        add("migration-source", &memories[i], run_source);
        add("migration-destination", &memories[i], run_destination);
        add("hot-plug", &memories[i], run_hot_plug);
    }
    qtest_add_data_func("virtio-mem/faults/migration-over-one-file", NULL,
                        destination_leaves_the_source_alone);
    qtest_add_data_func("virtio-mem/faults/driver-start", NULL,
                        run_driver_start);
    qtest_add_data_func("virtio-mem/faults/no-more-threads", NULL,
                        no_more_threads);
    return g_test_run();
}
