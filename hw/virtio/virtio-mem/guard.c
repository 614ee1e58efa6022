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
#include "qemu/userfaultfd.h"
#include "exec/ramblock.h"
#include "system/runstate.h"
#include <poll.h>
#include <sys/ioctl.h>
#include "guard.h"
#include "retry.h"
#include "worker.h"

#define GUARD_LENT_NS SCALE_MS
#define GUARD_AT_ONCE 64            /* accesses that are read */
#define GUARD_RETURN_MS 100
/* Of the mappings of a process, and each run takes two. */
#define GUARD_SHARE 8
#define GUARD_MAPPINGS 65530        /* what Linux has as default */
#define GUARD_THREAD_NAME "virtio-mem-grd"

/* Of all devices of the process; with the BQL. */
static VirtIOMEMGuardBudget guard_budget;

/* A page of zeroes that somebody got who had to get something. */
typedef struct GuardLent {
    uint64_t offset;
    int64_t since;
} GuardLent;

struct VirtIOMEMGuard {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    const VirtIOMEMBackend *backend;
    VirtIOMEMViolations *violations;

    int uffd;
    void *zeroes;                   /* a page, where the kernel has none */
    EventNotifier quit;
    QemuThread thread;
    QEMUBH *bh;                     /* tells of what was found */
    QEMUTimer *timer;               /* comes back after a migration */
    bool aside;
    bool shortage_told;

    QemuMutex lock;                 /* for all below */
    VirtIOMEMGuarded guarded;
    GuardLent lent[VIRTIO_MEM_GUARD_LENT];  /* a ring */
    unsigned oldest, nb_lent;
    uint64_t found, first;          /* and not told yet; where */
};

/* --- the kernel ----------------------------------------------------------- */

static void *guard_host(const VirtIOMEMGuard *guard, VirtIOMEMSpan span)
{
    return guard->backend->host + span.offset;
}

static int guard_register(VirtIOMEMGuard *guard, VirtIOMEMSpan span)
{
    uint64_t ioctls;

    return uffd_register_memory(guard->uffd, guard_host(guard, span), span.size,
                                UFFDIO_REGISTER_MODE_MISSING, &ioctls) ?
           -errno : 0;
}

/* Whoever waits there tries again. */
static int guard_unregister(VirtIOMEMGuard *guard, VirtIOMEMSpan span)
{
    return uffd_unregister_memory(guard->uffd, guard_host(guard, span),
                                  span.size) ? -errno : 0;
}

/*
 * Have a page of zeroes there, and whoever waits go on. QEMU's own functions
 * complain when another access was quicker.
 */
static int guard_fill(const VirtIOMEMGuard *guard, void *host)
{
    const uint64_t size = guard->backend->page_size;
    struct uffdio_copy copy = {
        .dst = (uintptr_t)host,
        .src = (uintptr_t)guard->zeroes,
        .len = size,
    };
    struct uffdio_zeropage zero = {
        .range = { .start = (uintptr_t)host, .len = size },
    };

    return guard->zeroes ? ioctl(guard->uffd, UFFDIO_COPY, &copy)
                         : ioctl(guard->uffd, UFFDIO_ZEROPAGE, &zero);
}

/* Returns whether there is a page now that was not there before. */
static bool guard_fill_or_wake(const VirtIOMEMGuard *guard, void *host)
{
    if (guard_fill(guard, host)) {
        /* It is there, or not guarded, or has to wait for memory. */
        uffd_wakeup(guard->uffd, host, guard->backend->page_size);
        return false;
    }
    return true;
}

/* --- pages that are lent -------------------------------------------------- */

static void guard_take_back_oldest(VirtIOMEMGuard *guard)
{
    const VirtIOMEMSpan page = {
        .offset = guard->lent[guard->oldest].offset,
        .size = guard->backend->page_size,
    };

    guard->oldest = (guard->oldest + 1) % VIRTIO_MEM_GUARD_LENT;
    guard->nb_lent--;
    virtio_mem_backend_discard(guard->backend, page);
}

