/*
 * vmemctl: reach the socket of a monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_DIAL_H
#define VMEMCTL_DIAL_H

#include <gio/gio.h>

/* Connect to a path or host:port within @limit seconds. */
GSocketConnection *dial(const char *address, unsigned limit, GError **errp);

#endif
