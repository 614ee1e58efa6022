/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU 10.0 has what system/memory.h has in 11.1 */
#include "exec/memory.h"
#include "hw/virtio/virtio-mem-compat.h"
