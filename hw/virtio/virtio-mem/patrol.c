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
#define PATROL_PAUSE_MS 1

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

/* Returns where it was when the time was over, or the end. */
static uint64_t patrol_look_into(VirtIOMEMPatrol *patrol, VirtIOMEMSpan span,
                                 int64_t until)
{
    const uint64_t reach = virtio_mem_residency_reach(&patrol->residency);
    const uint64_t end = span.offset + span.size;

    do {
        VirtIOMEMSpan found;

        span.size = MIN(end - span.offset, reach);
        if (virtio_mem_residency_find(&patrol->residency, span, &found)) {
            found = patrol_whole_pages(patrol, found);
            if (!virtio_mem_memory_is_behind(patrol->memory, found)) {
                patrol_found(patrol, found);
            }
            span.size = found.offset + found.size - span.offset;
        }
        span.offset += span.size;
    } while (span.offset < end && get_clock() < until);
    return span.offset;
}

/* Returns the first block that it did not come to, or @behind. */
static uint64_t patrol_look_at(VirtIOMEMPatrol *patrol, uint64_t first,
                               uint64_t behind, int64_t until)
{
    const VirtIOMEMRange within = { .first = first, .count = behind - first };
    VirtIOMEMRange run = { .first = first };

    while (virtio_mem_blocks_next_vacant(patrol->blocks, within, &run)) {
        const VirtIOMEMSpan span = virtio_mem_range_span(patrol->geo, run);
        const uint64_t at = patrol_look_into(patrol, span, until);

        if (at < span.offset + span.size || get_clock() >= until) {
            return at / patrol->geo->block_size;
        }
    }
    return behind;
}

/* Around, from somewhere: who knows where the last look was gains nothing. */
static void patrol_look_around(VirtIOMEMPatrol *patrol, int64_t until)
{
    const uint64_t count = patrol->blocks->count;
    const uint64_t start = ((uint64_t)g_random_int() << 32 | g_random_int()) %
                           count;

    patrol_look_at(patrol, start, count, until);
    patrol_look_at(patrol, 0, start, until);
}

static void patrol_search(VirtIOMEMPatrol *patrol, int64_t until)
{
    const uint64_t count = patrol->blocks->count;

    patrol->searched = patrol_look_at(patrol, patrol->searched, count, until);
    if (patrol->searched == count && patrol->search_again) {
        patrol->search_again = false;
        patrol->searched = 0;
    }
}

static void patrol_again(VirtIOMEMPatrol *patrol, unsigned after)
{
    timer_mod(patrol->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + after);
}

static void patrol_tick(void *opaque)
{
    VirtIOMEMPatrol *patrol = opaque;
    const uint64_t count = patrol->blocks->count;
    const int64_t until = get_clock() + PATROL_LOOK_NS;
    bool searches = false;

    if (!patrol_stands_aside(patrol)) {
        virtio_mem_guard_pause(patrol->guard);
        if (patrol->searched < count) {
            patrol_search(patrol, until);
        } else {
            patrol_look_around(patrol, until);
        }
        virtio_mem_guard_go_on(patrol->guard);
        searches = patrol->searched < count;
    }
    patrol_again(patrol, searches ? PATROL_PAUSE_MS : patrol->interval);
}

static void patrol_guard_closed(Notifier *notifier, void *data)
{
    VirtIOMEMPatrol *patrol = container_of(notifier, VirtIOMEMPatrol,
                                           guard_closed);

    if (patrol->searched < patrol->blocks->count) {
        patrol->search_again = true;
    } else {
        patrol->searched = 0;
        patrol_again(patrol, 0);
    }
}

bool virtio_mem_patrol_start(VirtIOMEMPatrol *patrol,
                             const VirtIOMEMGeometry *geo,
                             const VirtIOMEMBlocks *blocks,
                             const VirtIOMEMBackend *backend,
                             const VirtIOMEMMemory *memory,
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
    patrol->memory = memory;
    patrol->guard = guard;
    patrol->violations = violations;
    patrol->interval = interval;
    patrol->timer = timer_new_ms(QEMU_CLOCK_REALTIME, patrol_tick, patrol);
    patrol->searched = blocks->count;
    patrol_again(patrol, interval);
    if (guard) {
        patrol->guard_closed.notify = patrol_guard_closed;
        virtio_mem_guard_notify_closed(guard, &patrol->guard_closed);
    }
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
