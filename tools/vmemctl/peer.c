/*
 * vmemctl: JSON messages to and from a socket, each in its time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "dial.h"
#include "error.h"
#include "frame.h"
#include "peer.h"
#include "signals.h"
#include "text.h"

#define LONGEST_MESSAGE (1024 * 1024)

void peer_init(Peer *peer, const char *address, unsigned limit)
{
    peer->address = g_strdup(address);
    peer->limit = limit;
    peer->connection = NULL;
    peer->fd = -1;
    peer->in = g_string_new(NULL);
}

void peer_cleanup(Peer *peer)
{
    g_clear_object(&peer->connection);
    g_string_free(peer->in, TRUE);
    g_free(peer->address);
}

bool peer_connect(Peer *peer, GError **errp)
{
    g_clear_object(&peer->connection);
    g_string_truncate(peer->in, 0);
    peer->connection = dial(peer->address, peer->limit, errp);
    if (!peer->connection) {
        return false;
    }
    peer->fd = g_socket_get_fd(
        g_socket_connection_get_socket(peer->connection));
    return true;
}

int64_t peer_deadline(const Peer *peer)
{
    return g_get_monotonic_time() + peer->limit * G_USEC_PER_SEC;
}

static bool lost(Peer *peer, GError **errp)
{
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_LOST, "the connection to '%s' was"
                " closed: the VM was stopped, or has crashed", peer->address);
    return false;
}

static bool not_ready(GError **errp)
{
    if (signals_interrupted()) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_INTERRUPTED, "interrupted");
    } else {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_TIMED_OUT, "no answer");
    }
    return false;
}

static bool not_qmp(Peer *peer, GError **errp)
{
    g_autofree char *said = text_printable(peer->in->str, peer->in->len);

    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                "'%s' is no QMP monitor: it says '%s'", peer->address, said);
    return false;
}

/* Read what there is. */
static bool read_more(Peer *peer, int64_t until, GError **errp)
{
    char buffer[4096];
    ssize_t len;

    if (!signals_poll(peer->fd, POLLIN, until)) {
        return not_ready(errp);
    }
    len = recv(peer->fd, buffer, sizeof(buffer), 0);
    if (len < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (len <= 0) {
        return lost(peer, errp);
    }
    g_string_append_len(peer->in, buffer, len);
    return true;
}

/* The first whole message of what was read; NULL if there is none yet. */
static JsonObject *take_message(Peer *peer, GError **errp)
{
    ssize_t len = frame_length(peer->in->str, peer->in->len);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root;

    if (len < 0 || (len == 0 && peer->in->len > LONGEST_MESSAGE) ||
        (len > 0 && !json_parser_load_from_data(parser, peer->in->str, len,
                                                NULL))) {
        not_qmp(peer, errp);
        return NULL;
    }
    if (len == 0) {
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        not_qmp(peer, errp);
        return NULL;
    }
    g_string_erase(peer->in, 0, len);
    return json_node_dup_object(root);
}

JsonObject *peer_read(Peer *peer, int64_t until, GError **errp)
{
    GError *error = NULL;
    JsonObject *message;

    while (!(message = take_message(peer, &error))) {
        if (error || !read_more(peer, until, &error)) {
            g_propagate_error(errp, error);
            return NULL;
        }
    }
    return message;
}

bool peer_send(Peer *peer, const char *text, int64_t until, GError **errp)
{
    size_t len = strlen(text);
    ssize_t sent;

    while (len) {
        if (!signals_poll(peer->fd, POLLOUT, until)) {
            return not_ready(errp);
        }
        sent = send(peer->fd, text, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR && errno != EAGAIN) {
            return lost(peer, errp);
        }
        text += MAX(sent, 0);
        len -= MAX(sent, 0);
    }
    return true;
}
