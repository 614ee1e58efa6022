/*
 * virtio-mem: what the monitor says and allows while a driver uses memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qobject/qdict.h"
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

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
    resize(0);
    assert_in_use("'size' != '0'");
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
    resize(BLOCK);
    assert_in_use("'requested-size' != '0'");
}

static const QVirtioMEMTest tests[] = {
    { "monitor/summary-counts-plugged-memory", summary_counts_plugged },
    { "monitor/no-unplug-while-plugged-or-requested", no_unplug_while_plugged },
};

static void register_monitor_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_monitor_tests);
