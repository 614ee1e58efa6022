/*
 * virtio-mem: what a user may set
 *
 * The properties, their limits and the messages that name them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_PROPERTIES_H
#define HW_VIRTIO_MEM_PROPERTIES_H

#include "hw/virtio/virtio-mem.h"
#include "geometry.h"

/* What the properties come to, with every default resolved. */
typedef struct VirtIOMEMProperties {
    VirtIOMEMGeometry geo;
    bool unplugged_inaccessible;
} VirtIOMEMProperties;

/*
 * virtio_mem_properties_resolve: check all properties of @vmem.
 *
 * Called at realize; has no effect on anything. Returns false and sets @errp,
 * naming the property and its limits.
 */
bool virtio_mem_properties_resolve(const VirtIOMEM *vmem,
                                   VirtIOMEMProperties *properties,
                                   Error **errp);

/*
 * virtio_mem_properties_warn: tell the user what in the properties of @vmem is
 * allowed and still likely to be regretted. Called once, when nothing can fail
 * any more at realize.
 */
void virtio_mem_properties_warn(const VirtIOMEM *vmem);

/*
 * virtio_mem_properties_check_size: may @size, in bytes, be a requested size?
 *
 * @name: how it is called, for the message
 */
bool virtio_mem_properties_check_size(const VirtIOMEMGeometry *geo,
                                      const char *name, uint64_t size,
                                      Error **errp);

/*
 * virtio_mem_properties_set_size: before realize, the first requested size.
 *
 * @name: the property that sets it, of two names for the same thing; fails when
 *     the other has set it to another value
 * @size: bytes; checked at realize
 */
bool virtio_mem_properties_set_size(VirtIOMEM *vmem, const char *name,
                                    uint64_t size, Error **errp);

/* Declare the properties. */
void virtio_mem_properties_class_init(ObjectClass *oc);

#endif
