/*
 * virtio-mem: what a user is told of a resize
 *
 * Feeds virtio-mem-resize with what happens, by the clock of the VM, counts
 * requests, and sends MEMORY_DEVICE_RESIZE_STATUS where resize-events is on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_STATUS_H
#define HW_VIRTIO_MEM_STATUS_H

#include "qapi/qapi-types-machine.h"
#include "qemu/timer.h"
#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-news.h"
#include "virtio-mem-resize.h"

#define VIRTIO_MEM_STATUS_TYPES 4
#define VIRTIO_MEM_STATUS_ANSWERS 4

typedef struct VirtIOMEMStatus {
    VirtIOMEM *vmem;
    VirtIOMEMResize resize;
    QEMUTimer *timer;           /* for the patience with the guest */
    VirtIOMEMNews news;
    bool restart;               /* the clock of the VM may have jumped */

    uint64_t answers[VIRTIO_MEM_STATUS_TYPES][VIRTIO_MEM_STATUS_ANSWERS];
    uint64_t plugged;           /* bytes in total */
    uint64_t unplugged;
    uint64_t host_ns;
} VirtIOMEMStatus;

/* The state of @vmem->live is set up already. */
void virtio_mem_status_init(VirtIOMEMStatus *status, VirtIOMEM *vmem);
void virtio_mem_status_cleanup(VirtIOMEMStatus *status);

/* The requested or the plugged size may have changed. */
void virtio_mem_status_sizes(VirtIOMEMStatus *status);

/* Both came with a migration stream, from another VM with another clock. */
void virtio_mem_status_loaded(VirtIOMEMStatus *status);

/* The VM, or a driver, has started or stopped, or a driver was refused. */
void virtio_mem_status_driver(VirtIOMEMStatus *status,
                              VirtIOMEMResizeDriver driver);

/*
 * A request of @type (VIRTIO_MEM_REQ_*, or anything else) was answered with
 * @response (VIRTIO_MEM_RESP_*).
 *
 * @why: for BUSY
 */
void virtio_mem_status_answered(VirtIOMEMStatus *status, uint16_t type,
                                uint16_t response, VirtIOMEMResizeReason why);

/* So long did work on host memory take. */
void virtio_mem_status_host_time(VirtIOMEMStatus *status, uint64_t ns);

/* For query-memory-devices. */
VirtioMEMResizeInfo *virtio_mem_status_resize(const VirtIOMEMStatus *status);
VirtioMEMRequestInfo *virtio_mem_status_requests(const VirtIOMEMStatus *status);

#endif