static void guard_take_back_all(VirtIOMEMGuard *guard)
{
    while (guard->nb_lent) {
        guard_take_back_oldest(guard);
    }
}

/* Returns how long it is until the next, in ms; -1: there is none. */
static int guard_take_back_old(VirtIOMEMGuard *guard)
{
    const int64_t now = get_clock();

    while (guard->nb_lent) {
        const int64_t left = guard->lent[guard->oldest].since + GUARD_LENT_NS -
                             now;

        if (left > 0) {
            return DIV_ROUND_UP(left, SCALE_MS);
        }
        guard_take_back_oldest(guard);
    }
    return -1;
}

static void guard_lend(VirtIOMEMGuard *guard, uint64_t offset)
{
    void *host = guard->backend->host + offset;

    if (guard->nb_lent == VIRTIO_MEM_GUARD_LENT) {
        guard_take_back_oldest(guard);
    }
    if (!guard_fill_or_wake(guard, host)) {
        return;
    }
    guard->lent[(guard->oldest + guard->nb_lent++) % VIRTIO_MEM_GUARD_LENT] =
        (GuardLent) { .offset = offset, .since = get_clock() };
}

/* --- the thread ----------------------------------------------------------- */

static void guard_handle(VirtIOMEMGuard *guard, uint64_t address)
{
    const uint64_t page_size = guard->backend->page_size;
    const uint64_t offset = QEMU_ALIGN_DOWN(
        address - (uintptr_t)guard->backend->host, page_size);

    if (!virtio_mem_guarded_has(&guard->guarded,
                                offset / guard->geo->block_size)) {
        /* It has been plugged since: no fault, whatever the kernel thinks. */
        guard_fill_or_wake(guard, guard->backend->host + offset);
        return;
    }
    guard_lend(guard, offset);
    if (!guard->found++) {
        guard->first = offset;
        qemu_bh_schedule(guard->bh);
    }
}

static void guard_read(VirtIOMEMGuard *guard)
{
    struct uffd_msg messages[GUARD_AT_ONCE];
    const int nb = uffd_read_events(guard->uffd, messages, GUARD_AT_ONCE);

    for (int i = 0; i < nb; i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            guard_handle(guard, messages[i].arg.pagefault.address);
        }
    }
}

