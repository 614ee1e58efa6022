/*
 * virtio-mem: a driver that writes anything anywhere
 *
 * Bursts of random descriptors, indices and register writes, none of which has
 * to make sense, to one of two devices. Addresses lie anywhere: in memory, in
 * registers, in configuration space, nowhere. Meanwhile the system is reset,
 * stopped and resized, and the device may be removed. QEMU has to survive each
 * burst, and after a device reset the device has to work as if nothing had
 * been.
 *
 *   VIRTIO_MEM_SEED=n      repeat the run that printed this seed
 *   VIRTIO_MEM_BURSTS=n    how many bursts of each test (60)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "standard-headers/linux/pci_regs.h"
#include "virtio-mem-world.h"

#define PAGES 16            /* of buffers */
#define PAGE 4096
#define SERIES 64           /* as many as a ring of 128 descriptors holds */
#define SLOT 64
#define PACKED_AVAIL (1 << 7)
#define INDIRECT FEATURE(RING_F_INDIRECT_DESC)
#define EVENT_IDX FEATURE(RING_F_EVENT_IDX)
#define PACKED FEATURE(F_RING_PACKED)

typedef struct Hostile {
    const char *options;
    World *world;
    WorldDevice *vm;            /* the one of this burst, mostly */
    GRand *rand;
    uint64_t buffers;
    uint64_t places[64];        /* of targets[] */
    uint64_t features;
    bool may_go;                /* what is done may remove a device */
    unsigned deeds, answered, stops, removals;
    uint8_t slots[SERIES * SLOT];
} Hostile;

static void command(const char *text)
{
    g_autofree char *line = g_strdup_printf("{ 'execute': '%s' }", text);

    qobject_unref(qtest_qmp(global_qtest, "%p",
                            qobject_from_json(line, &error_abort)));
}

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

/* Mostly at the beginning of a target, sometimes across it. */
static uint64_t any_target(Hostile *h)
{
    const uint64_t addr = h->places[below(h, nb_targets)];

    switch (below(h, 4)) {
    case 0:
        return addr - below(h, 16);
    case 1:
        return addr + below(h, 64);
    default:
        return addr;
    }
}

static uint64_t any_addr(Hostile *h)
{
    switch (below(h, 12)) {
    case 0:
        return h->vm->region + below(h, 4 * BLOCK);
    case 1:
        return h->vm->region + (any_bits(h) % WORLD_REGION);
    case 2:
        return h->vm->pci->bar.addr + below(h, 4 * PAGE);
    case 3:
        return UINT64_MAX - below(h, PAGE);
    case 4 ... 5:
        return any_target(h);
    default:
        return h->buffers + below(h, PAGES * PAGE);
    }
}

static uint64_t any_page(Hostile *h)
{
    return h->buffers + below(h, PAGES) * PAGE;
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
    static const uint16_t counts[] = { 1, 1, 1, 2, 4, 8, 8, 64 };
    struct virtio_mem_req req;

    memset(&req, below(h, 0x100), sizeof(req));
    req.type = cpu_to_le16(below(h, 5));
    req.u.plug.addr = cpu_to_le64(below(h, 8) ?
                                  h->vm->region + below(h, 16) * BLOCK :
                                  any_bits(h));
    req.u.plug.nb_blocks = cpu_to_le16(below(h, 8) ?
                                       counts[below(h, ARRAY_SIZE(counts))] :
                                       any_bits(h));
    qtest_memwrite(global_qtest, any_page(h), &req, sizeof(req));
}

/* A chain that is right but for where it is. */
static void any_chain(Hostile *h)
{
    const QVirtQueue *vq = h->vm->mem.vq;
    const uint64_t request = below(h, 8) ? any_page(h) : any_addr(h);
    const uint64_t table = below(h, 3) ? vq->desc : any_addr(h);
    const uint16_t head = 2 * below(h, 8);

    put_desc(table, head, request, 24, VRING_DESC_F_NEXT, head + 1);
    put_desc(table, head + 1, any_addr(h), 10, VRING_DESC_F_WRITE, head + 2);
    if (table != vq->desc) {
        put_desc(vq->desc, head, table, 32 + below(h, 4) * 16,
                 VRING_DESC_F_INDIRECT, head + 1);
    }
    offer(&h->vm->mem, head);
}

