/*
 * vmemctl: what monitors tell, as text for Prometheus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <string.h>

#include "metrics.h"
#include "vmemctl.h"

typedef struct Writer Writer;
typedef void Emit(Writer *writer, const Monitor *monitor,
                  const Device *device);

typedef enum Kind { GAUGE, COUNTER, INFO } Kind;

/*
 * A family of metrics. Its value is a number that QEMU tells of a device,
 * where it tells it, divided by @divisor; or @emit knows more.
 */
typedef struct Family {
    const char *name;       /* without _total and _info */
    Kind kind;
    const char *unit;       /* what the name ends with, or NULL */
    const char *help;
    const char *member;     /* where the number is: "requests/host-time" */
    unsigned divisor;       /* 0 for 1 */
    Emit *emit;             /* for each device */
    void (*emit_monitor)(Writer *writer, const Monitor *monitor);
} Family;

struct Writer {
    GString *text;
    const Family *family;
};

/* Labels are pairs; a value is escaped, and made UTF-8. */

static void add_label(GString *text, const char *name, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    const char *at;

    g_string_append_printf(text, "%s%s=\"",
                           text->str[text->len - 1] == '{' ? "" : ",", name);
    for (at = valid; *at; at++) {
        if (*at == '\n') {
            g_string_append(text, "\\n");
        } else {
            if (*at == '\\' || *at == '"') {
                g_string_append_c(text, '\\');
            }
            g_string_append_c(text, *at);
        }
    }
    g_string_append_c(text, '"');
}

char *metrics_name(const Device *device)
{
    JsonNode *node = json_object_get_member(device->data, "memaddr");

    return device->id ? g_strdup(device->id) :
           g_strdup_printf("@0x%" PRIx64, !node ||
                           !JSON_NODE_HOLDS_VALUE(node) ? 0 :
                           (uint64_t)json_node_get_int(node));
}

static const char *suffix(Kind kind)
{
    return kind == COUNTER ? "_total" : kind == INFO ? "_info" : "";
}

/* A sample up to its last label. */
static void begin(Writer *writer, const Monitor *monitor, const Device *device)
{
    g_string_append_printf(writer->text, "%s%s{", writer->family->name,
                           suffix(writer->family->kind));
    if (device) {
        g_autofree char *name = metrics_name(device);

        add_label(writer->text, "vm", monitor->vm);
        add_label(writer->text, "device", name);
    }
    if (monitor) {
        add_label(writer->text, "monitor", monitor->address);
    }
}

static void end(Writer *writer, int64_t value, unsigned divisor)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    if (divisor > 1) {
        g_ascii_dtostr(number, sizeof(number), (double)value / divisor);
    } else {
        g_snprintf(number, sizeof(number), "%" PRId64, value);
    }
    g_string_append_printf(writer->text, "} %s\n", number);
}

/* The node at a path of names with '/'; NULL if there is none. */
static JsonNode *find(JsonObject *object, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    JsonNode *node = NULL;
    unsigned i;

    for (i = 0; names[i]; i++) {
        node = object ? json_object_get_member(object, names[i]) : NULL;
        object = node && JSON_NODE_HOLDS_OBJECT(node) ?
                 json_node_get_object(node) : NULL;
    }
    return node;
}

static bool find_number(const Device *device, const char *path, int64_t *value)
{
    JsonNode *node = find(device->data, path);

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64) {
        return false;
    }
    *value = json_node_get_int(node);
    return *value >= 0;
}

static void emit_member(Writer *writer, const Monitor *monitor,
                        const Device *device)
{
    int64_t value;

    if (find_number(device, writer->family->member, &value)) {
        begin(writer, monitor, device);
        end(writer, value, writer->family->divisor);
    }
}

/*
 * A sample for each of @known with the value 0, but for @now, which has 1;
 * also if it is none of them.
 */
static void emit_one_of(Writer *writer, const Monitor *monitor,
                        const Device *device, const char *label,
                        const char *const *known, const char *now)
{
    bool found = !now;

    for (; *known || !found; known += !!*known) {
        const char *name = *known ?: now;

        found = found || !strcmp(name, now);
        begin(writer, monitor, device);
        add_label(writer->text, label, name);
        end(writer, now && !strcmp(name, now), 1);
    }
}

