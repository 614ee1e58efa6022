/*
 * vmemctl: sizes and times in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_TEXT_H
#define VMEMCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * "1.5 GiB": at most two decimals. What they cannot hold is cut off, never
 * rounded up: what is not all there shall not look as if it were.
 */
char *text_size(uint64_t bytes);

/* "0:07", "12:34", "1:02:03" */
char *text_duration(double seconds);

/* The first bytes of what a peer sent, with nothing a terminal obeys. */
char *text_printable(const char *data, size_t len);

#endif
