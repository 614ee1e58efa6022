/*
 * vmemctl: a connection to a QMP monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

#include "error.h"
#include "peer.h"
#include "qmp.h"
#include "signals.h"

#define TRY_AGAIN (G_USEC_PER_SEC / 5)

struct Qmp {
    Peer peer;
    bool news;          /* an event about a memory device has come */
    bool ending;        /* QEMU has said that it ends */
};

static const char *string_of(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) ?
           json_node_get_string(node) : NULL;
}

/* Whether a message is an event; what it tells is noted. */
static bool is_event(Qmp *qmp, JsonObject *message)
{
    const char *event = string_of(message, "event");

    if (!event) {
        return false;
    }
    if (g_str_has_prefix(event, "MEMORY_DEVICE_")) {
        qmp->news = true;
    } else if (!strcmp(event, "SHUTDOWN")) {
        qmp->ending = true;
    }
    return true;
}

/* A connection that ends after QEMU has said so is not lost by accident. */
static JsonObject *read_message(Qmp *qmp, int64_t until, GError **errp)
{
    GError *error = NULL;
    JsonObject *message = peer_read(&qmp->peer, until, &error);

    if (g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_LOST) && qmp->ending) {
        g_clear_error(&error);
        g_set_error(&error, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "the VM has quit");
    }
    if (error) {
        g_propagate_error(errp, error);
    }
    return message;
}

static char *command_text(const char *command, JsonObject *arguments)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "execute", command);
    if (arguments) {
        json_object_set_object_member(object, "arguments", arguments);
    }
    json_node_take_object(root, object);
    g_autofree char *text = json_to_string(root, FALSE);
    return g_strconcat(text, "\n", NULL);
}

/* The answer to a command: what it returns, or an error. */
static JsonNode *open_answer(Qmp *qmp, JsonObject *answer, const char *command,
                             GError **errp)
{
    JsonNode *node = json_object_get_member(answer, "return");
    const char *desc, *class;
    JsonObject *error;

    if (node) {
        return json_node_copy(node);
    }
    node = json_object_get_member(answer, "error");
    error = node && JSON_NODE_HOLDS_OBJECT(node) ?
            json_node_get_object(node) : NULL;
    desc = string_of(error, "desc");
    class = string_of(error, "class");
    if (!desc) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' sent something else than an answer to %s",
                    qmp->peer.address, command);
        return NULL;
    }
    g_set_error(errp, VMEMCTL_ERROR,
                !g_strcmp0(class, "CommandNotFound") ? VMEMCTL_NO_COMMAND :
                VMEMCTL_REFUSED, "QEMU refuses %s: %s", command, desc);
    return NULL;
}

JsonNode *qmp_call(Qmp *qmp, const char *command, JsonObject *arguments,
                   GError **errp)
{
    g_autofree char *text = command_text(command, arguments);
    g_autoptr(JsonObject) answer = NULL;
    int64_t until = peer_deadline(&qmp->peer);
    GError *error = NULL;

    if (peer_send(&qmp->peer, text, until, &error)) {
        do {
            g_clear_pointer(&answer, json_object_unref);
            answer = read_message(qmp, until, &error);
        } while (answer && is_event(qmp, answer));
    }
    if (answer) {
        return open_answer(qmp, answer, command, errp);
    }
    if (g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_TIMED_OUT)) {
        g_clear_error(&error);
        g_set_error(&error, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' did not answer %s within %u s: the VM hangs, or has"
                    " much to do", qmp->peer.address, command, qmp->peer.limit);
    }
    g_propagate_error(errp, error);
    return NULL;
}

bool qmp_wait(Qmp *qmp, int64_t until, GError **errp)
{
    g_autoptr(GError) error = NULL;

    while (!qmp->news && !signals_interrupted()) {
        g_autoptr(JsonObject) message = read_message(qmp, until, &error);

        if (!message) {
            break;
        }
        if (!is_event(qmp, message)) {
            g_set_error(&error, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                        "'%s' sent an answer that nobody asked for",
                        qmp->peer.address);
            break;
        }
    }
    qmp->news = false;
    if (!error || error->code == VMEMCTL_TIMED_OUT ||
        error->code == VMEMCTL_INTERRUPTED) {
        return true;
    }
    g_propagate_error(errp, g_steal_pointer(&error));
    return false;
}

static bool greet(Qmp *qmp, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) greeting =
        peer_read(&qmp->peer, peer_deadline(&qmp->peer), &error);
    g_autoptr(JsonNode) done = NULL;

    if (g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_TIMED_OUT)) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' is busy: no greeting came within %u s, as when"
                    " another client is connected to this monitor",
                    qmp->peer.address, qmp->peer.limit);
        return false;
    }
    if (!greeting) {
        g_propagate_error(errp, g_steal_pointer(&error));
        return false;
    }
    if (!json_object_has_member(greeting, "QMP")) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' is no QMP monitor: it does not greet",
                    qmp->peer.address);
        return false;
    }
    done = qmp_call(qmp, "qmp_capabilities", NULL, errp);
    return done != NULL;
}

static bool join(Qmp *qmp, GError **errp)
{
    return peer_connect(&qmp->peer, errp) && greet(qmp, errp);
}

bool qmp_reopen(Qmp *qmp, GError **errp)
{
    int64_t until = peer_deadline(&qmp->peer);
    g_autoptr(GError) error = NULL;

    while (!join(qmp, &error)) {
        if (signals_interrupted() || g_get_monotonic_time() >= until) {
            g_set_error(errp, VMEMCTL_ERROR, signals_interrupted() ?
                        VMEMCTL_INTERRUPTED : VMEMCTL_CONNECTION,
                        "the VM is gone: %s", error->message);
            return false;
        }
        g_clear_error(&error);
        signals_poll(-1, 0, g_get_monotonic_time() + TRY_AGAIN);
    }
    return true;
}

Qmp *qmp_open(const char *address, unsigned limit, GError **errp)
{
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);

    peer_init(&qmp->peer, address, limit);
    return join(qmp, errp) ? g_steal_pointer(&qmp) : NULL;
}

void qmp_free(Qmp *qmp)
{
    peer_cleanup(&qmp->peer);
    g_free(qmp);
}
