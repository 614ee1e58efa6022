/*
 * vmemctl: JSON messages to and from a socket, each in its time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_PEER_H
#define VMEMCTL_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef struct Peer {
    char *address;
    unsigned limit;     /* seconds that anything may take */
    GSocketConnection *connection;
    int fd;
    GString *in;        /* what has come and is no whole message yet */
} Peer;

void peer_init(Peer *peer, const char *address, unsigned limit);
void peer_cleanup(Peer *peer);

/* Connect, in place of the connection there was. */
bool peer_connect(Peer *peer, GError **errp);

/* The moment when something that starts now has taken too long. */
int64_t peer_deadline(const Peer *peer);

/*
 * VMEMCTL_LOST, VMEMCTL_TIMED_OUT and VMEMCTL_INTERRUPTED are told apart from
 * VMEMCTL_CONNECTION, which is a message that is none.
 */
JsonObject *peer_read(Peer *peer, int64_t until, GError **errp);
bool peer_send(Peer *peer, const char *text, int64_t until, GError **errp);

#endif
