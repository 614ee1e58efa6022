/*
 * virtio-mem: what is found in unplugged memory is discarded
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/replay.h"
#include "system/runstate.h"
#include "patrol.h"
#include "retry.h"

/* The main loop has other work. */
#define PATROL_LOOK_NS (500 * SCALE_US)

/*
 * A migration reads and writes memory as the stream says, and may watch it for
 * missing pages. A VM that waits for one has content that is not ours yet.
 */
static bool patrol_stands_aside(const VirtIOMEMPatrol *patrol)
{
    return virtio_mem_retry_is_migrating() ||
           runstate_check(RUN_STATE_INMIGRATE) ||
           replay_mode != REPLAY_MODE_NONE;
}

/* Only whole pages of the backend can be discarded, and each counts once. */
static VirtIOMEMSpan patrol_whole_pages(const VirtIOMEMPatrol *patrol,
                                        VirtIOMEMSpan found)
{
    const uint64_t page_size = patrol->backend->page_size;
    const uint64_t end = QEMU_ALIGN_UP(found.offset + found.size, page_size);

    found.offset = QEMU_ALIGN_DOWN(found.offset, page_size);
    found.size = end - found.offset;
    return found;
}

static void patrol_found(VirtIOMEMPatrol *patrol, VirtIOMEMSpan found)
{
    const int ret = virtio_mem_backend_discard(patrol->backend, found);

    if (ret && !patrol->failure_told) {
        warn_report("virtio-mem: unplugged memory was used and cannot be"
                    " discarded: %s", strerror(-ret));
    }
    patrol->failure_told = ret;
    virtio_mem_violations_found(patrol->violations, found.offset,
                                found.size / patrol->backend->page_size);
}

/* Returns false when the time is over. */
static bool patrol_look_into(VirtIOMEMPatrol *patrol, VirtIOMEMSpan span,
                             int64_t until)
{
    const uint64_t reach = virtio_mem_residency_reach(&patrol->residency);
    const uint64_t end = span.offset + span.size;

    while (span.offset < end) {
        VirtIOMEMSpan found;

        span.size = MIN(end - span.offset, reach);
        if (virtio_mem_residency_find(&patrol->residency, span, &found)) {
            found = patrol_whole_pages(patrol, found);
            patrol_found(patrol, found);
            span.size = found.offset + found.size - span.offset;
        }
        span.offset += span.size;
        if (get_clock() > until) {
            return false;
        }
    }
    return true;
}

static bool patrol_look_at(VirtIOMEMPatrol *patrol, uint64_t first,
                           uint64_t behind, int64_t until)
{
    const VirtIOMEMRange within = { .first = first, .count = behind - first };
    VirtIOMEMRange run = { .first = first };

    while (virtio_mem_blocks_next_vacant(patrol->blocks, within, &run)) {
        if (!patrol_look_into(patrol, virtio_mem_range_span(patrol->geo, run),
                              until)) {
            return false;
        }
    }
    return true;
}

/* Around, from somewhere: who knows where the last look was gains nothing. */
static void patrol_tick(void *opaque)
{
    VirtIOMEMPatrol *patrol = opaque;
    const uint64_t count = patrol->blocks->count;
    const uint64_t start = ((uint64_t)g_random_int() << 32 | g_random_int()) %
                           count;
    const int64_t until = get_clock() + PATROL_LOOK_NS;

    if (!patrol_stands_aside(patrol)) {
        virtio_mem_guard_pause(patrol->guard);
        if (patrol_look_at(patrol, start, count, until)) {
            patrol_look_at(patrol, 0, start, until);
        }
        virtio_mem_guard_go_on(patrol->guard);
    }
    timer_mod(patrol->timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + patrol->interval);
}

bool virtio_mem_patrol_start(VirtIOMEMPatrol *patrol,
                             const VirtIOMEMGeometry *geo,
                             const VirtIOMEMBlocks *blocks,
                             const VirtIOMEMBackend *backend,
                             VirtIOMEMGuard *guard,
                             VirtIOMEMViolations *violations, unsigned interval,
                             Error **errp)
{
    const VirtIOMEMMapping mapping = virtio_mem_backend_mapping(backend);
    const int ret = virtio_mem_residency_init(&patrol->residency, &mapping);

    if (ret) {
        error_setg_errno(errp, -ret, "'unplugged-protection': /proc/self/pagemap"
                         " cannot be opened, which tells where memory is");
        return false;
    }
    patrol->geo = geo;
    patrol->blocks = blocks;
    patrol->backend = backend;
    patrol->guard = guard;
    patrol->violations = violations;
    patrol->interval = interval;
    patrol->timer = timer_new_ms(QEMU_CLOCK_REALTIME, patrol_tick, patrol);
    timer_mod(patrol->timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + interval);
    return true;
}

void virtio_mem_patrol_stop(VirtIOMEMPatrol *patrol)
{
    if (patrol->timer) {
        timer_free(patrol->timer);
        patrol->timer = NULL;
        virtio_mem_residency_cleanup(&patrol->residency);
    }
}
