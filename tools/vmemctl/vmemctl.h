/*
 * vmemctl: what its parts share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_H
#define VMEMCTL_H

#include <stdbool.h>
#include <glib.h>

#include "device.h"
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

/* Seconds that QEMU has for an answer. */
#define REPLY_TIMEOUT 5

/* What the command line says. */
typedef struct Options {
    const char *socket;
    const char *command;
    const char *id;         /* NULL: all devices */
    Size size;
    unsigned limit;         /* seconds for each answer */
    unsigned timeout;       /* seconds to wait; 0: while something moves */
    bool json;
    bool wait;
    bool help;
} Options;

/* What it finds in @argv is kept by reference. */
bool options_parse(Options *options, char **argv, GError **errp);

void options_help(void);

/*
 * The commands: each returns what the program ends with, and has then printed
 * why; or it sets an error, which the caller prints.
 */
int command_list(Qmp *qmp, const Options *options, GError **errp);
int command_resize(Qmp *qmp, const Options *options, GError **errp);
int command_watch(Qmp *qmp, const Options *options, GError **errp);

/* Whether the current GCancellable is cancelled, as by Ctrl-C. */
bool interrupted(void);

/* Wait until @id has @target plugged; it had @start when it was asked. */
int follow(Qmp *qmp, const Options *options, uint64_t start, uint64_t target,
           GError **errp);

/*
 * devices_query() that outlives the end of a connection, if QEMU comes back.
 * The user is told.
 */
GPtrArray *devices_query_again(Qmp *qmp, GError **errp);

#endif
