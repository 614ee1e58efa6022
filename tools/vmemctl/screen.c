/*
 * vmemctl: the terminal, if there is one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen.h"

bool screen_is_terminal(void)
{
    const char *kind = g_getenv("TERM");

    return isatty(STDOUT_FILENO) && kind && *kind && g_strcmp0(kind, "dumb");
}

unsigned screen_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col) {
        return 80;
    }
    return size.ws_col;
}
