/*
 * virtio-mem: what a change of blocks does to the world
 *
 * Binds the effects that virtio-mem-transition orders to the rooms that have
 * them, and tells the guest and the user of the new size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_EFFECTS_H
#define HW_VIRTIO_MEM_EFFECTS_H

#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-geometry.h"

/* Set up the transition of @live, whose state and rdm are set up already. */
void virtio_mem_effects_init(VirtIOMEM *vmem, VirtIOMEMLive *live);

/*
 * Plug or unplug @range, as virtio_mem_plug() and virtio_mem_unplug() do, and
 * spread the news. Return 0, or a negative errno value with nothing changed.
 */
int virtio_mem_device_plug(VirtIOMEM *vmem, VirtIOMEMRange range);
int virtio_mem_device_unplug(VirtIOMEM *vmem, VirtIOMEMRange range);

/*
 * Unplug whatever is plugged and shrink the usable region to what is
 * requested. It shrinks at no other time (VIRTIO 1.2, 5.15.4), and without a
 * notification: a driver reads the config after UNPLUG ALL, and at a system
 * reset there is none.
 */
int virtio_mem_device_unplug_all(VirtIOMEM *vmem);

#endif
