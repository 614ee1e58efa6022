/*
 * vmemctl: the commands list and watch
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <string.h>
#include <gio/gio.h>

#include "output.h"
#include "vmemctl.h"

#define LOOK_EVERY G_USEC_PER_SEC
#define NO_DEVICE "the VM has no virtio-mem device"

/* Connected only for this, so that the monitor is free for others. */
static GPtrArray *query(const Options *options, GError **errp)
{
    g_autoptr(Qmp) qmp = qmp_open(options->socket, options->reply_timeout,
                                  errp);
    g_autoptr(GPtrArray) devices = qmp ? devices_query(qmp, errp) : NULL;

    return devices && (!options->id ||
                       devices_find(devices, options->id, errp)) ?
           g_steal_pointer(&devices) : NULL;
}

/* All that QEMU says of the devices, as a JSON array. */
static char *json_text(GPtrArray *devices)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
    JsonArray *list = json_array_new();
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        Device *device = devices->pdata[i];

        json_array_add_object_element(list, json_object_ref(device->data));
    }
    json_node_take_array(root, list);
    return json_to_string(root, TRUE);
}

static char *table_text(GPtrArray *devices, const char *id)
{
    unsigned columns, rows;

    output_size(&columns, &rows);
    return output_table(devices, id, columns, output_has_colour());
}

int command_list(const Options *options, GError **errp)
{
    g_autoptr(GPtrArray) devices = query(options, errp);
    g_autofree char *text = NULL;

    if (!devices) {
        return EXIT_CONNECTION;
    }
    if (options->json) {
        text = json_text(devices);
        printf("%s\n", text);
    } else if (devices->len) {
        text = table_text(devices, NULL);
        fputs(text, stdout);
    } else {
        fputs("vmemctl: " NO_DEVICE "\n", stderr);
    }
    return EXIT_SETTLED;
}

typedef struct Watcher {
    const Options *options;
    bool screen;            /* there is a table on the alternate screen */
    GPtrArray *devices;     /* what was seen last, or NULL */
    char *shown;            /* what was printed last, or NULL */
    const char *trouble;    /* why there is nothing newer, or NULL */
    int64_t since;          /* when that began */
} Watcher;

/* In place of the table there was; what does not fit is left out. */
static void draw(Watcher *watcher)
{
    g_autofree char *text = !watcher->devices->len ?
        g_strdup(NO_DEVICE "\n") :
        table_text(watcher->devices, watcher->options->id);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned columns, rows, i;

    if (!watcher->screen) {
        printf("\033[?1049h\033[?25l");     /* without a cursor */
        watcher->screen = true;
    }
    output_size(&columns, &rows);
    printf("\033[H");
    for (i = 0; *lines[i] && i + 1 < rows; i++) {
        printf("%s\033[K\n", lines[i]);
    }
    printf("%.*s\033[J", (int)columns,
           watcher->trouble ?: *lines[i] ? "(more devices than rows)" :
           "Ctrl-C ends this");
}

static void leave_screen(Watcher *watcher)
{
    if (watcher->screen) {
        printf("\033[?25h\033[?1049l");
        fflush(stdout);
    }
}

/* Whether @devices has one that is like @device. */
static bool has_like(GPtrArray *devices, const Device *device,
                     bool (*like)(const Device *, const Device *))
{
    unsigned i;

    for (i = 0; devices && i < devices->len; i++) {
        if (like(devices->pdata[i], device)) {
            return true;
        }
    }
    return false;
}

/* An object for each device that is not as it was, or is no longer there. */
static bool print_changes(Watcher *watcher, GPtrArray *devices, GError **errp)
{
    const char *id = watcher->options->id;
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        Device *device = devices->pdata[i];

        if ((!id || !g_strcmp0(device->id, id)) &&
            !has_like(watcher->devices, device, device_equal) &&
            !output_json_line(json_object_ref(device->data), errp)) {
            return false;
        }
    }
    for (i = 0; watcher->devices && i < watcher->devices->len; i++) {
        Device *device = watcher->devices->pdata[i];
        JsonObject *gone;

        if (device->id && !has_like(devices, device, device_same_id)) {
            gone = json_object_new();
            json_object_set_string_member(gone, "id", device->id);
            json_object_set_boolean_member(gone, "removed", TRUE);
            if (!output_json_line(gone, errp)) {
                return false;
            }
        }
    }
    return true;
}

/* The table, if it is not as it was. */
static void print_table(Watcher *watcher)
{
    g_autofree char *text = !watcher->devices->len ? g_strdup("") :
        table_text(watcher->devices, watcher->options->id);

    if (g_strcmp0(text, watcher->shown)) {
        fputs(*text ? text : "vmemctl: " NO_DEVICE "\n",
              *text ? stdout : stderr);
    }
    g_free(watcher->shown);
    watcher->shown = g_steal_pointer(&text);
}

static bool show(Watcher *watcher, GPtrArray *devices, GError **errp)
{
    bool fine = !watcher->options->json ||
                print_changes(watcher, devices, errp);

    g_clear_pointer(&watcher->devices, g_ptr_array_unref);
    watcher->devices = g_ptr_array_ref(devices);
    if (!watcher->options->json) {
        if (output_is_terminal()) {
            draw(watcher);
        } else {
            print_table(watcher);
        }
    }
    return fine && output_flush(errp);
}

/*
 * Whether to go on after a failure: not if the first look fails. A monitor
 * that is busy becomes free some time; a VM that has gone may come back for as
 * long as a reply may take.
 */
static bool bear(Watcher *watcher, const GError *error)
{
    int64_t now = g_get_monotonic_time();
    bool busy = g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_BUSY);
    bool first = !watcher->trouble;

    if (!watcher->devices ||
        (!busy && !g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_LOST) &&
         !g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_CONNECTION))) {
        return false;
    }
    if (first || busy) {
        watcher->since = now;
    }
    watcher->trouble = busy ? "the monitor is busy with another client" :
                       "the connection is lost; trying to connect again";
    if (first && !(output_is_terminal() && !watcher->options->json)) {
        fprintf(stderr, "vmemctl: %s\n", watcher->trouble);
    }
    return now - watcher->since <
           watcher->options->reply_timeout * (int64_t)G_USEC_PER_SEC;
}

/* Look once; false to end. */
static bool look(Watcher *watcher, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) devices = query(watcher->options, &error);

    if (devices) {
        watcher->trouble = NULL;
    } else if (bear(watcher, error)) {
        devices = g_ptr_array_ref(watcher->devices);
    } else {
        g_propagate_error(errp, g_steal_pointer(&error));
        return false;
    }
    return show(watcher, devices, errp);
}

int command_watch(const Options *options, GError **errp)
{
    Watcher watcher = { .options = options };

    while (!interrupted() && look(&watcher, errp)) {
        qmp_sleep(g_get_monotonic_time() + LOOK_EVERY);
    }
    leave_screen(&watcher);
    g_clear_pointer(&watcher.devices, g_ptr_array_unref);
    g_free(watcher.shown);
    return EXIT_CONNECTION;
}
