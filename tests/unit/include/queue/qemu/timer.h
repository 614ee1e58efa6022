/*
 * Stand-in for QEMU's qemu/timer.h, for queue.c and what it includes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_TIMER_H
#define QEMU_TIMER_H

#define SCALE_MS 1000000

typedef struct QEMUTimer QEMUTimer;

int64_t get_clock(void);

#endif
