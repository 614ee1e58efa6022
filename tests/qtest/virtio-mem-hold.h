/*
 * virtio-mem: holding up the device's work on host memory
 *
 * The thread that does it is stopped by ptrace, so that a test decides when the
 * work goes on, however fast or busy the host is. A VM with one device has one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_HOLD_H
#define TESTS_VIRTIO_MEM_HOLD_H

#include "libqtest.h"

typedef struct Hold Hold;

/* Whether this system permits it; some containers do not. */
bool hold_is_permitted(void);

/* Stop the device's thread in @qts. What it is asked to do has to wait. */
Hold *hold_work(QTestState *qts);

/* Let it go, after so many milliseconds, and free @hold. Does not wait. */
void hold_let_go_after(Hold *hold, unsigned ms);

#endif
