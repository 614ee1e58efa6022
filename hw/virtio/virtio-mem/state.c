/*
 * virtio-mem: the plugged state, the last part of a change
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "state.h"

static int state_plug(void *self, const VirtIOMEMChange *change)
{
    virtio_mem_blocks_set(self, change->range, true);
    return 0;
}

static int state_unplug(void *self, const VirtIOMEMChange *change)
{
    virtio_mem_blocks_set(self, change->range, false);
    return 0;
}

const VirtIOMEMPart virtio_mem_state_part = {
    .name = "state",
    .plug = state_plug,
    .unplug = state_unplug,
};
