/*
 * vmemctl: the table of devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_TABLE_H
#define VMEMCTL_TABLE_H

#include <glib.h>

/*
 * A header and a line for each device (of Device); with a column for what
 * QEMU says of resizes if it says anything. With @id, only that device.
 */
char *table_format(GPtrArray *devices, const char *id);

#endif
