/*
 * vmemctl: a connection to a QMP monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "qmp.h"
#include "vmemctl.h"

#define TRY_AGAIN (G_USEC_PER_SEC / 5)
#define LONGEST_MESSAGE (1024 * 1024)
#define LONGEST_QUOTE 60
#define DEEPEST 64

struct Qmp {
    char *address;
    unsigned limit;     /* seconds for the greeting and for each answer */
    GSocketConnection *connection;
    GString *in;        /* what has come and is not a whole message yet */
    bool news;          /* an event about a memory device has come */
    bool ending;        /* QEMU has said that it ends */
};

G_DEFINE_QUARK(vmemctl-error-quark, vmemctl_error)

/* Reach the socket. */

bool qmp_is_host_and_port(const char *address)
{
    const char *colon = strrchr(address, ':');

    return colon && colon > address && colon[1] && !strchr(address, '/') &&
           strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
           !g_file_test(address, G_FILE_TEST_EXISTS);
}

static GSocketConnectable *connectable(const char *address, GError **errp)
{
    const char *wrong = NULL;
    struct stat file;

    if (qmp_is_host_and_port(address)) {
        return g_network_address_parse(address, 0, errp);
    }
    if (strlen(address) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        wrong = "the path is too long for a socket";
    } else if (!stat(address, &file) && !S_ISSOCK(file.st_mode)) {
        wrong = S_ISDIR(file.st_mode) ? "it is a directory, not a socket" :
                "it is not a socket";
    }
    if (wrong) {
        g_set_error_literal(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION, wrong);
        return NULL;
    }
    return G_SOCKET_CONNECTABLE(g_unix_socket_address_new(address));
}

/* What GIO says, in terms of VMs. */
static const char *explain(const GError *error)
{
    static const struct {
        int code;
        const char *text;
    } known[] = {
        { G_IO_ERROR_NOT_FOUND, "there is no such socket; QEMU creates it"
          " with -qmp unix:PATH,server=on,wait=off" },
        { G_IO_ERROR_CONNECTION_REFUSED, "nothing listens there: the VM has"
          " ended, or was started without this monitor" },
        { G_IO_ERROR_WOULD_BLOCK, "it is busy: other clients are connected to"
          " it and waiting for it" },
        { G_IO_ERROR_PERMISSION_DENIED, "you may not open it; it belongs to"
          " the user who runs the VM" },
        { G_IO_ERROR_TIMED_OUT, "the host does not answer in time" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_error_matches(error, G_IO_ERROR, known[i].code)) {
            return known[i].text;
        }
    }
    return error->message;
}

static int64_t deadline(const Qmp *qmp)
{
    return g_get_monotonic_time() + qmp->limit * (int64_t)G_USEC_PER_SEC;
}

void qmp_sleep(int64_t until)
{
    GCancellable *cancellable = g_cancellable_get_current();
    int64_t left = MAX(0, until - g_get_monotonic_time());
    GPollFD file;

    if (g_cancellable_make_pollfd(cancellable, &file)) {
        g_poll(&file, 1, (left + 999) / 1000);
        g_cancellable_release_fd(cancellable);
    } else {
        g_usleep(left);
    }
}

/* A queue of clients that is full is tried again: its head may leave soon. */
static bool dial(Qmp *qmp, GError **errp)
{
    GCancellable *cancellable = g_cancellable_get_current();
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnectable) to = connectable(qmp->address, &error);
    int64_t until = deadline(qmp);

    g_clear_object(&qmp->connection);
    g_string_truncate(qmp->in, 0);
    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_set_timeout(client, qmp->limit);
    while (to && !(qmp->connection = g_socket_client_connect(
                       client, to, cancellable, &error)) &&
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) &&
           g_get_monotonic_time() < until) {
        g_clear_error(&error);
        qmp_sleep(g_get_monotonic_time() + TRY_AGAIN);
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_propagate_error(errp, g_steal_pointer(&error));
    } else if (error) {
        g_set_error(errp, VMEMCTL_ERROR,
                    g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)
                    ? VMEMCTL_BUSY : VMEMCTL_CONNECTION,
                    "cannot connect to '%s': %s", qmp->address,
                    explain(error));
    }
    return qmp->connection != NULL;
}

