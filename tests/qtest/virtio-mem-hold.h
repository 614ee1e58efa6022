/*
 * virtio-mem: holding up the device's work on host memory
 *
 * The thread that QEMU's main loop creates for it is stopped by ptrace before
 * it does anything, so that a test decides when the work goes on, however fast
 * or busy the host is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_HOLD_H
#define TESTS_VIRTIO_MEM_HOLD_H

#include "libqtest.h"

typedef struct Hold Hold;

/* Whether this system permits it; some containers do not. */
bool hold_is_permitted(void);

/* Hold the next thread that the main thread of @qts creates. */
Hold *hold_work(QTestState *qts);

/* Wait until there is one. */
void hold_wait(Hold *hold);

/* Let it go, after so many milliseconds, and free @hold. Does not wait. */
void hold_let_go_after(Hold *hold, unsigned ms);

#endif
