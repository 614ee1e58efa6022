/*
 * virtio-mem: requests and responses in any shape
 *
 * A driver is free in how it cuts request and response into descriptors. What
 * cannot hold a request and a response stops the device, with nothing changed,
 * until the driver resets it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "virtio-mem-raw.h"

#define N VRING_DESC_F_NEXT
#define W VRING_DESC_F_WRITE
#define I VRING_DESC_F_INDIRECT
#define REQUEST_SIZE sizeof(struct virtio_mem_req)
#define RESPONSE_SIZE sizeof(struct virtio_mem_resp)
#define INDIRECT FEATURE(RING_F_INDIRECT_DESC)

/* --- shapes that have to work ----------------------------------------- */

/* Cut @size bytes at @addr into descriptors; returns the next free index. */
static uint16_t cut(uint64_t table, uint16_t index, uint64_t addr,
                    uint32_t size, uint16_t flags, bool last,
                    uint32_t max_piece)
{
    while (size) {
        const uint32_t len = max_piece > 1 ?
            MIN(size, g_test_rand_int_range(1, max_piece)) : 1;
        const bool more = size > len || !last;

        put_desc(table, index, addr, len, flags | (more ? N : 0), index + 1);
        addr += len;
        size -= len;
        index++;
    }
    return index;
}

/* PLUG of block 0 in pieces of less than @max_piece bytes, and with spare. */
static void plug_in_pieces(QVirtioMEM *mem, bool indirect, uint32_t max_piece,
                           uint32_t spare)
{
    const uint64_t buffers = alloc_buffers(mem);
    const uint64_t table = indirect ? buffers + RAW_TABLE : mem->vq->desc;
    const uint16_t used = used_index(mem);
    uint8_t tail[64];
    uint32_t written;
    uint16_t nb;

    nb = cut(table, 0, buffers, REQUEST_SIZE + spare, 0, false, max_piece);
    nb = cut(table, nb, buffers + RAW_RESPONSE, RESPONSE_SIZE + spare, W, true,
             max_piece);
    if (indirect) {
        put_desc(mem->vq->desc, 0, table, nb * sizeof(struct vring_desc), I, 1);
    }
    offer(mem, 0);
    g_assert_cmpint(wait_outcome(mem, used), ==, ANSWERED);
    g_assert_true(qvirtqueue_get_buf(global_qtest, mem->vq, NULL, &written));
    g_assert_cmpuint(written, ==, RESPONSE_SIZE);
    g_assert_cmpuint(readw(buffers + RAW_RESPONSE), ==, VIRTIO_MEM_RESP_ACK);
    qtest_memread(global_qtest, buffers + RAW_RESPONSE + RESPONSE_SIZE, tail,
                  sizeof(tail));
    for (size_t i = 0; i < sizeof(tail); i++) {
        g_assert_cmphex(tail[i], ==, 0xff);
    }
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    guest_free(mem->alloc, buffers);
}

static void single_bytes(void *obj, void *data, QGuestAllocator *alloc)
{
    plug_in_pieces(begin(obj, 1 * GiB), false, 1, 0);
}

static void single_bytes_indirect(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    restart(mem, qvirtio_mem_usable_features(mem) | INDIRECT);
    plug_in_pieces(mem, true, 1, 0);
}

static void any_pieces(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    restart(mem, qvirtio_mem_usable_features(mem) | INDIRECT);
    for (int i = 0; i < 100; i++) {
        plug_in_pieces(mem, i % 2, g_test_rand_int_range(2, 40),
                       g_test_rand_int_range(0, 30));
    }
}

/* Send @request_size bytes of PLUG, with room for @response_size bytes. */
static Outcome send_sized(QVirtioMEM *mem, uint32_t request_size,
                          uint32_t response_size)
{
    const uint64_t buffers = alloc_buffers(mem);
    const uint16_t used = used_index(mem);
    Outcome outcome;

    put_desc(mem->vq->desc, 0, buffers, request_size, response_size ? N : 0, 1);
    put_desc(mem->vq->desc, 1, buffers + RAW_RESPONSE, response_size, W, 0);
    offer(mem, 0);
    outcome = wait_outcome(mem, used);
    guest_free(mem->alloc, buffers);
    return outcome;
}

