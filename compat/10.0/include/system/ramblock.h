/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU 10.0 has what system/ramblock.h has in 11.1 */
#include "exec/cpu-common.h"
#include "exec/ramblock.h"
#include "hw/virtio/virtio-mem-compat.h"
