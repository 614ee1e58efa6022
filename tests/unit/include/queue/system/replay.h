/*
 * Stand-in for QEMU's system/replay.h, for queue.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_REPLAY_H
#define SYSTEM_REPLAY_H

#include "qemu/main-loop.h"

typedef enum ReplayMode {
    REPLAY_MODE_NONE,
    REPLAY_MODE_RECORD,
} ReplayMode;

extern ReplayMode replay_mode;

void replay_bh_schedule_event(QEMUBH *bh);

#endif
