/*
 * virtio-mem: a guest that had to wait goes on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "migration/misc.h"
#include "system/replay.h"
#include "system/runstate.h"
#include "system/runstate-action.h"
#include "retry.h"

#define RETRY_MIGRATION_MS 100
#define RETRY_SHORTAGE_MIN_MS 1000
#define RETRY_SHORTAGE_MAX_MS 5000

/* Recorded and replayed, an interrupt must not depend on the host's time. */
static QEMUClockType retry_clock(void)
{
    return replay_mode == REPLAY_MODE_NONE ? QEMU_CLOCK_REALTIME
                                           : QEMU_CLOCK_VIRTUAL;
}

static int64_t retry_now(void)
{
    return qemu_clock_get_ms(retry_clock());
}

/* When QEMU ends, it frees what it knows of migrations before it stops the VM. */
static bool retry_quits;
static Notifier retry_notifier;     /* for all devices */

static void retry_shutdown(Notifier *notifier, void *cause)
{
    retry_quits = shutdown_action != SHUTDOWN_ACTION_PAUSE;
}

bool virtio_mem_retry_is_migrating(void)
{
    return !retry_quits &&
           (migration_is_running() || migration_in_incoming_postcopy());
}

/*
 * QEMU tells nobody of the end of an incoming postcopy, and of that of an
 * outgoing one when it is not over yet, and the host tells nobody of memory.
 * So look, but only while a guest waits.
 */
static void retry_look(void *opaque)
{
    VirtIOMEMRetry *retry = opaque;

    if (!retry->guest_waits || !retry->vdev->vm_running) {
        return;
    }
    if (virtio_mem_retry_is_migrating()) {
        timer_mod(retry->timer, retry_now() + RETRY_MIGRATION_MS);
    } else if (retry_now() < retry->not_before) {
        timer_mod(retry->timer, retry->not_before);
    } else {
        retry->guest_waits = false;
        virtio_notify_config(retry->vdev);
    }
}

void virtio_mem_retry_soon(VirtIOMEMRetry *retry)
{
    retry->guest_waits = true;
    timer_mod(retry->timer, retry_now() + RETRY_MIGRATION_MS);
}

static void retry_after_shortage(VirtIOMEMRetry *retry)
{
    retry->shortage = MIN(MAX(2 * retry->shortage, RETRY_SHORTAGE_MIN_MS),
                          RETRY_SHORTAGE_MAX_MS);
    retry->not_before = retry_now() + retry->shortage;
    retry->guest_waits = true;
    timer_mod(retry->timer, retry->not_before);
}

static void retry_ended(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMRetry *retry = self;

    if (change->origin == VIRTIO_MEM_BY_LOAD) {
        return;
    }
    if (change->ret == -ECANCELED) {
        virtio_mem_retry_soon(retry);
    } else if (change->ret) {
        retry_after_shortage(retry);
    } else if (change->range.count) {
        retry->shortage = 0;
    }
}

const VirtIOMEMPart virtio_mem_retry_part = {
    .name = "retry",
    .ended = retry_ended,
};

void virtio_mem_retry_vm_runs(VirtIOMEMRetry *retry)
{
    if (retry->guest_waits) {
        timer_mod(retry->timer, retry_now());
    }
}

void virtio_mem_retry_init(VirtIOMEMRetry *retry, VirtIODevice *vdev)
{
    *retry = (VirtIOMEMRetry) {
        .vdev = vdev,
        .timer = timer_new_ms(retry_clock(), retry_look, retry),
    };
    if (!retry_notifier.notify) {
        retry_notifier.notify = retry_shutdown;
        qemu_register_shutdown_notifier(&retry_notifier);
    }
}

void virtio_mem_retry_cleanup(VirtIOMEMRetry *retry)
{
    timer_free(retry->timer);
}