/* The same in a packed ring. */
static void any_packed_chain(Hostile *h)
{
    const QVirtQueue *vq = h->vm->mem.vq;
    const uint16_t head = below(h, 8);

    put_desc(vq->desc, head + 1, any_addr(h), 10, 0,
             PACKED_AVAIL | VRING_DESC_F_WRITE);
    put_desc(vq->desc, head, below(h, 8) ? any_page(h) : any_addr(h), 24, 0,
             PACKED_AVAIL | VRING_DESC_F_NEXT);
    h->vm->mem.vdev->bus->virtqueue_kick(h->vm->mem.vdev, h->vm->mem.vq);
}

/* A device that has stopped would let nothing be tried any more. */
static void revive(Hostile *h)
{
    QPCIDevice *pci = h->vm->pci->pdev;

    qpci_config_writew(pci, PCI_COMMAND, PCI_COMMAND_MEMORY |
                                         PCI_COMMAND_MASTER);
    world_start_queue(h->vm, h->vm->mem.vq, h->features);
}

/* One of many requests, few of which are big. */
static void any_quick_request(Hostile *h, struct virtio_mem_req *req)
{
    req->type = cpu_to_le16(below(h, 32) ? below(h, 4) : any_bits(h));
    req->u.plug.addr = cpu_to_le64(h->vm->region + below(h, 16) * BLOCK);
    req->u.plug.nb_blocks = cpu_to_le16(below(h, 16) ? 1 : 4);
}

/*
 * A ring full of requests at one kick. They may want the same for adjacent
 * blocks. One or none of the addresses leads somewhere else: the device would
 * stop before it comes to another one.
 */
static void any_series(Hostile *h)
{
    QVirtioMEM *mem = &h->vm->mem;
    const uint16_t nb = 2 + below(h, SERIES - 1), aimed = below(h, 2 * nb);
    const bool adjacent = below(h, 2), request = below(h, 4) == 0;
    const uint16_t type = below(h, 2);
    struct vring_desc table[2 * SERIES];
    uint16_t ring[SERIES], index, used;

    if (below(h, 8) && needs_reset(mem)) {
        h->stops++;
        revive(h);
    }
    index = readw(mem->vq->avail + 2);
    used = used_index(mem);
    for (unsigned i = 0; i < nb; i++) {
        const uint64_t slot = h->buffers + i * SLOT;
        struct virtio_mem_req req = {
            .type = cpu_to_le16(type),
            .u.plug.addr = cpu_to_le64(h->vm->region + i * BLOCK),
            .u.plug.nb_blocks = cpu_to_le16(1),
        };

        if (!adjacent) {
            any_quick_request(h, &req);
        }
        memcpy(h->slots + i * SLOT, &req, sizeof(req));
        table[2 * i] = (struct vring_desc) {
            .addr = cpu_to_le64(i == aimed && request ? any_addr(h) : slot),
            .len = cpu_to_le32(sizeof(req)),
            .flags = cpu_to_le16(VRING_DESC_F_NEXT),
            .next = cpu_to_le16(2 * i + 1),
        };
        table[2 * i + 1] = (struct vring_desc) {
            .addr = cpu_to_le64(i == aimed && !request ? any_addr(h)
                                                       : slot + SLOT / 2),
            .len = cpu_to_le32(sizeof(struct virtio_mem_resp)),
            .flags = cpu_to_le16(VRING_DESC_F_WRITE),
        };
        ring[i] = cpu_to_le16(2 * i);
    }
    qtest_memwrite(global_qtest, h->buffers, h->slots, nb * SLOT);
    qtest_memwrite(global_qtest, mem->vq->desc, table, 2 * nb * sizeof(*table));
    for (unsigned i = 0; i < nb; ) {
        const unsigned at = (uint16_t)(index + i) % mem->vq->size;
        const unsigned n = MIN(nb - i, mem->vq->size - at);

        qtest_memwrite(global_qtest, mem->vq->avail + 4 + 2 * at, ring + i,
                       2 * n);
        i += n;
    }
    writew(mem->vq->avail + 2, index + nb);
    mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
    /* By an event it is served a little later. */
    if (below(h, 4)) {
        command("query-status");
    }
    h->answered += MIN((uint16_t)(used_index(mem) - used), nb);
}

