/*
 * vmemctl: a connection to a QMP monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_QMP_H
#define VMEMCTL_QMP_H

#include <stdbool.h>
#include <stdint.h>
#include <json-glib/json-glib.h>

#define QMP_LIMIT 5

typedef struct Qmp Qmp;

/*
 * Connect to @address, a path or host:port, and negotiate. The greeting and
 * each answer have to come within @limit seconds. NULL on failure.
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
 * Wait until an event tells of a memory device, until the moment @until of
 * g_get_monotonic_time(), or until the user interrupts; an event from before
 * the call counts. False if the connection fails meanwhile.
 */
bool qmp_wait(Qmp *qmp, int64_t until, GError **errp);

#endif
