/*
 * Stand-in for QEMU's hw/core/qdev.h, for worker.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_CORE_QDEV_H
#define HW_CORE_QDEV_H

typedef struct DeviceState DeviceState;

#endif
