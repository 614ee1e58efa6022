/*
 * vmemctl: where a message of QMP ends
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_FRAME_H
#define VMEMCTL_FRAME_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The length of the JSON object at the start of @data, with the white space
 * before it; 0 if more has to come; -1 if it is no object, or one nested deeper
 * than any of QMP. QMP may put line breaks within a message (pretty=on), so it
 * is braces that count.
 */
ssize_t frame_length(const char *data, size_t len);

#endif
