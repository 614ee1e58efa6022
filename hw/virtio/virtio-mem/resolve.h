/*
 * virtio-mem: what the properties come to
 *
 * Checks, with a message for each thing that can be wrong, defaults and warnings.
 * No effect on anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_RESOLVE_H
#define HW_VIRTIO_MEM_RESOLVE_H

#include "hw/virtio/virtio-mem.h"
#include "geometry.h"

/* Two sizes that stand in one message. */
typedef struct VirtIOMEMSizesText {
    char first[32];
    char second[32];
} VirtIOMEMSizesText;

/*
 * As the user has written them. QMP knows bytes only. On the command line and
 * in HMP sizes have suffixes: both get the largest unit in which both are whole
 * numbers, so that they can be compared and nothing is rounded.
 */
VirtIOMEMSizesText virtio_mem_resolve_sizes(uint64_t first, uint64_t second);

/* What the properties come to, with every default resolved. */
typedef struct VirtIOMEMProperties {
    VirtIOMEMGeometry geo;
    bool unplugged_inaccessible;
} VirtIOMEMProperties;

/*
 * virtio_mem_resolve: check all properties of @vmem.
 *
 * Called at realize; has no effect on anything. Returns false and sets @errp,
 * naming the property and its limits.
 */
bool virtio_mem_resolve(const VirtIOMEM *vmem, VirtIOMEMProperties *properties,
                        Error **errp);

/*
 * virtio_mem_resolve_warn: tell the user what in the properties of @vmem is
 * allowed and still likely to be regretted. Called once, when nothing can fail
 * any more at realize.
 */
void virtio_mem_resolve_warn(const VirtIOMEM *vmem);

/*
 * virtio_mem_resolve_check_size: may @size, in bytes, be a requested size?
 *
 * @name: how it is called, for the message
 */
bool virtio_mem_resolve_check_size(const VirtIOMEMGeometry *geo,
                                   const char *name, uint64_t size,
                                   Error **errp);

#endif
