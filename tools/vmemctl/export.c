/*
 * vmemctl: the command export
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <string.h>
#include <gio/gio.h>
#include <sys/stat.h>

#include "http.h"
#include "metrics.h"
#include "output.h"
#include "vmemctl.h"

#define MOST_AT_A_TIME 16
#define MOST_DEVICES 256

static void monitor_free(void *opaque)
{
    Monitor *monitor = opaque;

    g_free(monitor->address);
    g_free(monitor->vm);
    g_clear_pointer(&monitor->devices, g_ptr_array_unref);
    g_clear_error(&monitor->error);
    g_free(monitor);
}

/* The monitors to ask. */

static Monitor *add_monitor(GPtrArray *monitors, const char *address)
{
    Monitor *monitor;
    unsigned i;

    for (i = 0; i < monitors->len; i++) {
        monitor = monitors->pdata[i];
        if (!strcmp(monitor->address, address)) {
            return monitor;
        }
    }
    monitor = g_new0(Monitor, 1);
    monitor->address = g_strdup(address);
    g_ptr_array_add(monitors, monitor);
    return monitor;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All sockets that are in it now. */
static void add_directory(GPtrArray *monitors, const char *path)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &error);
    const char *name;
    unsigned i;

    if (!directory) {
        Monitor *monitor = add_monitor(monitors, path);

        g_clear_error(&monitor->error);
        monitor->error = error;
        return;
    }
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        struct stat status;

        if (!stat(file, &status) && S_ISSOCK(status.st_mode)) {
            g_ptr_array_add(names, g_steal_pointer(&file));
        }
    }
    g_ptr_array_sort(names, compare_names);
    for (i = 0; i < names->len; i++) {
        add_monitor(monitors, names->pdata[i]);
    }
}

static GPtrArray *find_monitors(GStrv sources)
{
    GPtrArray *monitors = g_ptr_array_new_with_free_func(monitor_free);

    for (; *sources; sources++) {
        if (g_file_test(*sources, G_FILE_TEST_IS_DIR)) {
            add_directory(monitors, *sources);
        } else {
            add_monitor(monitors, *sources);
        }
    }
    return monitors;
}

/* Ask them, several at a time. */

typedef struct Collection {
    unsigned limit;             /* seconds for each reply */
    GCancellable *cancellable;
} Collection;

/* The name that the VM was given, or else that of the socket. */
static char *vm_name(Qmp *qmp, const char *address)
{
    g_autoptr(JsonNode) answer = qmp_call(qmp, "query-name", NULL, NULL);
    const char *name = answer && JSON_NODE_HOLDS_OBJECT(answer) ?
        qmp_string_in(json_node_get_object(answer), "name") : NULL;
    char *base, *dot;

    if (name) {
        return g_strdup(name);
    }
    base = g_path_get_basename(address);
    dot = strrchr(base, '.');
    if (dot && dot > base && strchr(address, '/')) {
        *dot = '\0';
    }
    return base;
}

/*
 * Whether the devices make different metrics, and not too many. One VM must
 * not spoil what the others tell.
 */
static bool check_devices(const char *address, GPtrArray *devices,
                          GError **errp)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                        g_free, NULL);
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        if (!g_hash_table_add(names, metrics_name(devices->pdata[i]))) {
            g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION, "'%s' tells"
                        " of two devices with the same id", address);
            return false;
        }
    }
    if (devices->len > MOST_DEVICES) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION, "'%s' tells of"
                    " %u devices, more than %u", address, devices->len,
                    MOST_DEVICES);
        return false;
    }
    return true;
}

static void ask(void *opaque, void *of)
{
    Monitor *monitor = opaque;
    const Collection *collection = of;
    int64_t began = g_get_monotonic_time();
    g_autoptr(GPtrArray) devices = NULL;
    g_autoptr(Qmp) qmp = NULL;

    g_cancellable_push_current(collection->cancellable);
    qmp = qmp_open(monitor->address, collection->limit, &monitor->error);
    devices = qmp ? devices_query(qmp, &monitor->error) : NULL;
    if (devices && check_devices(monitor->address, devices, &monitor->error)) {
        monitor->vm = vm_name(qmp, monitor->address);
        monitor->devices = g_steal_pointer(&devices);
    }
    g_cancellable_pop_current(collection->cancellable);
    monitor->seconds = (g_get_monotonic_time() - began) / 1e6;
}

static GPtrArray *collect(const Options *options, GCancellable *cancellable)
{
    Collection collection = {
        .limit = options->reply_timeout, .cancellable = cancellable
    };
    GPtrArray *monitors = find_monitors(options->sources);
    GThreadPool *pool = g_thread_pool_new(ask, &collection, MOST_AT_A_TIME,
                                          FALSE, NULL);
    unsigned i;

    for (i = 0; i < monitors->len; i++) {
        Monitor *monitor = monitors->pdata[i];

        if (!monitor->error) {
            g_thread_pool_push(pool, monitor, NULL);
        }
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    return monitors;
}

/* Serve. */

typedef struct Server {
    const Options *options;
    GCancellable *cancellable;
    GHashTable *troubles;       /* what was said of each address */
} Server;

/* Say what is wrong with a monitor, once. */
static void note_trouble(Server *server, const Monitor *monitor)
{
    const char *said = g_hash_table_lookup(server->troubles, monitor->address);

    if (!monitor->error) {
        g_hash_table_remove(server->troubles, monitor->address);
    } else if (g_strcmp0(said, monitor->error->message)) {
        fprintf(stderr, "vmemctl: %s\n", monitor->error->message);
        g_hash_table_insert(server->troubles, g_strdup(monitor->address),
                            g_strdup(monitor->error->message));
    }
}

static char *serve_metrics(void *opaque, MetricsFormat format)
{
    Server *server = opaque;
    g_autoptr(GPtrArray) monitors = collect(server->options,
                                            server->cancellable);
    unsigned i;

    for (i = 0; i < monitors->len; i++) {
        note_trouble(server, monitors->pdata[i]);
    }
    return metrics_text(monitors, format);
}

static int serve(const Options *options, GError **errp)
{
    Server server = {
        .options = options,
        .cancellable = g_cancellable_get_current(),
        .troubles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          g_free),
    };
    bool served = http_serve(options->listen, serve_metrics, &server, errp);

    g_hash_table_unref(server.troubles);
    return served ? EXIT_SETTLED : EXIT_CONNECTION;
}

/* Print once. What has not answered is told, but is no error by itself. */
int command_export(const Options *options, GError **errp)
{
    g_autoptr(GPtrArray) monitors = NULL;
    g_autofree char *text = NULL;
    unsigned i, answered = 0;

    if (options->listen) {
        return serve(options, errp);
    }
    monitors = collect(options, g_cancellable_get_current());
    if (interrupted()) {
        return EXIT_CONNECTION;
    }
    for (i = 0; i < monitors->len; i++) {
        const Monitor *monitor = monitors->pdata[i];

        answered += !monitor->error;
        if (monitor->error) {
            fprintf(stderr, "vmemctl: %s\n", monitor->error->message);
        }
    }
    text = metrics_text(monitors, options->format);
    fputs(text, stdout);
    return answered || !monitors->len ? EXIT_SETTLED : EXIT_CONNECTION;
}
