/*
 * Unit tests: sizes as a user of vmemctl writes and reads them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>
#include <glib.h>

#include "size.h"
#include "vmemctl.h"

#define KiB ((uint64_t)1 << 10)
#define MiB ((uint64_t)1 << 20)
#define GiB ((uint64_t)1 << 30)
#define TiB ((uint64_t)1 << 40)
#define EiB ((uint64_t)1 << 60)

/* A device whose limits are no obstacle, to see what a text is in bytes. */
static const SizeLimits bytes = { .max = UINT64_MAX, .block = 1 };

static const SizeLimits device = {
    .requested = 2 * GiB,
    .max = 8 * GiB,
    .block = 2 * MiB,
};

static bool target(const char *text, const SizeLimits *limits, uint64_t *value,
                   GError **errp)
{
    Size size;

    g_test_message("'%s'", text);
    return size_parse(text, &size, errp) &&
           size_resolve(&size, limits, value, errp);
}

typedef struct Good {
    const char *text;
    uint64_t size;
} Good;

static void assert_good(const Good *good, size_t count,
                        const SizeLimits *limits)
{
    size_t i;

    for (i = 0; i < count; i++) {
        g_autoptr(GError) error = NULL;
        uint64_t value = 1234;

        target(good[i].text, limits, &value, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(value, ==, good[i].size);
    }
}

static void test_bytes(void)
{
    static const Good good[] = {
        { "0", 0 }, { "7", 7 }, { "010", 10 }, { "7b", 7 }, { "7B", 7 },
        { "3k", 3 * KiB }, { "3K", 3 * KiB }, { "3m", 3 * MiB },
        { "40G", 40 * GiB }, { "40g", 40 * GiB }, { "2T", 2 * TiB },
        { "1P", 1024 * TiB }, { "15e", 15 * EiB }, { "1.5E", EiB + EiB / 2 },
        { "1.5G", 1536 * MiB }, { ".5G", 512 * MiB }, { "1.G", GiB },
        { "1.50000000000000000000000G", 1536 * MiB }, { "1.0", 1 },
        { "0.0009765625k", 1 }, { "0x10", 16 }, { "0XfE", 254 },
        { "0x1b", 27 }, { "18446744073709551615", UINT64_MAX },
        { "0xffffffffffffffff", UINT64_MAX }, { "max", UINT64_MAX },
        { "MAX", UINT64_MAX }, { "1GiB", GiB }, { "1 GiB", GiB },
        { "1.5gib", 1536 * MiB }, { "2Gi", 2 * GiB }, { "1 G", GiB },
        { "0 B", 0 }, { "6094 MiB", 6094 * MiB }, { "12.25 KiB", 12544 },
    };

    assert_good(good, G_N_ELEMENTS(good), &bytes);
}

static void test_syntax(void)
{
    static const char *const bad[] = {
        "", ".", "G", ".G", "k1", "1  G", " 1G", "1G ", "1GG", "1e3", "1GB",
        "1x", "--1G", "+-1G", "-+1G", "nan", "inf", "1,5G", "0x", "0x1.8",
        "0x20M", "0xg", "0x10 B", "1..5G", "16E", "18446744073709551616",
        "0x10000000000000000", "1BiB", "1iB", "1Gib ", "1 ", "1Bi",
        "99999999999999999999999999999999999999999999999999G",
        "1.0000000000000000001E", "+", "-", "%", "5%G", "101%", "+101%",
        "100.1%", "+max", "-max", "maximum", "ma",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        Size size;

        g_test_message("'%s'", bad[i]);
        g_assert_false(size_parse(bad[i], &size, &error));
        g_assert_error(error, VMEMCTL_ERROR, VMEMCTL_REFUSED);
    }
}

static void test_target(void)
{
    static const Good good[] = {
        { "0", 0 }, { "8G", 8 * GiB }, { "1.5G", 1536 * MiB },
        { "+512M", 2560 * MiB }, { "+0", 2 * GiB }, { "+6G", 8 * GiB },
        { "-1G", GiB }, { "-2G", 0 }, { "+0x200000", 2 * GiB + 2 * MiB },
        { "0%", 0 }, { "50%", 4 * GiB }, { "100%", 8 * GiB },
        { "12.5%", GiB }, { "100.0%", 8 * GiB }, { "0.78125%", 64 * MiB },
        { "50 %", 4 * GiB }, { "max", 8 * GiB }, { "+25%", 4 * GiB },
        { "-12.5%", GiB }, { "-25%", 0 }, { "+1 GiB", 3 * GiB },
        { "-1GiB", GiB },
    };

    assert_good(good, G_N_ELEMENTS(good), &device);
}

/* What a device cannot have, and what the message has to name. */
static void test_target_refused(void)
{
    static const struct {
        const char *text;
        const char *word;
    } bad[] = {
        { "3", "block size, 2 MiB: the nearest sizes are 0 B and 2 MiB" },
        { "1.5", "are 0 B and 2 MiB" }, { "1.5B", "are 0 B and 2 MiB" },
        { "1025M", "are 1 GiB and 1026 MiB" },
        { "5.95 GiB", "are 6092 MiB and 6094 MiB" },
        { "+1M", "are 2 GiB and 2050 MiB" },
        { "-1", "are 2046 MiB and 2 GiB" },
        { "-0.5", "are 2046 MiB and 2 GiB" },
        { "33%", "are 2702 MiB and 2704 MiB" },
        { "99.9999%", "are 8190 MiB and 8 GiB" },
        { "0.78125000000001%", "are 64 MiB and 66 MiB" },
        { "+5%", "are 2456 MiB and 2458 MiB" },
        { "-5%", "are 1638 MiB and 1640 MiB" },
        { "9G", "maximum, 8 GiB" }, { "+7G", "maximum, 8 GiB" },
        { "8.0000000001G", "maximum, 8 GiB" }, { "+80%", "maximum, 8 GiB" },
        { "-3G", "requested size, 2 GiB" },
        { "-2.0000000001G", "requested size, 2 GiB" },
        { "-26%", "requested size, 2 GiB" },
        { "+15.99E", "maximum" }, { "+16383P", "maximum" },
        { "+18446744073709551615", "maximum" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t value;

        g_assert_false(target(bad[i].text, &device, &value, &error));
        g_assert_error(error, VMEMCTL_ERROR, VMEMCTL_REFUSED);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, bad[i].word));
    }
}

