/*
 * virtio-mem: the request queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "exec/cpu-common.h"
#include "system/memory.h"
#include "system/ramblock.h"
#include "standard-headers/linux/virtio_mem.h"
#include "system/replay.h"
#include "hw/virtio/trace.h"
#include "queue.h"

#define QUEUE_SIZE 128

/*
 * How long requests are handled before the main loop gets its turn: a guest
 * that keeps the ring full must not keep the monitor from answering.
 */
#define QUEUE_SLICE_NS (1 * SCALE_MS)

struct VirtIOMEMQueue {
    VirtIODevice *vdev;
    const VirtIOMEMState *state;
    VirtIOMEMEngine *engine;
    VirtIOMEMRetry *retry;
    VirtIOMEMReport *report;
    VirtQueue *vq;
    QEMUBH *more;               /* goes on with a ring that was not emptied */
    bool serving;               /* guest memory is being read or written */
    bool silent;                /* no interrupts */
    bool gone;                  /* the device, and the rest of this */

    /* What the driver has asked for, on its way. */
    VirtIOMEMChange change;
    uint16_t type;              /* of those that are carried out as one */
    unsigned nb_elems;
    VirtQueueElement *elems[VIRTIO_MEM_QUEUE_TOGETHER];
};

/* --- what the guest may point at ------------------------------------------ */

/*
 * The guest chooses every address, and the device writes to memory only. If it
 * wrote to a register, of its own or of a device that then writes to it, it
 * would be kicked or reset in the middle of its work.
 */
static bool queue_is_memory(VirtIODevice *vdev, hwaddr addr, hwaddr size,
                            bool write)
{
    hwaddr len = size, offset;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(vdev->dma_as, addr, &offset, &len, write,
                                 MEMTXATTRS_UNSPECIFIED);
    return len >= size &&
           memory_access_is_direct(mr, write, MEMTXATTRS_UNSPECIFIED);
}

/* A part that is only read may be so for an IOMMU, too. */
static bool queue_ring_is_memory(VirtIODevice *vdev)
{
    const bool packed = virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED);

    return queue_is_memory(vdev, virtio_queue_get_desc_addr(vdev, 0),
                           virtio_queue_get_desc_size(vdev, 0), packed) &&
           queue_is_memory(vdev, virtio_queue_get_avail_addr(vdev, 0),
                           virtio_queue_get_avail_size(vdev, 0), false) &&
           queue_is_memory(vdev, virtio_queue_get_used_addr(vdev, 0),
                           virtio_queue_get_used_size(vdev, 0), true);
}

static const char queue_ring_is_no_memory[] =
    "the ring of virtio-mem is not in memory";

/* QEMU maps what is no memory to a buffer that it writes out at the end. */
static bool queue_buffers_are_memory(const struct iovec *iov, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ram_addr_t offset;

        if (!qemu_ram_block_from_host(iov[i].iov_base, false, &offset)) {
            return false;
        }
    }
    return true;
}

/* --- elements ------------------------------------------------------------ */

/*
 * The guest is free in how it cuts request and response into descriptors
 * (VIRTIO 1.2, 2.7.4); it only has to leave enough room.
 *
 * Returns NULL, or what is wrong with @elem.
 */
static const char *queue_read_element(const VirtQueueElement *elem,
                                      VirtIOMEMRequest *req)
{
    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];

    QEMU_BUILD_BUG_ON(VIRTIO_MEM_REQUEST_SIZE != 24);
    QEMU_BUILD_BUG_ON(VIRTIO_MEM_RESPONSE_SIZE != 10);
    if (iov_to_buf(elem->out_sg, elem->out_num, 0, wire, sizeof(wire)) <
        sizeof(wire)) {
        return "a virtio-mem request is shorter than 24 bytes";
    }
    if (iov_size(elem->in_sg, elem->in_num) < VIRTIO_MEM_RESPONSE_SIZE) {
        return "a virtio-mem response does not have 10 bytes of room";
    }
    if (!queue_buffers_are_memory(elem->out_sg, elem->out_num) ||
        !queue_buffers_are_memory(elem->in_sg, elem->in_num)) {
        return "a virtio-mem request or response is not in memory";
    }
    *req = virtio_mem_request_decode(wire);
    return NULL;
}

