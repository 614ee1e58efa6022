/*
 * virtio-mem: the request queue
 *
 * Requests are answered one after the other, in the order of the ring. One may
 * be on its way, when its work on host memory is done in the background; those
 * behind it wait in the ring. Requests to plug, or to unplug, adjacent blocks
 * that lie in the ring together are carried out as one.
 *
 * The only module that knows of virtqueues.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_QUEUE_H
#define HW_VIRTIO_MEM_QUEUE_H

#include "hw/virtio/virtio.h"
#include "change.h"
#include "report.h"
#include "retry.h"

/* Most requests that are carried out as one. */
#define VIRTIO_MEM_QUEUE_TOGETHER 256

typedef struct VirtIOMEMQueue VirtIOMEMQueue;

/*
 * virtio_mem_queue_new: add the queue to the device, which has had
 * virtio_init().
 *
 * @kicked: what QEMU calls when the driver kicks: it has to call
 *     virtio_mem_queue_serve()
 * @state: what requests are decided by
 * @engine: carries out what the driver asks for
 * @retry, @report: hear of the answers
 */
VirtIOMEMQueue *virtio_mem_queue_new(VirtIODevice *vdev,
                                     VirtIOHandleOutput kicked,
                                     const VirtIOMEMState *state,
                                     VirtIOMEMEngine *engine,
                                     VirtIOMEMRetry *retry,
                                     VirtIOMEMReport *report);

/* The device goes away. Nothing is on its way. */
void virtio_mem_queue_free(VirtIOMEMQueue *queue);

/*
 * virtio_mem_queue_serve: handle the requests in the ring, for a millisecond;
 * the rest soon. By what an interrupt causes the device may be gone afterwards.
 */
void virtio_mem_queue_serve(VirtIOMEMQueue *queue);

/* Soon look for requests: the driver, or the VM, has just begun to run. */
void virtio_mem_queue_run(VirtIOMEMQueue *queue);

/*
 * The driver goes away. If requests are on their way, wait until they are
 * answered; the driver is not interrupted, because QEMU has not done yet with
 * what takes it away.
 */
void virtio_mem_queue_drain(VirtIOMEMQueue *queue);

/* No more interrupts: the device goes away. */
void virtio_mem_queue_silence(VirtIOMEMQueue *queue);

/*
 * A system reset has ended that was on its way. Requests that came meanwhile
 * are served soon, and the next driver, which may have looked before, is told
 * to look again.
 */
void virtio_mem_queue_reset_ended(VirtIOMEMQueue *queue);

#endif
