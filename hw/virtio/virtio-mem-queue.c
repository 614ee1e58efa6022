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
#include "exec/memory.h"
#include "standard-headers/linux/virtio_mem.h"
#include "system/replay.h"
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

/* --- what the guest may point at ------------------------------------------ */

/*
 * The guest chooses every address, and the device writes to memory only. If it
 * wrote to a register, of its own or of a device that then writes to it, it
 * would be kicked or reset in the middle of its work.
 */
static bool is_memory(VirtIODevice *vdev, hwaddr addr, hwaddr size, bool write)
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
static bool ring_is_memory(VirtIODevice *vdev)
{
    const bool packed = virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED);

    return is_memory(vdev, virtio_queue_get_desc_addr(vdev, 0),
                     virtio_queue_get_desc_size(vdev, 0), packed) &&
           is_memory(vdev, virtio_queue_get_avail_addr(vdev, 0),
                     virtio_queue_get_avail_size(vdev, 0), false) &&
           is_memory(vdev, virtio_queue_get_used_addr(vdev, 0),
                     virtio_queue_get_used_size(vdev, 0), true);
}

static const char ring_is_no_memory[] =
    "the ring of virtio-mem is not in memory";

/* QEMU maps what is no memory to a buffer that it writes out at the end. */
static bool buffers_are_memory(const struct iovec *iov, unsigned count)
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
static const char *element_read(const VirtQueueElement *elem,
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
    if (!buffers_are_memory(elem->out_sg, elem->out_num) ||
        !buffers_are_memory(elem->in_sg, elem->in_num)) {
        return "a virtio-mem request or response is not in memory";
    }
    *req = virtio_mem_request_decode(wire);
    return NULL;
}

/* Answer @elem, which is no longer in the queue's books, and free it. */
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
    const char *wrong;              /* or why it cannot be answered */
    VirtIOMEMRequest req;
    VirtIOMEMVerdict verdict;
} Incoming;

