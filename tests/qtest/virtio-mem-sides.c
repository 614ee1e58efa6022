/*
 * virtio-mem: the two sides of a migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "virtio-mem-sides.h"

#define DEVFN QPCI_DEVFN(4, 0)
#define LOAD_TIMEOUT_US (60 * 1000 * 1000)

char *command_line(const char *machine, const char *memory,
                          const char *options, const char *more)
{
    return g_strdup_printf("-machine %s -nodefaults -m 32M,maxmem=64G"
                           " -object memory-backend-ram,id=boot,size=32M"
                           " -numa node,nodeid=0,memdev=boot"
                           " -numa node,nodeid=1%s"
                           " -device virtio-mem-pci,id=" QVIRTIO_MEM_ID
                           ",memdev=mem0,node=1,block-size=2M,addr=04.0%s %s",
                           machine, memory, options, more);
}

QVirtioMEM *turn_to(Side *side)
{
    global_qtest = side->qs->qts;
    return &side->mem;
}

void look_at_device(Side *side)
{
    side->pci = virtio_pci_new(side->qs->pcibus, &(QPCIAddress) {
        .devfn = DEVFN,
    });
    side->mem.vdev = &side->pci->vdev;
    side->mem.alloc = &side->qs->alloc;
    qvirtio_pci_device_enable(side->pci);
}

Side *boot(const char *machine, const char *memory, const char *options,
                  const char *more)
{
    g_autofree char *line = command_line(machine, memory, options, more);
    Side *side = g_new0(Side, 1);

    side->qs = qtest_pc_boot("%s", line);
    turn_to(side);
    return side;
}

Side *boot_driver(const char *machine, const char *memory, const char *options,
                  const char *more)
{
    Side *side = boot(machine, memory, options, more);

    look_at_device(side);
    qvirtio_start_device(side->mem.vdev);
    qvirtio_mem_start(&side->mem, qvirtio_mem_usable_features(&side->mem));
    return side;
}

Side *source(const char *machine)
{
    return boot_driver(machine, MEMORY, "", "");
}

Side *destination(const char *machine, const char *options,
                         const char *more)
{
    g_autofree char *incoming = g_strdup_printf("-incoming defer %s", more);

    return boot(machine, MEMORY, options, incoming);
}

void leave(Side *side)
{
    turn_to(side);
    if (side->mem.vq) {
        qvirtqueue_cleanup(side->mem.vdev->bus, side->mem.vq, side->mem.alloc);
    }
    if (side->pci) {
        qvirtio_pci_device_disable(side->pci);
        g_free(side->pci->pdev);
        g_free(side->pci);
    }
    qtest_shutdown(side->qs);
    g_free(side);
}

QDict *device_info(void)
{
    QDict *rsp = qtest_qmp(global_qtest,
                           "{ 'execute': 'query-memory-devices' }");
    QDict *device = qobject_to(QDict,
                               qlist_peek(qdict_get_qlist(rsp, "return")));
    QDict *data = qobject_ref(qdict_get_qdict(device, "data"));

    qobject_unref(rsp);
    return data;
}

void plug_blocks(QVirtioMEM *mem, uint64_t block, uint16_t count)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, block, count), ==,
                     VIRTIO_MEM_RESP_ACK);
}

void unplug_blocks(QVirtioMEM *mem, uint64_t block, uint16_t count)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, block, count), ==,
                     VIRTIO_MEM_RESP_ACK);
}

int print_to(const char *file)
{
    const int before = dup(STDERR_FILENO);
    const int fd = open(file, O_WRONLY | O_APPEND);

    g_assert_cmpint(before, >=, 0);
    g_assert_cmpint(dup2(fd, STDERR_FILENO), ==, STDERR_FILENO);
    close(fd);
    return before;
}

void print_as(int before)
{
    g_assert_cmpint(dup2(before, STDERR_FILENO), ==, STDERR_FILENO);
    close(before);
}

void assert_does_not_start(const char *command, const char *message)
{
    const char *const argv[] = { "sh", "-c", command, NULL };
    g_autofree char *said = NULL;
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
                               NULL, NULL, &said, NULL, &status, NULL));
    g_test_message("%s", said);
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(said, message));
}

char *status_of(const char *command)
{
    g_autofree char *text = g_strdup_printf("{ 'execute': '%s' }", command);
    QDict *rsp = qtest_qmp(global_qtest, "%p", qobject_from_json(text, NULL));
    char *status = g_strdup(
        qdict_get_try_str(qdict_get_qdict(rsp, "return"), "status"));

    qobject_unref(rsp);
    return status;
}

void wait_for(const char *command, const char *wanted)
{
    const gint64 end = g_get_monotonic_time() + LOAD_TIMEOUT_US;

    for (;;) {
        g_autofree char *status = status_of(command);

        if (!g_strcmp0(status, wanted)) {
            return;
        }
        g_assert_cmpstr(status, !=, "failed");
        g_assert_cmpstr(status, !=, "completed");
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

void set_bandwidth(uint64_t bytes)
{
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-set-parameters',"
                             "  'arguments': { 'max-bandwidth': %" PRIu64
                             " } }", bytes);
}

static void start_migration(const char *command, const char *path)
{
    g_autofree char *uri = g_strconcat("file:", path, NULL);

    qtest_qmp_assert_success(global_qtest, "{ 'execute': %s,"
                             "  'arguments': { 'uri': %s } }", command, uri);
}

void save(Side *side, const char *path)
{
    turn_to(side);
    set_bandwidth(1 * GiB);
    start_migration("migrate", path);
    wait_for("query-migrate", "completed");
}

void load(Side *side, const char *path)
{
    turn_to(side);
    start_migration("migrate-incoming", path);
    wait_for("query-migrate", "completed");
    look_at_device(side);
}

void load_fails(const char *path)
{
    g_autofree char *uri = g_strconcat("file:", path, NULL);

    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-incoming', 'arguments':"
                             "  { 'uri': %s, 'exit-on-error': false } }", uri);
    wait_for("query-migrate", "failed");
}

QVirtioMEM *restart_driver(Side *side)
{
    if (side->mem.vq) {
        qvirtqueue_cleanup(side->mem.vdev->bus, side->mem.vq, side->mem.alloc);
    }
    qvirtio_start_device(side->mem.vdev);
    qvirtio_mem_start(&side->mem, qvirtio_mem_usable_features(&side->mem));
    return turn_to(side);
}

void migrate_slowly(const char *path)
{
    set_bandwidth(1000);
    /* The VM has more, and what is empty would be sent within half a second. */
    qtest_memset(global_qtest, 24 * MiB, 1, 4 * MiB);
    start_migration("migrate", path);
    wait_for("query-migrate", "active");
}

