/*
 * vmemctl: how far a resize is, as text
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_PROGRESS_H
#define VMEMCTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SAMPLES 8

/* What was plugged at the last few moments; all zero at first. */
typedef struct Pace {
    struct {
        int64_t at;         /* microseconds */
        uint64_t size;
    } samples[PACE_SAMPLES];
    unsigned count;
} Pace;

void pace_add(Pace *pace, int64_t now, uint64_t size);

/*
 * Bytes a second between the oldest and the newest sample kept; 0 if they are
 * too close to tell.
 */
double pace_rate(const Pace *pace);

typedef struct Progress {
    const char *id;
    uint64_t start;         /* plugged when the waiting began */
    uint64_t size;          /* plugged now */
    uint64_t target;
    double rate;            /* bytes a second; 0: nothing moves */
    const char *state;      /* what QEMU says of it, or NULL */
} Progress;

/* 0 to 100; 100 only when the target is reached. */
unsigned progress_percent(const Progress *progress);

/* Whether any of the way is gone. */
bool progress_made(const Progress *progress);

/* "0:07", "12:34", "1:02:03" */
char *progress_duration(double seconds);

/* One line of text. */
char *progress_line(const Progress *progress);

/* The same with a bar, in less than @width columns. */
char *progress_bar(const Progress *progress, unsigned width);

#endif
