/*
 * Unit tests: how vmemctl tells how far a resize is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>
#include <glib.h>

#include "progress.h"

#define MiB ((uint64_t)1 << 20)
#define GiB ((uint64_t)1 << 30)

static const Progress half = {
    .id = "vm0",
    .start = 0,
    .size = 2 * GiB,
    .target = 4 * GiB,
    .rate = 512 * MiB,
};

static void assert_line(Progress progress, const char *expected)
{
    g_autofree char *line = progress_line(&progress);

    g_assert_cmpstr(line, ==, expected);
}

static void test_line(void)
{
    Progress progress = half;

    assert_line(progress, "vm0: 50%, 2 GiB of 4 GiB, 512 MiB/s, 0:04 left");
    progress.rate = 256 * 1024;
    assert_line(progress, "vm0: 50%, 2 GiB of 4 GiB, 256 KiB/s, 2:16:32 left");
    progress.rate = 0;
    assert_line(progress, "vm0: 50%, 2 GiB of 4 GiB, waiting for the guest");
    progress.state = "blocked: migration";
    assert_line(progress, "vm0: 50%, 2 GiB of 4 GiB, blocked: migration");
    progress.size = progress.target;
    assert_line(progress, "vm0: 100%, 4 GiB of 4 GiB");
    progress.start = 8 * GiB;
    progress.size = 7 * GiB;
    progress.rate = 1024 * MiB;
    assert_line(progress, "vm0: 25%, 7 GiB down to 4 GiB, 1 GiB/s, 0:03 left");
}

static void test_percent(void)
{
    static const struct {
        uint64_t start, size, target;
        unsigned percent;
        bool made;
    } cases[] = {
        { 0, 0, 4 * GiB, 0, false },
        { 0, 2 * MiB, 4 * GiB, 0, true },
        { 0, 4 * GiB - 1, 4 * GiB, 99, true },
        { 0, 4 * GiB, 4 * GiB, 100, true },
        { 4 * GiB, 4 * GiB, 4 * GiB, 100, false },
        { 4 * GiB, 3 * GiB, 0, 25, true },
        { GiB, 0, 4 * GiB, 0, false },          /* the wrong way */
        { 0, 5 * GiB, 4 * GiB, 75, true },      /* too far */
        { 0, UINT64_MAX - 1, UINT64_MAX, 99, true },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        Progress progress = {
            .start = cases[i].start,
            .size = cases[i].size,
            .target = cases[i].target,
        };

        g_test_message("case %zu", i);
        g_assert_cmpuint(progress_percent(&progress), ==, cases[i].percent);
        g_assert_true(progress_made(&progress) == cases[i].made);
    }
}

static void test_bar(void)
{
    g_autofree char *text = progress_bar(&half, 80);

    g_assert_cmpstr(text, ==, "vm0 [###############................] 50%, 2 GiB"
                    " of 4 GiB, 512 MiB/s, 0:04 left");
}

/* It never takes the last column: a terminal might go to the next line. */
static void test_bar_width(void)
{
    unsigned width;

    for (width = 1; width < 300; width++) {
        g_autofree char *bar = progress_bar(&half, width);
        g_autofree char *line = progress_line(&half);

        g_assert_cmpuint(strlen(bar), <, width);
        if (width > strlen(line)) {
            g_assert_nonnull(strstr(bar, "0:04 left"));
        }
        g_assert_true(!strchr(bar, '[') == (width <= 58));
    }
}

static void test_pace(void)
{
    Pace pace = { 0 };
    unsigned i;

    g_assert_cmpfloat(pace_rate(&pace), ==, 0);
    pace_add(&pace, 5000000, GiB);
    g_assert_cmpfloat(pace_rate(&pace), ==, 0);
    pace_add(&pace, 5400000, 2 * GiB);      /* too little time has passed */
    g_assert_cmpfloat(pace_rate(&pace), ==, 0);
    pace_add(&pace, 7000000, 3 * GiB);
    g_assert_cmpfloat(pace_rate(&pace), ==, GiB);
    pace_add(&pace, 8000000, 0);            /* shrinking has a rate, too */
    g_assert_cmpfloat_with_epsilon(pace_rate(&pace), GiB / 3.0, 1);
    /* What is long gone does not count. */
    for (i = 0; i < PACE_SAMPLES; i++) {
        pace_add(&pace, 9000000 + i * 1000000, i * MiB);
    }
    g_assert_cmpfloat(pace_rate(&pace), ==, MiB);
    for (i = 0; i < PACE_SAMPLES; i++) {
        pace_add(&pace, 20000000 + i * 1000000, GiB);
    }
    g_assert_cmpfloat(pace_rate(&pace), ==, 0);
    pace_add(&pace, 27500001, UINT64_MAX);  /* from a strange peer */
    g_assert_cmpfloat(pace_rate(&pace), <=, 1e18);
}

static void test_duration(void)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        { 0, "0:00" }, { 0.6, "0:01" }, { 59.4, "0:59" }, { 60, "1:00" },
        { 3599, "59:59" }, { 3600, "1:00:00" }, { 1e30, "99:59:59" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = progress_duration(cases[i].seconds);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmemctl/progress/line", test_line);
    g_test_add_func("/vmemctl/progress/percent", test_percent);
    g_test_add_func("/vmemctl/progress/bar", test_bar);
    g_test_add_func("/vmemctl/progress/bar-width", test_bar_width);
    g_test_add_func("/vmemctl/progress/pace", test_pace);
    g_test_add_func("/vmemctl/progress/duration", test_duration);
    return g_test_run();
}
