/*
 * vmemctl: sizes, as a user writes and reads them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <string.h>

#include "vmemctl.h"
#include "size.h"

typedef unsigned __int128 Wide;

#define FRACTION_DIGITS 18

static const char unit_letters[] = "BKMGTPE";

static bool bad(GError **errp, const char *text, const char *why)
{
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                "'%s' is not a size: %s", text, why);
    return false;
}

static bool bad_syntax(GError **errp, const char *text)
{
    return bad(errp, text, "use 40G, 1.5GiB, +512M, -1G, 50%, +5% or max");
}

/* Digits; false if their value does not fit. */
static bool parse_digits(const char **at, unsigned base, uint64_t *value)
{
    Wide wide = 0;

    for (; base == 16 ? g_ascii_isxdigit(**at) : g_ascii_isdigit(**at);
         (*at)++) {
        wide = wide * base + g_ascii_xdigit_value(**at);
        if (wide > UINT64_MAX) {
            return false;
        }
    }
    *value = wide;
    return true;
}

/* The digits after the point; false if there are too many. */
static bool parse_fraction(const char **at, SizeNumber *number)
{
    unsigned digits = 0;

    for (; g_ascii_isdigit(**at); (*at)++) {
        if (digits < FRACTION_DIGITS) {
            number->fraction = number->fraction * 10 + (**at - '0');
            number->scale *= 10;
            digits++;
        } else if (**at != '0') {
            return false;
        }
    }
    return true;
}

/* What may follow a decimal number. */
static bool parse_unit(const char *at, Size *size)
{
    const char *letter;

    if (!*at) {
        return true;
    }
    at += *at == ' ';
    if (!strcmp(at, "%")) {
        size->percent = true;
        return true;
    }
    letter = *at ? strchr(unit_letters, g_ascii_toupper(*at)) : NULL;
    if (!letter) {
        return false;
    }
    size->shift = 10 * (letter - unit_letters);
    at++;
    return !*at || (size->shift && (!g_ascii_strcasecmp(at, "i") ||
                                    !g_ascii_strcasecmp(at, "iB")));
}

static bool parse_hex(const char *digits, Size *size, GError **errp)
{
    const char *at = digits;

    if (!parse_digits(&at, 16, &size->number.whole)) {
        return bad(errp, size->text, "it is too large");
    }
    if (at == digits || *at) {
        return bad(errp, size->text, "a hexadecimal number is in bytes, and"
                   " takes no unit and no fraction");
    }
    return true;
}

static bool parse_decimal(const char *digits, Size *size, GError **errp)
{
    const char *at = digits;

    if (!parse_digits(&at, 10, &size->number.whole)) {
        return bad(errp, size->text, "it is too large");
    }
    if (*at == '.') {
        at++;
        if (!parse_fraction(&at, &size->number)) {
            return bad(errp, size->text, "it has too many digits");
        }
    }
    if (at == digits || (at == digits + 1 && *digits == '.') ||
        !parse_unit(at, size)) {
        return bad_syntax(errp, size->text);
    }
    if ((Wide)size->number.whole << size->shift > UINT64_MAX) {
        return bad(errp, size->text, "it is too large");
    }
    if (size->percent && (size->number.whole > 100 ||
                          (size->number.whole == 100 &&
                           size->number.fraction))) {
        return bad(errp, size->text, "it is more than 100%");
    }
    return true;
}

bool size_parse(const char *text, Size *size, GError **errp)
{
    const char *at = text;

    *size = (Size) { .text = text, .number = { .scale = 1 } };
    if (!g_ascii_strcasecmp(text, "max")) {
        size->percent = true;
        size->number.whole = 100;
        return true;
    }
    if (*at == '+' || *at == '-') {
        size->sign = *at++;
    }
    return g_str_has_prefix(at, "0x") || g_str_has_prefix(at, "0X") ?
           parse_hex(at + 2, size, errp) : parse_decimal(at, size, errp);
}

/*
 * number * factor / divisor, without its fraction; returns whether there is
 * none. No product overflows: a fraction is less than 10^18.
 */
static bool multiply(const SizeNumber *number, uint64_t factor,
                     unsigned divisor, Wide *result)
{
    Wide fraction = (Wide)number->fraction * factor;
    Wide product = (Wide)number->whole * factor + fraction / number->scale;

    *result = product / divisor;
    return fraction % number->scale == 0 && product % divisor == 0;
}

/* The sizes next to what is not a multiple of the block size. */
static bool not_a_multiple(const Size *size, uint64_t below,
                           const SizeLimits *limits, GError **errp)
{
    g_autofree char *block = size_text(limits->block);
    g_autofree char *first = size_text(below);
    g_autofree char *second = size_text(below + limits->block);

    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                "'%s' does not give a multiple of the block size, %s: the"
                " nearest %s %s%s%s", size->text, block,
                limits->max - below < limits->block ? "size is" : "sizes are",
                first, limits->max - below < limits->block ? "" : " and ",
                limits->max - below < limits->block ? "" : second);
    return false;
}

bool size_resolve(const Size *size, const SizeLimits *limits, uint64_t *bytes,
                  GError **errp)
{
    Wide value;
    bool exact = multiply(&size->number, size->percent ? limits->max :
                          (uint64_t)1 << size->shift,
                          size->percent ? 100 : 1, &value);

    if (size->sign == '-') {
        value += !exact;    /* so that the difference is rounded down */
        if (value > limits->requested) {
            g_autofree char *requested = size_text(limits->requested);

            g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED, "'%s' is more"
                        " than the requested size, %s", size->text, requested);
            return false;
        }
        value = limits->requested - value;
    } else if (size->sign == '+') {
        value += limits->requested;
    }
    if (value > limits->max || (value == limits->max && !exact)) {
        g_autofree char *max = size_text(limits->max);

        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED, "'%s' exceeds the"
                    " device's maximum, %s", size->text, max);
        return false;
    }
    if (!exact || value % limits->block) {
        return not_a_multiple(size, value - value % limits->block, limits,
                              errp);
    }
    *bytes = value;
    return true;
}

/* With at most two decimals, which are cut off after that. */
static char *in_unit(uint64_t bytes, unsigned unit)
{
    Wide hundredths = ((Wide)bytes * 100) >> (10 * unit);
    unsigned rest = hundredths % 100;
    g_autofree char *decimals = !rest ? g_strdup("") : rest % 10 ?
        g_strdup_printf(".%02u", rest) : g_strdup_printf(".%u", rest / 10);

    return g_strdup_printf("%" PRIu64 "%s %c%s", (uint64_t)(hundredths / 100),
                           decimals, unit_letters[unit], unit ? "iB" : "");
}

static unsigned largest_unit(uint64_t bytes)
{
    unsigned unit = 0;

    while (unit + 1 < strlen(unit_letters) && bytes >> (10 * (unit + 1))) {
        unit++;
    }
    return unit;
}

char *size_text(uint64_t bytes)
{
    unsigned unit = largest_unit(bytes);

    while (((Wide)bytes * 100) % ((Wide)1 << (10 * unit))) {
        unit--;
    }
    return in_unit(bytes, unit);
}

char *size_text_short(uint64_t bytes)
{
    return in_unit(bytes, largest_unit(bytes));
}
