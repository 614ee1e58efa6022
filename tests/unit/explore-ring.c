/*
 * virtio-mem, explore: the ring
 *
 * Instead of descriptors it holds requests by their number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "qemu/iov.h"
#include "explore-world.h"

typedef struct Element {
    VirtQueueElement elem;      /* index: number of the request */
    struct iovec out;
    struct iovec in;
} Element;

static VirtQueue *touch(VirtQueue *vq)
{
    MUST(world.transport, "a queue is used that was freed");
    world_touch(&world.transport->vdev);
    MUST(vq->handle_output, "a queue is used that was deleted");
    return vq;
}

static Request *request_of(const VirtQueueElement *elem)
{
    return &world.requests[elem->index];
}

/* --- the driver's side ---------------------------------------------------- */

/* UNPLUG and STATE have the fields of PLUG; whoever has none ignores them. */
static void encode(Request *request)
{
    const struct RequestText *text = &request_texts[request->kind];
    const struct virtio_mem_req wire = {
        .type = GUINT16_TO_LE(text->type),
        .u.plug.addr = GUINT64_TO_LE(4096 * MiB + text->first * MiB),
        .u.plug.nb_blocks = GUINT16_TO_LE(text->count),
    };

    memcpy(request->wire, &wire, sizeof(wire));
    memset(request->response, 0xff, sizeof(request->response));
}

void ring_add(RequestKind kind)
{
    Request *request = &world.requests[world.nb_requests++];

    g_assert(world.nb_requests <= WORLD_REQUESTS);
    *request = (Request) { .kind = kind };
    encode(request);
}

unsigned ring_count(Fate fate)
{
    unsigned count = 0;

    for (unsigned i = world_vq()->first; i < world.nb_requests; i++) {
        count += world.requests[i].fate == fate;
    }
    return count;
}

void ring_reset(VirtQueue *vq, hwaddr desc)
{
    for (unsigned i = vq->first; i < world.nb_requests; i++) {
        Request *request = &world.requests[i];

        MUST(request->fate != TAKEN || world.popping || world.answering,
             "a ring goes while '%s' is on its way",
             request_texts[request->kind].name);
        if (request->fate == WAITS || request->fate == TAKEN) {
            request->fate = GONE;
        }
    }
    vq->desc = desc;
    vq->first = vq->taken = vq->kicked = world.nb_requests;
    vq->in_use = 0;
    world.untold = world.unseen = false;
}

/* --- the device's side ---------------------------------------------------- */

hwaddr virtio_queue_get_desc_addr(VirtIODevice *vdev, int n)
{
    return touch(world_vq())->desc;
}

hwaddr virtio_queue_get_avail_addr(VirtIODevice *vdev, int n)
{
    return touch(world_vq())->desc;
}

hwaddr virtio_queue_get_used_addr(VirtIODevice *vdev, int n)
{
    return touch(world_vq())->desc;
}

hwaddr virtio_queue_get_desc_size(VirtIODevice *vdev, int n)
{
    return 1;
}

hwaddr virtio_queue_get_avail_size(VirtIODevice *vdev, int n)
{
    return 1;
}

hwaddr virtio_queue_get_used_size(VirtIODevice *vdev, int n)
{
    return 1;
}

int virtio_queue_empty(VirtQueue *vq)
{
    touch(vq);
    return vq->vdev->broken || !vq->desc || vq->taken == world.nb_requests;
}

void *virtqueue_pop(VirtQueue *vq, size_t size)
{
    Element *element;
    Request *request;

    if (virtio_queue_empty(vq)) {
        return NULL;
    }
    request = &world.requests[vq->taken];
    MUST(world_is_up() && vq->desc < WORLD_REGISTERS &&
         vq->vdev->vm_running, "'%s' is taken, and must wait",
         request_texts[request->kind].name);
    if (request->kind == BAD_CHAIN) {
        vq->taken++;
        request->fate = FORGOTTEN;
        world.popping = true;
        virtio_error(vq->vdev, "a bad chain");
        world.popping = false;
        return NULL;
    }
    request->fate = TAKEN;
    request->busy = world.migrating;
    request->outcome = NOT_ENDED;
    vq->in_use++;
    element = g_new(Element, 1);
    *element = (Element) {
        .elem = {
            .index = vq->taken++,
            .out_num = 1,
            .in_num = 1,
            .out_sg = &element->out,
            .in_sg = &element->in,
        },
        .out = {
            request->wire, sizeof(request->wire) - (request->kind == TOO_SHORT)
        },
        .in = { request->response, sizeof(request->response) },
    };
    return element;
}

void virtqueue_unpop(VirtQueue *vq, const VirtQueueElement *elem, unsigned len)
{
    Request *request = request_of(elem);

    touch(vq);
    MUST(!world.kind.packed, "something goes back into a packed ring");
    MUST(request->fate == TAKEN && elem->index == vq->taken - 1,
         "'%s' goes back and was not the last one taken",
         request_texts[request->kind].name);
    request->fate = WAITS;
    vq->taken--;
    vq->in_use--;
}

void virtqueue_detach_element(VirtQueue *vq, const VirtQueueElement *elem,
                              unsigned len)
{
    touch(vq);
    check_forgotten(request_of(elem));
    vq->in_use--;
}

void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem, unsigned len)
{
    Request *request = request_of(elem);

    touch(vq);
    if (request->fate == GONE && world.kind.aimed) {
        /* An answer before has taken the ring away: QEMU writes none. */
        check_forgotten(request);
        world.reported = false;
        return;
    }
    MUST(request->fate == TAKEN, "'%s' is answered %s",
         request_texts[request->kind].name,
         request->fate == GONE ? "into a ring that is gone" : "twice");
    for (unsigned i = vq->first; i < elem->index; i++) {
        MUST(world.requests[i].fate != TAKEN,
             "'%s' is answered before its turn",
             request_texts[request->kind].name);
    }
    MUST(vq->desc < WORLD_REGISTERS, "an answer goes into registers");
    MUST(len == sizeof(request->response), "an answer of %u bytes", len);
    check_answer(request);
    request->fate = ANSWERED;
    vq->in_use--;
    world.untold = !world.quiet;
    if (world.kind.aimed) {
        world.answering = true;
        qemu_answer_is_written();
        world.answering = false;
    }
}

VirtQueue *virtio_add_queue(VirtIODevice *vdev, int size,
                            VirtIOHandleOutput handle_output)
{
    VirtQueue *vq = world_vq();

    vq->vdev = vdev;
    vq->handle_output = handle_output;
    return vq;
}

void virtio_delete_queue(VirtQueue *vq)
{
    touch(vq)->handle_output = NULL;
}
