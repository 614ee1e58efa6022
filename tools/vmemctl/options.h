/*
 * vmemctl: the command line
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_OPTIONS_H
#define VMEMCTL_OPTIONS_H

#include <stdbool.h>
#include <glib.h>

#include "size.h"

typedef struct Options {
    const char *socket;
    const char *command;
    const char *id;         /* NULL: all devices */
    Size size;
    unsigned limit;         /* seconds for each answer */
    unsigned timeout;       /* seconds to wait; 0: while something moves */
    bool json;
    bool wait;
    bool help;
} Options;

/* What it finds in @argv is kept by reference. */
bool options_parse(Options *options, char **argv, GError **errp);

void options_help(void);

#endif
