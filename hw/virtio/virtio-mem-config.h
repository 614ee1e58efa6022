/*
 * virtio-mem: how a device may be configured
 *
 * The properties, their limits and the messages that name them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_CONFIG_H
#define HW_VIRTIO_MEM_CONFIG_H

#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-geometry.h"

/* What the properties come to, with every default resolved. */
typedef struct VirtIOMEMConfig {
    VirtIOMEMGeometry geo;
    bool unplugged_inaccessible;
} VirtIOMEMConfig;

/*
 * virtio_mem_config_resolve: check all properties of @vmem.
 *
 * Called at realize; has no effect on anything. Returns false and sets @errp,
 * naming the property and its limits.
 */
bool virtio_mem_config_resolve(const VirtIOMEM *vmem, VirtIOMEMConfig *config,
                               Error **errp);

/*
 * virtio_mem_config_warn: tell the user what in the properties of @vmem is
 * allowed and still likely to be regretted. Called once, when nothing can fail
 * any more at realize.
 */
void virtio_mem_config_warn(const VirtIOMEM *vmem);

/*
 * virtio_mem_config_check_size: may @size, in bytes, be a requested size?
 *
 * @name: how it is called, for the message
 */
bool virtio_mem_config_check_size(const VirtIOMEMGeometry *geo,
                                  const char *name, uint64_t size,
                                  Error **errp);

/* Declare the properties. */
void virtio_mem_config_class_init(ObjectClass *oc);

#endif