static void spare_room_is_left_alone(void *obj, void *data,
                                     QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    uint32_t written;

    g_assert_cmpint(send_sized(mem, 512, 2048), ==, ANSWERED);
    g_assert_true(qvirtqueue_get_buf(global_qtest, mem->vq, NULL, &written));
    g_assert_cmpuint(written, ==, RESPONSE_SIZE);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
}

/* --- shapes that stop the device -------------------------------------- */

static void too_small_buffer_needs_reset(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    for (uint32_t size = 1; size < REQUEST_SIZE; size++) {
        g_assert_cmpint(send_sized(mem, size, RESPONSE_SIZE), ==, NEEDS_RESET);
        g_assert_cmpuint(plugged_size(mem), ==, 0);
        restart_as_usual(mem);
    }
    for (uint32_t size = 0; size < RESPONSE_SIZE; size++) {
        g_assert_cmpint(send_sized(mem, REQUEST_SIZE, size), ==, NEEDS_RESET);
        g_assert_cmpuint(plugged_size(mem), ==, 0);
        restart_as_usual(mem);
    }
    g_assert_cmpuint(state_of(mem, 0, 1), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    assert_recovers(mem);
}

typedef enum Base {
    BUFFER,                 /* the page of alloc_buffers() */
    HOLE,                   /* where the machine has nothing */
    TOP,                    /* the last 16 bytes there are */
    DEVICE,                 /* plugged memory of the device */
} Base;

typedef struct Piece {
    Base base;
    uint32_t offset;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
} Piece;

typedef struct Shape {
    Piece pieces[4];
    Piece table;            /* if its flags are set, pieces are behind it */
    uint16_t head;
    bool may_work;          /* then QEMU need not stop the device */
} Shape;

/* QEMU has no longer queue, and 10.0.13 has no shorter one. */
#define MAX_QUEUE 1024

#define GOOD_REQUEST(next) { BUFFER, 0, REQUEST_SIZE, N, next }
#define GOOD_RESPONSE { BUFFER, RAW_RESPONSE, RESPONSE_SIZE, W }
#define GOOD_PIECES { GOOD_REQUEST(1), GOOD_RESPONSE }
#define TABLE(len) { BUFFER, RAW_TABLE, len, I }

static uint64_t piece_addr(QVirtioMEM *mem, uint64_t buffers,
                           const Piece *piece)
{
    switch (piece->base) {
    case BUFFER:
        return buffers + piece->offset;
    case HOLE:
        return 512 * MiB + piece->offset;
    case TOP:
        return UINT64_MAX - 15 + piece->offset;
    case DEVICE:
        return block_addr(mem, 10) + piece->offset;
    }
    g_assert_not_reached();
}

static void put_shape(QVirtioMEM *mem, uint64_t buffers, const Shape *shape)
{
    const Piece *table = &shape->table;
    const uint64_t descs = table->flags ? buffers + RAW_TABLE : mem->vq->desc;

    for (int i = 0; i < ARRAY_SIZE(shape->pieces); i++) {
        const Piece *piece = &shape->pieces[i];

        put_desc(descs, i, piece_addr(mem, buffers, piece), piece->len,
                 piece->flags, piece->next);
    }
    if (table->flags) {
        put_desc(mem->vq->desc, 0, piece_addr(mem, buffers, table), table->len,
                 table->flags, table->next);
    }
}

/*
 * The device stops and nothing has changed, or, where that is allowed, the
 * request is answered. After a reset it works as before.
 */
static void bad_shape(void *obj, void *data, QGuestAllocator *alloc)
{
    const Shape *shape = data;
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    Snapshot *before;
    uint64_t buffers;
    uint16_t used;

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_ACK);
    before = snapshot(mem);
    restart(mem, qvirtio_mem_usable_features(mem) | INDIRECT);
    buffers = alloc_buffers(mem);
    used = used_index(mem);
    put_shape(mem, buffers, shape);
    offer(mem, shape->head);
    if (wait_outcome(mem, used) == NEEDS_RESET) {
        g_assert_cmpuint(used_index(mem), ==, used);
        g_assert_cmphex(readq(buffers + RAW_RESPONSE), ==, UINT64_MAX);
        restart_as_usual(mem);
        assert_unchanged(mem, before);
    } else {
        g_assert_true(shape->may_work);
        g_free(before);
    }
    guest_free(alloc, buffers);
    assert_recovers(mem);
}

