/*
 * virtio-mem: following a resize
 *
 * Is the guest getting where it was asked to, how fast, and if not, why not?
 * A state machine that is told what happens and when; it has no clock of its
 * own. Times are in ms, of any clock that does not go back and stands still
 * while the VM does; sizes in bytes.
 *
 * This module is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_PROGRESS_H
#define HW_VIRTIO_MEM_PROGRESS_H

/* How long a guest may make no progress before it is what blocks. */
#define VIRTIO_MEM_PROGRESS_PATIENCE_MS 5000

typedef enum VirtIOMEMProgressStatus {
    VIRTIO_MEM_PROGRESS_SETTLED,      /* what is requested is plugged, no more */
    VIRTIO_MEM_PROGRESS_RESIZING,
    VIRTIO_MEM_PROGRESS_BLOCKED,
    VIRTIO_MEM_PROGRESS_PAUSED,       /* it is not, as the VM does not run */
} VirtIOMEMProgressStatus;

/* Why it is blocked; where several fit, the first. */
typedef enum VirtIOMEMProgressReason {
    VIRTIO_MEM_PROGRESS_NO_REASON,
    VIRTIO_MEM_PROGRESS_DRIVER_FEATURES,  /* a driver lacks one it must have */
    VIRTIO_MEM_PROGRESS_NO_DRIVER,        /* none has started */
    VIRTIO_MEM_PROGRESS_MIGRATION,        /* it was told to wait */
    VIRTIO_MEM_PROGRESS_HOST_MEMORY,      /* it was told to wait */
    VIRTIO_MEM_PROGRESS_HOST_DISCARD,     /* it was told to wait */
    VIRTIO_MEM_PROGRESS_LISTENER,         /* it was told to wait */
    VIRTIO_MEM_PROGRESS_GUEST,            /* it does not ask, or is refused */
} VirtIOMEMProgressReason;

typedef enum VirtIOMEMProgressDriver {
    VIRTIO_MEM_PROGRESS_DRIVER_NONE,
    VIRTIO_MEM_PROGRESS_DRIVER_REFUSED,
    VIRTIO_MEM_PROGRESS_DRIVER_RUNS,
} VirtIOMEMProgressDriver;

typedef struct VirtIOMEMProgressMark {
    int64_t at;
    uint64_t plugged;
} VirtIOMEMProgressMark;

typedef struct VirtIOMEMProgress {
    VirtIOMEMProgressStatus status;
    VirtIOMEMProgressReason reason;
    int64_t since;                  /* in this status */

    /* What was told. */
    uint64_t requested;
    uint64_t plugged;
    uint64_t behind;                /* unplugged, and not yet given back */
    bool stopped;                   /* the VM does not run */
    VirtIOMEMProgressDriver driver;
    VirtIOMEMProgressReason told_to_wait;     /* why, by the last answer */
    int64_t progress;               /* when there was some */

    /* The speed is that since the first mark, of the last 2 to 4 s. */
    VirtIOMEMProgressMark marks[2];
} VirtIOMEMProgress;

/* The VM runs, nothing is plugged, nothing requested, there is no driver. */
void virtio_mem_progress_init(VirtIOMEMProgress *r, int64_t now);

/*
 * What has happened. Each returns true when status or reason have changed.
 *
 * @why: for an answer of BUSY, what made the guest wait, else NO_REASON
 */
bool virtio_mem_progress_sizes(VirtIOMEMProgress *r, int64_t now,
                               uint64_t requested, uint64_t plugged);
bool virtio_mem_progress_behind(VirtIOMEMProgress *r, int64_t now,
                                uint64_t size);
bool virtio_mem_progress_vm(VirtIOMEMProgress *r, int64_t now, bool runs);
bool virtio_mem_progress_driver(VirtIOMEMProgress *r, int64_t now,
                                VirtIOMEMProgressDriver driver);
bool virtio_mem_progress_answered(VirtIOMEMProgress *r, int64_t now,
                                  VirtIOMEMProgressReason why);
bool virtio_mem_progress_tick(VirtIOMEMProgress *r, int64_t now);

/* When virtio_mem_progress_tick() may change something; -1 for never. */
static inline int64_t virtio_mem_progress_deadline(const VirtIOMEMProgress *r)
{
    return r->status == VIRTIO_MEM_PROGRESS_RESIZING &&
           r->requested != r->plugged ?
           r->progress + VIRTIO_MEM_PROGRESS_PATIENCE_MS : -1;
}

/* Bytes per second; 0 unless resizing. */
uint64_t virtio_mem_progress_rate(const VirtIOMEMProgress *r, int64_t now);

/* Seconds, rounded up, until it settles at this rate; -1 when unknown. */
int64_t virtio_mem_progress_eta(const VirtIOMEMProgress *r, int64_t now);

#endif