/* Answer @elem, which is no longer in the queue's books, and free it. */
static void queue_answer_element(VirtIOMEMQueue *queue, VirtQueueElement *elem,
                                 const VirtIOMEMVerdict *verdict)
{
    uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE];

    virtio_mem_response_encode(verdict, wire);
    iov_from_buf(elem->in_sg, elem->in_num, 0, wire, sizeof(wire));
    virtqueue_push(queue->vq, elem, sizeof(wire));
    g_free(elem);
}

/* A request, and what to answer. */
typedef struct QueueRequest {
    VirtQueueElement *elem;
    const char *wrong;              /* or why it cannot be answered */
    VirtIOMEMRequest req;
    VirtIOMEMVerdict verdict;
} QueueRequest;

/* Take the next request. Returns false when there is none. */
static bool queue_take(VirtIOMEMQueue *queue, QueueRequest *request)
{
    bool busy;

    if (virtio_queue_empty(queue->vq)) {
        return false;   /* much cheaper than to hear it from a pop */
    }
    request->elem = virtqueue_pop(queue->vq, sizeof(VirtQueueElement));
    if (!request->elem) {
        return false;
    }
    request->wrong = queue_read_element(request->elem, &request->req);
    if (request->wrong) {
        return true;
    }
    busy = virtio_mem_retry_is_migrating();
    request->verdict = virtio_mem_decide(&request->req, queue->state, busy);
    if (busy && request->verdict.response == VIRTIO_MEM_RESP_BUSY) {
        virtio_mem_retry_soon(queue->retry);
    }
    return true;
}

/* Called when it is sure that the request does not go back into the ring. */
static void queue_trace(const VirtIOMEMQueue *queue,
                        const QueueRequest *request)
{
    trace_virtio_mem_verdict(queue->vdev, request->req.type,
                             request->req.addr.gpa, request->req.nb_blocks,
                             request->verdict.response,
                             request->verdict.state);
}

/* --- carrying out -------------------------------------------------------- */

/*
 * What follows in the ring and wants the same for the blocks behind those of the
 * change is done with it. The first request that does not goes back: what to answer may
 * depend on what happens now. So does one that cannot be answered, for which
 * the device stops: those before are answered first. QEMU puts nothing back
 * into a packed ring.
 */
static void queue_gather(VirtIOMEMQueue *queue)
{
    VirtIOMEMChange *change = &queue->change;
    QueueRequest next;

    if (virtio_vdev_has_feature(queue->vdev, VIRTIO_F_RING_PACKED)) {
        return;
    }
    while (queue->nb_elems < VIRTIO_MEM_QUEUE_TOGETHER &&
           queue_take(queue, &next)) {
        if (next.wrong ||
            !virtio_mem_joins(queue->state, change->action, change->range,
                              &next.verdict)) {
            virtqueue_unpop(queue->vq, next.elem, 0);
            g_free(next.elem);
            return;
        }
        queue_trace(queue, &next);
        change->range.count += next.verdict.range.count;
        queue->elems[queue->nb_elems++] = next.elem;
    }
}

/* Why the driver has to wait. What a migration has cancelled waits for its end. */
static VirtIOMEMProgressReason queue_reason(const VirtIOMEMChange *change)
{
    return change->ret == -ECANCELED && virtio_mem_retry_is_migrating() ?
           VIRTIO_MEM_PROGRESS_MIGRATION : change->reason;
}

/*
 * Answer those that were carried out as one. They leave the queue first, so
 * that nothing that an answer causes finds them there.
 */
static void queue_answer(VirtIOMEMQueue *queue)
{
    const VirtIOMEMVerdict verdict = {
        .response = queue->change.ret ? VIRTIO_MEM_RESP_BUSY
                                      : VIRTIO_MEM_RESP_ACK,
    };
    const VirtIOMEMProgressReason reason = queue_reason(&queue->change);
    VirtQueueElement *elems[VIRTIO_MEM_QUEUE_TOGETHER];
    const unsigned nb_elems = queue->nb_elems;

    memcpy(elems, queue->elems, nb_elems * sizeof(*elems));
    queue->nb_elems = 0;
    for (unsigned i = 0; i < nb_elems; i++) {
        virtio_mem_report_answered(queue->report, queue->type,
                                   verdict.response, reason);
        queue_answer_element(queue, elems[i], &verdict);
    }
}

