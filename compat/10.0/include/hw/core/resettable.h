/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU 10.0 has what hw/core/resettable.h has in 11.1 */
#include "hw/resettable.h"
#include "hw/virtio/virtio-mem-compat.h"
