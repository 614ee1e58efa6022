/*
 * virtio-mem: the requested, the usable and the plugged size
 *
 * What others see of them, and how the first two change; the public header has
 * the rest. Each change has a new config generation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SIZES_H
#define HW_VIRTIO_MEM_SIZES_H

#include "hw/virtio/virtio-mem.h"

/*
 * Set the usable region of a realized device to @usable_size bytes. May be
 * smaller than before during UNPLUG ALL and system reset only.
 */
void virtio_mem_set_usable(VirtIOMEM *vmem, uint64_t usable_size);

#endif
