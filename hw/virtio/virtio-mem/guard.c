/*
 * virtio-mem: unplugged memory is out of reach
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "system/ramblock.h"
#include "system/guarded-memory.h"
#include "system/runstate.h"
#include <poll.h>
#include "fence.h"
#include "guard.h"
#include "lent.h"
#include "retry.h"
#include "worker.h"

#define GUARD_RETURN_MS 100
#define GUARD_OPEN_MS 1             /* for a CPU of KVM to make its access */
#define GUARD_CLOSE_RUNS 32         /* at a time: the main loop has other work */
/* Of the mappings of a process, and each run takes two. */
#define GUARD_SHARE 8
#define GUARD_MAPPINGS 65530        /* what Linux has as default */
#define GUARD_THREAD_NAME "virtio-mem-grd"

/* Of all devices of the process; with the BQL. */
static struct {
    VirtIOMEMGuardBudget budget;
    QLIST_HEAD(, VirtIOMEMGuard) guards;
    uint64_t changes;               /* memory that has come within reach */
} guard_all;

struct VirtIOMEMGuard {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    const VirtIOMEMBackend *backend;
    VirtIOMEMViolations *violations;

    VirtIOMEMUserfault userfault;
    EventNotifier quit;
    QemuThread thread;
    QEMUBH *bh;                     /* tells of what was found */
    QEMUTimer *timer;               /* comes back after a migration */
    QEMUTimer *closing;             /* NULL: the kernel's accesses wait, too */
    NotifierList closed;
    bool aside;
    bool shortage_told;
    QLIST_ENTRY(VirtIOMEMGuard) next;

    QemuMutex lock;                 /* for all below */
    VirtIOMEMFence fence;
    VirtIOMEMLent lent;
    uint64_t found, first;          /* and not told yet; where */
};

/* --- the thread ----------------------------------------------------------- */

static void guard_handle(VirtIOMEMGuard *guard, uint64_t offset)
{
    if (!virtio_mem_fence_has(&guard->fence, offset / guard->geo->block_size)) {
        /* It has been plugged since: no fault, whatever the kernel thinks. */
        virtio_mem_userfault_fill(&guard->userfault, offset);
        return;
    }
    if (virtio_mem_lent_lend(&guard->lent, offset) && !guard->found++) {
        guard->first = offset;
        qemu_bh_schedule(guard->bh);
    }
}

static void guard_read(VirtIOMEMGuard *guard)
{
    uint64_t offsets[VIRTIO_MEM_USERFAULT_AT_ONCE];
    const unsigned nb = virtio_mem_userfault_read(&guard->userfault, offsets);

    for (unsigned i = 0; i < nb; i++) {
        guard_handle(guard, offsets[i]);
    }
}

static void *guard_thread(void *opaque)
{
    VirtIOMEMGuard *guard = opaque;
    struct pollfd fds[] = {
        { .fd = virtio_mem_userfault_fd(&guard->userfault), .events = POLLIN },
        { .fd = event_notifier_get_fd(&guard->quit), .events = POLLIN },
    };
    int timeout = -1;

    pthread_setname_np(pthread_self(), GUARD_THREAD_NAME);
    rcu_register_thread();
    for (;;) {
        poll(fds, ARRAY_SIZE(fds), timeout);
        if (fds[1].revents) {
            break;
        }
        qemu_mutex_lock(&guard->lock);
        if (fds[0].revents & POLLIN) {
            guard_read(guard);
        }
        timeout = virtio_mem_lent_take_back_old(&guard->lent);
        qemu_mutex_unlock(&guard->lock);
    }
    rcu_unregister_thread();
    return NULL;
}

static void guard_tell(void *opaque)
{
    VirtIOMEMGuard *guard = opaque;
    uint64_t found, first;

    WITH_QEMU_LOCK_GUARD(&guard->lock) {
        found = guard->found;
        first = guard->first;
        guard->found = 0;
    }
    if (found) {
        virtio_mem_violations_found(guard->violations, first, found);
    }
}

