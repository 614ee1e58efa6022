/*
 * vmemctl: reach the socket of a monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
#include <string.h>
#include <gio/gunixsocketaddress.h>
#include <sys/un.h>

#include "dial.h"
#include "error.h"

static bool is_host_and_port(const char *address)
{
    const char *colon = strrchr(address, ':');

    return colon && colon > address && colon[1] && !strchr(address, '/') &&
           strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
           !g_file_test(address, G_FILE_TEST_EXISTS);
}

static GSocketConnectable *target(const char *address, GError **errp)
{
    if (is_host_and_port(address)) {
        return g_network_address_parse(address, 0, errp);
    }
    if (strlen(address) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "the path '%s' is too long for a socket", address);
        return NULL;
    }
    return G_SOCKET_CONNECTABLE(g_unix_socket_address_new(address));
}

/* What GIO says, in terms of VMs. */
static const char *explain(const GError *error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        return "there is no such socket; a VM makes it with"
               " -qmp unix:PATH,server=on,wait=off";
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED)) {
        return "nothing listens there: the VM has ended, or was started"
               " without this monitor";
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        return "it is busy: other clients are connected to it and waiting"
               " for it";
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
        return "you may not open it; it belongs to whoever runs the VM";
    }
    return error->message;
}

GSocketConnection *dial(const char *address, unsigned limit, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnectable) to = target(address, &error);
    GSocketConnection *connection = NULL;

    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_set_timeout(client, limit);
    if (to) {
        connection = g_socket_client_connect(client, to, NULL, &error);
    }
    if (!connection) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                    "cannot connect to '%s': %s", address, explain(error));
    }
    return connection;
}