static void any_index(Hostile *h)
{
    const QVirtQueue *vq = h->vm->mem.vq;
    const uint16_t index = readw(vq->avail + 2);

    writew(vq->avail + 2, index + (below(h, 4) ? below(h, 4) : any_bits(h)));
    writew(vq->avail, below(h, 8) ? 0 : any_bits(h));
}

static void any_register(Hostile *h)
{
    QVirtioPCIDevice *dev = h->vm->pci;
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
    QVirtQueue ring = *h->vm->mem.vq;
    QVirtioPCIDevice *dev = h->vm->pci;
    QVirtioDevice *vdev = h->vm->mem.vdev;

    ring.desc = below(h, 2) ? any_addr(h) : ring.desc;
    ring.avail = below(h, 2) ? any_addr(h) : ring.avail;
    ring.used = below(h, 2) ? any_addr(h) : ring.used;
    vdev->bus->queue_select(vdev, 0);
    vdev->bus->set_queue_address(vdev, &ring);
    qpci_io_writew(dev->pdev, dev->bar, dev->common_cfg_offset +
                   COMMON(cfg.queue_enable), 1);
}

/* --- and what is not a matter of rings ------------------------------------ */

/* Also what resets or moves the device. What would remove it is not for all. */
static void any_config(Hostile *h)
{
    const World *world = h->world;
    const uint64_t space = below(h, 3) ? h->vm->config : world->port_config;
    const uint64_t addr = space + below(h, 0x100);

    if (!h->may_go && addr - world->slot_control + 3 < 5) {
        return;
    }
    switch (below(h, 3)) {
    case 0:
        writeb(addr, any_bits(h));
        break;
    case 1:
        writew(addr & ~1ULL, any_bits(h));
        break;
    default:
        if (h->may_go || (addr & ~3ULL) != (world->slot_control & ~3ULL)) {
            writel(addr & ~3ULL, any_bits(h));
        }
        break;
    }
}

static void any_interrupt(Hostile *h)
{
    static const uint32_t values[] = {
        0, 0, 1, 15, 0xffff, WORLD_POWER_OFF, PCI_BRIDGE_CTL_BUS_RESET << 16,
    };
    const uint64_t addr = below(h, 3) ? any_target(h) : any_addr(h);
    const uint32_t value = below(h, 4) ? values[below(h, ARRAY_SIZE(values))] :
                           any_bits(h);

    if (h->may_go || (addr & ~3ULL) != (h->world->slot_control & ~3ULL)) {
        world_aim_vectors(h->vm, addr, value);
    }
}

static void any_resize(Hostile *h)
{
    const int vm = h->vm - h->world->vm;
    const uint64_t size = below(h, 300) * BLOCK;

    qobject_unref(qtest_qmp(global_qtest,
                            "{ 'execute': 'memory-device-resize',"
                            "  'arguments': { 'id': %s, 'size': %" PRIu64
                            " } }", vm ? "vm1" : QVIRTIO_MEM_ID, size));
}

static void any_command(Hostile *h)
{
    switch (below(h, 8)) {
    case 0:
        command("stop");
        break;
    case 1 ... 2:
        command("cont");
        break;
    case 3:
        command("query-memory-devices");
        break;
    case 4:
        command("system_reset");
        break;
    case 5:
        if (h->may_go) {
            qobject_unref(qtest_qmp(global_qtest,
                                    "{ 'execute': 'device_del',"
                                    "  'arguments': { 'id': %s } }",
                                    QVIRTIO_MEM_ID));
        }
        break;
    default:
        any_resize(h);
        break;
    }
}

static void any_deed(Hostile *h)
{
    QVirtioDevice *vdev = h->vm->mem.vdev;
    const QVirtQueue *vq = h->vm->mem.vq;

    switch (below(h, 80)) {
    case 0 ... 9:
        any_desc(h, vq->desc, below(h, 16), 16);
        break;
    case 10 ... 11:
        any_desc(h, any_page(h), below(h, 16), 16);
        break;
    case 12 ... 19:
        any_request(h);
        break;
    case 20 ... 28:
        if (h->features & PACKED) {
            any_packed_chain(h);
        } else {
            any_chain(h);
        }
        break;
    case 29 ... 39:
        any_series(h);
        break;
    case 40 ... 45:
        offer(&h->vm->mem, below(h, 4) ? below(h, 16) : any_bits(h));
        break;
    case 46 ... 48:
        any_index(h);
        break;
    case 49 ... 53:
        vdev->bus->virtqueue_kick(vdev, h->vm->mem.vq);
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
        any_config(h);
        break;
    case 61 ... 62:
        any_interrupt(h);
        break;
    case 63:
        any_command(h);
        break;
    case 64:
        h->vm = &h->world->vm[below(h, 2)];
        break;
    case 65:
        settle();
        break;
    case 66 ... 67:
        revive(h);
        break;
    default:
        if (needs_reset(&h->vm->mem)) {
            h->stops++;
            revive(h);
        }
        break;
    }
}

