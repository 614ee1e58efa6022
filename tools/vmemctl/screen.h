/*
 * vmemctl: the terminal, if there is one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_SCREEN_H
#define VMEMCTL_SCREEN_H

#include <stdbool.h>

/* Whether the standard output is a terminal that can move its cursor. */
bool screen_is_terminal(void);

unsigned screen_width(void);

#endif
