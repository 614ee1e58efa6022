/*
 * vmemctl: wait for the end of a resize
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>

#include "progress.h"
#include "screen.h"
#include "vmemctl.h"
#include "size.h"

#define LOOK_EVERY G_USEC_PER_SEC
#define STILL_LIMIT (30 * G_USEC_PER_SEC)

typedef struct Follower {
    Progress progress;
    Pace pace;
    int64_t began;
    int64_t moved;      /* when the size was last seen to change */
    int64_t printed;    /* when a line was printed; on no terminal */
    char *line;         /* what is shown, or NULL */
} Follower;

static void show(Follower *follower)
{
    int64_t now = g_get_monotonic_time();
    g_autofree char *line = NULL;

    if (screen_is_terminal()) {
        line = progress_bar(&follower->progress, screen_width());
        printf("\r%s\033[K", line);
    } else {
        line = progress_line(&follower->progress);
        if (!g_strcmp0(line, follower->line) ||
            (follower->line && now - follower->printed < LOOK_EVERY)) {
            return;
        }
        printf("%s\n", line);
        follower->printed = now;
    }
    fflush(stdout);
    g_free(follower->line);
    follower->line = g_steal_pointer(&line);
}

/* Leave the bar on the screen. */
static void end_bar(Follower *follower)
{
    if (follower->line && screen_is_terminal()) {
        printf("\n");
        fflush(stdout);
    }
    g_clear_pointer(&follower->line, g_free);
}

static void note(Follower *follower, const Device *device)
{
    int64_t now = g_get_monotonic_time();

    if (device->size != follower->progress.size) {
        follower->moved = now;
    }
    follower->progress.size = device->size;
    pace_add(&follower->pace, now, device->size);
    follower->progress.rate = pace_rate(&follower->pace);
}

static double seconds_since(int64_t moment)
{
    return (double)(g_get_monotonic_time() - moment) / G_USEC_PER_SEC;
}

static int settled(Follower *follower)
{
    g_autofree char *size = size_text(follower->progress.target);

    end_bar(follower);
    printf("%s: has %s, after %.1f s\n", follower->progress.id, size,
           seconds_since(follower->began));
    return EXIT_SETTLED;
}

/*
 * It has not come to its end: say how far it is, and why.
 *
 * @paused: as the VM does not run, which is nobody's fault
 */
static int unsettled(Follower *follower, const char *why, bool paused)
{
    const Progress *progress = &follower->progress;
    g_autofree char *size = size_text(progress->size);
    g_autofree char *target = size_text(progress->target);
    bool partly = progress_made(progress);

    end_bar(follower);
    fprintf(stderr, "vmemctl: %s %s %s, not %s, after %.1f s: %s\n",
            progress->id, partly ? "has" : "made no progress and has", size,
            target, seconds_since(follower->began), why);
    return paused ? EXIT_PAUSED : partly ? EXIT_PARTLY : EXIT_BLOCKED;
}

/* Whether it is time to end although the device is not there yet. */
static bool enough(const Follower *follower, const Options *options)
{
    int64_t now = g_get_monotonic_time();

    return options->timeout ?
           now - follower->began >= options->timeout * G_USEC_PER_SEC :
           now - follower->moved >= STILL_LIMIT;
}

/* Look once: an exit status, or -1 to go on. */
static int look(Follower *follower, Qmp *qmp, const Options *options,
                GError **errp)
{
    g_autoptr(GPtrArray) devices = devices_query_again(qmp, errp);
    Device *device = devices ? devices_find(devices, options->id, errp) : NULL;
    g_autofree char *state = NULL;
    g_autofree char *why = NULL;

    if (!device) {
        return EXIT_CONNECTION;
    }
    state = device_state(device);
    note(follower, device);
    follower->progress.state = state;
    show(follower);
    follower->progress.state = NULL;
    if (device->requested != follower->progress.target) {
        g_autofree char *other = size_text(device->requested);

        why = g_strdup_printf("somebody else has requested %s"
                              " meanwhile", other);
        return unsettled(follower, why, false);
    }
    if (device->size == follower->progress.target) {
        return settled(follower);
    }
    if (enough(follower, options)) {
        bool paused;

        why = device_why(qmp, device, &paused);
        return unsettled(follower, why, paused);
    }
    return -1;
}

static int64_t next_look(const Follower *follower, const Options *options)
{
    int64_t next = g_get_monotonic_time() + LOOK_EVERY;

    return options->timeout ?
           MIN(next, follower->began + options->timeout * G_USEC_PER_SEC) :
           next;
}

int follow(Qmp *qmp, const Options *options, uint64_t start, uint64_t target,
           GError **errp)
{
    int64_t now = g_get_monotonic_time();
    Follower follower = {
        .progress = { .id = options->id, .start = start, .size = start,
                      .target = target },
        .began = now,
        .moved = now,
    };
    g_autoptr(GError) error = NULL;
    int status;

    pace_add(&follower.pace, now, start);
    do {
        status = look(&follower, qmp, options, &error);
        if (status < 0 && !qmp_wait(qmp, next_look(&follower, options),
                                    &error) &&
            g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_LOST)) {
            g_clear_error(&error);      /* the next look finds it lost, too */
        }
    } while (status < 0 && !error && !interrupted());
    if (interrupted() && (status < 0 || error)) {
        return unsettled(&follower, "you ended the waiting; the resize"
                         " goes on", false);
    }
    if (error) {
        end_bar(&follower);
        g_propagate_error(errp, g_steal_pointer(&error));
    }
    return status;
}
