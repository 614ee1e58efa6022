/*
 * vmemctl: sizes, as a user writes and reads them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_SIZE_H
#define VMEMCTL_SIZE_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

/* A decimal number: whole + fraction / scale */
typedef struct SizeNumber {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale;
} SizeNumber;

/* What the SIZE of a command line asks for. It refers to the parsed text. */
typedef struct Size {
    const char *text;
    char sign;          /* '+' or '-': a change of the requested size; or 0 */
    bool percent;       /* the number is a percentage of the maximum */
    unsigned shift;     /* else the number is in units of 1 << shift bytes */
    SizeNumber number;
} Size;

/* What a size is relative to, and what it has to fit; all in bytes. */
typedef struct SizeLimits {
    uint64_t requested;
    uint64_t max;
    uint64_t block;     /* not 0 */
} SizeLimits;

/*
 * Parse a size, which is one of
 *   max          the maximum
 *   0x40000000   bytes
 *   40G, 1.5GiB  a number, in bytes or with a unit out of BKMGTPE in either
 *                case; "iB" or "i" may follow the unit, a space precede it
 *   50%          a percentage of the maximum
 * or, but for max, one of these after a sign: more or less than requested.
 */
bool size_parse(const char *text, Size *size, GError **errp);

/*
 * The number of bytes that @size is for a device with these limits. Nothing
 * is rounded: what is not a multiple of the block size, or not between 0 and
 * the maximum, is an error.
 */
bool size_resolve(const Size *size, const SizeLimits *limits, uint64_t *bytes,
                  GError **errp);

/*
 * "1.5 GiB", "6094 MiB": exactly @bytes, in the largest unit that takes no
 * more than two decimals. size_parse() reads it.
 */
char *size_text(uint64_t bytes);

/*
 * "5.95 GiB": in the largest unit. What two decimals cannot hold is cut off:
 * what is not complete must not look complete.
 */
char *size_text_short(uint64_t bytes);

#endif