void cancel(void)
{
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate_cancel' }");
    wait_for("query-migrate", "cancelled");
}

char *temporary_file(void)
{
    char *path = NULL;
    const int fd = g_file_open_tmp("virtio-mem-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return path;
}

void add_snapshot_disk(const char *path)
{
    QDict *job;
    const gint64 end = g_get_monotonic_time() + LOAD_TIMEOUT_US;

    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'file',"
        "  'node-name': 'file', 'filename': %s } }", path);
    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'blockdev-create', 'arguments': { 'job-id': 'format',"
        "  'options': { 'driver': 'qcow2', 'file': 'file',"
        "               'size': 1048576 } } }");
    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        job = qtest_qmp(global_qtest, "{ 'execute': 'job-dismiss',"
                        "  'arguments': { 'id': 'format' } }");
        if (!qdict_haskey(job, "return")) {
            qobject_unref(job);
            job = NULL;
            g_usleep(1000);
        }
    } while (!job);
    qobject_unref(job);
    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'qcow2',"
        "  'node-name': 'disk', 'file': 'file' } }");
}

void hmp(const char *line)
{
    g_autofree char *answer = qtest_hmp(global_qtest, "%s", line);

    g_assert_cmpstr(answer, ==, "");
}

char *trace_discards(const char *log)
{
    return g_strdup_printf("-trace ram_block_discard_* -D %s", log);
}

unsigned count_in(const char *log, const char *what)
{
    g_autofree char *text = NULL;
    unsigned count = 0;

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    for (const char *s = text; (s = strstr(s, what)); s++) {
        count++;
    }
    return count;
}

unsigned count_discards(const char *log)
{
    return count_in(log, "ram_block_discard_");
}

unsigned first_cpu(void)
{
    cpu_set_t allowed;
    unsigned cpu = 0;

    g_assert_cmpint(sched_getaffinity(0, sizeof(allowed), &allowed), ==, 0);
    while (!CPU_ISSET(cpu, &allowed)) {
        cpu++;
    }
    return cpu;
}