/* Take the next request. Returns false when there is none. */
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
    in->wrong = element_read(in->elem, &in->req);
    if (in->wrong) {
        return true;
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
 * depend on what happens now. So does one that cannot be answered, for which
 * the device stops: those before are answered first. QEMU puts nothing back
 * into a packed ring.
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
        if (in.wrong ||
            !virtio_mem_joins(&queue->vmem->live->state, action, *range,
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

static VirtIOMEMResizeReason why_busy(const VirtIOMEM *vmem)
{
    switch (virtio_mem_device_failure(vmem)) {
    case VIRTIO_MEM_FAILURE_ANNOUNCE:
        return VIRTIO_MEM_RESIZE_LISTENER;
    case VIRTIO_MEM_FAILURE_DISCARD:
        return VIRTIO_MEM_RESIZE_HOST_DISCARD;
    default:
        return VIRTIO_MEM_RESIZE_HOST_MEMORY;
    }
}

/*
 * Answer those that were carried out as one. They leave the queue first, so
 * that nothing that an answer causes finds them there.
 */
static void answer(VirtIOMEMQueue *queue, int ret)
{
    const VirtIOMEMVerdict verdict = {
        .response = ret ? VIRTIO_MEM_RESP_BUSY : VIRTIO_MEM_RESP_ACK,
    };
    const VirtIOMEMResizeReason why = ret ? why_busy(queue->vmem)
                                          : VIRTIO_MEM_RESIZE_NO_REASON;
    VirtQueueElement *elems[VIRTIO_MEM_QUEUE_TOGETHER];
    const unsigned nb_elems = queue->nb_elems;

    memcpy(elems, queue->elems, nb_elems * sizeof(*elems));
    queue->nb_elems = 0;
    for (unsigned i = 0; i < nb_elems; i++) {
        virtio_mem_status_answered(&queue->vmem->live->status, queue->type,
                                   verdict.response, why);
        element_answer(queue, elems[i], &verdict);
    }
}

/* There is no way to answer: nothing was done, or the ring is gone. */
static void forget_requests(VirtIOMEMQueue *queue)
{
    for (unsigned i = 0; i < queue->nb_elems; i++) {
        virtqueue_detach_element(queue->vq, queue->elems[i], 0);
        g_free(queue->elems[i]);
    }
    queue->nb_elems = 0;
}

/* Returns false when the answer has to wait, or there will be none. */
static bool handle(VirtIOMEMQueue *queue, const Incoming *in)
{
    VirtIOMEM *vmem = queue->vmem;
    const VirtIOMEMLive *live = vmem->live;
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
    if (virtio_mem_device_may_join(vmem, action)) {
        gather(queue, action, &range);
    }
    if (vmem->live != live) {
        return false;
    }
    if (virtio_device_disabled(VIRTIO_DEVICE(vmem))) {
        /* What came next in the ring made QEMU stop the device. */
        forget_requests(queue);
        return false;
    }
    ret = virtio_mem_device_begin(vmem, action, range);
    if (ret == VIRTIO_MEM_PENDING) {
        return false;
    }
    answer(queue, ret);
    return true;
}

/* --- the ring ------------------------------------------------------------ */

/*
 * An interrupt is a write to an address that the guest chose, too: it may reset
 * the device, or take it out of its slot. So it comes last, and the reference
 * keeps the memory of the device valid for those who called.
 */
static VirtIOMEMLive *enter(VirtIOMEMQueue *queue, DeviceState **transport)
{
    if (queue->serving) {
        return NULL;
    }
    queue->serving = true;
    *transport = qdev_get_parent_bus(DEVICE(queue->vmem))->parent;
    object_ref(*transport);
    return queue->vmem->live;
}

static void drop_transport(void *opaque)
{
    object_unref(opaque);
}

/* @vmem may have lost @live, and the queue with it, since enter(). */
static void leave(VirtIOMEM *vmem, VirtIOMEMLive *live, DeviceState *transport)
{
    if (vmem->live == live) {
        object_unref(transport);
    } else {
        /* QEMU's virtio core has not returned from its handler. */
        aio_bh_schedule_oneshot(qemu_get_aio_context(), drop_transport,
                                transport);
    }
}

/* Interrupt the guest, and stop the device if @wrong says why. */
static void interrupt(VirtIOMEM *vmem, VirtIOMEMLive *live, bool answered,
                      const char *wrong)
{
    if (vmem->live != live) {
        return;     /* QEMU's virtio core has found something wrong, and told */
    }
    live->queue.serving = false;
    if (live->queue.silent) {
        return;
    }
    if (answered) {
        virtio_notify(VIRTIO_DEVICE(vmem), live->queue.vq);
    }
    if (wrong && vmem->live == live) {
        virtio_error(VIRTIO_DEVICE(vmem), "%s", wrong);
    }
}

/* Returns false, with @wrong set if the driver is to blame. */
static bool may_serve(VirtIODevice *vdev, const char **wrong)
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
    if (!ring_is_memory(vdev)) {
        *wrong = ring_is_no_memory;
        return false;
    }
    return true;
}

static void serve(VirtIOMEMQueue *queue)
{
    VirtIOMEM *vmem = queue->vmem;
    const int64_t deadline = get_clock() + VIRTIO_MEM_SLICE_NS;
    const char *wrong = NULL;
    bool answered = false;
    DeviceState *transport;
    VirtIOMEMLive *live;
    Incoming in;

    if (virtio_mem_device_is_pending(vmem)) {
        return;
    }
    live = enter(queue, &transport);
    if (!live) {
        return;
    }
    if (may_serve(VIRTIO_DEVICE(vmem), &wrong)) {
        while (take(queue, &in)) {
            wrong = in.wrong;
            if (wrong) {
                virtqueue_detach_element(queue->vq, in.elem, 0);
                g_free(in.elem);
                break;
            }
            if (!handle(queue, &in)) {
                break;
            }
            answered = true;
            /* Recorded and replayed, the host's clock must not matter. */
            if (replay_mode == REPLAY_MODE_NONE && get_clock() >= deadline) {
                qemu_bh_schedule(queue->more);
                break;
            }
        }
    }
    interrupt(vmem, live, answered, wrong);
    leave(vmem, live, transport);
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
    replay_bh_schedule_event(queue->more);
}

void virtio_mem_queue_drain(VirtIOMEMQueue *queue)
{
    if (queue->nb_elems) {
        queue->silent = true;
        virtio_mem_device_drain(queue->vmem);
        queue->silent = false;
    }
}

void virtio_mem_queue_silence(VirtIOMEMQueue *queue)
{
    queue->silent = true;
}

void virtio_mem_queue_done(VirtIOMEMQueue *queue, int ret)
{
    VirtIOMEM *vmem = queue->vmem;
    VirtIODevice *vdev = VIRTIO_DEVICE(vmem);
    const bool asked = queue->nb_elems;
    const char *wrong = NULL;
    DeviceState *transport;
    VirtIOMEMLive *live = enter(queue, &transport);

    g_assert(live);
    if (asked && ring_is_memory(vdev)) {
        answer(queue, ret);
    } else if (asked) {
        /* The driver has moved it meanwhile. */
        forget_requests(queue);
        wrong = ring_is_no_memory;
    }
    qemu_bh_schedule(queue->more);
    interrupt(vmem, live, asked && !wrong, wrong);
    if (!asked && vmem->live == live && !queue->silent) {
        /* Begun by a system reset; the next driver may have looked before. */
        virtio_notify_config(vdev);
    }
    leave(vmem, live, transport);
}

void virtio_mem_queue_init(VirtIOMEM *vmem, VirtIOMEMQueue *queue)
{
    queue->vmem = vmem;
    queue->vq = virtio_add_queue(VIRTIO_DEVICE(vmem), VIRTIO_MEM_QUEUE_SIZE,
                                 handle_output);
    queue->more = virtio_bh_new_guarded(DEVICE(vmem), handle_more, queue);
}

void virtio_mem_queue_cleanup(VirtIOMEMQueue *queue)
{
    forget_requests(queue);     /* if gather() was interrupted */
    qemu_bh_delete(queue->more);
    virtio_delete_queue(queue->vq);
}
