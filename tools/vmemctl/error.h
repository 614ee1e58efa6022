/*
 * vmemctl: what can go wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_ERROR_H
#define VMEMCTL_ERROR_H

#include <glib.h>

#define VMEMCTL_ERROR vmemctl_error_quark()
GQuark vmemctl_error_quark(void);

typedef enum VmemctlError {
    VMEMCTL_CONNECTION,     /* no VM there, or no QMP that can be understood */
    VMEMCTL_LOST,           /* the VM has closed the connection */
    VMEMCTL_TIMED_OUT,
    VMEMCTL_INTERRUPTED,    /* the user wants to end */
    VMEMCTL_REFUSED,        /* by QEMU, or by us: nothing has changed */
    VMEMCTL_NO_COMMAND,     /* QEMU does not know the command */
} VmemctlError;

/* What the program ends with; documented in vmemctl.1. */
enum {
    EXIT_SETTLED = 0,
    EXIT_CONNECTION = 1,
    EXIT_REFUSED = 2,
    EXIT_PARTLY = 3,
    EXIT_BLOCKED = 4,
    EXIT_PAUSED = 5,
};

#endif
