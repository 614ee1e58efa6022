/*
 * vmemctl: Ctrl-C
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_SIGNALS_H
#define VMEMCTL_SIGNALS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* From now on, Ctrl-C and a request to end are only noted. */
void signals_catch(void);

bool signals_interrupted(void);

/*
 * poll() for one file until a moment of g_get_monotonic_time(), or until a
 * signal is caught, also one from before the call. Returns whether the file
 * is ready.
 */
bool signals_poll(int fd, short events, int64_t until);

#endif
