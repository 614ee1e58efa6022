/*
 * vmemctl: show and resize the virtio-mem devices of a running VM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "error.h"
#include "signals.h"

static int run(const Options *options, GError **errp)
{
    bool watch = !strcmp(options->command, "watch");
    g_autoptr(Qmp) qmp = NULL;

    if (watch || options->wait) {
        signals_catch();
    }
    qmp = qmp_open(options->socket, options->limit, errp);
    if (!qmp) {
        return EXIT_CONNECTION;
    }
    return watch ? command_watch(qmp, options, errp) :
           !strcmp(options->command, "resize") ?
           command_resize(qmp, options, errp) :
           command_list(qmp, options, errp);
}

static int status_of(const GError *error)
{
    return g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_REFUSED) ||
           g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_NO_COMMAND) ?
           EXIT_REFUSED : EXIT_CONNECTION;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Options options;
    int status = EXIT_REFUSED;

    if (options_parse(&options, argv, &error)) {
        if (options.help) {
            options_help();
            return EXIT_SETTLED;
        }
        status = run(&options, &error);
    }
    if (error) {
        fprintf(stderr, "vmemctl: %s\n", error->message);
        status = status_of(error);
    }
    return status;
}
