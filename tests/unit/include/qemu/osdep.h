/*
 * Stand-in for QEMU's qemu/osdep.h: the little of it that the pure modules of
 * virtio-mem and queue.c use, so that they build and are tested without QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_OSDEP_H
#define QEMU_OSDEP_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <glib.h>

#define QEMU_BUILD_BUG_ON(x) G_STATIC_ASSERT(!(x))

#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))

#endif
