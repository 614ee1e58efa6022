/*
 * virtio-mem: what the host cannot do just now is BUSY
 *
 * The backend is a file of this test, which takes memory away from QEMU by
 * truncating it, and makes it keep memory by sealing it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/memfd.h"
#include "qemu/module.h"
#include "virtio-mem-snapshot.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Stays open to the end, so that each test has a command line of its own. */
static void *memory_in_file(GString *cmd_line, void *arg)
{
    const int fd = memfd_create("virtio-mem-test", MFD_ALLOW_SEALING);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, REGION), ==, 0);
    g_string_append_printf(cmd_line, " -object memory-backend-file,id=file,"
                           "share=on,size=%llu,mem-path=/proc/%d/fd/%d",
                           REGION, getpid(), fd);
    return GINT_TO_POINTER(fd);
}

/* [28] */
static void plug_without_memory(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const int fd = GPOINTER_TO_INT(data);
    Snapshot *before;

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    count_size_events(NULL);
    before = snapshot(mem);
    g_assert_cmpint(ftruncate(fd, 2 * BLOCK), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_BUSY);
    assert_unchanged(mem, before);
    g_assert_cmpuint(count_size_events(NULL), ==, 0);
    /* What is an error, or too much, is so also when the host is short. */
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 1, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 2, 511), ==,
                     VIRTIO_MEM_RESP_NACK);

    g_assert_cmpint(ftruncate(fd, REGION), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 12 * BLOCK);
}

/*
 * The driver hears when it is worth to try again, less and less often as long
 * as there is nothing; and not at all when there is.
 */
static void told_to_try_again(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const int fd = GPOINTER_TO_INT(data);

    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_BUSY);
    config_notified(mem);
    g_assert_false(notified_within(mem, 500));
    g_assert_true(notified_within(mem, 1500));

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_BUSY);
    config_notified(mem);
    g_assert_false(notified_within(mem, 1500));
    g_assert_true(notified_within(mem, 1500));

    g_assert_cmpint(ftruncate(fd, REGION), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    config_notified(mem);
    g_assert_false(notified_within(mem, 1500));
}

/* [34, 38] */
static void unplug_without_discard(void *obj, void *data,
                                   QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const int fd = GPOINTER_TO_INT(data);
    Snapshot *before;

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_ACK);
    writeq(block_addr(mem, 10), 0x0123456789abcdef);
    resize(512 * MiB);
    count_size_events(NULL);
    before = snapshot(mem);
    g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 10, 5), ==,
                     VIRTIO_MEM_RESP_BUSY);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_BUSY);
    assert_unchanged(mem, before);
    g_assert_cmpuint(count_size_events(NULL), ==, 0);
    g_assert_cmphex(readq(block_addr(mem, 10)), ==, 0x0123456789abcdef);

    /* The next driver finds it plugged and unplugs it when it can. */
    reset_system(mem);
    g_assert_cmpuint(plugged_size(mem), ==, 10 * BLOCK);
    g_assert_cmpuint(state_of(mem, 10, 10), ==, VIRTIO_MEM_STATE_PLUGGED);
}

static const QVirtioMEMTest tests[] = {
    { "busy/plug-when-the-host-has-no-memory", plug_without_memory,
      "memdev=file,prealloc=on", memory_in_file },
    { "busy/told-to-try-again", told_to_try_again, "memdev=file,prealloc=on",
      memory_in_file },
    { "busy/unplug-when-the-host-cannot-discard", unplug_without_discard,
      "memdev=file", memory_in_file },
};

static void register_busy_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_busy_tests);
