/*
 * vmemctl: the terminal, if there is one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <stdio.h>
#include <glib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen.h"
#include "vmemctl.h"

bool screen_is_terminal(void)
{
    const char *kind = g_getenv("TERM");

    return isatty(STDOUT_FILENO) && kind && *kind && g_strcmp0(kind, "dumb");
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

unsigned screen_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col) {
        return 80;
    }
    return size.ws_col;
}
