/*
 * virtio-mem: a driver that writes anything anywhere
 *
 * Bursts of random descriptors, indices and register writes, none of which has
 * to make sense. QEMU has to survive each burst, and after a device reset the
 * device has to work as if nothing had been.
 *
 *   VIRTIO_MEM_SEED=n      repeat the run that printed this seed
 *   VIRTIO_MEM_BURSTS=n    how many bursts (300)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "standard-headers/linux/pci_regs.h"
#include "virtio-mem-raw.h"

#define PAGES 16            /* of buffers */
#define PAGE 4096

typedef struct Hostile {
    QVirtioMEM *mem;
    GRand *rand;
    uint64_t buffers;
    uint64_t region;
} Hostile;

static unsigned below(Hostile *h, unsigned end)
{
    return g_rand_int_range(h->rand, 0, end);
}

static uint64_t any_bits(Hostile *h)
{
    const uint64_t bits = (uint64_t)g_rand_int(h->rand) << 32 |
                          g_rand_int(h->rand);

    return below(h, 3) ? bits >> below(h, 64) : bits;
}

/* Memory, the device's memory, its registers, nothing, or anywhere. */
static uint64_t any_addr(Hostile *h)
{
    const QVirtioPCIDevice *dev = virtio_pci(h->mem);

    switch (below(h, 10)) {
    case 0:
        return h->region + below(h, 4 * BLOCK);
    case 1:
        return h->region + (any_bits(h) % REGION);
    case 2:
        return dev->bar.addr + below(h, 4 * PAGE);
    case 3:
        return 512 * MiB + below(h, PAGE);
    case 4:
        return UINT64_MAX - below(h, PAGE);
    default:
        return h->buffers + below(h, PAGES * PAGE);
    }
}

static uint32_t any_len(Hostile *h)
{
    static const uint32_t lens[] = {
        0, 1, 9, 10, 10, 10, 10, 11, 16, 23, 24, 24, 24, 25, 32, 64, 4096,
        0x7fffffff, 0xfffffff0, 0xffffffff,
    };

    return below(h, 4) ? lens[below(h, ARRAY_SIZE(lens))] : any_bits(h);
}

static void any_desc(Hostile *h, uint64_t table, uint16_t index, uint16_t nb)
{
    const uint16_t flags = below(h, 8) ? below(h, 4) : below(h, 0x10000);
    const uint16_t next = below(h, 4) ? below(h, nb) : below(h, 0x10000);

    put_desc(table, index, any_addr(h), any_len(h), flags, next);
}

/* A request, its fields mostly near the truth. */
static void any_request(Hostile *h)
{
    struct virtio_mem_req req;

    memset(&req, below(h, 0x100), sizeof(req));
    req.type = cpu_to_le16(below(h, 5));
    req.u.plug.addr = cpu_to_le64(below(h, 4) ? h->region + below(h, 8) * BLOCK
                                              : any_bits(h));
    req.u.plug.nb_blocks = cpu_to_le16(below(h, 4) ? below(h, 8) : any_bits(h));
    qtest_memwrite(global_qtest, h->buffers + below(h, PAGES) * PAGE, &req,
                   sizeof(req));
}

/* A chain that is right but for where it is. */
static void any_chain(Hostile *h)
{
    const QVirtQueue *vq = h->mem->vq;
    const uint64_t table = below(h, 3) ? vq->desc : any_addr(h);
    const uint16_t head = below(h, 8);

    put_desc(table, head, h->buffers + below(h, PAGES) * PAGE, 24,
             VRING_DESC_F_NEXT, head + 1);
    put_desc(table, head + 1, any_addr(h), 10, VRING_DESC_F_WRITE, head + 2);
    if (table != vq->desc) {
        put_desc(vq->desc, head, table, 32 + below(h, 4) * 16,
                 VRING_DESC_F_INDIRECT, head + 1);
    }
    offer(h->mem, head);
}

static void any_index(Hostile *h)
{
    const QVirtQueue *vq = h->mem->vq;
    const uint16_t index = readw(vq->avail + 2);

    writew(vq->avail + 2, index + (below(h, 4) ? below(h, 4) : any_bits(h)));
    writew(vq->avail, below(h, 8) ? 0 : any_bits(h));
}

static void any_register(Hostile *h)
{
    QVirtioPCIDevice *dev = virtio_pci(h->mem);
    const uint32_t offsets[] = {
        dev->common_cfg_offset, dev->common_cfg_offset, dev->isr_cfg_offset,
        dev->device_cfg_offset, dev->notify_cfg_offset,
    };
    const uint64_t offset = offsets[below(h, ARRAY_SIZE(offsets))] +
                            below(h, 64);

    switch (below(h, 4)) {
    case 0:
        qpci_io_writeb(dev->pdev, dev->bar, offset, any_bits(h));
        break;
    case 1:
        qpci_io_writew(dev->pdev, dev->bar, offset, any_bits(h));
        break;
    case 2:
        qpci_io_writel(dev->pdev, dev->bar, offset, any_bits(h));
        break;
    default:
        qpci_io_readl(dev->pdev, dev->bar, offset);
        break;
    }
}

