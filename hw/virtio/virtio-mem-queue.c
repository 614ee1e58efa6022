/*
 * virtio-mem: the request queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "standard-headers/linux/virtio_mem.h"
#include "trace.h"
#include "virtio-mem-effects.h"
#include "virtio-mem-live.h"
#include "virtio-mem-queue.h"

#define VIRTIO_MEM_QUEUE_SIZE 128

/*
 * How long requests are handled before the main loop gets its turn: a guest
 * that keeps the ring full must not keep the monitor from answering.
 */
#define VIRTIO_MEM_SLICE_NS (1 * SCALE_MS)

/* --- elements ------------------------------------------------------------ */

/*
 * The guest is free in how it cuts request and response into descriptors
 * (VIRTIO 1.2, 2.7.4); it only has to leave enough room.
 */
static bool element_read(VirtIOMEMQueue *queue, VirtQueueElement *elem,
                         VirtIOMEMRequest *req)
{
    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];

    if (iov_to_buf(elem->out_sg, elem->out_num, 0, wire, sizeof(wire)) <
        sizeof(wire)) {
        virtio_error(VIRTIO_DEVICE(queue->vmem),
                     "virtio-mem request is shorter than %zu bytes",
                     sizeof(wire));
        return false;
    }
    if (iov_size(elem->in_sg, elem->in_num) < VIRTIO_MEM_RESPONSE_SIZE) {
        virtio_error(VIRTIO_DEVICE(queue->vmem),
                     "virtio-mem response does not have %d bytes of room",
                     VIRTIO_MEM_RESPONSE_SIZE);
        return false;
    }
    *req = virtio_mem_request_decode(wire);
    return true;
}

/* Answer @elem and free it. */
static void element_answer(VirtIOMEMQueue *queue, VirtQueueElement *elem,
                           const VirtIOMEMVerdict *verdict)
{
    uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE];

    virtio_mem_response_encode(verdict, wire);
    iov_from_buf(elem->in_sg, elem->in_num, 0, wire, sizeof(wire));
    virtqueue_push(queue->vq, elem, sizeof(wire));
    g_free(elem);
}

/* A request, and what to answer. */
typedef struct Incoming {
    VirtQueueElement *elem;
    VirtIOMEMRequest req;
    VirtIOMEMVerdict verdict;
} Incoming;

/*
 * Take the next request. Returns false when there is none, or when the device
 * had to stop until it is reset.
 */
static bool take(VirtIOMEMQueue *queue, Incoming *in)
{
    VirtIOMEMLive *live = queue->vmem->live;
    const bool busy = virtio_mem_wakeup_is_migrating();

    if (virtio_queue_empty(queue->vq)) {
        return false;   /* much cheaper than to hear it from a pop */
    }
    in->elem = virtqueue_pop(queue->vq, sizeof(VirtQueueElement));
    if (!in->elem) {
        return false;
    }
    if (!element_read(queue, in->elem, &in->req)) {
        virtqueue_detach_element(queue->vq, in->elem, 0);
        g_free(in->elem);
        return false;
    }
    in->verdict = virtio_mem_decide(&in->req, &live->state, busy);
    if (busy && in->verdict.response == VIRTIO_MEM_RESP_BUSY) {
        virtio_mem_wakeup_after_migration(&live->wakeup);
    }
    return true;
}

/* Called when it is sure that the request does not go back into the ring. */
static void trace_request(VirtIOMEMQueue *queue, const Incoming *in)
{
    trace_virtio_mem_verdict(queue->vmem, in->req.type, in->req.addr.gpa,
                             in->req.nb_blocks, in->verdict.response,
                             in->verdict.state);
}

/* --- carrying out -------------------------------------------------------- */

/*
 * What follows in the ring and wants the same for the blocks behind @range is
 * done with it. The first request that does not goes back: what to answer may
 * depend on what happens now. QEMU puts nothing back into a packed ring.
 */
static void gather(VirtIOMEMQueue *queue, VirtIOMEMAction action,
                   VirtIOMEMRange *range)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(queue->vmem);
    Incoming in;

    if (virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED)) {
        return;
    }
    while (queue->nb_elems < VIRTIO_MEM_QUEUE_TOGETHER && take(queue, &in)) {
        if (!virtio_mem_joins(&queue->vmem->live->state, action, *range,
                              &in.verdict)) {
            virtqueue_unpop(queue->vq, in.elem, 0);
            g_free(in.elem);
            return;
        }
        trace_request(queue, &in);
        range->count += in.verdict.range.count;
        queue->elems[queue->nb_elems++] = in.elem;
    }
}

