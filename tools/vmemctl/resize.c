/*
 * vmemctl: the command resize, and waiting for its end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <gio/gio.h>

#include "output.h"
#include "progress.h"
#include "size.h"
#include "vmemctl.h"

#define LOOK_EVERY G_USEC_PER_SEC
#define STILL_LIMIT (30 * G_USEC_PER_SEC)

typedef struct Follower {
    const Options *options;
    Progress progress;
    Pace pace;
    int64_t began;
    int64_t moved;      /* when the size was last seen to change */
    int64_t printed;    /* when a line was printed; unless it is a bar */
    char *line;         /* what is shown, or NULL */
} Follower;

static bool has_bar(const Follower *follower)
{
    return !follower->options->json && output_is_terminal();
}

static double seconds_since(int64_t moment)
{
    return (double)(g_get_monotonic_time() - moment) / G_USEC_PER_SEC;
}

/* What every line of JSON has. */
static JsonObject *json_start(const char *id, uint64_t size, uint64_t target)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "id", id);
    json_object_set_int_member(object, "size", size);
    json_object_set_int_member(object, "requested-size", target);
    return object;
}

static JsonObject *json_progress(const Progress *progress,
                                 const Device *device)
{
    JsonObject *object = json_start(progress->id, progress->size,
                                    progress->target);
    uint64_t left = MAX(progress->size, progress->target) -
                    MIN(progress->size, progress->target);

    json_object_set_int_member(object, "percent", progress_percent(progress));
    if (left && progress->rate >= 1) {
        json_object_set_int_member(object, "rate", progress->rate);
        json_object_set_int_member(object, "eta",
                                   MIN(G_MAXINT32,
                                       left / progress->rate + 0.5));
    }
    if (device->status) {
        json_object_set_string_member(object, "status", device->status);
    }
    if (device->reason) {
        json_object_set_string_member(object, "reason", device->reason);
    }
    return object;
}

static char *progress_text(const Follower *follower, const Device *device)
{
    g_autoptr(JsonNode) root = NULL;

    if (follower->options->json) {
        root = json_node_new(JSON_NODE_OBJECT);
        json_node_take_object(root, json_progress(&follower->progress,
                                                  device));
        return json_to_string(root, FALSE);
    }
    return progress_line(&follower->progress);
}

static bool show(Follower *follower, const Device *device, GError **errp)
{
    int64_t now = g_get_monotonic_time();
    g_autofree char *line = NULL;
    unsigned columns, rows;

    if (has_bar(follower)) {
        output_size(&columns, &rows);
        line = progress_bar(&follower->progress, columns);
        printf("\r%s\033[K", line);
    } else {
        line = progress_text(follower, device);
        if (!g_strcmp0(line, follower->line) ||
            (follower->line && now - follower->printed < LOOK_EVERY)) {
            return true;
        }
        printf("%s\n", line);
        follower->printed = now;
    }
    g_free(follower->line);
    follower->line = g_steal_pointer(&line);
    return output_flush(errp);
}

/* Leave the bar on the screen. */
static void end_bar(Follower *follower)
{
    if (follower->line && has_bar(follower)) {
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

/* The last line of JSON. */
static void json_result(const Follower *follower, const char *result,
                        const char *why)
{
    const Progress *progress = &follower->progress;
    JsonObject *object = json_start(progress->id, progress->size,
                                    progress->target);

    json_object_set_string_member(object, "result", result);
    json_object_set_double_member(object, "seconds",
                                  seconds_since(follower->began));
    if (why) {
        json_object_set_string_member(object, "message", why);
    }
    output_json_line(object, NULL);
}

static int settled(Follower *follower)
{
    g_autofree char *size = size_text(follower->progress.target);

    end_bar(follower);
    if (follower->options->json) {
        json_result(follower, "done", NULL);
    } else {
        printf("%s: has %s, after %.1f s\n", follower->progress.id, size,
               seconds_since(follower->began));
    }
    return EXIT_SETTLED;
}

/*
 * The waiting ends although the device does not have the size: say how far it
 * is, and why.
 */
static int unsettled(Follower *follower, const char *why, const char *result,
                     int status)
{
    const Progress *progress = &follower->progress;
    g_autofree char *size = size_text(progress->size);
    g_autofree char *target = size_text(progress->target);

    end_bar(follower);
    if (follower->options->json) {
        json_result(follower, result, why);
    }
    fprintf(stderr, "vmemctl: %s %s %s, not %s, after %.1f s: %s\n",
            progress->id, progress_made(progress) ? "has" :
            "made no progress and has", size, target,
            seconds_since(follower->began), why);
    return status;
}

/* With the result that the sizes tell. */
static int stopped(Follower *follower, const char *why)
{
    return progress_made(&follower->progress) ?
           unsettled(follower, why, "partly", EXIT_PARTLY) :
           unsettled(follower, why, "blocked", EXIT_BLOCKED);
}

/* Whether it is time to end although the device is not there yet. */
static bool enough(const Follower *follower)
{
    int64_t now = g_get_monotonic_time();
    int64_t timeout = follower->options->timeout;

    return timeout ? now - follower->began >= timeout * G_USEC_PER_SEC :
           now - follower->moved >= STILL_LIMIT;
}

/*
 * devices_query() that outlives the end of a connection, if QEMU comes back.
 * The user is told.
 */
static GPtrArray *query_again(Qmp *qmp, GError **errp)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *devices = devices_query(qmp, &error);

    if (g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_LOST)) {
        fprintf(stderr, "vmemctl: %s; trying to connect again\n",
                error->message);
        g_clear_error(&error);
        devices = qmp_reopen(qmp, &error) ? devices_query(qmp, &error) : NULL;
    }
    if (error) {
        g_propagate_error(errp, g_steal_pointer(&error));
    }
    return devices;
}

