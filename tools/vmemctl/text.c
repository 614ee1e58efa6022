/*
 * vmemctl: times and quotations in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <string.h>
#include <glib.h>

#include "error.h"
#include "text.h"

#define LONGEST_QUOTE 60

G_DEFINE_QUARK(vmemctl-error-quark, vmemctl_error)

char *text_duration(double seconds)
{
    uint64_t whole = MIN(seconds, 359999) + 0.5;

    if (whole < 3600) {
        return g_strdup_printf("%" PRIu64 ":%02" PRIu64, whole / 60,
                               whole % 60);
    }
    return g_strdup_printf("%" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
                           whole / 3600, whole / 60 % 60, whole % 60);
}

char *text_printable(const char *data, size_t len)
{
    size_t i, shown = MIN(len, LONGEST_QUOTE);
    GString *text = g_string_new(NULL);

    for (i = 0; i < shown; i++) {
        g_string_append_c(text, g_ascii_isprint(data[i]) ? data[i] : ' ');
    }
    g_strchomp(text->str);
    text->len = strlen(text->str);
    if (len > shown) {
        g_string_append(text, "...");
    }
    return g_string_free(text, FALSE);
}
