/*
 * virtio-mem: descriptors one by one, right or wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_RAW_H
#define TESTS_VIRTIO_MEM_RAW_H

#include "qemu/bswap.h"
#include "virtio-mem-snapshot.h"

/* Where a page of buffers, as alloc_buffers() makes it, has its parts. */
#define RAW_RESPONSE 1024
#define RAW_TABLE 2048
#define RAW_SIZE 4096

typedef enum Outcome {
    ANSWERED,
    NEEDS_RESET,
} Outcome;

/* A page with a PLUG of block 0; all that is not the request is 0xff. */
static inline uint64_t alloc_buffers(QVirtioMEM *mem)
{
    struct virtio_mem_req req;
    const uint64_t buffers = guest_alloc(mem->alloc, RAW_SIZE);

    memset(&req, 0xff, sizeof(req));
    req.type = cpu_to_le16(VIRTIO_MEM_REQ_PLUG);
    req.u.plug.addr = cpu_to_le64(block_addr(mem, 0));
    req.u.plug.nb_blocks = cpu_to_le16(1);
    qtest_memset(global_qtest, buffers, 0xff, RAW_SIZE);
    qtest_memwrite(global_qtest, buffers, &req, sizeof(req));
    return buffers;
}

/*
 * Write descriptor @index of @table, the ring's or an indirect one. libqos
 * expects each descriptor of a ring to name the one behind it as @next.
 */
static inline void put_desc(uint64_t table, uint16_t index, uint64_t addr,
                            uint32_t len, uint16_t flags, uint16_t next)
{
    const struct vring_desc desc = {
        .addr = cpu_to_le64(addr),
        .len = cpu_to_le32(len),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16(next),
    };

    qtest_memwrite(global_qtest, table + index * sizeof(desc), &desc,
                   sizeof(desc));
}

static inline uint16_t used_index(QVirtioMEM *mem)
{
    return readw(mem->vq->used + 2);
}

/* Make the chain at @head available. */
static inline void offer(QVirtioMEM *mem, uint16_t head)
{
    const QVirtQueue *vq = mem->vq;
    const uint16_t index = readw(vq->avail + 2);

    writew(vq->avail + 4 + 2 * (index % vq->size), head);
    writew(vq->avail + 2, index + 1);
    mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
}

/* Wait until something is answered after @used, or the device has stopped. */
static inline Outcome wait_outcome(QVirtioMEM *mem, uint16_t used)
{
    const int64_t start = g_get_monotonic_time();

    while (!needs_reset(mem)) {
        if (used_index(mem) != used) {
            return ANSWERED;
        }
        g_assert_cmpint(g_get_monotonic_time() - start, <=, TIMEOUT_US);
    }
    return NEEDS_RESET;
}

#endif
