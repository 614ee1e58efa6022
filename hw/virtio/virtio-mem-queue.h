/*
 * virtio-mem: the request queue
 *
 * Requests are answered one after the other, in the order of the ring. One may
 * be on its way, when its work on host memory is done in the background; those
 * behind it wait in the ring. Requests to plug, or to unplug, adjacent blocks
 * that lie in the ring together are carried out as one.
 *
 * The only room that knows of virtqueues.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_QUEUE_H
#define HW_VIRTIO_MEM_QUEUE_H

#include "hw/virtio/virtio-mem.h"

/* Most requests that are carried out as one. */
#define VIRTIO_MEM_QUEUE_TOGETHER 256

typedef struct VirtIOMEMQueue {
    VirtIOMEM *vmem;
    VirtQueue *vq;
    QEMUBH *more;                   /* goes on with a ring that was not emptied */
    bool serving;                   /* guest memory is being read or written */
    bool silent;                    /* no interrupts */
    uint16_t type;                  /* of those that are carried out as one */
    unsigned nb_elems;
    VirtQueueElement *elems[VIRTIO_MEM_QUEUE_TOGETHER];     /* on their way */
} VirtIOMEMQueue;

/* Add the queue to the device, which has had virtio_init(). */
void virtio_mem_queue_init(VirtIOMEM *vmem, VirtIOMEMQueue *queue);
void virtio_mem_queue_cleanup(VirtIOMEMQueue *queue);

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

/* What was pending has ended: answer what waits for it, and go on. */
void virtio_mem_queue_done(VirtIOMEMQueue *queue, int ret);

#endif
