/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU 10.0 has what hw/core/qdev.h has in 11.1 */
#include "hw/qdev-core.h"
#include "hw/virtio/virtio-mem-compat.h"
