/*
 * vmemctl: tables, JSON and the terminal
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"
#include "size.h"
#include "vmemctl.h"

#define RED "\033[31m"
#define PLAIN "\033[0m"

bool output_is_terminal(void)
{
    const char *kind = g_getenv("TERM");

    return isatty(STDOUT_FILENO) && kind && *kind && g_strcmp0(kind, "dumb");
}

void output_size(unsigned *columns, unsigned *rows)
{
    struct winsize size = { 0 };
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

    *columns = known ? size.ws_col ?: 80 : 0;
    *rows = known ? size.ws_row ?: 24 : 0;
}

bool output_has_colour(void)
{
    const char *no = g_getenv("NO_COLOR");

    return output_is_terminal() && (!no || !*no);
}

bool output_flush(GError **errp)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return true;
    }
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_CONNECTION,
                "cannot write the output: %s", g_strerror(errno));
    return false;
}

bool output_json_line(JsonObject *object, GError **errp)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_take_object(root, object);
    text = json_to_string(root, FALSE);
    printf("%s\n", text);
    return output_flush(errp);
}

/* In the order of the table. */
enum { ID, NODE, SIZE, REQUESTED, MAXIMUM, BLOCK, STATUS, COLUMNS };

static const struct {
    const char *title;
    unsigned spared;    /* where space is short, the first to go; 0: none */
} columns[COLUMNS] = {
    [ID] = { "ID" }, [NODE] = { "NODE", 2 }, [SIZE] = { "SIZE" },
    [REQUESTED] = { "REQUESTED" }, [MAXIMUM] = { "MAX", 3 },
    [BLOCK] = { "BLOCK", 1 }, [STATUS] = { "STATUS" },
};

typedef struct Table {
    GPtrArray *rows;            /* of GStrv; the header is the first */
    unsigned widths[COLUMNS];   /* 0: the column is left out */
    unsigned width;             /* or 0 */
    bool colour;
} Table;

/* Takes over the cells; what a terminal would obey is escaped. */
static void add_row(Table *table, char *const *cells)
{
    char **row = g_new0(char *, COLUMNS + 1);
    unsigned i;

    for (i = 0; i < COLUMNS; i++) {
        row[i] = g_strescape(cells[i] ?: "", "\"");
        table->widths[i] = MAX(table->widths[i], strlen(row[i]));
        g_free(cells[i]);
    }
    g_ptr_array_add(table->rows, row);
}

static void add_header(Table *table)
{
    char *cells[COLUMNS];
    unsigned i;

    for (i = 0; i < COLUMNS; i++) {
        cells[i] = g_strdup(columns[i].title);
    }
    add_row(table, cells);
}

static void add_device(Table *table, const Device *device)
{
    add_row(table, (char *[COLUMNS]) {
        [ID] = g_strdup(device->id ?: "-"),
        [NODE] = g_strdup_printf("%" PRId64, device->node),
        [SIZE] = size_text(device->size),
        [REQUESTED] = size_text(device->requested),
        [MAXIMUM] = size_text(device->max),
        [BLOCK] = size_text(device->block),
        [STATUS] = device_state(device),
    });
}

/* Leave out columns until the others fit. */
static void fit(Table *table)
{
    unsigned total, spared, i;

    for (spared = 1; table->width; spared++) {
        total = 0;
        for (i = 0; i < COLUMNS; i++) {
            total += table->widths[i] ? table->widths[i] + 2 : 0;
        }
        if (total - 2 <= table->width || spared > 3) {
            break;
        }
        for (i = 0; i < COLUMNS; i++) {
            table->widths[i] = columns[i].spared == spared ? 0 :
                               table->widths[i];
        }
    }
}

/* Names to the left, numbers to the right. */
static void append_row(GString *text, const Table *table, GStrv row)
{
    size_t start = text->len, status = 0;
    unsigned i;

    for (i = 0; i < COLUMNS; i++) {
        if (!table->widths[i]) {
            continue;
        }
        if (i == STATUS) {
            g_string_append(text, "  ");
            status = text->len;
            g_string_append(text, row[i]);
        } else {
            g_string_append_printf(text, i == ID ? "%s%-*s" : "%s%*s",
                                   text->len == start ? "" : "  ",
                                   (int)table->widths[i], row[i]);
        }
    }
    while (text->len > start && text->str[text->len - 1] == ' ') {
        g_string_truncate(text, text->len - 1);
    }
    if (table->width && text->len - start > table->width) {
        g_string_truncate(text, start + table->width);
    }
    if (table->colour && g_str_has_prefix(row[STATUS], "blocked") && status &&
        text->len > status) {
        g_string_insert(text, status, RED);
        g_string_append(text, PLAIN);
    }
    g_string_append_c(text, '\n');
}

char *output_table(GPtrArray *devices, const char *id, unsigned width,
                   bool colour)
{
    g_autoptr(GPtrArray) rows =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    Table table = { .rows = rows, .width = width, .colour = colour };
    GString *text = g_string_new(NULL);
    bool with_status = false;
    unsigned i;

    add_header(&table);
    for (i = 0; i < devices->len; i++) {
        const Device *device = devices->pdata[i];

        if (!id || !g_strcmp0(device->id, id)) {
            add_device(&table, device);
            with_status = with_status || device->status;
        }
    }
    if (!with_status) {
        table.widths[STATUS] = 0;
    }
    fit(&table);
    for (i = 0; i < rows->len; i++) {
        append_row(text, &table, rows->pdata[i]);
    }
    return g_string_free(text, FALSE);
}
