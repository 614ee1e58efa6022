/*
 * virtio-mem, explore: objects, bottom halves, addresses, and the modules of
 * the device to which the queue talks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/trace.h"
#include "qemu/iov.h"
#include "qemu/timer.h"
#include "system/ramblock.h"
#include "explore-world.h"

/* --- objects -------------------------------------------------------------- */

/* In one event nothing is done so often. */
#define TOO_BUSY 1000

/* AddressSanitizer sees a use after free itself; else the memory is kept. */
#ifdef __SANITIZE_ADDRESS__
#define KEEP_DEAD false
#else
#define KEEP_DEAD true
#endif

static Transport *dead;

void object_ref(void *obj)
{
    DeviceState *dev = obj;

    MUST(dev->magic == WORLD_ALIVE, "a dead transport is referenced");
    dev->refs++;
}

void object_unref(void *obj)
{
    DeviceState *dev = obj;
    Transport *transport = obj;

    MUST(dev->magic == WORLD_ALIVE, "a dead transport is released");
    if (--dev->refs) {
        return;
    }
    MUST(!world.live, "the transport goes before the device");
    world.transport = NULL;
    if (KEEP_DEAD) {
        memset(transport, 0, sizeof(*transport));
        dead = transport;
    } else {
        g_free(transport);
    }
}

void world_touch(const VirtIODevice *vdev)
{
    MUST(vdev->parent_obj.magic == WORLD_ALIVE, "what was freed is used");
    MUST(world.busy++ < TOO_BUSY, "it does not come to an end");
}

void world_needs_bus(const VirtIODevice *vdev, const char *who)
{
    world_touch(vdev);
    MUST(qdev_get_parent_bus(DEVICE(vdev)), "%s, and the device is gone", who);
}

/* --- bottom halves -------------------------------------------------------- */

QEMUBH *virtio_bh_new_guarded(DeviceState *dev, QEMUBHFunc *cb, void *opaque)
{
    QEMUBH *bh = g_new(QEMUBH, 1);

    *bh = (QEMUBH) {
        .run = cb,
        .opaque = opaque,
        .guard = (Transport *)qdev_get_parent_bus(dev)->parent,
    };
    world.more = bh;
    return bh;
}

void replay_bh_schedule_event(QEMUBH *bh)
{
    MUST(!bh->deleted, "a bottom half is scheduled that was deleted");
    bh->scheduled = true;
}

void qemu_bh_schedule(QEMUBH *bh)
{
    MUST(!world.kind.recorded, "a bottom half runs that is not recorded");
    replay_bh_schedule_event(bh);
}

/* Freed when bottom halves run next. */
void qemu_bh_delete(QEMUBH *bh)
{
    bh->deleted = true;
}

AioContext *qemu_get_aio_context(void)
{
    return NULL;
}

/* Nobody schedules others but to drop a reference of the transport. */
void aio_bh_schedule_oneshot(AioContext *ctx, QEMUBHFunc *cb, void *opaque)
{
    MUST(opaque == world.transport, "a bottom half is about something else");
    world.drop = cb;
    world.drops++;
}

bool qemu_has_bottom_halves(void)
{
    return world.drops || (world.more && (world.more->scheduled ||
                                          world.more->deleted));
}

/* QEMU looks at its guard, a part of the transport, at the end. */
static void run_guarded(QEMUBH *bh)
{
    Transport *transport = bh->guard;

    bh->scheduled = false;
    transport->engaged_in_io = true;
    bh->run(bh->opaque);
    world_touch(&transport->vdev);
    transport->engaged_in_io = false;
}

void qemu_run_bottom_halves(void)
{
    const unsigned drops = world.drops;

    if (world.more && world.more->scheduled && !world.more->deleted) {
        run_guarded(world.more);
    }
    if (world.more && world.more->deleted) {
        g_free(g_steal_pointer(&world.more));
    }
    for (unsigned i = 0; i < drops; i++) {
        world.drops--;
        world.drop(world.transport);
    }
}

/* --- addresses, and time -------------------------------------------------- */

struct MemoryRegion {
    bool ram;
};

MemoryRegion *address_space_translate(AddressSpace *as, hwaddr addr,
                                      hwaddr *offset, hwaddr *len,
                                      bool is_write, MemTxAttrs attrs)
{
    static MemoryRegion ram = { true }, registers = { false };

    return addr < WORLD_REGISTERS ? &ram : &registers;
}

bool memory_access_is_direct(MemoryRegion *mr, bool is_write, MemTxAttrs attrs)
{
    return mr->ram;
}

RAMBlock *qemu_ram_block_from_host(void *ptr, bool round_offset,
                                   ram_addr_t *offset)
{
    const uint8_t *requests = (const uint8_t *)world.requests;
    const uint8_t *at = ptr;

    return at >= requests && at < requests + sizeof(world.requests) ?
           (RAMBlock *)&world : NULL;
}

size_t iov_to_buf(const struct iovec *iov, unsigned count, size_t offset,
                  void *buf, size_t bytes)
{
    const size_t size = MIN(bytes, iov->iov_len);

    g_assert(count == 1 && !offset);
    memcpy(buf, iov->iov_base, size);
    return size;
}

size_t iov_from_buf(const struct iovec *iov, unsigned count, size_t offset,
                    const void *buf, size_t bytes)
{
    const size_t size = MIN(bytes, iov->iov_len);

    g_assert(count == 1 && !offset);
    memcpy(iov->iov_base, buf, size);
    return size;
}

size_t iov_size(const struct iovec *iov, unsigned count)
{
    g_assert(count == 1);
    return iov->iov_len;
}

int64_t get_clock(void)
{
    return world.clock += world.kind.slow ? SCALE_MS : 0;
}

ReplayMode replay_mode;

/* --- the modules beside the queue ----------------------------------------- */

bool virtio_mem_retry_is_migrating(void)
{
    return world.migrating;
}

void virtio_mem_retry_soon(VirtIOMEMRetry *retry)
{
    MUST(retry == &world.live->retry, "another guest waits");
    world.told_to_wait = true;
}

void virtio_mem_report_answered(VirtIOMEMReport *report, uint16_t type,
                                uint16_t response, VirtIOMEMProgressReason why)
{
    MUST(report == &world.live->report, "another report hears of an answer");
    MUST(!world.reported, "an answer was reported and not given");
    world.reported = true;
    world.reported_type = type;
    world.reported_response = response;
}

void trace_virtio_mem_verdict(void *dev, uint16_t type, uint64_t addr,
                              uint16_t nb_blocks, uint16_t response,
                              uint16_t state)
{
}

void trace_virtio_mem_step(void *dev, const char *part, const char *step,
                           int ret)
{
}

/* --- life of the world ---------------------------------------------------- */

void world_end(void)
{
    if (world.more) {
        g_free(world.more);
    }
    g_free(g_steal_pointer(&dead));
}