/* Answer those that were carried out as one. */
static void answer(VirtIOMEMQueue *queue, int ret)
{
    const VirtIOMEMVerdict verdict = {
        .response = ret ? VIRTIO_MEM_RESP_BUSY : VIRTIO_MEM_RESP_ACK,
    };

    for (unsigned i = 0; i < queue->nb_elems; i++) {
        virtio_mem_status_answered(
            &queue->vmem->live->status, queue->type, verdict.response,
            ret ? VIRTIO_MEM_RESIZE_HOST_MEMORY : VIRTIO_MEM_RESIZE_NO_REASON);
        element_answer(queue, queue->elems[i], &verdict);
    }
    queue->nb_elems = 0;
}

/* Returns false when the answer has to wait. */
static bool handle(VirtIOMEMQueue *queue, const Incoming *in)
{
    const VirtIOMEMAction action = in->verdict.action;
    VirtIOMEMRange range = in->verdict.range;
    int ret;

    trace_request(queue, in);
    if (action == VIRTIO_MEM_ACTION_NONE) {
        virtio_mem_status_answered(
            &queue->vmem->live->status, in->req.type, in->verdict.response,
            in->verdict.response == VIRTIO_MEM_RESP_BUSY ?
            VIRTIO_MEM_RESIZE_MIGRATION : VIRTIO_MEM_RESIZE_NO_REASON);
        element_answer(queue, in->elem, &in->verdict);
        return true;
    }
    queue->type = in->req.type;
    queue->elems[queue->nb_elems++] = in->elem;
    if (virtio_mem_device_may_join(queue->vmem, action)) {
        gather(queue, action, &range);
    }
    ret = virtio_mem_device_begin(queue->vmem, action, range);
    if (ret == VIRTIO_MEM_PENDING) {
        return false;
    }
    answer(queue, ret);
    return true;
}

/* --- the ring ------------------------------------------------------------ */

static bool may_serve(VirtIODevice *vdev)
{
    /*
     * No buffer is used before DRIVER_OK (VIRTIO 1.2, 3.1.1) or while the VM
     * is stopped; what waits in the ring then, virtio_mem_queue_run() resumes.
     */
    if (!vdev->vm_running || !(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return false;
    }
    /* A driver that does not accept VERSION_1 is not served. */
    if (!virtio_vdev_has_feature(vdev, VIRTIO_F_VERSION_1)) {
        virtio_error(vdev, "virtio-mem needs a driver that accepts"
                     " VIRTIO_F_VERSION_1");
        return false;
    }
    /* Nor one that was refused at FEATURES_OK, or never asked. */
    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        virtio_error(vdev, "virtio-mem needs a driver that has negotiated its"
                     " features");
        return false;
    }
    return true;
}

static void serve(VirtIOMEMQueue *queue)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(queue->vmem);
    const int64_t deadline = get_clock() + VIRTIO_MEM_SLICE_NS;
    bool answered = false;
    Incoming in;

    if (virtio_mem_device_is_pending(queue->vmem) || !may_serve(vdev)) {
        return;
    }
    while (take(queue, &in) && handle(queue, &in)) {
        answered = true;
        if (get_clock() >= deadline) {
            qemu_bh_schedule(queue->more);
            break;
        }
    }
    if (answered) {
        virtio_notify(vdev, queue->vq);
    }
}

static void handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    serve(&VIRTIO_MEM(vdev)->live->queue);
}

static void handle_more(void *opaque)
{
    serve(opaque);
}

void virtio_mem_queue_run(VirtIOMEMQueue *queue)
{
    qemu_bh_schedule(queue->more);
}

void virtio_mem_queue_drain(VirtIOMEMQueue *queue)
{
    if (queue->nb_elems) {
        virtio_mem_device_drain(queue->vmem);
    }
}

void virtio_mem_queue_done(VirtIOMEMQueue *queue, int ret)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(queue->vmem);

    if (queue->nb_elems) {
        answer(queue, ret);
        virtio_notify(vdev, queue->vq);
    } else {
        /* Begun by a system reset; the next driver may have looked before. */
        virtio_notify_config(vdev);
    }
    qemu_bh_schedule(queue->more);
}

void virtio_mem_queue_init(VirtIOMEM *vmem, VirtIOMEMQueue *queue)
{
    queue->vmem = vmem;
    queue->vq = virtio_add_queue(VIRTIO_DEVICE(vmem), VIRTIO_MEM_QUEUE_SIZE,
                                 handle_output);
    queue->more = qemu_bh_new_guarded(handle_more, queue,
                                      &DEVICE(vmem)->mem_reentrancy_guard);
}

void virtio_mem_queue_cleanup(VirtIOMEMQueue *queue)
{
    qemu_bh_delete(queue->more);
    virtio_delete_queue(queue->vq);
}
