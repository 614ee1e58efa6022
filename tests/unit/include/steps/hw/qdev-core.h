/*
 * Stand-in for QEMU's hw/qdev-core.h, for worker.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QDEV_CORE_H
#define QDEV_CORE_H

typedef struct DeviceState DeviceState;

#endif