/* --- bursts --------------------------------------------------------------- */

static void begin_world(Hostile *h)
{
    h->world = world_boot(h->options);
    h->buffers = guest_alloc(&h->world->qs->alloc, PAGES * PAGE);
}

/* Up with the drivers, as usual or with other kinds of rings. */
static void begin_burst(Hostile *h)
{
    static const uint64_t rings[] = {
        0, INDIRECT, INDIRECT, INDIRECT | EVENT_IDX, PACKED, PACKED | INDIRECT,
    };

    world_restart(h->world);
    for (unsigned i = 0; i < nb_targets; i++) {
        h->places[i] = target_addr(h->world, &targets[i]);
    }
    for (int i = 0; i < ARRAY_SIZE(h->world->vm); i++) {
        h->vm = &h->world->vm[i];
        h->features = qvirtio_mem_usable_features(&h->vm->mem) |
                      rings[below(h, ARRAY_SIZE(rings))];
        revive(h);
    }
    /* Booting takes longer than a burst. */
    h->may_go = !below(h, 20);
}

/* The device has gone, or is on its way, and QEMU is none the worse for it. */
static void end_of_device(Hostile *h)
{
    h->removals++;
    world_power_off(h->world);
    settle();
    command("query-memory-devices");
    qtest_system_reset(global_qtest);
    settle();
    world_leave(h->world);
    begin_world(h);
}

static void anything_anywhere(const void *options)
{
    const uint64_t nb_bursts = number_from_env("VIRTIO_MEM_BURSTS", 60);
    const uint32_t seed = number_from_env("VIRTIO_MEM_SEED", g_test_rand_int());
    Hostile h = {
        .options = options,
        .rand = g_rand_new_with_seed(seed),
    };

    g_assert_cmpuint(nb_targets, <=, ARRAY_SIZE(h.places));
    g_test_message("VIRTIO_MEM_SEED=%u repeats this run", seed);
    begin_world(&h);
    for (uint64_t i = 0; i < nb_bursts; i++) {
        begin_burst(&h);
        for (int deeds = below(&h, 200); deeds > 0; deeds--) {
            any_deed(&h);
            h.deeds++;
        }
        settle();
        command("cont");
        if (h.may_go || !world_has_device(h.world)) {
            end_of_device(&h);
        }
    }
    world_restart(h.world);
    world_leave(h.world);
    g_test_message("%u deeds and %u answers to series of requests; the devices"
                   " were seen to have stopped %u times, and vm0 was removed %u"
                   " times", h.deeds, h.answered, h.stops, h.removals);
    g_rand_free(h.rand);
}

#define PROTECTED ",unplugged-protection=auto,unplugged-protection-interval=5"

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("virtio-mem/hostile/at-once", ",ioeventfd=off",
                        anything_anywhere);
    qtest_add_data_func("virtio-mem/hostile/at-once-by-event", "",
                        anything_anywhere);
    qtest_add_data_func("virtio-mem/hostile/later",
                        ",prealloc=on,ioeventfd=off", anything_anywhere);
    qtest_add_data_func("virtio-mem/hostile/later-by-event", ",prealloc=on",
                        anything_anywhere);
    /* Rings and buffers may be where each access has to wait. */
    qtest_add_data_func("virtio-mem/hostile/guarded",
                        ",ioeventfd=off" PROTECTED, anything_anywhere);
    qtest_add_data_func("virtio-mem/hostile/guarded-later",
                        ",prealloc=on" PROTECTED, anything_anywhere);
    /* What is populated ahead meets what is plugged, discarded and reset. */
    qtest_add_data_func("virtio-mem/hostile/reserve",
                        ",prealloc=on,prealloc-reserve=64M", anything_anywhere);
    return g_test_run();
}
