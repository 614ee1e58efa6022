/*
 * virtio-mem: what a user may set
 *
 * The properties, and what they say of themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_PROPERTIES_H
#define HW_VIRTIO_MEM_PROPERTIES_H

#include "hw/virtio/virtio-mem.h"

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
