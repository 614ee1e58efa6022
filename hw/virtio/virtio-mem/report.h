/*
 * virtio-mem: what a user is told of a resize
 *
 * Feeds `progress` with what happens, by the clock of the VM, counts requests,
 * and sends MEMORY_DEVICE_RESIZE_STATUS where resize-events is on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_REPORT_H
#define HW_VIRTIO_MEM_REPORT_H

#include "qapi/qapi-types-machine.h"
#include "qemu/timer.h"
#include "hw/virtio/virtio.h"
#include "progress.h"
#include "throttle.h"

#define VIRTIO_MEM_REPORT_TYPES 4
#define VIRTIO_MEM_REPORT_ANSWERS 4

/* Private to report.c. */
typedef struct VirtIOMEMReport {
    VirtIODevice *vdev;
    const bool *events;         /* does a user want them? */
    VirtIOMEMProgress progress;
    QEMUTimer *timer;           /* for the patience with the guest */
    VirtIOMEMThrottle throttle;
    bool restart;               /* the clock of the VM may have jumped */

    uint64_t answers[VIRTIO_MEM_REPORT_TYPES][VIRTIO_MEM_REPORT_ANSWERS];
    uint64_t plugged;           /* bytes in total */
    uint64_t unplugged;
} VirtIOMEMReport;

/*
 * @events: whether MEMORY_DEVICE_RESIZE_STATUS is sent; looked at each time
 * @requested: bytes
 */
void virtio_mem_report_init(VirtIOMEMReport *report, VirtIODevice *vdev,
                            const bool *events, uint64_t requested);
void virtio_mem_report_cleanup(VirtIOMEMReport *report);

/* The requested or the plugged size may have changed. Both in bytes. */
void virtio_mem_report_sizes(VirtIOMEMReport *report, uint64_t requested,
                             uint64_t plugged);

/* So many bytes of unplugged memory are still to be given back to the host. */
void virtio_mem_report_behind(VirtIOMEMReport *report, uint64_t size);

/* Both came with a migration stream, from another VM with another clock. */
void virtio_mem_report_loaded(VirtIOMEMReport *report, uint64_t requested,
                              uint64_t plugged);

/*
 * The VM, or a driver, may have started or stopped.
 *
 * @status: of the device, as the driver has set it
 */
void virtio_mem_report_driver(VirtIOMEMReport *report, uint8_t status);

/* A driver was refused. It is so until the device is reset. */
void virtio_mem_report_refused(VirtIOMEMReport *report);

/*
 * A request of @type (VIRTIO_MEM_REQ_*, or anything else) was answered with
 * @response (VIRTIO_MEM_RESP_*).
 *
 * @why: for BUSY
 */
void virtio_mem_report_answered(VirtIOMEMReport *report, uint16_t type,
                                uint16_t response,
                                VirtIOMEMProgressReason why);

/*
 * For query-memory-devices.
 *
 * @host_ns: how long work on host memory has taken
 */
VirtioMEMResizeInfo *virtio_mem_report_resize(const VirtIOMEMReport *report);
VirtioMEMRequestInfo *virtio_mem_report_requests(const VirtIOMEMReport *report,
                                                 uint64_t host_ns);

#endif