static void emit_status(Writer *writer, const Monitor *monitor,
                        const Device *device)
{
    static const char *const known[] = {
        "settled", "resizing", "blocked", "paused", NULL
    };

    if (device->status) {
        emit_one_of(writer, monitor, device, "status", known, device->status);
    }
}

static void emit_reason(Writer *writer, const Monitor *monitor,
                        const Device *device)
{
    static const char *const known[] = {
        "driver-features", "no-driver", "migration", "host-memory",
        "host-discard", "listener", "guest", NULL
    };

    if (device->status) {
        emit_one_of(writer, monitor, device, "reason", known, device->reason);
    }
}

static void emit_requests(Writer *writer, const Monitor *monitor,
                          const Device *device)
{
    static const char *const requests[] = {
        "plug", "unplug", "unplug-all", "state"
    };
    static const char *const answers[] = { "ack", "nack", "busy", "error" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(requests) * G_N_ELEMENTS(answers); i++) {
        const char *request = requests[i / G_N_ELEMENTS(answers)];
        const char *answer = answers[i % G_N_ELEMENTS(answers)];
        g_autofree char *path = g_strdup_printf("requests/%s/%s", request,
                                                answer);
        int64_t value;

        if (find_number(device, path, &value)) {
            begin(writer, monitor, device);
            add_label(writer->text, "request", request);
            add_label(writer->text, "answer", answer);
            end(writer, value, 1);
        }
    }
}

static void emit_info(Writer *writer, const Monitor *monitor,
                      const Device *device)
{
    g_autofree char *node = g_strdup_printf("%" PRId64, device->node);

    begin(writer, monitor, device);
    add_label(writer->text, "node", node);
    add_label(writer->text, "memdev",
              qmp_string_in(device->data, "memdev") ?: "");
    add_label(writer->text, "unplugged_protection",
              qmp_string_in(device->data, "unplugged-protection") ?: "none");
    end(writer, 1, 1);
}

static void emit_up(Writer *writer, const Monitor *monitor)
{
    begin(writer, monitor, NULL);
    end(writer, monitor->devices != NULL, 1);
}

static void emit_seconds(Writer *writer, const Monitor *monitor)
{
    begin(writer, monitor, NULL);
    end(writer, monitor->seconds * 1e6, 1000000);
}