/* Messages. */

/* The length of the string that starts at @data, or 0 if it does not end. */
static size_t string_length(const char *data, size_t len)
{
    size_t i;

    for (i = 1; i < len; i++) {
        if (data[i] == '\\') {
            i++;
        } else if (data[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

ssize_t qmp_frame_length(const char *data, size_t len)
{
    unsigned depth = 0;
    size_t i = 0, skip;

    while (i < len) {
        skip = 1;
        if (depth == 0 && data[i] != '{' && !g_ascii_isspace(data[i])) {
            return -1;
        }
        if (data[i] == '"') {
            skip = string_length(data + i, len - i);
            if (!skip) {
                return 0;
            }
        } else if (data[i] == '{' || data[i] == '[') {
            if (++depth > DEEPEST) {
                return -1;
            }
        } else if (data[i] == '}' || data[i] == ']') {
            if (--depth == 0) {
                return i + 1;
            }
        }
        i += skip;
    }
    return 0;
}

/* No more of the message than fits a line, and nothing a terminal obeys. */
static bool not_qmp(Qmp *qmp, GError **errp)
{
    g_autofree char *start = g_strndup(qmp->in->str,
                                       MIN(qmp->in->len, LONGEST_QUOTE));
    g_autofree char *quote = g_strescape(g_strchomp(start), "\"");

    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                "'%s' is not a QMP monitor: it says '%s%s'", qmp->address,
                quote, qmp->in->len > LONGEST_QUOTE ? "..." : "");
    return false;
}

/*
 * What ended the connection or the waiting for it. A connection that ends
 * after QEMU has said so is not lost by accident.
 */
static bool broken(Qmp *qmp, GError *cause, GError **errp)
{
    if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
        g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_propagate_error(errp, cause);
        return false;
    }
    g_clear_error(&cause);
    if (qmp->ending) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "the VM has quit");
    } else {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_LOST,
                    "the connection to '%s' was closed: the VM was stopped,"
                    " or has crashed", qmp->address);
    }
    return false;
}

/* Read what there is. */
static bool read_more(Qmp *qmp, int64_t until, GError **errp)
{
    GCancellable *cancellable = g_cancellable_get_current();
    GSocket *socket = g_socket_connection_get_socket(qmp->connection);
    int64_t left = MAX(0, until - g_get_monotonic_time());
    GError *error = NULL;
    char buffer[65536];
    gssize len;

    if (!g_socket_condition_timed_wait(socket, G_IO_IN, (left + 999) / 1000 *
                                       1000, cancellable, &error)) {
        return broken(qmp, error, errp);
    }
    len = g_socket_receive(socket, buffer, sizeof(buffer), cancellable,
                           &error);
    if (len <= 0) {
        return broken(qmp, error, errp);
    }
    g_string_append_len(qmp->in, buffer, len);
    return true;
}

/* The first whole message of what was read; NULL if there is none yet. */
static JsonObject *take_message(Qmp *qmp, GError **errp)
{
    ssize_t len = qmp_frame_length(qmp->in->str, qmp->in->len);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root = NULL;

    if (len == 0 && qmp->in->len <= LONGEST_MESSAGE) {
        return NULL;
    }
    if (len > 0 && json_parser_load_from_data(parser, qmp->in->str, len,
                                              NULL)) {
        root = json_parser_get_root(parser);
    }
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        not_qmp(qmp, errp);
        return NULL;
    }
    g_string_erase(qmp->in, 0, len);
    return json_node_dup_object(root);
}

static JsonObject *read_message(Qmp *qmp, int64_t until, GError **errp)
{
    GError *error = NULL;
    JsonObject *message;

    while (!(message = take_message(qmp, &error))) {
        if (error || !read_more(qmp, until, &error)) {
            g_propagate_error(errp, error);
            return NULL;
        }
    }
    return message;
}