/* What is behind a request that stops the device waits for the reset. */
static void nothing_after_a_bad_request(void *obj, void *data,
                                        QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t buffers = alloc_buffers(mem);
    const QVirtQueue *vq = mem->vq;
    const uint16_t used = used_index(mem), index = readw(vq->avail + 2);

    put_desc(vq->desc, 0, buffers, 23, N, 1);
    put_desc(vq->desc, 1, buffers + RAW_RESPONSE, RESPONSE_SIZE, W, 0);
    put_desc(vq->desc, 2, buffers, REQUEST_SIZE, N, 3);
    put_desc(vq->desc, 3, buffers + RAW_RESPONSE, RESPONSE_SIZE, W, 0);
    writew(vq->avail + 4 + 2 * (index % vq->size), 0);
    writew(vq->avail + 4 + 2 * ((index + 1) % vq->size), 2);
    writew(vq->avail + 2, index + 1);
    offer(mem, 2);
    g_assert_cmpint(wait_outcome(mem, used), ==, NEEDS_RESET);
    for (int i = 0; i < 10; i++) {
        mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
    }
    settle();
    g_assert_cmpuint(used_index(mem), ==, used);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    guest_free(alloc, buffers);
    assert_recovers(mem);
}

#define BAD(...) bad_shape, .arg = &(const Shape) { __VA_ARGS__ }