static const Family families[] = {
    {
        .name = "vmemctl_monitor_up", .kind = GAUGE,
        .help = "Whether the QMP monitor has answered.",
        .emit_monitor = emit_up,
    }, {
        .name = "vmemctl_monitor_reply_seconds", .kind = GAUGE,
        .unit = "seconds",
        .help = "How long the QMP monitor took to answer, or to fail.",
        .emit_monitor = emit_seconds,
    }, {
        .name = "virtio_mem_device", .kind = INFO,
        .help = "NUMA node, memory backend and protection of a device.",
        .emit = emit_info,
    }, {
        .name = "virtio_mem_size_bytes", .kind = GAUGE, .unit = "bytes",
        .help = "Memory that is plugged.", .member = "size",
    }, {
        .name = "virtio_mem_requested_size_bytes", .kind = GAUGE,
        .unit = "bytes",
        .help = "Memory that the guest is asked to have plugged.",
        .member = "requested-size",
    }, {
        .name = "virtio_mem_max_size_bytes", .kind = GAUGE, .unit = "bytes",
        .help = "The most that can be plugged.", .member = "max-size",
    }, {
        .name = "virtio_mem_block_size_bytes", .kind = GAUGE,
        .unit = "bytes", .help = "The smallest step of the size.",
        .member = "block-size",
    }, {
        .name = "virtio_mem_resize_status", .kind = GAUGE,
        .help = "1 for the status of the last resize, 0 for the others.",
        .emit = emit_status,
    }, {
        .name = "virtio_mem_resize_blocked", .kind = GAUGE,
        .help = "1 for the reason why the resize is blocked, if it is;"
                " 0 for the others.",
        .emit = emit_reason,
    }, {
        .name = "virtio_mem_resize_status_age_seconds", .kind = GAUGE,
        .unit = "seconds",
        .help = "Time since the status has changed, while the VM runs.",
        .member = "resize/since",
    }, {
        .name = "virtio_mem_resize_rate_bytes_per_second", .kind = GAUGE,
        .unit = "bytes_per_second",
        .help = "How fast memory is plugged or unplugged, while it is.",
        .member = "resize/rate",
    }, {
        .name = "virtio_mem_resize_left_seconds", .kind = GAUGE,
        .unit = "seconds",
        .help = "Estimated time until the resize is complete, while it"
                " goes on.",
        .member = "resize/eta",
    }, {
        .name = "virtio_mem_requests", .kind = COUNTER,
        .help = "Requests of the guest's driver, by answer.",
        .emit = emit_requests,
    }, {
        .name = "virtio_mem_plugged_bytes", .kind = COUNTER, .unit = "bytes",
        .help = "Memory that was plugged since the device exists.",
        .member = "requests/plugged",
    }, {
        .name = "virtio_mem_unplugged_bytes", .kind = COUNTER,
        .unit = "bytes",
        .help = "Memory that was unplugged since the device exists.",
        .member = "requests/unplugged",
    }, {
        .name = "virtio_mem_host_time_seconds", .kind = COUNTER,
        .unit = "seconds",
        .help = "Time spent in allocating and freeing memory of the host.",
        .member = "requests/host-time", .divisor = 1000,
    }, {
        .name = "virtio_mem_pending_discard_bytes", .kind = GAUGE,
        .unit = "bytes",
        .help = "Unplugged memory that the host has not taken back yet.",
        .member = "pending-discard",
    }, {
        .name = "virtio_mem_prealloc_reserve_bytes", .kind = GAUGE,
        .unit = "bytes",
        .help = "Memory of the host that is allocated in advance, with"
                " prealloc-reserve.",
        .member = "prealloc-reserve",
    }, {
        .name = "virtio_mem_memslots", .kind = GAUGE,
        .help = "Memory slots of a device with dynamic-memslots=on.",
        .member = "memslots",
    }, {
        .name = "virtio_mem_mapped_memslots", .kind = GAUGE,
        .help = "How many of these memory slots are mapped.",
        .member = "mapped-memslots",
    }, {
        .name = "virtio_mem_unplugged_accesses", .kind = COUNTER,
        .help = "How often the use of unplugged memory was found, with"
                " unplugged-protection.",
        .member = "unplugged-accesses",
    },
};

static void write_samples(Writer *writer, GPtrArray *monitors)
{
    Emit *emit = writer->family->emit ?: emit_member;
    unsigned i, j;

    for (i = 0; i < monitors->len; i++) {
        const Monitor *monitor = monitors->pdata[i];

        if (writer->family->emit_monitor) {
            writer->family->emit_monitor(writer, monitor);
            continue;
        }
        for (j = 0; monitor->devices && j < monitor->devices->len; j++) {
            emit(writer, monitor, monitor->devices->pdata[j]);
        }
    }
}

/* The formats differ in what a counter's family is called, and in units. */
static void write_head(GString *text, const Family *family,
                       MetricsFormat format)
{
    static const char *const types[] = {
        [GAUGE] = "gauge", [COUNTER] = "counter", [INFO] = "info"
    };
    bool open = format == METRICS_OPENMETRICS;
    g_autofree char *name = g_strconcat(family->name, open ? "" :
                                        suffix(family->kind), NULL);

    g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name,
                           family->help, name, !open && family->kind == INFO ?
                           "gauge" : types[family->kind]);
    if (open && family->unit) {
        g_string_append_printf(text, "# UNIT %s %s\n", name, family->unit);
    }
}

const char *metrics_type(MetricsFormat format)
{
    return format == METRICS_OPENMETRICS ?
           "application/openmetrics-text; version=1.0.0; charset=utf-8" :
           "text/plain; version=0.0.4; charset=utf-8";
}

char *metrics_text(GPtrArray *monitors, MetricsFormat format)
{
    GString *text = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(families); i++) {
        g_autoptr(GString) samples = g_string_new(NULL);
        Writer writer = { .text = samples, .family = &families[i] };

        write_samples(&writer, monitors);
        if (samples->len) {
            write_head(text, &families[i], format);
            g_string_append_len(text, samples->str, samples->len);
        }
    }
    if (format == METRICS_OPENMETRICS) {
        g_string_append(text, "# EOF\n");
    }
    return g_string_free(text, FALSE);
}
