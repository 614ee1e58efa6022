/*
 * vmemctl: times and quotations in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_TEXT_H
#define VMEMCTL_TEXT_H

#include <stddef.h>

/* "0:07", "12:34", "1:02:03" */
char *text_duration(double seconds);

/* The first bytes of what a peer sent, with nothing a terminal obeys. */
char *text_printable(const char *data, size_t len);

#endif