/* A maximum that is no multiple of the block size: one size is nearest. */
static void test_target_odd_maximum(void)
{
    static const SizeLimits odd = { .max = 3 * MiB, .block = 2 * MiB };
    g_autoptr(GError) error = NULL;
    uint64_t value;

    g_assert_false(target("max", &odd, &value, &error));
    g_assert_nonnull(strstr(error->message, "the nearest size is 2 MiB"));
    g_assert_true(g_str_has_suffix(error->message, "2 MiB"));
}

/* Where a block is one byte, nothing but rounding can be wrong. */
static void test_target_unrounded(void)
{
    static const SizeLimits small = { .max = 10, .block = 1 };
    static const Good good[] = { { "30%", 3 }, { "max", 10 } };
    g_autoptr(GError) error = NULL;
    uint64_t value;

    assert_good(good, G_N_ELEMENTS(good), &small);
    g_assert_false(target("33%", &small, &value, &error));
    g_assert_error(error, VMEMCTL_ERROR, VMEMCTL_REFUSED);
}

static const struct {
    uint64_t size;
    const char *text;
    const char *brief;      /* NULL: the same */
} texts[] = {
    { 0, "0 B", NULL }, { 1, "1 B", NULL }, { 1023, "1023 B", NULL },
    { KiB, "1 KiB", NULL }, { 2 * MiB, "2 MiB", NULL },
    { 1536 * MiB, "1.5 GiB", NULL }, { 1280 * MiB, "1.25 GiB", NULL },
    { 1025 * MiB, "1025 MiB", "1 GiB" }, { 1034 * MiB, "1034 MiB", "1 GiB" },
    { 1035 * MiB, "1035 MiB", "1.01 GiB" },
    { 6094 * MiB, "6094 MiB", "5.95 GiB" },
    { 40 * GiB - 2 * MiB, "40958 MiB", "39.99 GiB" },
    { GiB + 1, "1073741825 B", "1 GiB" },
    { EiB, "1 EiB", NULL }, { 16 * EiB - 2 * MiB, "17592186044414 MiB",
                              "15.99 EiB" },
    { UINT64_MAX, "18446744073709551615 B", "15.99 EiB" },
};

static void test_text(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = size_text(texts[i].size);
        g_autofree char *brief = size_text_short(texts[i].size);

        g_assert_cmpstr(text, ==, texts[i].text);
        g_assert_cmpstr(brief, ==, texts[i].brief ?: texts[i].text);
    }
}

/* What is printed can be read, and is then the same. */
static void test_text_is_read(void)
{
    unsigned i;

    for (i = 0; i < 20000; i++) {
        uint64_t size = ((uint64_t)g_test_rand_int() << 32 |
                         g_test_rand_int()) >> g_test_rand_int_range(0, 64);
        g_autofree char *text = NULL;
        uint64_t value;
        Size parsed;

        size &= ~((uint64_t)0) << g_test_rand_int_range(0, 40);
        text = size_text(size);
        g_assert_true(size_parse(text, &parsed, NULL));
        g_assert_true(size_resolve(&parsed, &bytes, &value, NULL));
        g_assert_cmpuint(value, ==, size);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmemctl/size/bytes", test_bytes);
    g_test_add_func("/vmemctl/size/syntax", test_syntax);
    g_test_add_func("/vmemctl/size/target", test_target);
    g_test_add_func("/vmemctl/size/target-refused", test_target_refused);
    g_test_add_func("/vmemctl/size/target-odd-maximum",
                    test_target_odd_maximum);
    g_test_add_func("/vmemctl/size/target-unrounded", test_target_unrounded);
    g_test_add_func("/vmemctl/size/text", test_text);
    g_test_add_func("/vmemctl/size/text-is-read", test_text_is_read);
    return g_test_run();
}
