/*
 * vmemctl: the command list
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>

#include "vmemctl.h"
#include "table.h"

/* All that QEMU says of the devices, as a JSON array. */
static char *json_text(GPtrArray *devices)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
    JsonArray *list = json_array_new();
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        Device *device = devices->pdata[i];

        json_array_add_object_element(list, json_object_ref(device->data));
    }
    json_node_take_array(root, list);
    return json_to_string(root, TRUE);
}

int command_list(const Options *options, GError **errp)
{
    g_autoptr(Qmp) qmp = qmp_open(options->socket, options->reply_timeout,
                                  errp);
    g_autoptr(GPtrArray) devices = qmp ? devices_query(qmp, errp) : NULL;
    g_autofree char *text = NULL;

    if (!devices) {
        return EXIT_CONNECTION;
    }
    if (options->json) {
        text = json_text(devices);
        printf("%s\n", text);
    } else if (devices->len) {
        text = table_format(devices, NULL);
        fputs(text, stdout);
    } else {
        puts("the VM has no virtio-mem device");
    }
    return EXIT_SETTLED;
}
