/*
 * vmemctl: its commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_COMMANDS_H
#define VMEMCTL_COMMANDS_H

#include "device.h"
#include "options.h"

/*
 * Each returns what the program ends with, and has then printed why; or it
 * sets an error, which the caller prints.
 */
int command_list(Qmp *qmp, const Options *options, GError **errp);
int command_resize(Qmp *qmp, const Options *options, GError **errp);
int command_watch(Qmp *qmp, const Options *options, GError **errp);

/* Wait until @id has @target plugged; it had @start when it was asked. */
int follow(Qmp *qmp, const Options *options, uint64_t start, uint64_t target,
           GError **errp);

/*
 * devices_query() that outlives the end of a connection, if QEMU comes back.
 * The user is told.
 */
GPtrArray *devices_query_again(Qmp *qmp, GError **errp);

#endif
