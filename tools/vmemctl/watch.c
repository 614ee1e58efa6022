/*
 * vmemctl: the command watch
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <string.h>

#include "screen.h"
#include "vmemctl.h"
#include "table.h"

GPtrArray *devices_query_again(Qmp *qmp, GError **errp)
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

/* On a terminal in place of the table there was, otherwise when it is new. */
static void show(const char *table, char **shown)
{
    if (screen_is_terminal()) {
        printf("\033[H\033[J%sCtrl-C ends this\n", table);
    } else if (g_strcmp0(table, *shown)) {
        fputs(table, stdout);
    }
    fflush(stdout);
    g_free(*shown);
    *shown = g_strdup(table);
}

int command_watch(const Options *options, GError **errp)
{
    g_autoptr(Qmp) qmp = qmp_open(options->socket, options->reply_timeout,
                                  errp);
    g_autofree char *shown = NULL;
    g_autoptr(GError) error = NULL;

    while (qmp && !interrupted()) {
        g_autoptr(GPtrArray) devices = devices_query_again(qmp, &error);
        g_autofree char *table = NULL;

        if (!devices || (options->id &&
                         !devices_find(devices, options->id, &error))) {
            break;
        }
        table = table_format(devices, options->id);
        show(table, &shown);
        if (!qmp_wait(qmp, g_get_monotonic_time() + G_USEC_PER_SEC, &error) &&
            g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_LOST)) {
            g_clear_error(&error);      /* the next query finds it lost, too */
        }
        if (error) {
            break;
        }
    }
    if (error) {
        g_propagate_error(errp, g_steal_pointer(&error));
    }
    return EXIT_CONNECTION;
}