/* The socket's own timeout applies: a command is too short to be parted. */
static bool send_command(Qmp *qmp, const char *command, JsonObject *arguments,
                         GError **errp)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    GError *error = NULL;

    json_object_set_string_member(object, "execute", command);
    if (arguments) {
        json_object_set_object_member(object, "arguments", arguments);
    }
    json_node_take_object(root, object);
    text = json_to_string(root, FALSE);
    line = g_strconcat(text, "\n", NULL);
    return g_output_stream_write_all(
               g_io_stream_get_output_stream(G_IO_STREAM(qmp->connection)),
               line, strlen(line), NULL, g_cancellable_get_current(),
               &error) || broken(qmp, error, errp);
}

/* Commands and events. */

const char *qmp_string_in(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) ?
           json_node_get_string(node) : NULL;
}

/* Whether a message is an event; what it tells is noted. */
static bool is_event(Qmp *qmp, JsonObject *message)
{
    const char *event = qmp_string_in(message, "event");

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
    desc = qmp_string_in(error, "desc");
    class = qmp_string_in(error, "class");
    if (!desc) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' sent something else than an answer to %s",
                    qmp->address, command);
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
    g_autoptr(JsonObject) answer = NULL;
    int64_t until = deadline(qmp);
    GError *error = NULL;

    if (send_command(qmp, command, arguments, &error)) {
        do {
            g_clear_pointer(&answer, json_object_unref);
            answer = read_message(qmp, until, &error);
        } while (answer && is_event(qmp, answer));
    }
    if (answer) {
        return open_answer(qmp, answer, command, errp);
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        g_clear_error(&error);
        g_set_error(&error, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' did not answer %s within %u s: the VM hangs, or has"
                    " much to do", qmp->address, command, qmp->limit);
    }
    g_propagate_error(errp, error);
    return NULL;
}

bool qmp_wait(Qmp *qmp, int64_t until, GError **errp)
{
    GError *error = NULL;

    while (!qmp->news && !error) {
        g_autoptr(JsonObject) message = read_message(qmp, until, &error);

        if (message && !is_event(qmp, message)) {
            g_set_error(&error, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                        "'%s' sent an answer that nobody asked for",
                        qmp->address);
        }
    }
    qmp->news = false;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        g_clear_error(&error);
    }
    if (error) {
        g_propagate_error(errp, error);
        return false;
    }
    return true;
}

/* Connections. */

static bool greet(Qmp *qmp, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) greeting = read_message(qmp, deadline(qmp), &error);
    g_autoptr(JsonNode) done = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_BUSY,
                    "'%s' is busy: no greeting came within %u s, as when"
                    " another client is connected to this monitor",
                    qmp->address, qmp->limit);
        return false;
    }
    if (!greeting) {
        g_propagate_error(errp, g_steal_pointer(&error));
        return false;
    }
    if (!json_object_has_member(greeting, "QMP")) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "'%s' is not a QMP monitor: it sends no greeting",
                    qmp->address);
        return false;
    }
    done = qmp_call(qmp, "qmp_capabilities", NULL, errp);
    return done != NULL;
}

bool qmp_reopen(Qmp *qmp, GError **errp)
{
    int64_t until = deadline(qmp);
    g_autoptr(GError) error = NULL;

    while (!dial(qmp, &error) || !greet(qmp, &error)) {
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
            g_propagate_error(errp, g_steal_pointer(&error));
            return false;
        }
        if (g_get_monotonic_time() >= until) {
            g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                        "the VM is gone: %s", error->message);
            return false;
        }
        g_clear_error(&error);
        qmp_sleep(g_get_monotonic_time() + TRY_AGAIN);
    }
    return true;
}

Qmp *qmp_open(const char *address, unsigned limit, GError **errp)
{
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);

    qmp->address = g_strdup(address);
    qmp->limit = limit;
    qmp->in = g_string_new(NULL);
    return dial(qmp, errp) && greet(qmp, errp) ? g_steal_pointer(&qmp) : NULL;
}

void qmp_free(Qmp *qmp)
{
    g_clear_object(&qmp->connection);
    g_string_free(qmp->in, TRUE);
    g_free(qmp->address);
    g_free(qmp);
}
