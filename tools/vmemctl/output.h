/*
 * vmemctl: tables, JSON and the terminal
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_OUTPUT_H
#define VMEMCTL_OUTPUT_H

#include "device.h"

/* Whether the standard output is a terminal that can move its cursor. */
bool output_is_terminal(void);

/* The terminal's columns and rows; 0 if the standard output is not one. */
void output_size(unsigned *columns, unsigned *rows);

/* Whether to use colours: on such a terminal, unless NO_COLOR is set. */
bool output_has_colour(void);

/* Write what is printed so far; a failure is an error. */
bool output_flush(GError **errp);

/* Print an object in one line, at once; it takes over @object. */
bool output_json_line(JsonObject *object, GError **errp);

/*
 * A header and a line for each device (of Device); with a column for what
 * QEMU says of resizes if it says anything. With @id, only that device.
 *
 * @width: no line is longer; columns are left out, and at last lines cut off.
 *     0 for no limit
 * @colour: whether what is blocked is shown in red
 */
char *output_table(GPtrArray *devices, const char *id, unsigned width,
                   bool colour);

#endif
