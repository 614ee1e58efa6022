/*
 * vmemctl: the SIZE that a user asks for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_SIZE_H
#define VMEMCTL_SIZE_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

/* What a SIZE is taken relative to, and has to fit into; all in bytes. */
typedef struct SizeLimits {
    uint64_t requested;
    uint64_t max;
    uint64_t block;     /* not 0 */
} SizeLimits;

/*
 * A size as QEMU reads it: bytes, a decimal number with a suffix out of
 * BKMGTPE in either case (a fraction is possible unless they are bytes), or a
 * hexadecimal number of bytes. Other than in QEMU, what is no whole number of
 * bytes is an error.
 */
bool size_parse(const char *text, uint64_t *size, GError **errp);

/*
 * The new size that @text asks for: a size, +size, -size, or a percentage of
 * the maximum. It is never rounded; what is no multiple of the block size, or
 * not between 0 and the maximum, is an error.
 */
bool size_target(const char *text, const SizeLimits *limits, uint64_t *size,
                 GError **errp);

#endif
