/*
 * virtio-mem: hearing of system resets
 *
 * A virtio device hears of its own reset (by the driver, or with its bus),
 * which must leave memory plugged (VIRTIO 1.2, 5.15.5). Only a reset of the
 * whole system unplugs. An object of its own, outside the tree of buses and
 * devices, hears of those and tells all devices.
 *
 * There is one for all devices, and it stays: a system reset may eject a
 * device whose unplug is pending, and an object must not be unregistered for
 * resets during a reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SYSTEM_RESET_H
#define HW_VIRTIO_MEM_SYSTEM_RESET_H

#include "hw/virtio/virtio-mem.h"

typedef struct VirtIOMEMSystemResetListener {
    void (*system_reset)(VirtIOMEM *vmem);
    VirtIOMEM *vmem;
    bool waits;             /* to hear of the reset that goes on */
    QLIST_ENTRY(VirtIOMEMSystemResetListener) next;
} VirtIOMEMSystemResetListener;

/*
 * Call @listener->system_reset at each system reset but a wake-up from
 * suspend, which keeps RAM.
 */
void virtio_mem_system_reset_listen(VirtIOMEMSystemResetListener *listener);

/* No more calls. May be called during a reset, by a listener, too. */
void virtio_mem_system_reset_unlisten(VirtIOMEMSystemResetListener *listener);

#endif