/* --- on and off ----------------------------------------------------------- */

/* With the BQL and the lock. */
static int guard_take_off(VirtIOMEMGuard *guard, VirtIOMEMRange range,
                          bool *more)
{
    guard_all.changes++;
    /* First: nobody shall find there what was written. */
    virtio_mem_lent_take_back_all(&guard->lent);
    return virtio_mem_fence_take(&guard->fence, range, more);
}

static void guard_tell_shortage(VirtIOMEMGuard *guard, bool is_short)
{
    if (is_short && !guard->shortage_told) {
        warn_report("virtio-mem: some unplugged memory is not guarded, because"
                    " there are too many mappings; raise vm.max_map_count"
                    " (/proc/sys/vm/max_map_count)");
        guard->shortage_told = true;
    }
}

/* All in @range that is unplugged and not about to be plugged. */
static void guard_put_on_vacant(VirtIOMEMGuard *guard, VirtIOMEMRange range)
{
    VirtIOMEMRange run = { .first = range.first };
    int ret = 0;

    WITH_QEMU_LOCK_GUARD(&guard->lock) {
        while (!ret && virtio_mem_blocks_next_vacant(guard->blocks, range,
                                                     &run)) {
            ret = virtio_mem_fence_put(&guard->fence, run);
        }
    }
    guard_tell_shortage(guard, ret);
}

static void guard_look(void *opaque)
{
    VirtIOMEMGuard *guard = opaque;

    if (virtio_mem_retry_is_migrating() ||
        runstate_check(RUN_STATE_INMIGRATE) ||
        runstate_check(RUN_STATE_RESTORE_VM)) {
        timer_mod(guard->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                                GUARD_RETURN_MS);
    } else {
        guard->aside = false;
        guard_put_on_vacant(guard, virtio_mem_range_all(guard->geo));
    }
}

void virtio_mem_guard_stand_aside(VirtIOMEMGuard *guard)
{
    bool more;

    if (!guard) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&guard->lock) {
        guard_take_off(guard, virtio_mem_range_all(guard->geo), &more);
        guard->aside = true;
    }
    timer_mod(guard->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                            GUARD_RETURN_MS);
}

void virtio_mem_guard_pause(VirtIOMEMGuard *guard)
{
    if (guard) {
        qemu_mutex_lock(&guard->lock);
        virtio_mem_lent_take_back_all(&guard->lent);
    }
}

void virtio_mem_guard_go_on(VirtIOMEMGuard *guard)
{
    if (guard) {
        qemu_mutex_unlock(&guard->lock);
    }
}

/* --- the kernel, which may not wait --------------------------------------- */

static void guard_close_soon(VirtIOMEMGuard *guard)
{
    timer_mod(guard->closing, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                              GUARD_OPEN_MS);
}

static void guard_close(void *opaque)
{
    VirtIOMEMGuard *guard = opaque;
    bool is_short = false, closed;

    WITH_QEMU_LOCK_GUARD(&guard->lock) {
        closed = virtio_mem_fence_close(&guard->fence, GUARD_CLOSE_RUNS,
                                        &is_short);
    }
    guard_tell_shortage(guard, is_short);
    if (closed) {
        notifier_list_notify(&guard->closed, NULL);
    } else {
        guard_close_soon(guard);
    }
}

static bool guard_let_in(VirtIOMEMGuard *guard)
{
    bool opened = false;

    if (guard->closing) {
        WITH_QEMU_LOCK_GUARD(&guard->lock) {
            opened = virtio_mem_fence_open(&guard->fence);
        }
        if (opened) {
            guard_close_soon(guard);
        }
    }
    return opened;
}

/*
 * Nothing says where it was, so all is opened. If the CPU has tried again since
 * then, and there is nothing that could be opened, it was not the guard.
 */
bool guarded_memory_let_in(void)
{
    static __thread uint64_t tried;
    VirtIOMEMGuard *guard;
    bool changed;

    BQL_LOCK_GUARD();
    changed = tried != guard_all.changes;
    if (!changed) {
        QLIST_FOREACH(guard, &guard_all.guards, next) {
            changed |= guard_let_in(guard);
        }
        guard_all.changes += changed;
    }
    tried = guard_all.changes;
    return changed;
}

