/*
 * virtio-mem: hearing of system resets
 *
 * A virtio device hears of its own reset (by the driver, or with its bus),
 * which must leave memory plugged (VIRTIO 1.2, 5.15.5.2). Only a reset of the
 * whole system unplugs. This object tells the two apart: it is registered for
 * system resets on its own, outside the tree of buses and devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SYSTEM_RESET_H
#define HW_VIRTIO_MEM_SYSTEM_RESET_H

#include "hw/virtio/virtio-mem.h"

typedef void VirtIOMEMSystemResetFn(VirtIOMEM *vmem);

/*
 * Call @fn at each system reset but a wake-up from suspend, which keeps RAM.
 * Returns an object that belongs to the caller.
 */
Object *virtio_mem_system_reset_new(VirtIOMEM *vmem,
                                    VirtIOMEMSystemResetFn *fn);

/* No more calls; frees @obj. Not to be called during a reset. */
void virtio_mem_system_reset_free(Object *obj);

#endif
