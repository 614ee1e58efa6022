/*
 * vmemctl: what its parts share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_H
#define VMEMCTL_H

#include <stdbool.h>
#include <glib.h>

#include "metrics.h"
#include "size.h"

/* What can go wrong; beside that, Ctrl-C is G_IO_ERROR_CANCELLED. */
#define VMEMCTL_ERROR vmemctl_error_quark()
GQuark vmemctl_error_quark(void);

typedef enum VmemctlError {
    VMEMCTL_CONNECTION,     /* no VM, or no QMP that can be understood */
    VMEMCTL_BUSY,           /* the monitor serves another client */
    VMEMCTL_LOST,           /* the VM has closed the connection */
    VMEMCTL_REFUSED,        /* by QEMU, or by us: nothing has changed */
    VMEMCTL_NO_COMMAND,     /* QEMU does not know the command */
} VmemctlError;

/*
 * What the program ends with; documented in vmemctl.1. Ended by a signal, it
 * is 128 and the signal's number: 130 after Ctrl-C.
 */
enum {
    EXIT_SETTLED = 0,
    EXIT_CONNECTION = 1,
    EXIT_REFUSED = 2,
    EXIT_PARTLY = 3,
    EXIT_BLOCKED = 4,
    EXIT_PAUSED = 5,
};

/*
 * Seconds that QEMU has for an answer; in an export less, because Prometheus
 * waits for it.
 */
#define REPLY_TIMEOUT 5
#define REPLY_TIMEOUT_EXPORT 2

typedef struct Options Options;

/*
 * A command: it returns what the program ends with, and has then printed why;
 * or it sets an error, which the caller prints.
 */
typedef int CommandRun(const Options *options, GError **errp);

CommandRun command_export, command_list, command_resize, command_watch;

/* What the command line says. */
struct Options {
    char *text;             /* if not NULL: to print this is all there is */
    CommandRun *run;
    char *socket;
    GStrv sources;          /* of an export: sockets and directories of them */
    char *listen;           /* where to serve an export, or NULL */
    MetricsFormat format;
    const char *id;         /* NULL: all devices */
    Size size;
    unsigned reply_timeout; /* seconds */
    unsigned timeout;       /* seconds to wait; 0: while something moves */
    bool json;
    bool wait;
    GStrv words;            /* what id and size refer to */
};

/* Nothing of it refers to @argv. options_clear() frees it, also on failure. */
bool options_parse(Options *options, char **argv, GError **errp);
void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* Whether the current GCancellable is cancelled, as by Ctrl-C. */
bool interrupted(void);

#endif
