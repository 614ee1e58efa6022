/*
 * vmemctl: the SIZE that a user asks for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <string.h>

#include "error.h"
#include "size.h"
#include "text.h"

typedef unsigned __int128 Wide;

#define WIDE_MAX ((Wide)UINT64_MAX)
#define FRACTION_DIGITS 18

/* number = whole + fraction / scale */
typedef struct Decimal {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale;
} Decimal;

static bool bad(GError **errp, const char *text, const char *why)
{
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                "'%s' is no size: %s", text, why);
    return false;
}

static bool no_number(GError **errp, const char *text)
{
    return bad(errp, text, "it takes a number of bytes, or a number with one"
               " of the suffixes K, M, G, T, P, E, like 40G or 1.5G");
}

/* The digits after the point. */
static bool parse_fraction(const char **at, Decimal *number)
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

/* A decimal number at the start of @text; @end is what follows. */
static bool parse_decimal(const char *text, const char **end, Decimal *number,
                          GError **errp)
{
    const char *at = text;
    Wide whole = 0;

    *number = (Decimal) { .scale = 1 };
    for (; g_ascii_isdigit(*at); at++) {
        whole = whole * 10 + (*at - '0');
        if (whole > WIDE_MAX) {
            return bad(errp, text, "it is too large");
        }
    }
    number->whole = whole;
    if (*at == '.') {
        at++;
        if (!parse_fraction(&at, number)) {
            return bad(errp, text, "it has too many digits");
        }
    }
    if (at == text || (at == text + 1 && *text == '.')) {
        return no_number(errp, text);
    }
    *end = at;
    return true;
}

/* number * factor / divisor, which has to be a whole number */
static bool scaled(const Decimal *number, uint64_t factor, unsigned divisor,
                   uint64_t *result)
{
    Wide fraction = (Wide)number->fraction * factor;
    Wide product = (Wide)number->whole * factor;

    if (fraction % number->scale) {
        return false;
    }
    product += fraction / number->scale;
    if (product % divisor || product / divisor > WIDE_MAX) {
        return false;
    }
    *result = product / divisor;
    return true;
}

static bool parse_hex(const char *text, uint64_t *size, GError **errp)
{
    const char *at;
    Wide value = 0;

    for (at = text + 2; g_ascii_isxdigit(*at); at++) {
        value = value * 16 + g_ascii_xdigit_value(*at);
        if (value > WIDE_MAX) {
            return bad(errp, text, "it is too large");
        }
    }
    if (at == text + 2 || *at) {
        return bad(errp, text, "a hexadecimal number is in bytes, without"
                   " suffix or fraction");
    }
    *size = value;
    return true;
}

bool size_parse(const char *text, uint64_t *size, GError **errp)
{
    static const char suffixes[] = "BKMGTPE";
    const char *end, *suffix;
    Decimal number;
    unsigned shift = 0;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return parse_hex(text, size, errp);
    }
    if (!parse_decimal(text, &end, &number, errp)) {
        return false;
    }
    if (*end) {
        suffix = strchr(suffixes, g_ascii_toupper(*end));
        if (!suffix || end[1]) {
            return no_number(errp, text);
        }
        shift = 10 * (suffix - suffixes);
    }
    if ((Wide)number.whole << shift > WIDE_MAX) {
        return bad(errp, text, "it is too large");
    }
    if (!scaled(&number, (uint64_t)1 << shift, 1, size)) {
        return bad(errp, text, "it is no whole number of bytes");
    }
    return true;
}

/* The sizes that the user may have meant. */
static bool no_multiple(const char *text, const char *size_text,
                        uint64_t below, const SizeLimits *limits,
                        GError **errp)
{
    g_autofree char *block = text_size(limits->block);
    uint64_t above = below + limits->block;
    bool in_range = above > below && above <= limits->max;
    g_autofree char *bytes = in_range ?
        g_strdup_printf(" and %" PRIu64, above) : g_strdup("");

    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                "'%s' (%s) is no multiple of the block size, %s: the nearest,"
                " in bytes: %" PRIu64 "%s", text, size_text, block,
                MIN(below, limits->max), bytes);
    return false;
}

static bool check(const char *text, uint64_t size, const SizeLimits *limits,
                  GError **errp)
{
    if (size > limits->max) {
        g_autofree char *asked = text_size(size);
        g_autofree char *max = text_size(limits->max);

        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                    "'%s' (%s) is more than the device's maximum, %s", text,
                    asked, max);
        return false;
    }
    if (size % limits->block) {
        g_autofree char *bytes = g_strdup_printf("%" PRIu64 " bytes", size);

        return no_multiple(text, bytes, size - size % limits->block, limits,
                           errp);
    }
    return true;
}

static bool percentage(const char *text, const SizeLimits *limits,
                       uint64_t *size, GError **errp)
{
    const char *end;
    Decimal number;

    if (!parse_decimal(text, &end, &number, errp)) {
        return false;
    }
    if (end[0] != '%' || end[1]) {
        return no_number(errp, text);
    }
    if (number.whole > 100 || (number.whole == 100 && number.fraction)) {
        return bad(errp, text, "it is more than the whole");
    }
    if (!scaled(&number, limits->max, 100, size)) {
        long double share = (number.whole + (long double)number.fraction /
                             number.scale) / 100 * limits->max;
        uint64_t below = share;

        return no_multiple(text, "of the maximum", below -
                           below % limits->block, limits, errp);
    }
    return check(text, *size, limits, errp);
}

bool size_target(const char *text, const SizeLimits *limits, uint64_t *size,
                 GError **errp)
{
    char sign = *text;
    uint64_t change;

    if (strchr(text, '%')) {
        return percentage(text, limits, size, errp);
    }
    if (sign != '+' && sign != '-') {
        return size_parse(text, size, errp) &&
               check(text, *size, limits, errp);
    }
    if (!size_parse(text + 1, &change, errp)) {
        return false;
    }
    if (sign == '-' && change > limits->requested) {
        g_autofree char *requested = text_size(limits->requested);

        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                    "'%s' is more than what is requested now, %s", text,
                    requested);
        return false;
    }
    if (sign == '+' && change > UINT64_MAX - limits->requested) {
        return bad(errp, text, "it is too large");
    }
    *size = sign == '+' ? limits->requested + change :
            limits->requested - change;
    return check(text, *size, limits, errp);
}