/* There is no way to answer: nothing was done, or the ring is gone. */
static void queue_forget(VirtIOMEMQueue *queue)
{
    for (unsigned i = 0; i < queue->nb_elems; i++) {
        virtqueue_detach_element(queue->vq, queue->elems[i], 0);
        g_free(queue->elems[i]);
    }
    queue->nb_elems = 0;
}

static void queue_change_done(VirtIOMEMChange *change);

/* Returns false when the answer has to wait, or there will be none. */
static bool queue_handle(VirtIOMEMQueue *queue, const QueueRequest *request)
{
    const VirtIOMEMVerdict *verdict = &request->verdict;

    queue_trace(queue, request);
    if (verdict->action == VIRTIO_MEM_ACTION_NONE) {
        virtio_mem_report_answered(
            queue->report, request->req.type, verdict->response,
            verdict->response == VIRTIO_MEM_RESP_BUSY ?
            VIRTIO_MEM_PROGRESS_MIGRATION : VIRTIO_MEM_PROGRESS_NO_REASON);
        queue_answer_element(queue, request->elem, verdict);
        return true;
    }
    queue->change = (VirtIOMEMChange) {
        .action = verdict->action,
        .range = verdict->range,
        .origin = VIRTIO_MEM_BY_DRIVER,
        /* Recorded and replayed, the end of a thread's work is no event. */
        .at_once = replay_mode != REPLAY_MODE_NONE,
        .done = queue_change_done,
    };
    queue->type = request->req.type;
    queue->elems[queue->nb_elems++] = request->elem;
    if (!virtio_queue_empty(queue->vq) &&
        virtio_mem_change_may_join(queue->engine, verdict->action)) {
        queue_gather(queue);
    }
    if (queue->gone) {
        return false;
    }
    if (virtio_device_disabled(queue->vdev)) {
        /* What came next in the ring made QEMU stop the device. */
        queue_forget(queue);
        return false;
    }
    if (virtio_mem_change_begin(queue->engine, &queue->change) ==
        VIRTIO_MEM_PENDING) {
        return false;
    }
    queue_answer(queue);
    return true;
}

/* --- the ring ------------------------------------------------------------ */

/*
 * An interrupt is a write to an address that the guest chose, too: it may reset
 * the device, or take it out of its slot. So it comes last, and the references
 * keep the memory of the device and of the queue valid for those who called.
 *
 * Returns NULL when it is served already.
 */
static DeviceState *queue_enter(VirtIOMEMQueue *queue)
{
    DeviceState *transport = qdev_get_parent_bus(DEVICE(queue->vdev))->parent;

    if (queue->serving) {
        return NULL;
    }
    queue->serving = true;
    g_rc_box_acquire(queue);
    object_ref(transport);
    return transport;
}

static void queue_drop_transport(void *opaque)
{
    object_unref(opaque);
}

static void queue_leave(VirtIOMEMQueue *queue, DeviceState *transport)
{
    if (!queue->gone) {
        object_unref(transport);
    } else {
        /* QEMU's virtio core has not returned from its handler. */
        aio_bh_schedule_oneshot(qemu_get_aio_context(), queue_drop_transport,
                                transport);
    }
    g_rc_box_release(queue);
}

/* Interrupt the guest, and stop the device if @wrong says why. */
static void queue_interrupt(VirtIOMEMQueue *queue, bool answered,
                            const char *wrong)
{
    if (queue->gone) {
        return;     /* QEMU's virtio core has found something wrong, and told */
    }
    queue->serving = false;
    if (queue->silent) {
        return;
    }
    if (answered) {
        virtio_notify(queue->vdev, queue->vq);
    }
    if (wrong && !queue->gone) {
        virtio_error(queue->vdev, "%s", wrong);
    }
}

/* Returns false, with @wrong set if the driver is to blame. */
static bool queue_may_serve(VirtIODevice *vdev, const char **wrong)
{
    /*
     * No buffer is used before DRIVER_OK (VIRTIO 1.2, 3.1.1) or while the VM
     * is stopped; what waits in the ring then, virtio_mem_queue_run() resumes.
     */
    if (!vdev->vm_running || !(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) ||
        virtio_device_disabled(vdev) || !virtio_queue_get_desc_addr(vdev, 0)) {
        return false;
    }
    /* A driver that does not accept VERSION_1 is not served. */
    if (!virtio_vdev_has_feature(vdev, VIRTIO_F_VERSION_1)) {
        *wrong = "virtio-mem needs a driver that accepts VIRTIO_F_VERSION_1";
        return false;
    }
    /* Nor one that was refused at FEATURES_OK, or never asked. */
    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        *wrong = "virtio-mem needs a driver that has negotiated its features";
        return false;
    }
    if (!queue_ring_is_memory(vdev)) {
        *wrong = queue_ring_is_no_memory;
        return false;
    }
    return true;
}

