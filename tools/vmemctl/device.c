/*
 * vmemctl: what QEMU says of its virtio-mem devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

#include "device.h"
#include "vmemctl.h"

static void device_free(void *opaque)
{
    Device *device = opaque;

    g_free(device->id);
    g_free(device->status);
    g_free(device->reason);
    g_clear_pointer(&device->data, json_object_unref);
    g_free(device);
}

static JsonObject *object_in(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_OBJECT(node) ?
           json_node_get_object(node) : NULL;
}

static bool number_in(JsonObject *object, const char *name, int64_t *value)
{
    JsonNode *node = json_object_get_member(object, name);

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64) {
        return false;
    }
    *value = json_node_get_int(node);
    return true;
}

static bool size_in(JsonObject *object, const char *name, uint64_t *size)
{
    int64_t value;

    if (!number_in(object, name, &value) || value < 0) {
        return false;
    }
    *size = value;
    return true;
}

/* NULL if what must be there is not. */
static Device *device_parse(JsonObject *data)
{
    JsonObject *resize = object_in(data, "resize");
    Device *device = g_new0(Device, 1);

    if (!number_in(data, "node", &device->node) ||
        !size_in(data, "size", &device->size) ||
        !size_in(data, "requested-size", &device->requested) ||
        !size_in(data, "max-size", &device->max) ||
        !size_in(data, "block-size", &device->block) || !device->block) {
        device_free(device);
        return NULL;
    }
    device->id = g_strdup(qmp_string_in(data, "id"));
    if (resize) {
        device->status = g_strdup(qmp_string_in(resize, "status"));
        device->reason = g_strdup(qmp_string_in(resize, "reason"));
    }
    size_in(data, "unplugged-accesses", &device->accesses);
    device->data = json_object_ref(data);
    return device;
}

/* Add a list's item to @devices if it is a virtio-mem device. */
static bool add_item(GPtrArray *devices, JsonNode *item)
{
    JsonObject *object, *data;
    const char *type;
    Device *device;

    if (!JSON_NODE_HOLDS_OBJECT(item)) {
        return false;
    }
    object = json_node_get_object(item);
    type = qmp_string_in(object, "type");
    if (!type || strcmp(type, "virtio-mem")) {
        return type != NULL;
    }
    data = object_in(object, "data");
    device = data ? device_parse(data) : NULL;
    if (!device) {
        return false;
    }
    g_ptr_array_add(devices, device);
    return true;
}

GPtrArray *devices_query(Qmp *qmp, GError **errp)
{
    g_autoptr(JsonNode) answer = qmp_call(qmp, "query-memory-devices", NULL,
                                          errp);
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(device_free);
    JsonArray *list;
    unsigned i;

    if (!answer) {
        return NULL;
    }
    list = JSON_NODE_HOLDS_ARRAY(answer) ? json_node_get_array(answer) : NULL;
    for (i = 0; list && i < json_array_get_length(list); i++) {
        if (!add_item(devices, json_array_get_element(list, i))) {
            list = NULL;
        }
    }
    if (!list) {
        g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION, "the answer to"
                    " query-memory-devices lacks what QEMU always says");
        return NULL;
    }
    return g_steal_pointer(&devices);
}

static char *all_ids(GPtrArray *devices)
{
    GString *text = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        Device *device = devices->pdata[i];

        if (device->id) {
            g_string_append_printf(text, "%s%s", text->len ? ", " : "",
                                   device->id);
        }
    }
    return g_string_free(text, FALSE);
}

Device *devices_find(GPtrArray *devices, const char *id, GError **errp)
{
    g_autofree char *ids = all_ids(devices);
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        Device *device = devices->pdata[i];

        if (!g_strcmp0(device->id, id)) {
            return device;
        }
    }
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED, *ids ?
                "there is no virtio-mem device '%s': there is %s" :
                "there is no virtio-mem device '%s': the VM has none with"
                " an id%s", id, ids);
    return NULL;
}

bool device_resize(Qmp *qmp, const char *id, uint64_t size, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) done = NULL;
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "id", id);
    json_object_set_int_member(arguments, "size", size);
    done = qmp_call(qmp, "memory-device-resize", arguments, &error);
    if (g_error_matches(error, VMEMCTL_ERROR, VMEMCTL_NO_COMMAND)) {
        g_autofree char *path = g_strconcat("/machine/peripheral/", id, NULL);

        arguments = json_object_new();
        json_object_set_string_member(arguments, "path", path);
        json_object_set_string_member(arguments, "property", "requested-size");
        json_object_set_int_member(arguments, "value", size);
        g_clear_error(&error);
        done = qmp_call(qmp, "qom-set", arguments, &error);
    }
    if (!done) {
        g_propagate_error(errp, g_steal_pointer(&error));
        return false;
    }
    return true;
}

bool device_equal(const Device *a, const Device *b)
{
    return device_same_id(a, b) && a->node == b->node && a->size == b->size &&
           a->requested == b->requested && a->max == b->max &&
           a->block == b->block && !g_strcmp0(a->status, b->status) &&
           !g_strcmp0(a->reason, b->reason) && a->accesses == b->accesses;
}

bool device_same_id(const Device *a, const Device *b)
{
    return !g_strcmp0(a->id, b->id);
}

char *device_state(const Device *device)
{
    GString *text;

    if (!device->status) {
        return NULL;
    }
    text = g_string_new(device->status);
    if (device->reason) {
        g_string_append_printf(text, ": %s", device->reason);
    }
    if (device->accesses) {
        g_string_append_printf(text, ", %" G_GUINT64_FORMAT " unplugged accesses",
                               device->accesses);
    }
    return g_string_free(text, FALSE);
}

/* What the reasons mean that our QEMU gives. */
static const char *explain(const char *reason)
{
    static const struct {
        const char *reason;
        const char *text;
    } known[] = {
        { "no-driver", "the guest has no driver for the device" },
        { "driver-features", "the guest's driver lacks a feature that the"
                             " device requires" },
        { "migration", "a migration is running" },
        { "host-memory", "the host is short of memory" },
        { "host-discard", "the host could not take memory back" },
        { "listener", "another device of the VM could not take the memory" },
        { "guest", "the guest cannot free, or has not brought online, more"
                   " memory" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(known); i++) {
        if (!strcmp(known[i].reason, reason)) {
            return known[i].text;
        }
    }
    return reason;
}

/* The state the VM is in, if that is why nothing happens; NULL if it runs. */
static char *vm_state(Qmp *qmp)
{
    g_autoptr(JsonNode) answer = qmp_call(qmp, "query-status", NULL, NULL);
    const char *status;

    if (!answer || !JSON_NODE_HOLDS_OBJECT(answer)) {
        return NULL;
    }
    status = qmp_string_in(json_node_get_object(answer), "status");
    return !status || !strcmp(status, "running") ? NULL :
           !strcmp(status, "postmigrate") ?
           g_strdup("the VM has been migrated away") :
           g_strdup_printf("the VM does not run (%s)", status);
}

char *device_why(Qmp *qmp, const Device *device, bool *paused)
{
    char *state = vm_state(qmp);

    *paused = state != NULL;
    if (state) {
        return state;
    }
    if (device->reason) {
        return g_strdup(explain(device->reason));
    }
    return g_strdup(device->size < device->requested ?
                    "the guest takes no more: it has no driver, or has not"
                    " brought memory online" :
                    "the guest gives no more back: it has no driver, or"
                    " the memory is in use");
}
