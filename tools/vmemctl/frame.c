/*
 * vmemctl: where a message of QMP ends
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
#include <glib.h>

#include "frame.h"

#define DEEPEST 64

/* The length of the string that starts at @data, or 0 if it does not end. */
static size_t string_length(const char *data, size_t len)
{
    size_t i;

    for (i = 1; i < len; i++) {
        if (data[i] == '\\') {
            i++;
        } else if (data[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

ssize_t frame_length(const char *data, size_t len)
{
    unsigned depth = 0;
    size_t i = 0, skip;

    while (i < len) {
        skip = 1;
        if (depth == 0 && data[i] != '{' && !g_ascii_isspace(data[i])) {
            return -1;
        }
        if (data[i] == '"') {
            skip = string_length(data + i, len - i);
            if (!skip) {
                return 0;
            }
        } else if (data[i] == '{' || data[i] == '[') {
            if (++depth > DEEPEST) {
                return -1;
            }
        } else if (data[i] == '}' || data[i] == ']') {
            if (--depth == 0) {
                return i + 1;
            }
        }
        i += skip;
    }
    return 0;
}
