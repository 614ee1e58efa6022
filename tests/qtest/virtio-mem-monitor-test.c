/*
 * virtio-mem: what the monitor says and allows while a driver uses memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-mem-driver.h"

static uint64_t plugged_memory(void)
{
    uint64_t size;
    QDict *rsp, *summary;

    rsp = qtest_qmp(global_qtest,
                    "{ 'execute': 'query-memory-size-summary' }");
    summary = qdict_get_qdict(rsp, "return");
    size = qdict_get_int(summary, "plugged-memory");
    qobject_unref(rsp);
    return size;
}

static void summary_counts_plugged(void *obj, void *data,
                                   QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t others = plugged_memory();

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_memory(), ==, others + 5 * BLOCK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_memory(), ==, others);
}

static void assert_in_use(const char *why)
{
    QDict *error, *rsp;

    rsp = qtest_qmp(global_qtest, "{ 'execute': 'device_del',"
                    "  'arguments': { 'id': %s } }", QVIRTIO_MEM_ID);
    error = qdict_get_qdict(rsp, "error");
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), why));
    qobject_unref(rsp);
}

static void no_unplug_while_plugged(void *obj, void *data,
                                    QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    if (!on_x86()) {
        g_test_skip("libqos puts the device where nothing can be removed");
        return;
    }
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
    resize(0);
    assert_in_use("'size' != '0'");
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
    resize(BLOCK);
    assert_in_use("'requested-size' != '0'");
}

static void remove_log(void *log)
{
    unlink(log);
    g_free(log);
}

static void *trace_all(GString *cmd_line, void *arg)
{
    char *log = NULL;
    const int fd = g_file_open_tmp("virtio-mem-trace-XXXXXX", &log, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_test_queue_destroy(remove_log, log);
    g_string_append_printf(cmd_line, " -trace 'virtio_mem_*' -D %s ", log);
    return log;
}

/* QEMU lists the events of its own device, too; ours has to use all of them. */
static void each_trace_event_fires(void *obj, void *data,
                                   QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 64 * MiB);
    g_autofree char *log = NULL;
    const QListEntry *entry;
    QDict *rsp;

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_true(g_file_get_contents(data, &log, NULL, NULL));
    rsp = qtest_qmp(global_qtest, "{ 'execute': 'trace-event-get-state',"
                    "  'arguments': { 'name': 'virtio_mem_*' } }");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(rsp, "return")), >, 0);
    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        const QDict *event = qobject_to(QDict, qlist_entry_obj(entry));
        g_autofree char *start = g_strdup_printf("%s ",
                                                 qdict_get_str(event, "name"));

        g_test_message("%s", start);
        g_assert_nonnull(strstr(log, start));
    }
    qobject_unref(rsp);
}

static const QVirtioMEMTest tests[] = {
    { "monitor/summary-counts-plugged-memory", summary_counts_plugged },
    { "monitor/no-unplug-while-plugged-or-requested", no_unplug_while_plugged },
    { "monitor/each-trace-event-fires", each_trace_event_fires,
      .before = trace_all },
};

static void register_monitor_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_monitor_tests);
