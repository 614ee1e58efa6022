/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU 10.0 has what qemu/target-info.h has in 11.1 */
#include "hw/core/cpu.h"
#include "hw/virtio/virtio-mem-compat.h"