/* --- the part ------------------------------------------------------------- */

static VirtIOMEMGuard *guard_of(void *self)
{
    VirtIOMEMGuard *guard = *(VirtIOMEMGuard **)self;

    return guard && !guard->aside ? guard : NULL;
}

static int guard_off(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMGuard *guard = guard_of(self);
    bool more = false;
    int ret = 0;

    if (guard) {
        WITH_QEMU_LOCK_GUARD(&guard->lock) {
            ret = guard_take_off(guard, change->range, &more);
        }
        guard_tell_shortage(guard, more);
    }
    return ret;
}

/* What cannot be guarded is unplugged all the same. */
static int guard_on(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMGuard *guard = guard_of(self);
    int ret = 0;

    if (guard) {
        WITH_QEMU_LOCK_GUARD(&guard->lock) {
            ret = virtio_mem_fence_put(&guard->fence, change->range);
        }
        guard_tell_shortage(guard, ret);
    }
    return 0;
}

/* Memory was discarded before: what has come since is nobody's. */
static int guard_on_again(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMGuard *guard = guard_of(self);

    if (guard) {
        guard_on(self, change);
        if (change->ret != -ECANCELED) {    /* that goes on behind */
            virtio_mem_backend_discard(guard->backend, change->span);
        }
    }
    return 0;
}

/*
 * All that an unplug has left unplugged is guarded: one may have begun while the
 * guard stood aside, and one that failed took the guard off its whole range.
 */
static void guard_ended(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMGuard *guard = guard_of(self);

    if (guard && change->range.count && !virtio_mem_change_is_plug(change)) {
        guard_put_on_vacant(guard, change->range);
    }
}

static bool guard_may_refuse(void *self)
{
    return guard_of(self);
}

const VirtIOMEMPart virtio_mem_guard_part = {
    .name = "guard",
    .plug = guard_off,
    .undo_plug = guard_on_again,
    .unplug = guard_on,
    .undo_unplug = guard_off,
    .plug_fails = VIRTIO_MEM_PROGRESS_HOST_MEMORY,
    .may_refuse = guard_may_refuse,
    .ended = guard_ended,
};

/* --- life ----------------------------------------------------------------- */

static void guard_look_at_limit(void)
{
    g_autofree char *text = NULL;
    uint64_t most = GUARD_MAPPINGS;

    if (g_file_get_contents("/proc/sys/vm/max_map_count", &text, NULL, NULL)) {
        most = g_ascii_strtoull(text, NULL, 10);
    }
    guard_all.budget.most = most / GUARD_SHARE / 2;
}

/* Accesses by the kernel wait, if it allows that; else they fail. */
static int guard_open(VirtIOMEMGuard *guard, bool user_mode)
{
    const VirtIOMEMBackend *backend = guard->backend;
    int ret = -EPERM;

    if (!user_mode) {
        ret = virtio_mem_userfault_open(&guard->userfault, backend->host,
                                        backend->page_size, true);
    }
    if (ret) {
        ret = virtio_mem_userfault_open(&guard->userfault, backend->host,
                                        backend->page_size, false);
        user_mode = true;
    }
    if (!ret && user_mode) {
        guard->closing = timer_new_ms(QEMU_CLOCK_REALTIME, guard_close, guard);
    }
    return ret;
}

/* A template has content where nothing is plugged: nothing is missing. */
static int guard_try(const VirtIOMEMGuard *guard)
{
    const VirtIOMEMSpan all = { .size = guard->geo->region_size };

    if (guard->backend->content == VIRTIO_MEM_CONTENT_TEMPLATE) {
        return -ENOTSUP;
    }
    return virtio_mem_userfault_register(&guard->userfault, all) ?:
           virtio_mem_userfault_unregister(&guard->userfault, all);
}

