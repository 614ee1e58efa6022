/*
 * virtio-mem: somebody has used unplugged memory
 *
 * Counts it, tells the user, and stops the VM if the user wants that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_VIOLATIONS_H
#define HW_VIRTIO_MEM_VIOLATIONS_H

#include "hw/virtio/virtio.h"
#include "throttle.h"

/* Private to violations.c. */
typedef struct VirtIOMEMViolations {
    const VirtIODevice *vdev;
    bool stop;
    VirtIOMEMThrottle throttle;
    uint64_t count;             /* since realize */
    uint64_t told;              /* of these */
    uint64_t offset;            /* of the first that was not told */
} VirtIOMEMViolations;

/* @stop: whether the VM is stopped */
void virtio_mem_violations_init(VirtIOMEMViolations *violations,
                                const VirtIODevice *vdev, bool stop);
void virtio_mem_violations_cleanup(VirtIOMEMViolations *violations);

/*
 * virtio_mem_violations_found: unplugged memory at @offset was used @count
 * times, or @count pages of it. With the BQL.
 */
void virtio_mem_violations_found(VirtIOMEMViolations *violations,
                                 uint64_t offset, uint64_t count);

static inline uint64_t
virtio_mem_violations_count(const VirtIOMEMViolations *violations)
{
    return violations->count;
}

#endif
