/*
 * virtio-mem: a packed ring (VIRTIO 1.2, 2.8)
 *
 * libqos has no code for packed rings; this is as much as is needed here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "virtio-mem-raw.h"

#define AVAIL (1 << 7)      /* flags of a packed descriptor */
#define USED (1 << 15)

typedef struct Packed {
    QVirtioMEM *mem;
    uint64_t buffers;
    uint16_t next;          /* the first free descriptor */
    bool wrap;              /* the driver's wrap counter */
} Packed;

static void put_packed(Packed *ring, uint64_t addr, uint32_t len,
                       uint16_t flags)
{
    const uint64_t desc = ring->mem->vq->desc + 16 * ring->next;

    writeq(desc, addr);
    writel(desc + 8, len);
    writew(desc + 12, 0);
    writew(desc + 14, flags | (ring->wrap ? AVAIL : USED));
    if (++ring->next == ring->mem->vq->size) {
        ring->next = 0;
        ring->wrap = !ring->wrap;
    }
}

static bool is_used(uint64_t desc, bool wrap)
{
    const uint16_t flags = readw(desc + 14);

    return !!(flags & AVAIL) == wrap && !!(flags & USED) == wrap;
}

static uint16_t packed_request(Packed *ring, uint16_t type, uint64_t block,
                               uint16_t nb_blocks, uint16_t *state)
{
    const uint64_t desc = ring->mem->vq->desc + 16 * ring->next;
    const uint64_t response = ring->buffers + RAW_RESPONSE;
    const bool wrap = ring->wrap;
    const int64_t start = g_get_monotonic_time();
    const struct virtio_mem_req req = {
        .type = cpu_to_le16(type),
        .u.plug.addr = cpu_to_le64(block_addr(ring->mem, block)),
        .u.plug.nb_blocks = cpu_to_le16(nb_blocks),
    };

    qtest_memwrite(global_qtest, ring->buffers, &req, sizeof(req));
    put_packed(ring, ring->buffers, sizeof(req), VRING_DESC_F_NEXT);
    put_packed(ring, response, sizeof(struct virtio_mem_resp),
               VRING_DESC_F_WRITE);
    ring->mem->vdev->bus->virtqueue_kick(ring->mem->vdev, ring->mem->vq);
    while (!is_used(desc, wrap)) {
        g_assert_false(needs_reset(ring->mem));
        g_assert_cmpint(g_get_monotonic_time() - start, <=, TIMEOUT_US);
    }
    g_assert_cmpuint(readl(desc + 8), ==, sizeof(struct virtio_mem_resp));
    if (state) {
        *state = readw(response + offsetof(struct virtio_mem_resp, u));
    }
    return readw(response);
}

static Packed start_packed(QVirtioMEM *mem)
{
    reset_device(mem);
    qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem) |
                           FEATURE(F_RING_PACKED));
    qtest_memset(global_qtest, mem->vq->desc, 0, 16 * mem->vq->size);
    return (Packed) {
        .mem = mem,
        .buffers = guest_alloc(mem->alloc, RAW_SIZE),
        .wrap = true,
    };
}

/* More requests than two rounds of the ring take. */
static void packed_ring(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, REGION);
    Packed ring = start_packed(mem);
    const unsigned nb = mem->vq->size + 10;
    uint16_t state;

    for (unsigned i = 0; i < nb; i++) {
        g_assert_cmpuint(packed_request(&ring, VIRTIO_MEM_REQ_PLUG, 2 * i, 1,
                                        NULL), ==, VIRTIO_MEM_RESP_ACK);
        g_assert_cmpuint(plugged_size(mem), ==, (i + 1) * BLOCK);
    }
    g_assert_cmpuint(packed_request(&ring, VIRTIO_MEM_REQ_PLUG, 0, 1, NULL), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(packed_request(&ring, VIRTIO_MEM_REQ_STATE, 0, 2, &state),
                     ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(state, ==, VIRTIO_MEM_STATE_MIXED);
    g_assert_cmpuint(packed_request(&ring, VIRTIO_MEM_REQ_UNPLUG, 2, 1, NULL),
                     ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(packed_request(&ring, VIRTIO_MEM_REQ_STATE, 1, 3, &state),
                     ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(state, ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(plugged_size(mem), ==, (nb - 1) * BLOCK);
    guest_free(alloc, ring.buffers);
    restart_as_usual(mem);
    g_assert_cmpuint(plugged_size(mem), ==, (nb - 1) * BLOCK);
}

static void packed_too_small(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    static const uint32_t sizes[][2] = { { 23, 10 }, { 24, 9 }, { 24, 0 } };

    for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
        Packed ring = start_packed(mem);

        guest_free(alloc, ring.buffers);
        ring.buffers = alloc_buffers(mem);
        put_packed(&ring, ring.buffers, sizes[i][0], VRING_DESC_F_NEXT);
        put_packed(&ring, ring.buffers + RAW_RESPONSE, sizes[i][1],
                   VRING_DESC_F_WRITE);
        mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
        settle();
        g_assert_true(needs_reset(mem));
        g_assert_cmpuint(plugged_size(mem), ==, 0);
        guest_free(alloc, ring.buffers);
        assert_recovers(mem);
    }
}

static const QVirtioMEMTest tests[] = {
    { "packed/plug-unplug-and-state-work", packed_ring, "packed=on" },
    { "packed/too-small-needs-reset", packed_too_small, "packed=on" },
};

static void register_packed_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_packed_tests);