/*
 * Mappings that the guard has parted join again only if Linux has made their
 * anon_vma before, which it does at the first write. Otherwise there would be
 * more and more.
 */
static void guard_prepare_mapping(const VirtIOMEMGuard *guard)
{
    volatile char *byte = guard->backend->host; /* it has to be written */

    *byte = *byte;
    /* It may have become a huge page, which a block has room for. */
    virtio_mem_backend_discard(guard->backend, (VirtIOMEMSpan) {
        .size = guard->geo->block_size,
    });
}

static bool guard_start(VirtIOMEMGuard *guard, Error **errp)
{
    g_autofree char *name = virtio_mem_backend_name(guard->backend);
    int ret = guard_try(guard);

    if (ret) {
        error_setg_errno(errp, -ret, "'unplugged-protection' cannot be"
                         " userfaultfd: the kernel cannot guard the memory"
                         " backend '%s'; use discard", name);
        return false;
    }
    if (!qemu_ram_is_shared(guard->backend->rb)) {
        guard_prepare_mapping(guard);
    }
    ret = virtio_mem_thread_create(&guard->thread, guard_thread, guard);
    if (ret) {
        error_setg_errno(errp, -ret, "'unplugged-protection' cannot be"
                         " userfaultfd: the host refuses a thread");
        guard->thread.thread = 0;
        return false;
    }
    return true;
}

VirtIOMEMGuard *virtio_mem_guard_new(const VirtIOMEMGeometry *geo,
                                     const VirtIOMEMBlocks *blocks,
                                     const VirtIOMEMBackend *backend,
                                     VirtIOMEMViolations *violations,
                                     bool user_mode, Error **errp)
{
    VirtIOMEMGuard *guard = g_new0(VirtIOMEMGuard, 1);
    int ret;

    guard->geo = geo;
    guard->blocks = blocks;
    guard->backend = backend;
    guard->violations = violations;
    ret = guard_open(guard, user_mode);
    if (ret) {
        error_setg_errno(errp, -ret, "'unplugged-protection' cannot be"
                         " userfaultfd: the kernel has no userfaultfd, or"
                         " forbids it to this process; use discard");
        g_free(guard);
        return NULL;
    }
    event_notifier_init(&guard->quit, false);
    qemu_mutex_init(&guard->lock);
    guard_look_at_limit();
    virtio_mem_fence_init(&guard->fence, geo, &guard->userfault, &guard_all.budget);
    virtio_mem_lent_init(&guard->lent, backend, &guard->userfault);
    guard->bh = qemu_bh_new(guard_tell, guard);
    guard->timer = timer_new_ms(QEMU_CLOCK_REALTIME, guard_look, guard);
    guard->aside = true;
    notifier_list_init(&guard->closed);
    QLIST_INSERT_HEAD(&guard_all.guards, guard, next);
    if (!guard_start(guard, errp)) {
        virtio_mem_guard_free(guard);
        return NULL;
    }
    guard_look(guard);
    return guard;
}

bool virtio_mem_guard_is_user_mode(const VirtIOMEMGuard *guard)
{
    return guard->closing;
}

void virtio_mem_guard_notify_closed(VirtIOMEMGuard *guard, Notifier *notifier)
{
    notifier_list_add(&guard->closed, notifier);
}

void virtio_mem_guard_free(VirtIOMEMGuard *guard)
{
    if (!guard) {
        return;
    }
    if (guard->thread.thread) {
        event_notifier_set(&guard->quit);
        qemu_thread_join(&guard->thread);
    }
    QLIST_REMOVE(guard, next);
    guard_all.changes++;
    guard_tell(guard);
    virtio_mem_lent_take_back_all(&guard->lent);
    virtio_mem_userfault_close(&guard->userfault);
    timer_free(guard->closing);
    timer_free(guard->timer);
    qemu_bh_delete(guard->bh);
    virtio_mem_fence_cleanup(&guard->fence);
    qemu_mutex_destroy(&guard->lock);
    event_notifier_cleanup(&guard->quit);
    g_free(guard);
}
