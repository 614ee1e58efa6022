/*
 * Unit tests: the table of vmemctl
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>
#include <glib.h>

#include "output.h"

#define MiB ((uint64_t)1 << 20)
#define GiB ((uint64_t)1 << 30)

static Device settled = {
    .id = (char *)"vm0", .size = GiB, .requested = GiB, .max = 32 * GiB,
    .block = 2 * MiB, .status = (char *)"settled",
};
static Device blocked = {
    .id = (char *)"memory-7", .node = 12, .size = 6094 * MiB,
    .requested = 8 * GiB, .max = 512 * GiB, .block = 128 * MiB,
    .status = (char *)"blocked", .reason = (char *)"migration",
};
static Device stock = {
    .id = (char *)"vm0", .max = 8 * GiB, .block = 2 * MiB,
};

static char *table(const char *id, unsigned width, bool colour,
                   Device *first, Device *second)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();

    g_ptr_array_add(devices, first);
    if (second) {
        g_ptr_array_add(devices, second);
    }
    return output_table(devices, id, width, colour);
}

static void test_whole(void)
{
    g_autofree char *text = table(NULL, 0, false, &settled, &blocked);

    g_assert_cmpstr(text, ==,
        "ID        NODE      SIZE  REQUESTED      MAX    BLOCK  STATUS\n"
        "vm0          0     1 GiB      1 GiB   32 GiB    2 MiB  settled\n"
        "memory-7    12  6094 MiB      8 GiB  512 GiB  128 MiB"
        "  blocked: migration\n");
}

/* QEMU's own device tells nothing of resizes. */
static void test_no_status(void)
{
    g_autofree char *text = table(NULL, 0, true, &stock, NULL);

    g_assert_cmpstr(text, ==,
        "ID   NODE  SIZE  REQUESTED    MAX  BLOCK\n"
        "vm0     0   0 B        0 B  8 GiB  2 MiB\n");
}

static void test_one_device(void)
{
    g_autofree char *text = table("vm0", 0, false, &settled, &blocked);

    g_assert_nonnull(strstr(text, "\nvm0 "));
    g_assert_null(strstr(text, "memory-7"));
    g_assert_null(strstr(text, "blocked"));
}

/* What is left out first, and what stays as long as anything. */
static void test_columns_left_out(void)
{
    static const struct {
        unsigned width;
        const char *header;
    } cases[] = {
        { 80, "ID        NODE      SIZE  REQUESTED      MAX    BLOCK  STATUS" },
        { 73, "ID        NODE      SIZE  REQUESTED      MAX    BLOCK  STATUS" },
        { 72, "ID        NODE      SIZE  REQUESTED      MAX  STATUS" },
        { 64, "ID        NODE      SIZE  REQUESTED      MAX  STATUS" },
        { 63, "ID            SIZE  REQUESTED      MAX  STATUS" },
        { 57, "ID            SIZE  REQUESTED  STATUS" },
        { 30, "ID            SIZE  REQUESTED" },
        { 5, "ID" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = table(NULL, cases[i].width, false, &settled,
                                      &blocked);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        g_test_message("%u columns", cases[i].width);
        g_assert_cmpstr(g_strchomp(lines[0]), ==, cases[i].header);
    }
}

static void test_every_width(void)
{
    unsigned width, i;

    for (width = 1; width < 100; width++) {
        g_autofree char *text = table(NULL, width, false, &settled, &blocked);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        g_assert_cmpuint(g_strv_length(lines), ==, 4);
        for (i = 0; lines[i]; i++) {
            g_assert_cmpuint(strlen(lines[i]), <=, width);
        }
    }
}

/* Only what is blocked, and never beyond its line. */
static void test_colour(void)
{
    g_autofree char *text = table(NULL, 0, true, &settled, &blocked);
    g_autofree char *narrow = table(NULL, 48, true, &settled, &blocked);
    g_autofree char *narrower = table(NULL, 20, true, &settled, &blocked);

    g_assert_true(g_str_has_suffix(
                      text, "  \033[31mblocked: migration\033[0m\n"));
    g_assert_true(strchr(text, '\033') == strstr(text, "\033[31mblocked"));
    g_assert_true(g_str_has_suffix(
                      narrow, "\033[31mblocked: migratio\033[0m\n"));
    g_assert_null(strchr(narrower, '\033'));
}

/* A strange peer does not command the terminal. */
static void test_escaped(void)
{
    Device strange = stock;
    g_autofree char *text = NULL;

    strange.id = (char *)"\033[2Jx";
    strange.status = (char *)"a\nb";
    text = table(NULL, 0, false, &strange, NULL);
    g_assert_nonnull(strstr(text, "\\033[2Jx "));
    g_assert_nonnull(strstr(text, "  a\\nb\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmemctl/output/whole", test_whole);
    g_test_add_func("/vmemctl/output/no-status", test_no_status);
    g_test_add_func("/vmemctl/output/one-device", test_one_device);
    g_test_add_func("/vmemctl/output/columns-left-out",
                    test_columns_left_out);
    g_test_add_func("/vmemctl/output/every-width", test_every_width);
    g_test_add_func("/vmemctl/output/colour", test_colour);
    g_test_add_func("/vmemctl/output/escaped", test_escaped);
    return g_test_run();
}
