/*
 * Stand-in for QEMU's hw/virtio/virtio.h, for queue.c: devices, their transport,
 * and queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <linux/virtio_config.h>
#include <sys/uio.h>
#include "system/memory.h"
#include "qemu/main-loop.h"

/* --- devices -------------------------------------------------------------- */

typedef struct BusState BusState;

typedef struct DeviceState {
    unsigned magic;             /* of one that was not freed */
    unsigned refs;
    BusState *parent_bus;
} DeviceState;

struct BusState {
    DeviceState *parent;
};

#define DEVICE(obj) ((DeviceState *)(obj))

static inline BusState *qdev_get_parent_bus(const DeviceState *dev)
{
    return dev->parent_bus;
}

void object_ref(void *obj);
void object_unref(void *obj);

/* --- virtio --------------------------------------------------------------- */

typedef struct VirtQueue VirtQueue;

typedef struct VirtIODevice {
    DeviceState parent_obj;
    uint8_t status;
    uint64_t guest_features;
    bool vm_running;
    bool broken;
    AddressSpace *dma_as;
} VirtIODevice;

typedef void (*VirtIOHandleOutput)(VirtIODevice *vdev, VirtQueue *vq);

typedef struct VirtQueueElement {
    unsigned index;
    unsigned out_num;
    unsigned in_num;
    struct iovec *in_sg;
    struct iovec *out_sg;
} VirtQueueElement;

static inline bool virtio_vdev_has_feature(const VirtIODevice *vdev,
                                           unsigned bit)
{
    return vdev->guest_features >> bit & 1;
}

static inline bool virtio_device_disabled(const VirtIODevice *vdev)
{
    return vdev->broken;
}

VirtQueue *virtio_add_queue(VirtIODevice *vdev, int size,
                            VirtIOHandleOutput handle_output);
void virtio_delete_queue(VirtQueue *vq);
QEMUBH *virtio_bh_new_guarded(DeviceState *dev, QEMUBHFunc *cb, void *opaque);

hwaddr virtio_queue_get_desc_addr(VirtIODevice *vdev, int n);
hwaddr virtio_queue_get_desc_size(VirtIODevice *vdev, int n);
hwaddr virtio_queue_get_avail_addr(VirtIODevice *vdev, int n);
hwaddr virtio_queue_get_avail_size(VirtIODevice *vdev, int n);
hwaddr virtio_queue_get_used_addr(VirtIODevice *vdev, int n);
hwaddr virtio_queue_get_used_size(VirtIODevice *vdev, int n);

int virtio_queue_empty(VirtQueue *vq);
void *virtqueue_pop(VirtQueue *vq, size_t size);
void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem, unsigned len);
void virtqueue_unpop(VirtQueue *vq, const VirtQueueElement *elem,
                     unsigned len);
void virtqueue_detach_element(VirtQueue *vq, const VirtQueueElement *elem,
                              unsigned len);

void virtio_notify(VirtIODevice *vdev, VirtQueue *vq);
void virtio_notify_config(VirtIODevice *vdev);
void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

#endif
