/*
 * Nothing comes of what is traced. Only for programs that are built without QEMU:
 * its headers have functions with these names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/trace.h"

void trace_virtio_mem_step(void *dev, const char *part, const char *step,
                           int ret)
{
}
