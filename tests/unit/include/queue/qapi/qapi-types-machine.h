/*
 * Stand-in for what QEMU makes of its schema, for report.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QAPI_TYPES_MACHINE_H
#define QAPI_TYPES_MACHINE_H

typedef struct VirtioMEMResizeInfo VirtioMEMResizeInfo;
typedef struct VirtioMEMRequestInfo VirtioMEMRequestInfo;

#endif
