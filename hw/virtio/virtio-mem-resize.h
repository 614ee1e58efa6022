/*
 * virtio-mem: following a resize
 *
 * Is the guest getting where it was asked to, how fast, and if not, why not?
 * A state machine that is told what happens and when; it has no clock of its
 * own. Times are in ms, of any clock that does not go back and stands still
 * while the VM does; sizes in bytes.
 *
 * This room is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_RESIZE_H
#define HW_VIRTIO_MEM_RESIZE_H

/* How long a guest may make no progress before it is what blocks. */
#define VIRTIO_MEM_RESIZE_PATIENCE_MS 5000

typedef enum VirtIOMEMResizeStatus {
    VIRTIO_MEM_RESIZE_SETTLED,      /* what is requested is plugged */
    VIRTIO_MEM_RESIZE_RESIZING,
    VIRTIO_MEM_RESIZE_BLOCKED,
    VIRTIO_MEM_RESIZE_PAUSED,       /* it is not, as the VM does not run */
} VirtIOMEMResizeStatus;

/* Why it is blocked; where several fit, the first. */
typedef enum VirtIOMEMResizeReason {
    VIRTIO_MEM_RESIZE_NO_REASON,
    VIRTIO_MEM_RESIZE_DRIVER_FEATURES,  /* a driver lacks one it must have */
    VIRTIO_MEM_RESIZE_NO_DRIVER,        /* none has started */
    VIRTIO_MEM_RESIZE_MIGRATION,        /* it was told to wait */
    VIRTIO_MEM_RESIZE_HOST_MEMORY,      /* it was told to wait */
    VIRTIO_MEM_RESIZE_HOST_DISCARD,     /* it was told to wait */
    VIRTIO_MEM_RESIZE_LISTENER,         /* it was told to wait */
    VIRTIO_MEM_RESIZE_GUEST,            /* it does not ask, or is refused */
} VirtIOMEMResizeReason;

typedef enum VirtIOMEMResizeDriver {
    VIRTIO_MEM_RESIZE_DRIVER_NONE,
    VIRTIO_MEM_RESIZE_DRIVER_REFUSED,
    VIRTIO_MEM_RESIZE_DRIVER_RUNS,
} VirtIOMEMResizeDriver;

typedef struct VirtIOMEMResizeMark {
    int64_t at;
    uint64_t plugged;
} VirtIOMEMResizeMark;

typedef struct VirtIOMEMResize {
    VirtIOMEMResizeStatus status;
    VirtIOMEMResizeReason reason;
    int64_t since;                  /* in this status */

    /* What was told. */
    uint64_t requested;
    uint64_t plugged;
    bool stopped;                   /* the VM does not run */
    VirtIOMEMResizeDriver driver;
    VirtIOMEMResizeReason told_to_wait;     /* why, by the last answer */
    int64_t progress;               /* when there was some */

    /* The speed is that since the first mark, of the last 2 to 4 s. */
    VirtIOMEMResizeMark marks[2];
} VirtIOMEMResize;

/* The VM runs, nothing is plugged, nothing requested, there is no driver. */
void virtio_mem_resize_init(VirtIOMEMResize *r, int64_t now);

/*
 * What has happened. Each returns true when status or reason have changed.
 *
 * @why: for an answer of BUSY, what made the guest wait, else NO_REASON
 */
bool virtio_mem_resize_sizes(VirtIOMEMResize *r, int64_t now,
                             uint64_t requested, uint64_t plugged);
bool virtio_mem_resize_vm(VirtIOMEMResize *r, int64_t now, bool runs);
bool virtio_mem_resize_driver(VirtIOMEMResize *r, int64_t now,
                              VirtIOMEMResizeDriver driver);
bool virtio_mem_resize_answered(VirtIOMEMResize *r, int64_t now,
                                VirtIOMEMResizeReason why);
bool virtio_mem_resize_tick(VirtIOMEMResize *r, int64_t now);

/* When virtio_mem_resize_tick() may change something; -1 for never. */
int64_t virtio_mem_resize_deadline(const VirtIOMEMResize *r);

/* Bytes per second; 0 unless resizing. */
uint64_t virtio_mem_resize_rate(const VirtIOMEMResize *r, int64_t now);

/* Seconds, rounded up, until it settles at this rate; -1 when unknown. */
int64_t virtio_mem_resize_eta(const VirtIOMEMResize *r, int64_t now);

#endif
