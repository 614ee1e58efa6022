/*
 * virtio-mem: few events for many changes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "system/qtest.h"
#include "throttle.h"

/* The clock by which QEMU limits its events. */
static QEMUClockType throttle_clock(void)
{
    return qtest_enabled() ? QEMU_CLOCK_VIRTUAL : QEMU_CLOCK_REALTIME;
}

static void throttle_tell_now(VirtIOMEMThrottle *throttle)
{
    throttle->due = false;
    timer_mod(throttle->timer,
              qemu_clock_get_ms(throttle_clock()) + throttle->interval);
    throttle->tell(throttle->opaque);
}

static void throttle_interval_is_over(void *opaque)
{
    VirtIOMEMThrottle *throttle = opaque;

    if (throttle->due) {
        throttle_tell_now(throttle);
    }
}

void virtio_mem_throttle_changed(VirtIOMEMThrottle *throttle)
{
    if (timer_pending(throttle->timer)) {
        throttle->due = true;
    } else {
        throttle_tell_now(throttle);
    }
}

void virtio_mem_throttle_init(VirtIOMEMThrottle *throttle, unsigned interval,
                              void (*tell)(void *opaque), void *opaque)
{
    *throttle = (VirtIOMEMThrottle) {
        .tell = tell,
        .opaque = opaque,
        .interval = interval,
        .timer = timer_new_ms(throttle_clock(), throttle_interval_is_over,
                              throttle),
    };
}

void virtio_mem_throttle_cleanup(VirtIOMEMThrottle *throttle)
{
    throttle_interval_is_over(throttle);
    timer_free(throttle->timer);
}