static void *guard_thread(void *opaque)
{
    VirtIOMEMGuard *guard = opaque;
    struct pollfd fds[] = {
        { .fd = guard->uffd, .events = POLLIN },
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
        timeout = guard_take_back_old(guard);
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

/* With the lock. From where there is no room for a run more, all stays off. */
static int guard_put_on(VirtIOMEMGuard *guard, VirtIOMEMRange range)
{
    VirtIOMEMRange run = { .first = range.first };
    int ret = 0;

    while (virtio_mem_blocks_next_run(&guard->guarded.blocks, range, false,
                                      &run)) {
        if (!virtio_mem_guarded_add(&guard->guarded, run)) {
            range.count = run.first - range.first;
            ret = -ENOSPC;
            break;
        }
    }
    if (range.count) {
        const int failed = guard_register(guard, virtio_mem_range_span(
                                                     guard->geo, range));

        if (failed) {
            virtio_mem_guarded_remove(&guard->guarded, range);
            ret = failed;
        }
    }
    return ret;
}

/* With the lock. Sets @more to whether unplugged blocks beside @range are off. */
static int guard_take_off(VirtIOMEMGuard *guard, VirtIOMEMRange range,
                          bool *more)
{
    const VirtIOMEMRange off = virtio_mem_guarded_remove(&guard->guarded,
                                                         range);
    int ret;

    *more = off.count > range.count;

    /* First: nobody shall find there what was written. */
    guard_take_back_all(guard);
    ret = guard_unregister(guard, virtio_mem_range_span(guard->geo, off));
    if (ret) {
        guard_put_on(guard, off);
    }
    return ret;
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
            ret = guard_put_on(guard, run);
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
        guard_take_back_all(guard);
    }
}

void virtio_mem_guard_go_on(VirtIOMEMGuard *guard)
{
    if (guard) {
        qemu_mutex_unlock(&guard->lock);
    }
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
            ret = guard_put_on(guard, change->range);
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
        virtio_mem_backend_discard(guard->backend, change->span);
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
    guard_budget.most = most / GUARD_SHARE / 2;
}

static bool guard_open(VirtIOMEMGuard *guard, Error **errp)
{
    const VirtIOMEMSpan all = { .size = guard->geo->region_size };
    g_autofree char *name = virtio_mem_backend_name(guard->backend);
    int ret;

    guard->uffd = uffd_create_fd(0, true);
    if (guard->uffd < 0) {
        error_setg_errno(errp, errno, "'unplugged-protection' cannot be"
                         " userfaultfd: the kernel does not let this process"
                         " handle faults of KVM and of devices; it needs"
                         " access to /dev/userfaultfd, or"
                         " vm.unprivileged_userfaultfd=1, or CAP_SYS_PTRACE");
        return false;
    }
    /* A template has content where nothing is plugged: nothing is missing. */
    ret = guard->backend->content == VIRTIO_MEM_CONTENT_TEMPLATE ?
          -ENOTSUP : guard_register(guard, all);
    if (!ret) {
        ret = guard_unregister(guard, all);
    }
    if (ret) {
        error_setg_errno(errp, -ret, "'unplugged-protection' cannot be"
                         " userfaultfd: the kernel cannot guard the memory"
                         " backend '%s'; use discard", name);
        close(guard->uffd);
        return false;
    }
    return true;
}

/*
 * Mappings that the guard has parted join again only if Linux has made their
 * anon_vma before, which it does at the first write. Otherwise there would be
 * more and more.
 */
static void guard_prepare_mapping(const VirtIOMEMGuard *guard)
{
    volatile char *byte = guard->backend->host;

    *byte = *byte;
    /* It may have become a huge page, which a block has room for. */
    virtio_mem_backend_discard(guard->backend, (VirtIOMEMSpan) {
        .size = guard->geo->block_size,
    });
}

VirtIOMEMGuard *virtio_mem_guard_new(const VirtIOMEMGeometry *geo,
                                     const VirtIOMEMBlocks *blocks,
                                     const VirtIOMEMBackend *backend,
                                     VirtIOMEMViolations *violations,
                                     Error **errp)
{
    VirtIOMEMGuard *guard = g_new0(VirtIOMEMGuard, 1);
    int ret;

    guard->geo = geo;
    guard->blocks = blocks;
    guard->backend = backend;
    guard->violations = violations;
    if (!guard_open(guard, errp)) {
        g_free(guard);
        return NULL;
    }
    if (backend->page_size != qemu_real_host_page_size()) {
        guard->zeroes = g_malloc0(backend->page_size);
    }
    event_notifier_init(&guard->quit, false);
    qemu_mutex_init(&guard->lock);
    guard_look_at_limit();
    virtio_mem_guarded_init(&guard->guarded, blocks->count, &guard_budget);
    guard->bh = qemu_bh_new(guard_tell, guard);
    guard->timer = timer_new_ms(QEMU_CLOCK_REALTIME, guard_look, guard);
    guard->aside = true;
    if (!qemu_ram_is_shared(backend->rb)) {
        guard_prepare_mapping(guard);
    }
    ret = virtio_mem_thread_create(&guard->thread, guard_thread, guard);
    if (ret) {
        error_setg_errno(errp, -ret, "'unplugged-protection' cannot be"
                         " userfaultfd: the host refuses a thread");
        guard->thread.thread = 0;
        virtio_mem_guard_free(guard);
        return NULL;
    }
    guard_look(guard);
    return guard;
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
    guard_tell(guard);
    guard_take_back_all(guard);
    /* Takes it off everywhere; whoever waits goes on. */
    close(guard->uffd);
    timer_free(guard->timer);
    qemu_bh_delete(guard->bh);
    virtio_mem_guarded_cleanup(&guard->guarded);
    qemu_mutex_destroy(&guard->lock);
    event_notifier_cleanup(&guard->quit);
    g_free(guard->zeroes);
    g_free(guard);
}
