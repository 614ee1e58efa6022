/*
 * vmemctl: show and resize the virtio-mem devices of a running VM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <gio/gio.h>

#include "vmemctl.h"

static sigset_t caught;
static int interrupted_by;  /* a signal's number, or 0; atomic */

/*
 * What a signal interrupts is woken through @cancellable, which a signal
 * handler must not touch. A second signal ends what does not wake up.
 */
static gpointer wait_for_signals(gpointer cancellable)
{
    int number;

    sigwait(&caught, &number);
    g_atomic_int_set(&interrupted_by, number);
    g_cancellable_cancel(cancellable);
    sigwait(&caught, &number);
    _exit(128 + number);
}

/* From now on, Ctrl-C and requests to end cancel the current GCancellable. */
static void catch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    GCancellable *cancellable = g_cancellable_new();
    struct sigaction action;
    size_t i;

    sigemptyset(&caught);
    for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
        /* One that is ignored, as by nohup, stays so. */
        if (!sigaction(numbers[i], NULL, &action) &&
            action.sa_handler != SIG_IGN) {
            sigaddset(&caught, numbers[i]);
        }
    }
    pthread_sigmask(SIG_BLOCK, &caught, NULL);
    g_cancellable_push_current(cancellable);
    g_thread_unref(g_thread_new("signals", wait_for_signals, cancellable));
}

bool interrupted(void)
{
    return g_cancellable_is_cancelled(g_cancellable_get_current());
}

static int run(const Options *options, GError **errp)
{
    g_autoptr(Qmp) qmp = qmp_open(options->socket, options->limit, errp);

    return !qmp ? EXIT_CONNECTION :
           !strcmp(options->command, "watch") ?
           command_watch(qmp, options, errp) :
           !strcmp(options->command, "resize") ?
           command_resize(qmp, options, errp) :
           command_list(qmp, options, errp);
}

/* Print what went wrong; return what the program ends with. */
static int report(const GError *error)
{
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        fprintf(stderr, "vmemctl: %s\n", error->message);
    }
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
        catch_signals();
        status = run(&options, &error);
    }
    if (error) {
        status = report(error);
    }
    return status != EXIT_SETTLED && g_atomic_int_get(&interrupted_by) ?
           128 + g_atomic_int_get(&interrupted_by) : status;
}
