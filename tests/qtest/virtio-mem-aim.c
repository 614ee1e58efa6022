/*
 * virtio-mem: requests of which an address is aimed at something
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-aim.h"

#define ANSWERS_MS 100

const Kind kinds[NB_KINDS] = {
    { "state", CALLED, true, { { VIRTIO_MEM_REQ_STATE, 0, 8 } }, 1 },
    { "small-plug", BY_EVENT, false, { { VIRTIO_MEM_REQ_PLUG, 0, 1 } }, 1 },
    { "big-plug", CALLED | BY_EVENT, true, { { VIRTIO_MEM_REQ_PLUG, 0, 8 } }, 1 },
    { "big-unplug", BY_EVENT, false, { { VIRTIO_MEM_REQ_UNPLUG, 0, 8 } }, 1, 8 },
    { "unplugs-together", CALLED, false,
      { { VIRTIO_MEM_REQ_UNPLUG, 0, 3 }, { VIRTIO_MEM_REQ_UNPLUG, 3, 3 },
        { VIRTIO_MEM_REQ_UNPLUG, 6, 2 } }, 3, 8 },
    { "unplug-all", BY_EVENT, false, { { VIRTIO_MEM_REQ_UNPLUG_ALL } }, 1, 8 },
    { "plugs-together", CALLED | BY_EVENT, false,
      { { VIRTIO_MEM_REQ_PLUG, 0, 1 }, { VIRTIO_MEM_REQ_PLUG, 1, 1 },
        { VIRTIO_MEM_REQ_PLUG, 2, 1 } }, 3, .at_once = true },
};

const char *options_of(How how, bool at_once)
{
    if (at_once) {
        return how == CALLED ? ",ioeventfd=off" : "";
    }
    return how == CALLED ? ",prealloc=on,ioeventfd=off" : ",prealloc=on";
}

const char *const how_names[] = {
    [CALLED] = "called", [BY_EVENT] = "by-event",
};

/* Behind them in the ring, so that there is something to begin with. */
static const Request behind[] = {
    { VIRTIO_MEM_REQ_PLUG, 20, 1 }, { VIRTIO_MEM_REQ_PLUG, 22, 1 },
};

const char *const places[NB_PLACES] = {
    "nothing", "spoiled", "response", "responses", "request", "indirect-table",
    "table", "avail", "used-index", "used-element",
};

bool is_written(Place place)
{
    return place == RESPONSE || place == RESPONSES || place == USED_INDEX ||
           place == USED_ELEMENT;
}

Now now;

void tell_case(void *data)
{
    fprintf(stderr, "the case was: %s, %s at %s, with '%s'\n", now.kind,
            now.place, now.target, now.options);
}

static void put_request(uint64_t addr, const Request *request, uint64_t region)
{
    struct virtio_mem_req req;

    memset(&req, 0xff, sizeof(req));
    req.type = cpu_to_le16(request->type);
    req.u.plug.addr = cpu_to_le64(region + request->addr * BLOCK);
    req.u.plug.nb_blocks = cpu_to_le16(request->nb_blocks);
    qtest_memwrite(global_qtest, addr, &req, sizeof(req));
}

void put_table(uint64_t table, uint64_t slot, uint16_t head)
{
    put_desc(table, head, slot, sizeof(struct virtio_mem_req),
             VRING_DESC_F_NEXT, head + 1);
    put_desc(table, head + 1, slot + RAW_RESPONSE / 8,
             sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, head + 2);
}

QVirtQueue placed_ring(const QVirtioMEM *mem, Place place, uint64_t addr)
{
    QVirtQueue ring = *mem->vq;

    if (place == TABLE) {
        ring.desc = addr;
    } else if (place == AVAIL) {
        ring.avail = addr;
    } else if (place == USED_INDEX) {
        ring.used = addr - offsetof(struct vring_used, idx);
    } else if (place == USED_ELEMENT) {
        ring.used = addr - offsetof(struct vring_used, ring);
    }
    return ring;
}

uint16_t send_aimed(WorldDevice *vm, const Kind *kind, Place place,
                    uint64_t addr, bool keeps, uint64_t buffers)
{
    QVirtioMEM *mem = &vm->mem;
    const QVirtQueue *vq = mem->vq;
    const uint64_t region = vm->region;
    const unsigned nb = kind->nb + ARRAY_SIZE(behind);
    const uint16_t index = readw(vq->avail + 2);
    const uint16_t used = used_index(mem);

    for (unsigned i = 0; i < nb; i++) {
        const Request *request = i < kind->nb ? &kind->requests[i] :
                                 &behind[i - kind->nb];
        const uint64_t slot = buffers + i * SLOT;
        uint16_t head = 2 * i;

        put_request(slot, request, region);
        put_table(vq->desc, slot, head);
        if (i == 0 && place == REQUEST) {
            if (keeps) {
                put_request(addr, request, region);
            }
            writeq(vq->desc, addr);
        } else if (i == 0 && place == INDIRECT_TABLE) {
            if (keeps) {
                put_table(addr, slot, 0);
            }
            put_desc(vq->desc, head, addr, 2 * sizeof(struct vring_desc),
                     VRING_DESC_F_INDIRECT, 1);
        } else if (place == RESPONSES || (i == 0 && place == RESPONSE)) {
            writeq(vq->desc + (head + 1) * sizeof(struct vring_desc), addr);
        } else if (i == 0 && place == TABLE && keeps) {
            put_table(addr, slot, 0);
        } else if (i == kind->nb && place == SPOILED) {
            writel(vq->desc + head * sizeof(struct vring_desc) +
                   offsetof(struct vring_desc, len), 0);
        }
        writew(vq->avail + 4 + 2 * ((index + i) % vq->size), head);
    }
    writew(vq->avail + 2, index + nb);
    if (place == AVAIL && keeps) {
        const uint16_t ring[] = { 0, cpu_to_le16(1), 0 };

        qtest_memwrite(global_qtest, addr, ring, sizeof(ring));
    }
    mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
    return used + nb;
}

void await_answers(QVirtioMEM *mem, uint16_t wanted)
{
    const gint64 end = g_get_monotonic_time() + ANSWERS_MS * 1000;

    while (used_index(mem) != wanted && !needs_reset(mem) &&
           g_get_monotonic_time() < end) {
        mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
        settle();
    }
}

void prepare(World *world, const Kind *kind)
{
    QVirtioMEM *mem = &world->vm[0].mem;

    world_restart_vm0(world);
    if (kind->before) {
        g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, kind->before),
                         ==, VIRTIO_MEM_RESP_ACK);
    }
}
