/*
 * virtio-mem: rings of every kind and in every place
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "libqos/libqos-malloc.h"
#include "virtio-mem-raw.h"

static void write_common(QVirtioMEM *mem, uint64_t offset, uint16_t value)
{
    QVirtioPCIDevice *dev = virtio_pci(mem);

    qpci_io_writew(dev->pdev, dev->bar, dev->common_cfg_offset + offset, value);
}

static uint16_t read_common(QVirtioMEM *mem, uint64_t offset)
{
    QVirtioPCIDevice *dev = virtio_pci(mem);

    return qpci_io_readw(dev->pdev, dev->bar, dev->common_cfg_offset + offset);
}

/* --- features of the ring --------------------------------------------- */

/* Plug and unplug everything that one kick can hold, a few times. */
static void plug_block_by_block(QVirtioMEM *mem)
{
    const unsigned nb = batch_max(mem);
    g_autofree Request *requests = g_new0(Request, nb);
    g_autofree Answer *answers = g_new0(Answer, nb);

    for (int round = 0; round < 6; round++) {
        for (unsigned i = 0; i < nb; i++) {
            requests[i] = (Request) {
                round % 2 ? VIRTIO_MEM_REQ_UNPLUG : VIRTIO_MEM_REQ_PLUG,
                block_addr(mem, 0) + i * BLOCK, 1
            };
        }
        batch(mem, requests, answers, nb);
        for (unsigned i = 0; i < nb; i++) {
            g_assert_cmpuint(answers[i].type, ==, VIRTIO_MEM_RESP_ACK);
        }
        g_assert_cmpuint(plugged_size(mem), ==, round % 2 ? 0 : nb * BLOCK);
    }
}

static void full_ring(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 4 * GiB);

    plug_block_by_block(mem);
    restart(mem, qvirtio_mem_usable_features(mem) |
                 FEATURE(RING_F_INDIRECT_DESC));
    g_assert_cmpuint(batch_max(mem), ==, mem->vq->size);
    plug_block_by_block(mem);
}

static void event_index(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 4 * GiB);

    restart(mem, qvirtio_mem_usable_features(mem) |
                 FEATURE(RING_F_EVENT_IDX));
    plug_block_by_block(mem);
}

static void in_order(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 4 * GiB);

    g_assert_true(mem->features & FEATURE(F_IN_ORDER));
    plug_block_by_block(mem);
}

/*
 * Requests that take longer than the device works at once, and kicks while it
 * has more to do: each request is answered, once.
 */
static void kicks_while_at_work(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, REGION);
    g_autofree Request *requests = NULL;
    g_autofree Answer *answers = NULL;
    uint16_t used;
    unsigned nb;

    restart(mem, qvirtio_mem_usable_features(mem) |
                 FEATURE(RING_F_INDIRECT_DESC));
    nb = batch_max(mem);
    requests = g_new0(Request, nb);
    answers = g_new0(Answer, nb);
    used = used_index(mem);
    for (unsigned i = 0; i < nb; i++) {
        requests[i] = (Request) {
            i % 2 ? VIRTIO_MEM_REQ_UNPLUG_ALL : VIRTIO_MEM_REQ_PLUG,
            block_addr(mem, 0), REGION / BLOCK
        };
    }
    for (int round = 0; round < 10; round++) {
        const uint64_t buffers = batch_send(mem, requests, nb);

        for (int i = 0; i < 20; i++) {
            mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
        }
        batch_wait(mem, buffers, answers, nb);
        for (unsigned i = 0; i < nb; i++) {
            g_assert_cmpuint(answers[i].type, ==, VIRTIO_MEM_RESP_ACK);
        }
        settle();
        used += nb;
        g_assert_cmpuint(used_index(mem), ==, used);
        g_assert_cmpuint(plugged_size(mem), ==, 0);
    }
}

/* The queue alone is reset and used again; the device stays as it is. */
static void queue_reset(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    Snapshot *before;

    g_assert_true(mem->features & FEATURE(F_RING_RESET));
    request(mem, VIRTIO_MEM_REQ_PLUG, 3, 5);
    before = snapshot(mem);

    write_common(mem, COMMON(queue_reset), 1);
    g_assert_cmpuint(read_common(mem, COMMON(queue_reset)), ==, 0);
    g_assert_cmpuint(read_common(mem, COMMON(cfg.queue_enable)), ==, 0);
    g_assert_cmpuint(plugged_size(mem), ==, 5 * BLOCK);

    qvirtqueue_cleanup(mem->vdev->bus, mem->vq, mem->alloc);
    mem->vq = qvirtqueue_setup(mem->vdev, mem->alloc, 0);
    assert_unchanged(mem, before);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 3, 5), ==,
                     VIRTIO_MEM_RESP_ACK);
}

