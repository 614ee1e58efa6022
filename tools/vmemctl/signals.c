/*
 * vmemctl: Ctrl-C
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE /* ppoll() */

#include <glib.h>
#include <signal.h>
#include <time.h>

#include "signals.h"

static volatile sig_atomic_t interrupted;
static bool catching;
static sigset_t outside;    /* what was blocked before */

static void note(int number)
{
    interrupted = 1;
}

void signals_catch(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = note };
    sigset_t caught;
    size_t i;

    /* They come in within ppoll() only, so that none is missed. */
    sigemptyset(&caught);
    for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
        sigaddset(&caught, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &caught, &outside);
    catching = true;
}

bool signals_interrupted(void)
{
    return interrupted;
}

bool signals_poll(int fd, short events, int64_t until)
{
    struct pollfd file = { .fd = fd, .events = events };
    int64_t left;
    int ready;

    do {
        left = MAX(0, until - g_get_monotonic_time());
        ready = ppoll(&file, 1,
                      &(struct timespec) { .tv_sec = left / G_USEC_PER_SEC,
                                           .tv_nsec = left % G_USEC_PER_SEC *
                                                      1000 },
                      catching ? &outside : NULL);
    } while (ready < 0 && !interrupted);
    return ready > 0;
}
