/*
 * vmemctl: a connection to a QMP monitor
 *
 * Everything here can take time, and ends when the current GCancellable
 * (g_cancellable_push_current()) is cancelled: with G_IO_ERROR_CANCELLED.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_QMP_H
#define VMEMCTL_QMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <json-glib/json-glib.h>

typedef struct Qmp Qmp;

/* Whether an address is host:port, and not a path. */
bool qmp_is_host_and_port(const char *address);

/*
 * Connect to @address, a path or host:port, and negotiate. The greeting and
 * each answer must come within @limit seconds. NULL on failure, which is
 * VMEMCTL_BUSY if the monitor serves another client.
 */
Qmp *qmp_open(const char *address, unsigned limit, GError **errp);
void qmp_free(Qmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

/* Connect again after VMEMCTL_LOST; try for as long as an answer may take. */
bool qmp_reopen(Qmp *qmp, GError **errp);

/*
 * What a command returns; NULL on failure. @arguments may be NULL; the
 * function takes them over.
 */
JsonNode *qmp_call(Qmp *qmp, const char *command, JsonObject *arguments,
                   GError **errp);

/*
 * Wait until an event tells of a memory device, or until the moment @until of
 * g_get_monotonic_time(); an event from before the call counts. False if the
 * connection fails meanwhile.
 */
bool qmp_wait(Qmp *qmp, int64_t until, GError **errp);

/* A member that is a string; NULL if there is none, or no @object. */
const char *qmp_string_in(JsonObject *object, const char *name);

/* Sleep until that moment, or until the current GCancellable is cancelled. */
void qmp_sleep(int64_t until);

/*
 * The length of the JSON object at the start of @data, with the white space
 * before it; 0 if more has to come; -1 if it is not an object, or is nested
 * deeper than any in QMP. It counts braces, because QMP may put line breaks
 * into a message (pretty=on).
 */
ssize_t qmp_frame_length(const char *data, size_t len);

#endif