/* --- places ----------------------------------------------------------- */

/* An allocator for blocks 0 and 1, which are plugged first. */
static QGuestAllocator *alloc_in_blocks(QVirtioMEM *mem)
{
    QGuestAllocator *blocks = g_new0(QGuestAllocator, 1);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    alloc_init(blocks, ALLOC_NO_FLAGS, block_addr(mem, 0), block_addr(mem, 2),
               4096);
    return blocks;
}

static void free_alloc(QGuestAllocator *alloc)
{
    alloc_destroy(alloc);
    g_free(alloc);
}

/* Plugged memory is memory, for the device's own buffers too. */
static void buffers_in_plugged_memory(void *obj, void *data,
                                      QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QGuestAllocator *blocks = alloc_in_blocks(mem);

    mem->alloc = blocks;
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 2, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(state_of(mem, 0, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 2, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    mem->alloc = alloc;
    free_alloc(blocks);
}

/* Request and response lie in what the request unplugs: it is unplugged. */
static void buffers_in_memory_to_be_unplugged(void *obj, void *data,
                                              QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    static const uint16_t types[] = {
        VIRTIO_MEM_REQ_UNPLUG, VIRTIO_MEM_REQ_UNPLUG_ALL,
    };

    for (int i = 0; i < ARRAY_SIZE(types); i++) {
        QGuestAllocator *blocks = alloc_in_blocks(mem);
        const Request unplug = { types[i], block_addr(mem, 0), 2 };
        const uint16_t used = used_index(mem);
        uint64_t buffers;

        mem->alloc = blocks;
        buffers = batch_send(mem, &unplug, 1);
        wait_outcome(mem, used);
        guest_free(blocks, buffers);
        mem->alloc = alloc;
        free_alloc(blocks);

        restart_as_usual(mem);
        g_assert_cmpuint(plugged_size(mem), ==, 0);
        g_assert_cmpuint(state_of(mem, 0, 2), ==, VIRTIO_MEM_STATE_UNPLUGGED);
        assert_recovers(mem);
    }
}

/* Buffers in memory that is not plugged: whatever happens, QEMU goes on. */
static void buffers_in_unplugged_memory(void *obj, void *data,
                                        QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QGuestAllocator blocks;
    const Request plug = { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0), 1 };
    const uint16_t used = used_index(mem);

    alloc_init(&blocks, ALLOC_NO_FLAGS, block_addr(mem, 4), block_addr(mem, 5),
               4096);
    mem->alloc = &blocks;
    guest_free(&blocks, batch_send(mem, &plug, 1));
    wait_outcome(mem, used);
    mem->alloc = alloc;
    alloc_destroy(&blocks);
    restart_as_usual(mem);
    g_assert_cmpuint(state_of(mem, 4, 1), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    assert_recovers(mem);
}

/* The ring lies in plugged memory and works, until the memory is unplugged. */
static void ring_in_memory_to_be_unplugged(void *obj, void *data,
                                           QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    static const uint16_t types[] = {
        VIRTIO_MEM_REQ_UNPLUG, VIRTIO_MEM_REQ_UNPLUG_ALL,
    };

    for (int i = 0; i < ARRAY_SIZE(types); i++) {
        QGuestAllocator *blocks = alloc_in_blocks(mem);
        Request unplug[] = {
            { types[i], block_addr(mem, 0), 2 },
            { VIRTIO_MEM_REQ_STATE, block_addr(mem, 0), 1 },
        };
        uint64_t buffers;

        qvirtio_mem_stop(mem);
        qvirtio_set_acknowledge(mem->vdev);
        qvirtio_set_driver(mem->vdev);
        mem->alloc = blocks;
        qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem));
        g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 9, 1), ==,
                         VIRTIO_MEM_RESP_ACK);
        g_assert_cmpuint(state_of(mem, 0, 3), ==, VIRTIO_MEM_STATE_MIXED);
        g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 9, 1), ==,
                         VIRTIO_MEM_RESP_ACK);

        buffers = batch_send(mem, unplug, ARRAY_SIZE(unplug));
        settle();
        guest_free(blocks, buffers);
        mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
        settle();
        qvirtio_mem_stop(mem);
        mem->alloc = alloc;
        free_alloc(blocks);
        qvirtio_set_acknowledge(mem->vdev);
        qvirtio_set_driver(mem->vdev);
        qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem));
        g_assert_cmpuint(plugged_size(mem), ==, 0);
        g_assert_cmpuint(state_of(mem, 0, 2), ==, VIRTIO_MEM_STATE_UNPLUGGED);
        assert_recovers(mem);
    }
}

