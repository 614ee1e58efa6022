/*
 * vmemctl: the table of devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
#include <inttypes.h>
#include <string.h>

#include "device.h"
#include "size.h"
#include "table.h"

#define COLUMNS 7

/* Of COLUMNS strings, the last one NULL if there is no such column. */
typedef char *Row;

static Row *header(bool with_status)
{
    Row *row = g_new0(Row, COLUMNS + 1);

    row[0] = g_strdup("ID");
    row[1] = g_strdup("NODE");
    row[2] = g_strdup("SIZE");
    row[3] = g_strdup("REQUESTED");
    row[4] = g_strdup("MAX");
    row[5] = g_strdup("BLOCK");
    row[6] = with_status ? g_strdup("STATUS") : NULL;
    return row;
}

static Row *row_of(const Device *device)
{
    Row *row = g_new0(Row, COLUMNS + 1);

    row[0] = g_strdup(device->id ?: "-");
    row[1] = g_strdup_printf("%" PRId64, device->node);
    row[2] = size_text(device->size);
    row[3] = size_text(device->requested);
    row[4] = size_text(device->max);
    row[5] = size_text(device->block);
    row[6] = device_state(device);
    return row;
}

static void measure(GPtrArray *rows, int *widths)
{
    unsigned i, column;

    for (i = 0; i < rows->len; i++) {
        Row *row = rows->pdata[i];

        for (column = 0; column < COLUMNS && row[column]; column++) {
            widths[column] = MAX(widths[column], (int)strlen(row[column]));
        }
    }
}

/* Names to the left, numbers to the right. */
static void append_row(GString *text, const Row *row, const int *widths)
{
    unsigned column;

    for (column = 0; column < COLUMNS && row[column]; column++) {
        if (column == 0) {
            g_string_append_printf(text, "%-*s", widths[0], row[0]);
        } else if (column < COLUMNS - 1) {
            g_string_append_printf(text, "  %*s", widths[column], row[column]);
        } else {
            g_string_append_printf(text, "  %s", row[column]);
        }
    }
    g_string_append_c(text, '\n');
}

char *table_format(GPtrArray *devices, const char *id)
{
    g_autoptr(GPtrArray) rows =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    GString *text = g_string_new(NULL);
    int widths[COLUMNS] = { 0 };
    bool with_status = false;
    unsigned i;

    for (i = 0; i < devices->len; i++) {
        const Device *device = devices->pdata[i];

        if (!id || !g_strcmp0(device->id, id)) {
            g_ptr_array_add(rows, row_of(device));
            with_status = with_status || device->status;
        }
    }
    g_ptr_array_insert(rows, 0, header(with_status));
    measure(rows, widths);
    for (i = 0; i < rows->len; i++) {
        append_row(text, rows->pdata[i], widths);
    }
    return g_string_free(text, FALSE);
}
