/*
 * virtio-mem: the requested, the usable and the plugged size
 *
 * How the first two change, and what others hear of all three: the guest by the
 * config generation and the notification, the user by events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SIZES_H
#define HW_VIRTIO_MEM_SIZES_H

#include "hw/virtio/virtio.h"
#include "change.h"
#include "report.h"

/* Private to sizes.c. */
typedef struct VirtIOMEMSizes {
    VirtIODevice *vdev;
    VirtIOMEMState *state;
    VirtIOMEMReport *report;
    VirtIOMEMThrottle size_event;
} VirtIOMEMSizes;

/*
 * The part of a change that tells of it at the end. After UNPLUG ALL and a
 * system reset, and at no other time (VIRTIO 1.2, 5.15.4), it shrinks the
 * usable region to what is requested; without a notification, as a driver reads
 * the config after UNPLUG ALL. self: a VirtIOMEMSizes.
 */
extern const VirtIOMEMPart virtio_mem_sizes_part;

/*
 * virtio_mem_sizes_init: @state has its geometry and blocks.
 *
 * @requested: bytes
 * @send_size: called with @opaque, at most once a second, after the plugged
 *     size has changed
 */
void virtio_mem_sizes_init(VirtIOMEMSizes *sizes, VirtIODevice *vdev,
                           VirtIOMEMState *state, uint64_t requested,
                           VirtIOMEMReport *report,
                           void (*send_size)(void *opaque), void *opaque);
void virtio_mem_sizes_cleanup(VirtIOMEMSizes *sizes);

/* What virtio_mem_set_requested_size() does after realize. */
bool virtio_mem_sizes_request(VirtIOMEMSizes *sizes, const char *name,
                              uint64_t size, Error **errp);

/* Both, in bytes and checked, came with a migration stream. */
void virtio_mem_sizes_load(VirtIOMEMSizes *sizes, uint64_t requested,
                           uint64_t usable);

#endif