/*
 * The response goes to the device's own registers, one after the other; some
 * of them reset the device or start it while it writes the response.
 */
static void response_into_own_registers(void *obj, void *data,
                                        QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QVirtioPCIDevice *dev = virtio_pci(mem);
    const uint32_t offsets[] = {
        dev->common_cfg_offset, dev->isr_cfg_offset, dev->device_cfg_offset,
        dev->notify_cfg_offset,
    };

    for (int i = 0; i < ARRAY_SIZE(offsets); i++) {
        for (uint32_t offset = 0; offset < 60; offset += 2) {
            const uint64_t buffers = alloc_buffers(mem);
            const uint64_t bar = dev->bar.addr;

            put_desc(mem->vq->desc, 0, buffers, sizeof(struct virtio_mem_req),
                     VRING_DESC_F_NEXT, 1);
            put_desc(mem->vq->desc, 1, bar + offsets[i] + offset,
                     sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, 2);
            offer(mem, 0);
            settle();
            guest_free(alloc, buffers);
            restart_as_usual(mem);
            request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
        }
    }
    assert_recovers(mem);
}

/* --- indices ---------------------------------------------------------- */

/* The available index moves by more than there are descriptors, or back. */
static void available_index_jumps(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint16_t size = mem->vq->size;
    const uint16_t jumps[] = { size + 1, 2 * size, 0x7fff, 0x8000, 0xffff };

    for (int i = 0; i < ARRAY_SIZE(jumps); i++) {
        const QVirtQueue *vq = mem->vq;
        const uint64_t buffers = alloc_buffers(mem);
        const uint16_t index = readw(vq->avail + 2);

        put_desc(vq->desc, 0, buffers, sizeof(struct virtio_mem_req),
                 VRING_DESC_F_NEXT, 1);
        put_desc(vq->desc, 1, buffers + RAW_RESPONSE,
                 sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, 2);
        qtest_memset(global_qtest, vq->avail + 4, 0, 2 * size);
        writew(vq->avail + 2, index + jumps[i]);
        mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
        settle();
        guest_free(alloc, buffers);
        restart_as_usual(mem);
        /* It was one request, however often: a block, or none. */
        g_assert_cmpuint(plugged_size(mem), <=, BLOCK);
        g_assert_cmpuint(state_of(mem, 0, 1), ==,
                         plugged_size(mem) ? VIRTIO_MEM_STATE_PLUGGED
                                           : VIRTIO_MEM_STATE_UNPLUGGED);
    }
    assert_recovers(mem);
}

static const QVirtioMEMTest tests[] = {
    { "ring/a-full-ring-is-answered", full_ring },
    { "ring/works-with-event-index", event_index },
    { "ring/works-in-order", in_order, "in_order=on" },
    { "ring/kicks-while-at-work-answer-nothing-twice", kicks_while_at_work },
    { "ring/a-queue-reset-changes-no-block", queue_reset },
    { "place/buffers-may-lie-in-plugged-memory", buffers_in_plugged_memory },
    { "place/buffers-in-memory-to-be-unplugged-are-survived",
      buffers_in_memory_to_be_unplugged },
    { "place/buffers-in-unplugged-memory-are-survived",
      buffers_in_unplugged_memory },
    { "place/a-ring-in-memory-to-be-unplugged-is-survived",
      ring_in_memory_to_be_unplugged },
    { "place/a-response-into-own-registers-is-survived",
      response_into_own_registers },
    { "ring/an-available-index-that-jumps-is-survived", available_index_jumps },
};

static void register_ring_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_ring_tests);
