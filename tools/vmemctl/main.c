/*
 * vmemctl: show and resize the virtio-mem devices of a running VM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <gio/gio.h>

#include "output.h"
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

/* Ends as other tools do when nobody reads on; GSocket ignores SIGPIPE. */
static void keep_sigpipe(void)
{
    struct sigaction action;

    sigaction(SIGPIPE, NULL, &action);
    g_type_class_unref(g_type_class_ref(G_TYPE_SOCKET));
    sigaction(SIGPIPE, &action, NULL);
}

/*
 * If the standard output is closed, printing must be an error, and not go to
 * whatever is opened next.
 */
static void reserve_standard_files(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

/* Returns what the program ends with. */
static int run(char **argv, GError **errp)
{
    g_auto(Options) options;

    if (!options_parse(&options, argv, errp)) {
        return EXIT_REFUSED;
    }
    if (options.text) {
        fputs(options.text, stdout);
        return EXIT_SETTLED;
    }
    return options.run(&options, errp);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status, number;

    reserve_standard_files();
    catch_signals();
    keep_sigpipe();
    status = run(argv, &error);
    if (!error) {
        output_flush(&error);
    }
    if (error) {
        status = report(error);
    }
    number = g_atomic_int_get(&interrupted_by);
    return status != EXIT_SETTLED && number ? 128 + number : status;
}