static const QVirtioMEMTest tests[] = {
    { "buffers/spare-room-is-left-alone", spare_room_is_left_alone },
    { "buffers/request-and-response-may-come-in-single-bytes", single_bytes },
    { "buffers/indirect-descriptors-may-hold-single-bytes",
      single_bytes_indirect },
    { "buffers/request-and-response-may-be-cut-anyhow", any_pieces },

    { "buffers/too-small-needs-reset", too_small_buffer_needs_reset },
    { "buffers/what-follows-a-bad-request-is-not-served",
      nothing_after_a_bad_request },
    { "buffers/no-response-needs-reset",
      BAD({ { BUFFER, 0, REQUEST_SIZE } }) },
    { "buffers/no-request-needs-reset", BAD({ GOOD_RESPONSE }) },
    { "buffers/a-write-only-request-needs-reset",
      BAD({ { BUFFER, 0, REQUEST_SIZE, N | W, 1 }, GOOD_RESPONSE }) },
    { "buffers/a-read-only-response-needs-reset",
      BAD({ GOOD_REQUEST(1), { BUFFER, RAW_RESPONSE, RESPONSE_SIZE } }) },
    { "buffers/a-response-before-the-request-needs-reset",
      BAD({ { BUFFER, RAW_RESPONSE, RESPONSE_SIZE, N | W, 1 },
            { BUFFER, 0, REQUEST_SIZE } }) },
    { "buffers/nothing-in-the-request-needs-reset",
      BAD({ GOOD_REQUEST(1), { BUFFER, 0, 0, N, 2 }, GOOD_RESPONSE }) },
    { "buffers/nothing-in-the-response-needs-reset",
      BAD({ GOOD_REQUEST(1),
            { BUFFER, RAW_RESPONSE, RESPONSE_SIZE, N | W, 2 },
            { BUFFER, RAW_RESPONSE, 0, W } }) },

    { "chain/a-loop-in-the-request-needs-reset", BAD({ GOOD_REQUEST(0) }) },
    { "chain/a-loop-in-the-response-needs-reset",
      BAD({ GOOD_REQUEST(1), { BUFFER, RAW_RESPONSE, 1, N | W, 1 } }) },
    { "chain/a-next-beyond-the-table-needs-reset", BAD({ GOOD_REQUEST(MAX_QUEUE) }) },
    { "chain/a-next-of-65535-needs-reset", BAD({ GOOD_REQUEST(0xffff) }) },
    { "chain/a-head-beyond-the-table-needs-reset",
      BAD(GOOD_PIECES, .head = MAX_QUEUE) },
    { "chain/a-head-of-65535-needs-reset", BAD(GOOD_PIECES, .head = 0xffff) },

    { "place/a-request-outside-memory-is-survived",
      BAD({ { HOLE, 0, REQUEST_SIZE, N, 1 }, GOOD_RESPONSE },
          .may_work = true) },
    { "place/a-request-over-the-top-of-memory-is-survived",
      BAD({ { TOP, 0, REQUEST_SIZE, N, 1 }, GOOD_RESPONSE },
          .may_work = true) },
    { "place/a-response-outside-memory-is-survived",
      BAD({ GOOD_REQUEST(1), { HOLE, 0, RESPONSE_SIZE, W } },
          .may_work = true) },
    { "place/a-response-over-the-top-of-memory-is-survived",
      BAD({ GOOD_REQUEST(1), { TOP, 10, RESPONSE_SIZE, W } },
          .may_work = true) },
    { "place/a-request-of-4-GiB-is-survived",
      BAD({ { BUFFER, 0, UINT32_MAX, N, 1 }, GOOD_RESPONSE },
          .may_work = true) },
    { "place/a-response-of-4-GiB-is-survived",
      BAD({ GOOD_REQUEST(1), { BUFFER, RAW_RESPONSE, UINT32_MAX, W } },
          .may_work = true) },

    { "indirect/a-table-of-no-bytes-needs-reset",
      BAD(GOOD_PIECES, TABLE(0)) },
    { "indirect/a-table-of-one-and-a-half-descriptors-needs-reset",
      BAD(GOOD_PIECES, TABLE(24)) },
    { "indirect/a-table-that-ends-too-early-needs-reset",
      BAD(GOOD_PIECES, TABLE(16)) },
    { "indirect/a-table-of-16-MiB-is-survived",
      BAD(GOOD_PIECES, TABLE(16 * MiB), .may_work = true) },
    { "indirect/a-table-longer-than-memory-is-survived",
      BAD(GOOD_PIECES, TABLE(0xfffffff0), .may_work = true) },
    { "indirect/a-loop-needs-reset",
      BAD({ GOOD_REQUEST(0) }, TABLE(64)) },
    { "indirect/a-loop-in-16-MiB-needs-reset",
      BAD({ { BUFFER, 0, 1, N, 0 } }, TABLE(16 * MiB)) },
    { "indirect/a-next-beyond-the-table-needs-reset",
      BAD({ GOOD_REQUEST(4) }, TABLE(64)) },
    { "indirect/a-table-in-a-table-is-survived",
      BAD({ { BUFFER, RAW_TABLE + 16, 32, I | N, 1 }, GOOD_REQUEST(2),
            GOOD_RESPONSE }, TABLE(64), .may_work = true) },
    { "indirect/a-table-that-has-a-next-is-survived",
      BAD(GOOD_PIECES, { BUFFER, RAW_TABLE, 32, I | N, 0 },
          .may_work = true) },
    { "indirect/a-table-outside-memory-needs-reset",
      BAD(GOOD_PIECES, { HOLE, 0, 32, I }) },
    { "indirect/a-table-over-the-top-of-memory-needs-reset",
      BAD(GOOD_PIECES, { TOP, 0, 32, I }) },
    { "indirect/a-table-of-nothing-in-plugged-memory-needs-reset",
      BAD(GOOD_PIECES, { DEVICE, 0, 32, I }) },
};

static void register_buffers_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_buffers_tests);
