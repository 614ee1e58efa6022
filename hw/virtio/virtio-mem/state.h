/*
 * virtio-mem: the plugged state, the last part of a change
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_STATE_H
#define HW_VIRTIO_MEM_STATE_H

#include "change.h"

/*
 * Marks the blocks, which nothing else of the device does. Neither fails, nor
 * waits. self: the VirtIOMEMBlocks of the engine.
 */
extern const VirtIOMEMPart virtio_mem_state_part;

#endif
