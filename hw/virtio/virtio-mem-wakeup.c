/*
 * virtio-mem: a guest that had to wait goes on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "migration/misc.h"
#include "system/replay.h"
#include "virtio-mem-wakeup.h"

#define MIGRATION_MS 100
#define SHORTAGE_MIN_MS 1000
#define SHORTAGE_MAX_MS 5000

/* Recorded and replayed, an interrupt must not depend on the host's time. */
static QEMUClockType wakeup_clock(void)
{
    return replay_mode == REPLAY_MODE_NONE ? QEMU_CLOCK_REALTIME
                                           : QEMU_CLOCK_VIRTUAL;
}

static int64_t now(void)
{
    return qemu_clock_get_ms(wakeup_clock());
}

bool virtio_mem_wakeup_is_migrating(void)
{
    return migration_is_running() || migration_in_incoming_postcopy();
}

/*
 * QEMU tells nobody of the end of an incoming postcopy, and of that of an
 * outgoing one when it is not over yet, and the host tells nobody of memory.
 * So look, but only while a guest waits.
 */
static void look(void *opaque)
{
    VirtIOMEMWakeup *wakeup = opaque;

    if (!wakeup->guest_waits || !wakeup->vdev->vm_running) {
        return;
    }
    if (virtio_mem_wakeup_is_migrating()) {
        timer_mod(wakeup->timer, now() + MIGRATION_MS);
    } else if (now() < wakeup->not_before) {
        timer_mod(wakeup->timer, wakeup->not_before);
    } else {
        wakeup->guest_waits = false;
        virtio_notify_config(wakeup->vdev);
    }
}

void virtio_mem_wakeup_after_migration(VirtIOMEMWakeup *wakeup)
{
    wakeup->guest_waits = true;
    timer_mod(wakeup->timer, now() + MIGRATION_MS);
}

void virtio_mem_wakeup_after_shortage(VirtIOMEMWakeup *wakeup)
{
    wakeup->shortage = MIN(MAX(2 * wakeup->shortage, SHORTAGE_MIN_MS),
                           SHORTAGE_MAX_MS);
    wakeup->not_before = now() + wakeup->shortage;
    wakeup->guest_waits = true;
    timer_mod(wakeup->timer, wakeup->not_before);
}

void virtio_mem_wakeup_no_shortage(VirtIOMEMWakeup *wakeup)
{
    wakeup->shortage = 0;
}

void virtio_mem_wakeup_vm_runs(VirtIOMEMWakeup *wakeup)
{
    if (wakeup->guest_waits) {
        timer_mod(wakeup->timer, now());
    }
}

void virtio_mem_wakeup_init(VirtIOMEMWakeup *wakeup, VirtIODevice *vdev)
{
    *wakeup = (VirtIOMEMWakeup) {
        .vdev = vdev,
        .timer = timer_new_ms(wakeup_clock(), look, wakeup),
    };
}

void virtio_mem_wakeup_cleanup(VirtIOMEMWakeup *wakeup)
{
    timer_free(wakeup->timer);
}