/* Queue addresses that lead somewhere else, and on with the queue. */
static void any_ring(Hostile *h)
{
    QVirtQueue ring = *h->mem->vq;
    QVirtioPCIDevice *dev = virtio_pci(h->mem);

    ring.desc = below(h, 2) ? any_addr(h) : ring.desc;
    ring.avail = below(h, 2) ? any_addr(h) : ring.avail;
    ring.used = below(h, 2) ? any_addr(h) : ring.used;
    h->mem->vdev->bus->queue_select(h->mem->vdev, 0);
    h->mem->vdev->bus->set_queue_address(h->mem->vdev, &ring);
    qpci_io_writew(dev->pdev, dev->bar, dev->common_cfg_offset +
                   COMMON(cfg.queue_enable), 1);
}

static void any_deed(Hostile *h)
{
    QVirtioDevice *vdev = h->mem->vdev;
    const QVirtQueue *vq = h->mem->vq;
    QPCIDevice *pci = virtio_pci(h->mem)->pdev;

    switch (below(h, 64)) {
    case 0 ... 15:
        any_desc(h, vq->desc, below(h, 16), 16);
        break;
    case 16 ... 19:
        any_desc(h, h->buffers + below(h, PAGES) * PAGE, below(h, 16), 16);
        break;
    case 20 ... 27:
        any_request(h);
        break;
    case 28 ... 39:
        any_chain(h);
        break;
    case 40 ... 45:
        offer(h->mem, below(h, 4) ? below(h, 16) : any_bits(h));
        break;
    case 46 ... 49:
        any_index(h);
        break;
    case 50 ... 53:
        vdev->bus->virtqueue_kick(vdev, h->mem->vq);
        break;
    case 54 ... 57:
        any_register(h);
        break;
    case 58:
        any_ring(h);
        break;
    case 59:
        vdev->bus->set_status(vdev, any_bits(h));
        break;
    case 60:
        qpci_config_writew(pci, PCI_COMMAND, any_bits(h));
        break;
    case 61:
        resize(below(h, 16) * BLOCK);
        break;
    case 62:
        settle();
        break;
    default:
        qpci_device_enable(pci);
        vdev->bus->set_status(vdev, 15);
        break;
    }
}

/* The driver comes to its senses. */
static void recover(Hostile *h)
{
    QVirtioMEM *mem = h->mem;

    qpci_device_enable(virtio_pci(mem)->pdev);
    settle();
    restart_as_usual(mem);
    resize(4 * BLOCK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(usable_size(mem), ==, 4 * BLOCK + EXTENT);
    g_assert_cmpuint(requested_size(mem), ==, 4 * BLOCK);
    g_assert_cmpuint(config(mem, CONFIG(addr)), ==, h->region);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 1, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(state_of(mem, 1, 2), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(plugged_size(mem), ==, 2 * BLOCK);
    g_assert_cmpuint(queried_size(), ==, 2 * BLOCK);
}

static void anything_anywhere(void *obj, void *data, QGuestAllocator *alloc)
{
    const uint64_t nb_bursts = number_from_env("VIRTIO_MEM_BURSTS", 300);
    const uint32_t seed = number_from_env("VIRTIO_MEM_SEED", g_test_rand_int());
    const uint64_t features = FEATURE(RING_F_INDIRECT_DESC) |
                              FEATURE(RING_F_EVENT_IDX);
    Hostile h = { .mem = begin(obj, 4 * BLOCK) };

    g_test_message("VIRTIO_MEM_SEED=%u repeats this run", seed);
    h.rand = g_rand_new_with_seed(seed);
    h.buffers = guest_alloc(alloc, PAGES * PAGE);
    h.region = block_addr(h.mem, 0);
    for (uint64_t i = 0; i < nb_bursts; i++) {
        restart(h.mem, qvirtio_mem_usable_features(h.mem) |
                       (below(&h, 2) ? features : 0));
        for (int deeds = below(&h, 100); deeds > 0; deeds--) {
            any_deed(&h);
        }
        recover(&h);
    }
    guest_free(alloc, h.buffers);
    g_rand_free(h.rand);
}

static const QVirtioMEMTest tests[] = {
    { "random/anything-written-anywhere-is-survived", anything_anywhere },
};

static void register_hostile_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_hostile_tests);
