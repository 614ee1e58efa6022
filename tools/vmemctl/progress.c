/*
 * vmemctl: how far a resize is, as text
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <string.h>
#include <glib.h>

#include "progress.h"
#include "size.h"

#define SHORTEST_BAR 10
#define LONGEST_BAR 40
#define FASTEST 1e18            /* bytes a second; it fits an int64_t */
#define SHORTEST_TIME 500000    /* microseconds that tell of a rate */

void pace_add(Pace *pace, int64_t now, uint64_t size)
{
    if (pace->count == PACE_SAMPLES) {
        memmove(&pace->samples[0], &pace->samples[1],
                (PACE_SAMPLES - 1) * sizeof(pace->samples[0]));
        pace->count--;
    }
    pace->samples[pace->count].at = now;
    pace->samples[pace->count].size = size;
    pace->count++;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

double pace_rate(const Pace *pace)
{
    unsigned last = pace->count - 1;

    if (pace->count < 2 ||
        pace->samples[last].at - pace->samples[0].at < SHORTEST_TIME) {
        return 0;
    }
    return MIN(FASTEST, distance(pace->samples[last].size,
                                 pace->samples[0].size) * 1e6 /
               (pace->samples[last].at - pace->samples[0].at));
}

unsigned progress_percent(const Progress *progress)
{
    uint64_t all = distance(progress->start, progress->target);
    uint64_t left = distance(progress->size, progress->target);

    if (left == 0) {
        return 100;
    }
    if (left >= all) {
        return 0;
    }
    return MIN(99, (unsigned)((all - left) * 100.0 / all));
}

bool progress_made(const Progress *progress)
{
    return distance(progress->size, progress->target) <
           distance(progress->start, progress->target);
}

char *progress_duration(double seconds)
{
    uint64_t whole = MIN(seconds, 359999) + 0.5;

    if (whole < 3600) {
        return g_strdup_printf("%" PRIu64 ":%02" PRIu64, whole / 60,
                               whole % 60);
    }
    return g_strdup_printf("%" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
                           whole / 3600, whole / 60 % 60, whole % 60);
}

static char *describe_pace(const Progress *progress)
{
    uint64_t left = distance(progress->size, progress->target);
    g_autofree char *rate = NULL;
    g_autofree char *time = NULL;

    if (left == 0) {
        return g_strdup("");
    }
    if (progress->rate < 1) {
        return g_strdup_printf(", %s", progress->state ?:
                               "waiting for the guest");
    }
    rate = size_text_short(progress->rate);
    time = progress_duration(left / progress->rate);
    return g_strdup_printf(", %s/s, %s left", rate, time);
}

static char *describe(const Progress *progress)
{
    g_autofree char *size = size_text_short(progress->size);
    g_autofree char *target = size_text(progress->target);
    g_autofree char *pace = describe_pace(progress);

    return g_strdup_printf("%u%%, %s %s %s%s", progress_percent(progress),
                           size,
                           progress->target < progress->start ? "down to" :
                           "of", target, pace);
}

char *progress_line(const Progress *progress)
{
    g_autofree char *text = describe(progress);

    return g_strdup_printf("%s: %s", progress->id, text);
}

char *progress_bar(const Progress *progress, unsigned width)
{
    g_autofree char *text = describe(progress);
    size_t rest = strlen(progress->id) + strlen(text) + strlen(" [] ");
    unsigned bar, filled;
    char *line;

    if (rest + SHORTEST_BAR >= width) {
        line = progress_line(progress);
        if (width && strlen(line) >= width) {
            line[width - 1] = '\0';
        }
        return line;
    }
    bar = MIN(LONGEST_BAR, width - 1 - rest);
    filled = bar * progress_percent(progress) / 100;
    g_autofree char *full = g_strnfill(filled, '#');
    g_autofree char *empty = g_strnfill(bar - filled, '.');
    return g_strdup_printf("%s [%s%s] %s", progress->id, full, empty, text);
}
