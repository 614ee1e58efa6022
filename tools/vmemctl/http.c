/*
 * vmemctl: metrics by HTTP
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "vmemctl.h"
#include "http.h"

#ifdef HAVE_MICROHTTPD

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <microhttpd.h>
#include <sys/stat.h>
#include <sys/un.h>

#define IDLE_SECONDS 10u
#define MOST_CLIENTS 32u
#define BACKLOG 32
#define PLACE "/metrics"

typedef struct Http {
    HttpMetrics *metrics;
    void *opaque;
} Http;

/* A place to listen. */

static GSocketAddress *resolve(const char *address, GError **errp)
{
    g_autoptr(GSocketConnectable) name = NULL;
    g_autoptr(GSocketAddressEnumerator) found = NULL;

    if (!qmp_is_host_and_port(address)) {
        if (strlen(address) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
            g_set_error_literal(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                                "the path is too long for a socket");
            return NULL;
        }
        return g_unix_socket_address_new(address);
    }
    name = g_network_address_parse(address, 0, errp);
    if (!name) {
        return NULL;
    }
    found = g_socket_connectable_enumerate(name);
    return g_socket_address_enumerator_next(found, g_cancellable_get_current(),
                                            errp);
}

/*
 * Whether a path is a socket that a program has left which runs no more. A file
 * refuses a connection, too.
 */
static bool is_left_over(GSocketAddress *where)
{
    const char *path =
        g_unix_socket_address_get_path(G_UNIX_SOCKET_ADDRESS(where));
    g_autoptr(GSocket) socket = g_socket_new(G_SOCKET_FAMILY_UNIX,
                                             G_SOCKET_TYPE_STREAM, 0, NULL);
    g_autoptr(GError) error = NULL;
    struct stat file;

    return !lstat(path, &file) && S_ISSOCK(file.st_mode) && socket &&
           !g_socket_connect(socket, where, NULL, &error) &&
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static GSocket *listen_at(GSocketAddress *where, GError **errp)
{
    GSocketFamily family = g_socket_address_get_family(where);
    g_autoptr(GSocket) socket = g_socket_new(family, G_SOCKET_TYPE_STREAM, 0,
                                             errp);

    if (!socket) {
        return NULL;
    }
    if (family == G_SOCKET_FAMILY_UNIX && is_left_over(where)) {
        g_unlink(g_unix_socket_address_get_path(G_UNIX_SOCKET_ADDRESS(where)));
    }
    g_socket_set_listen_backlog(socket, BACKLOG);
    return g_socket_bind(socket, where, TRUE, errp) &&
           g_socket_listen(socket, errp) ? g_steal_pointer(&socket) : NULL;
}

static void tell_where(GSocket *socket, const char *address)
{
    g_autoptr(GSocketAddress) where = g_socket_get_local_address(socket, NULL);

    if (where && G_IS_INET_SOCKET_ADDRESS(where)) {
        g_autofree char *text = g_socket_connectable_to_string(
            G_SOCKET_CONNECTABLE(where));

        fprintf(stderr, "vmemctl: listening at http://%s" PLACE "\n", text);
    } else {
        fprintf(stderr, "vmemctl: listening at %s\n", address);
    }
}

/* Answers. */

static enum MHD_Result respond(struct MHD_Connection *connection,
                               unsigned status, const char *type, char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    MHD_add_response_header(response, "Content-Type", type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    g_free(text);
    return result;
}

static MetricsFormat format_for(struct MHD_Connection *connection)
{
    const char *accept = MHD_lookup_connection_value(connection,
                                                     MHD_HEADER_KIND, "Accept");

    return accept && strstr(accept, "application/openmetrics-text") ?
           METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

/* Called with the head of a request, and again when all of it has come. */
static enum MHD_Result answer(void *opaque, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *size, void **state)
{
    static const char plain[] = "text/plain; charset=utf-8";
    Http *http = opaque;
    MetricsFormat format;

    if (!*state) {
        *state = http;
        return MHD_YES;
    }
    *size = 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) &&
        strcmp(method, MHD_HTTP_METHOD_HEAD)) {
        return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, plain,
                       g_strdup("only GET and HEAD\n"));
    }
    if (!strcmp(url, PLACE)) {
        format = format_for(connection);
        return respond(connection, MHD_HTTP_OK, metrics_type(format),
                       http->metrics(http->opaque, format));
    }
    return respond(connection, strcmp(url, "/") ? MHD_HTTP_NOT_FOUND :
                   MHD_HTTP_OK, plain,
                   g_strdup("vmemctl: the metrics are at " PLACE "\n"));
}

static bool run(GSocket *socket, const char *address, Http *http,
                GError **errp)
{
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, http,
        MHD_OPTION_LISTEN_SOCKET,       /* which it closes at last */
        fcntl(g_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0),
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
        MHD_OPTION_CONNECTION_LIMIT, MOST_CLIENTS, MHD_OPTION_END);

    if (!daemon) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "cannot serve at '%s': libmicrohttpd does not start",
                    address);
        return false;
    }
    tell_where(socket, address);
    while (!interrupted()) {
        qmp_sleep(g_get_monotonic_time() + 1000 * G_USEC_PER_SEC);
    }
    MHD_stop_daemon(daemon);
    return true;
}

bool http_serve(const char *address, HttpMetrics *metrics, void *opaque,
                GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketAddress) where = resolve(address, &error);
    g_autoptr(GSocket) socket = where ? listen_at(where, &error) : NULL;
    Http http = { .metrics = metrics, .opaque = opaque };
    bool served;

    if (!socket) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "cannot listen at '%s': %s", address,
                    error ? error->message : "there is no such address");
        return false;
    }
    served = run(socket, address, &http, errp);
    if (G_IS_UNIX_SOCKET_ADDRESS(where)) {
        g_unlink(address);
    }
    return served;
}

#else

bool http_serve(const char *address, HttpMetrics *metrics, void *opaque,
                GError **errp)
{
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED, "cannot listen at '%s':"
                " this vmemctl was built without libmicrohttpd", address);
    return false;
}

#endif
