/*
 * Unit tests: where a message of QMP ends
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>
#include <glib.h>

#include "qmp.h"

static void test_whole(void)
{
    static const char *const whole[] = {
        "{}", " \r\n{}", "{\"a\": [1, {\"b\": 2}]}", "{\"a\": \"}\"}",
        "{\"a\": \"\\\"}\"}", "{\"a\\\\\": {}}", "{\n  \"a\": \"b\"\n}",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(whole); i++) {
        g_autofree char *two = g_strconcat(whole[i], "\r\n{\"next\"", NULL);
        size_t len, full = strlen(whole[i]);

        g_test_message("%s", whole[i]);
        g_assert_cmpint(qmp_frame_length(two, strlen(two)), ==, full);
        for (len = 0; len < full; len++) {
            g_assert_cmpint(qmp_frame_length(two, len), ==, 0);
        }
    }
}

static void test_none(void)
{
    static const char *const none[] = {
        "x", "[]", "}", "\"a\"", "  HTTP/1.1 400", "1", "\033[K",
    };
    g_autofree char *deep = g_strnfill(100, '{');
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(none); i++) {
        g_assert_cmpint(qmp_frame_length(none[i], strlen(none[i])), ==, -1);
    }
    g_assert_cmpint(qmp_frame_length(deep, 100), ==, -1);
    g_assert_cmpint(qmp_frame_length(deep, 60), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmemctl/frame/whole", test_whole);
    g_test_add_func("/vmemctl/frame/none", test_none);
    return g_test_run();
}
