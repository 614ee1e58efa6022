/*
 * Unit tests: sizes as a user of vmemctl writes and reads them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>
#include <glib.h>

#include "error.h"
#include "size.h"
#include "text.h"

#define KiB ((uint64_t)1 << 10)
#define MiB ((uint64_t)1 << 20)
#define GiB ((uint64_t)1 << 30)
#define TiB ((uint64_t)1 << 40)
#define EiB ((uint64_t)1 << 60)

static void test_parse(void)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        { "0", 0 }, { "7", 7 }, { "010", 10 }, { "7b", 7 }, { "7B", 7 },
        { "3k", 3 * KiB }, { "3K", 3 * KiB }, { "3m", 3 * MiB },
        { "40G", 40 * GiB }, { "40g", 40 * GiB }, { "2T", 2 * TiB },
        { "1P", 1024 * TiB }, { "15e", 15 * EiB }, { "1.5E", EiB + EiB / 2 },
        { "1.5G", 1536 * MiB }, { ".5G", 512 * MiB }, { "1.G", GiB },
        { "1.50000000000000000000000G", 1536 * MiB }, { "1.0", 1 },
        { "0.0009765625k", 1 }, { "0x10", 16 }, { "0XfE", 254 },
        { "0x1b", 27 }, { "18446744073709551615", UINT64_MAX },
        { "0xffffffffffffffff", UINT64_MAX },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size = 1234;

        g_test_message("%s", good[i].text);
        g_assert_true(size_parse(good[i].text, &size, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(size, ==, good[i].size);
    }
}

static void test_parse_refused(void)
{
    static const char *const bad[] = {
        "", ".", "G", ".G", "k1", "1GiB", "1 G", " 1G", "1G ", "1GG", "1e3",
        "1x", "-1", "+1", "--1G", "nan", "inf", "1,5G", "1.5", "1.5B",
        "1.1G", "0.1k", "0x", "0x1.8", "0x20M", "0xg", "1..5G", "50%",
        "16E", "18446744073709551616", "0x10000000000000000",
        "99999999999999999999999999999999999999999999999999G",
        "1.0000000000000000001E",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size;

        g_test_message("'%s'", bad[i]);
        g_assert_false(size_parse(bad[i], &size, &error));
        g_assert_error(error, VMEMCTL_ERROR, VMEMCTL_REFUSED);
    }
}

static const SizeLimits limits = {
    .requested = 2 * GiB,
    .max = 8 * GiB,
    .block = 2 * MiB,
};

static void test_target(void)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        { "0", 0 }, { "8G", 8 * GiB }, { "1.5G", 1536 * MiB },
        { "+512M", 2560 * MiB }, { "+0", 2 * GiB }, { "+6G", 8 * GiB },
        { "-1G", GiB }, { "-2G", 0 }, { "+0x200000", 2 * GiB + 2 * MiB },
        { "0%", 0 }, { "50%", 4 * GiB }, { "100%", 8 * GiB },
        { "12.5%", GiB }, { "100.0%", 8 * GiB }, { "0.78125%", 64 * MiB },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size = 1234;

        g_test_message("%s", good[i].text);
        g_assert_true(size_target(good[i].text, &limits, &size, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(size, ==, good[i].size);
    }
}

/* What is refused, and what the message has to name. */
static void test_target_refused(void)
{
    static const struct {
        const char *text;
        const char *word;
    } bad[] = {
        { "3", "block size, 2 MiB: the nearest, in bytes: 0 and 2097152" },
        { "1025M", "1073741824 and 1075838976" },
        { "+1M", "block size, 2 MiB" }, { "-1", "block size, 2 MiB" },
        { "33%", "block size, 2 MiB: the nearest, in bytes: 2833252352 and"
                 " 2835349504" },
        { "99.9999%", "8587837440 and 8589934592" },
        { "0.78125000000001%", "67108864 and 69206016" },
        { "9G", "maximum, 8 GiB" }, { "+7G", "maximum, 8 GiB" },
        { "-3G", "requested now, 2 GiB" }, { "101%", "more than the whole" },
        { "100.1%", "more than the whole" }, { "+", "no size" },
        { "-", "no size" }, { "+-1G", "no size" }, { "%", "no size" },
        { "5%G", "no size" }, { "+50%", "no size" }, { "1x", "no size" },
        { "+15.99E", "whole number" }, { "+16383P", "maximum" },
        { "+18446744073709551615", "too large" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t size;

        g_assert_false(size_target(bad[i].text, &limits, &size, &error));
        g_assert_error(error, VMEMCTL_ERROR, VMEMCTL_REFUSED);
        g_test_message("%s: %s", bad[i].text, error->message);
        g_assert_nonnull(strstr(error->message, bad[i].word));
    }
}

/* Where a block is no more than a byte, nothing but rounding can be wrong. */
static void test_target_unrounded(void)
{
    static const SizeLimits bytes = { .max = 10, .block = 1 };
    g_autoptr(GError) error = NULL;
    uint64_t size;

    g_assert_true(size_target("30%", &bytes, &size, &error));
    g_assert_cmpuint(size, ==, 3);
    g_assert_false(size_target("33%", &bytes, &size, &error));
    g_assert_error(error, VMEMCTL_ERROR, VMEMCTL_REFUSED);
}

static void test_size_text(void)
{
    static const struct {
        uint64_t size;
        const char *text;
    } cases[] = {
        { 0, "0 B" }, { 1, "1 B" }, { 1023, "1023 B" }, { KiB, "1 KiB" },
        { 2 * MiB, "2 MiB" }, { 1536 * MiB, "1.5 GiB" },
        { 1025 * MiB, "1 GiB" }, { 1034 * MiB, "1 GiB" },
        { 1035 * MiB, "1.01 GiB" }, { 40 * GiB - 2 * MiB, "39.99 GiB" },
        { EiB, "1 EiB" }, { UINT64_MAX, "15.99 EiB" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = text_size(cases[i].size);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_printable(void)
{
    g_autofree char *tamed = text_printable("a\033[2Jb\0c\r\n", 10);
    g_autofree char *much = g_strnfill(100, 'x');
    g_autofree char *start = text_printable(much, 100);

    g_assert_cmpstr(tamed, ==, "a [2Jb c");
    g_assert_cmpuint(strlen(start), ==, 63);
    g_assert_true(g_str_has_suffix(start, "xx..."));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmemctl/size/parse", test_parse);
    g_test_add_func("/vmemctl/size/parse-refused", test_parse_refused);
    g_test_add_func("/vmemctl/size/target", test_target);
    g_test_add_func("/vmemctl/size/target-refused", test_target_refused);
    g_test_add_func("/vmemctl/size/target-unrounded", test_target_unrounded);
    g_test_add_func("/vmemctl/text/size", test_size_text);
    g_test_add_func("/vmemctl/text/printable", test_printable);
    return g_test_run();
}