/* Returns whether anything was answered; @wrong is set if the driver erred. */
static bool queue_empty(VirtIOMEMQueue *queue, const char **wrong)
{
    const int64_t deadline = get_clock() + QUEUE_SLICE_NS;
    bool answered = false;
    QueueRequest request;

    while (queue_take(queue, &request)) {
        *wrong = request.wrong;
        if (*wrong) {
            virtqueue_detach_element(queue->vq, request.elem, 0);
            g_free(request.elem);
            break;
        }
        if (!queue_handle(queue, &request)) {
            break;
        }
        answered = true;
        /* Recorded and replayed, the host's clock must not matter. */
        if (replay_mode == REPLAY_MODE_NONE && get_clock() >= deadline) {
            qemu_bh_schedule(queue->more);
            break;
        }
    }
    return answered;
}

void virtio_mem_queue_serve(VirtIOMEMQueue *queue)
{
    const char *wrong = NULL;
    bool answered = false;
    DeviceState *transport;

    if (virtio_mem_change_is_pending(queue->engine)) {
        return;
    }
    transport = queue_enter(queue);
    if (!transport) {
        return;
    }
    if (queue_may_serve(queue->vdev, &wrong)) {
        answered = queue_empty(queue, &wrong);
    }
    queue_interrupt(queue, answered, wrong);
    queue_leave(queue, transport);
}

static void queue_handle_more(void *opaque)
{
    virtio_mem_queue_serve(opaque);
}

void virtio_mem_queue_run(VirtIOMEMQueue *queue)
{
    replay_bh_schedule_event(queue->more);
}

/* --- ends ----------------------------------------------------------------- */

void virtio_mem_queue_drain(VirtIOMEMQueue *queue)
{
    if (queue->nb_elems) {
        queue->silent = true;
        virtio_mem_change_drain(queue->engine);
        queue->silent = false;
    }
}

void virtio_mem_queue_silence(VirtIOMEMQueue *queue)
{
    queue->silent = true;
}

static void queue_change_done(VirtIOMEMChange *change)
{
    VirtIOMEMQueue *queue = container_of(change, VirtIOMEMQueue, change);
    DeviceState *transport = queue_enter(queue);
    const char *wrong = NULL;

    g_assert(transport);
    if (queue_ring_is_memory(queue->vdev)) {
        queue_answer(queue);
    } else {
        /* The driver has moved it meanwhile. */
        queue_forget(queue);
        wrong = queue_ring_is_no_memory;
    }
    qemu_bh_schedule(queue->more);
    queue_interrupt(queue, !wrong, wrong);
    queue_leave(queue, transport);
}

void virtio_mem_queue_reset_ended(VirtIOMEMQueue *queue)
{
    DeviceState *transport = queue_enter(queue);

    g_assert(transport);
    qemu_bh_schedule(queue->more);
    queue->serving = false;
    if (!queue->silent) {
        virtio_notify_config(queue->vdev);
    }
    queue_leave(queue, transport);
}

/* --- life ----------------------------------------------------------------- */

VirtIOMEMQueue *virtio_mem_queue_new(VirtIODevice *vdev,
                                     VirtIOHandleOutput kicked,
                                     const VirtIOMEMState *state,
                                     VirtIOMEMEngine *engine,
                                     VirtIOMEMRetry *retry,
                                     VirtIOMEMReport *report)
{
    VirtIOMEMQueue *queue = g_rc_box_new0(VirtIOMEMQueue);

    queue->vdev = vdev;
    queue->state = state;
    queue->engine = engine;
    queue->retry = retry;
    queue->report = report;
    queue->vq = virtio_add_queue(vdev, QUEUE_SIZE, kicked);
    queue->more = virtio_bh_new_guarded(DEVICE(vdev), queue_handle_more,
                                        queue);
    return queue;
}

void virtio_mem_queue_free(VirtIOMEMQueue *queue)
{
    queue_forget(queue);        /* if queue_gather() was interrupted */
    qemu_bh_delete(queue->more);
    virtio_delete_queue(queue->vq);
    queue->gone = true;
    g_rc_box_release(queue);
}