/* Look once: an exit status, or -1 to go on. */
static int look(Follower *follower, Qmp *qmp, GError **errp)
{
    g_autoptr(GPtrArray) devices = query_again(qmp, errp);
    Device *device = devices ?
        devices_find(devices, follower->options->id, errp) : NULL;
    g_autofree char *state = NULL;
    g_autofree char *why = NULL;
    bool shown, paused;

    if (!device) {
        return EXIT_CONNECTION;
    }
    state = device_state(device);
    note(follower, device);
    follower->progress.state = state;
    shown = show(follower, device, errp);
    follower->progress.state = NULL;
    if (!shown) {
        return EXIT_CONNECTION;
    }
    if (device->requested != follower->progress.target) {
        g_autofree char *other = size_text(device->requested);

        why = g_strdup_printf("another client has requested %s meanwhile",
                              other);
        return stopped(follower, why);
    }
    if (device->size == follower->progress.target) {
        return settled(follower);
    }
    if (enough(follower)) {
        why = device_why(qmp, device, &paused);
        return paused ? unsettled(follower, why, "paused", EXIT_PAUSED) :
               stopped(follower, why);
    }
    return -1;
}

static int64_t next_look(const Follower *follower)
{
    int64_t next = g_get_monotonic_time() + LOOK_EVERY;
    int64_t timeout = follower->options->timeout;

    return timeout ? MIN(next, follower->began + timeout * G_USEC_PER_SEC) :
           next;
}

/* Wait until the device has @target plugged; it had @start when asked. */
static int follow(Qmp *qmp, const Options *options, uint64_t start,
                  uint64_t target, GError **errp)
{
    int64_t now = g_get_monotonic_time();
    Follower follower = {
        .options = options,
        .progress = { .id = options->id, .start = start, .size = start,
                      .target = target },
        .began = now,
        .moved = now,
    };
    g_autoptr(GError) error = NULL;
    int status;

    pace_add(&follower.pace, now, start);
    do {
        status = look(&follower, qmp, &error);
        if (status < 0 && !qmp_wait(qmp, next_look(&follower), &error) &&
            g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_LOST)) {
            g_clear_error(&error);      /* the next look finds it lost, too */
        }
    } while (status < 0 && !error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        return unsettled(&follower, "the waiting was interrupted; the"
                         " request stands", "interrupted", EXIT_CONNECTION);
    }
    if (error) {
        end_bar(&follower);
        g_propagate_error(errp, g_steal_pointer(&error));
    }
    return status;
}

int command_resize(const Options *options, GError **errp)
{
    g_autoptr(Qmp) qmp = qmp_open(options->socket, options->reply_timeout,
                                  errp);
    g_autoptr(GPtrArray) devices = qmp ? devices_query(qmp, errp) : NULL;
    Device *device = devices ? devices_find(devices, options->id, errp) : NULL;
    uint64_t target;
    SizeLimits limits;

    if (!device) {
        return EXIT_REFUSED;
    }
    limits = (SizeLimits) {
        .requested = device->requested,
        .max = device->max,
        .block = device->block,
    };
    if (!size_resolve(&options->size, &limits, &target, errp) ||
        !device_resize(qmp, options->id, target, errp)) {
        return EXIT_REFUSED;
    }
    if (options->wait) {
        return follow(qmp, options, device->size, target, errp);
    }
    if (options->json) {
        output_json_line(json_start(options->id, device->size, target), errp);
    } else {
        g_autofree char *asked = size_text(target);
        g_autofree char *size = size_text(device->size);

        printf("%s: %s requested, has %s\n", options->id, asked, size);
    }
    return EXIT_SETTLED;
}
