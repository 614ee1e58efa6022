/*
 * virtio-mem: requests and their answers
 *
 * Each test is a sentence about the device; numbers in brackets are the
 * demands of the specification as docs/devel/spec-matrix.md lists them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "virtio-mem-snapshot.h"

/* --- plug, unplug, state ---------------------------------------------- */

/* [3, 25, 29] */
static void plug_one_block(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    uint64_t told = 0;

    count_size_events(NULL);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 5, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    g_assert_cmpuint(queried_size(), ==, BLOCK);
    g_assert_cmpuint(state_of(mem, 5, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 0, 5), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 6, 5), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(count_size_events(&told), ==, 1);
    g_assert_cmpuint(told, ==, BLOCK);
}

/* [27, 33]: whatever state the other blocks have. */
static void wrong_state_is_error(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 9, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 19, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 10), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 9, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 19, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);

    g_assert_cmpuint(plugged_size(mem), ==, 10 * BLOCK);
    g_assert_cmpuint(state_of(mem, 10, 10), ==, VIRTIO_MEM_STATE_PLUGGED);
}

static void plug_beyond_requested_is_nack(void *obj, void *data,
                                          QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 4 * BLOCK);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 5), ==,
                     VIRTIO_MEM_RESP_NACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 4), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 4, 1), ==,
                     VIRTIO_MEM_RESP_NACK);
    g_assert_cmpuint(plugged_size(mem), ==, 4 * BLOCK);
    g_assert_cmpuint(state_of(mem, 4, 1), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    /* An error beyond the requested size is an error. */
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 3, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
}

/* [26, 32, 44] */
static void bad_range_is_error(void *obj, void *data, QGuestAllocator *alloc)
{
    static const uint16_t types[] = {
        VIRTIO_MEM_REQ_PLUG, VIRTIO_MEM_REQ_UNPLUG, VIRTIO_MEM_REQ_STATE,
    };
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t addr = block_addr(mem, 0);
    const uint64_t usable = usable_size(mem);
    const struct {
        uint64_t addr;
        uint16_t nb_blocks;
    } bad[] = {
        { addr, 0 },
        { addr + 1, 1 },
        { addr + BLOCK / 2, 1 },
        { addr - BLOCK, 1 },
        { addr - BLOCK, 2 },
        { 0, 1 },
        { addr + usable, 1 },
        { addr + usable - BLOCK, 2 },
        { addr + REGION, 1 },
        { addr, 0xffff },
        { -BLOCK, 1 },
        { -BLOCK, 2 },
        { -BLOCK, 0xffff },
    };

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 512);
    for (int t = 0; t < ARRAY_SIZE(types); t++) {
        for (int i = 0; i < ARRAY_SIZE(bad); i++) {
            g_assert_cmpuint(qvirtio_mem_request(global_qtest, mem, types[t],
                                                 bad[i].addr, bad[i].nb_blocks,
                                                 NULL), ==,
                             VIRTIO_MEM_RESP_ERROR);
        }
    }
    g_assert_cmpuint(plugged_size(mem), ==, 1 * GiB);
    g_assert_cmpuint(state_of(mem, 0, 512), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, usable / BLOCK - 1, 1), ==,
                     VIRTIO_MEM_STATE_UNPLUGGED);
}

/* [43-46] */
static void state_is_accurate(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 63, 2);
    g_assert_cmpuint(state_of(mem, 0, 63), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 63, 2), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 64, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 65, 400), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 62, 2), ==, VIRTIO_MEM_STATE_MIXED);
    g_assert_cmpuint(state_of(mem, 64, 2), ==, VIRTIO_MEM_STATE_MIXED);
    g_assert_cmpuint(state_of(mem, 0, 512), ==, VIRTIO_MEM_STATE_MIXED);
}

/* [35] */
static void unplug_part(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 16);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 4, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 8 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 4, 8), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 12, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
}

/* [36-41] */
static void unplug_all(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 16);
    request(mem, VIRTIO_MEM_REQ_PLUG, 100, 16);
    g_assert_cmpuint(qvirtio_mem_request(global_qtest, mem,
                                         VIRTIO_MEM_REQ_UNPLUG_ALL, UINT64_MAX,
                                         UINT16_MAX, NULL), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(state_of(mem, 0, 512), ==, VIRTIO_MEM_STATE_UNPLUGGED);
}

static void many_blocks_at_once(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, REGION);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 4096), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 4096 * BLOCK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 4096), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
}

static void unknown_request_is_error(void *obj, void *data,
                                     QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    g_assert_cmpuint(request(mem, 4, 0, 1), ==, VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, 0xffff, 0, 1), ==, VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
}

static const QVirtioMEMTest tests[] = {
    { "plug/one-block", plug_one_block },
    { "plug/wrong-state-is-error", wrong_state_is_error },
    { "plug/beyond-requested-is-nack", plug_beyond_requested_is_nack },
    { "plug/bad-range-is-error", bad_range_is_error },
    { "plug/many-blocks-at-once", many_blocks_at_once },
    { "state/is-accurate", state_is_accurate },
    { "unplug/part", unplug_part },
    { "unplug/all", unplug_all },
    { "unknown-request-is-error", unknown_request_is_error },
};

static void register_request_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_request_tests);
