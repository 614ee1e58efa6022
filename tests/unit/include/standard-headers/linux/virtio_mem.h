/*
 * Stand-in for QEMU's copy of the uapi header: the system's own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <linux/virtio_mem.h>
