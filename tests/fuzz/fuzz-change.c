/*
 * virtio-mem, change: any sequence of plug, unplug and unplug of all, with
 * parts that fail where the input says, at once or later
 *
 * The fake world keeps, for each block, whether the host holds memory for it
 * and what listeners have been told. Both must be what the blocks say after
 * each change, failed or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/trace.h"
#include "virtio-mem/change.h"
#include "virtio-mem/state.h"
#include "bytes.h"

#define BLOCK ((uint64_t)2 << 20)
#define MAX_BLOCKS 200

typedef struct World {
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    bool plugged[MAX_BLOCKS];       /* what the blocks must be */
    bool populated[MAX_BLOCKS];     /* the host holds memory */
    bool announced[MAX_BLOCKS];     /* listeners have been told */
    uint8_t failing;                /* bit n: call n fails */
    unsigned calls;
    int first_error;
    bool leaked;                    /* the undo of a plug failed */
    bool later;                     /* memory is pending first */
    int pending;                    /* what it ends with */
    VirtIOMEMEngine *engine;
} World;

static int result(World *world)
{
    const unsigned call = world->calls++;
    const int ret = world->failing >> call & 1 ? -(1 + (int)call) : 0;

    g_assert_cmpuint(call, <, 3);
    if (ret && !world->first_error) {
        world->first_error = ret;
    }
    return ret;
}

/* The blocks have not changed while an effect runs. */
static void check_blocks(const World *world)
{
    uint64_t plugged = 0;

    for (uint64_t b = 0; b < world->blocks.count; b++) {
        const VirtIOMEMBlockState state =
            virtio_mem_blocks_state(&world->blocks, (VirtIOMEMRange) { b, 1 });

        g_assert_cmpint(state, ==, world->plugged[b]
                                   ? VIRTIO_MEM_BLOCKS_PLUGGED
                                   : VIRTIO_MEM_BLOCKS_UNPLUGGED);
        plugged += world->plugged[b];
    }
    g_assert_cmpuint(world->blocks.plugged, ==, plugged);
}

static void mark(World *world, bool *what, VirtIOMEMSpan span, bool value)
{
    check_blocks(world);
    g_assert_true(span.size && !(span.offset % BLOCK) && !(span.size % BLOCK));
    g_assert_true(span.offset + span.size <= world->geo.region_size);
    memset(what + span.offset / BLOCK, value, span.size / BLOCK);
}

static int later(World *world, int ret)
{
    if (!world->later) {
        return ret;
    }
    world->pending = ret;
    return VIRTIO_MEM_PENDING;
}

static int memory_plug(void *self, const VirtIOMEMChange *change)
{
    World *world = self;
    const int ret = result(world);

    if (!ret) {
        mark(world, world->populated, change->span, true);
    }
    return later(world, ret);
}

/* Also undoes a plug. */
static int memory_unplug(void *self, const VirtIOMEMChange *change)
{
    World *world = self;
    const bool is_undo = world->first_error;
    const int ret = result(world);

    if (ret) {
        world->leaked = is_undo;
    } else {
        mark(world, world->populated, change->span, false);
    }
    return later(world, ret);
}

static void memory_wait(void *self)
{
    World *world = self;

    virtio_mem_change_resume(world->engine, world->pending);
}

static const VirtIOMEMPart memory = {
    .name = "memory",
    .plug = memory_plug,
    .undo_plug = memory_unplug,
    .unplug = memory_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_HOST_MEMORY,
    .unplug_fails = VIRTIO_MEM_PROGRESS_HOST_DISCARD,
    .wait = memory_wait,
    .hurry = memory_wait,
};

static int listeners_plug(void *self, const VirtIOMEMChange *change)
{
    World *world = self;
    const int ret = result(world);

    for (uint64_t b = 0; b < change->range.count; b++) {
        g_assert_true(world->populated[change->range.first + b]);
    }
    if (!ret) {
        mark(world, world->announced, change->span, true);
    }
    return ret;
}

static int listeners_unplug(void *self, const VirtIOMEMChange *change)
{
    World *world = self;

    mark(world, world->announced, change->span, false);
    return 0;
}

static const VirtIOMEMPart listeners = {
    .name = "listeners",
    .plug = listeners_plug,
    .unplug = listeners_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_LISTENER,
};

static void check_world(const World *world, VirtIOMEMRange leaked)
{
    check_blocks(world);
    for (uint64_t b = 0; b < world->blocks.count; b++) {
        g_assert_cmpint(world->announced[b], ==, world->plugged[b]);
        if (!world->leaked || b - leaked.first >= leaked.count) {
            g_assert_cmpint(world->populated[b], ==, world->plugged[b]);
        }
    }
}

void trace_virtio_mem_step(void *dev, const char *part, const char *step,
                           int ret)
{
    const World *world = dev;

    g_assert_true(part && step && (!ret || world->first_error));
}

static void change_done(VirtIOMEMChange *change)
{
}

static void change_blocks(World *world, bool plug, VirtIOMEMRange range)
{
    VirtIOMEMChange change = {
        .action = plug ? VIRTIO_MEM_ACTION_PLUG : VIRTIO_MEM_ACTION_UNPLUG,
        .range = range,
        .done = change_done,
    };

    if (plug && virtio_mem_blocks_state(&world->blocks, range) !=
                VIRTIO_MEM_BLOCKS_UNPLUGGED) {
        return;
    }
    world->calls = 0;
    world->first_error = 0;
    world->leaked = false;
    virtio_mem_change_begin(world->engine, &change);
    while (virtio_mem_change_is_pending(world->engine)) {
        memory_wait(world);
    }
    g_assert_cmpint(change.ret, ==, world->first_error);
    g_assert_cmpint(!change.reason, ==, !change.ret);
    if (!change.ret) {
        memset(world->plugged + range.first, plug, range.count);
    }
    check_world(world, range);
    if (world->leaked) {    /* for what comes next, as if it had gone well */
        memset(world->populated + range.first, false, range.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    const uint64_t count = take_range(&bytes, 1, MAX_BLOCKS);
    World world = {
        .geo = {
            .addr.gpa = (uint64_t)4 << 30,
            .region_size = count * BLOCK,
            .block_size = BLOCK,
        },
    };

    const VirtIOMEMPartOfDevice parts[] = {
        { &memory, &world },
        { &listeners, &world },
        { &virtio_mem_state_part, &world.blocks },
    };

    virtio_mem_blocks_init(&world.blocks, count);
    world.engine = virtio_mem_engine_new(&world, &world.geo, &world.blocks,
                                         parts, G_N_ELEMENTS(parts));
    while (bytes.left) {
        const uint8_t op = take(&bytes, 1);
        const uint64_t first = take_range(&bytes, 0, count - 1);
        const VirtIOMEMRange range = {
            first, take_range(&bytes, 1, count - first),
        };

        world.failing = op >> 3 & 7;
        world.later = op >> 6 & 1;
        if ((op & 7) == 7) {
            change_blocks(&world, false, virtio_mem_range_all(&world.geo));
        } else {
            change_blocks(&world, op & 1, range);
        }
    }
    virtio_mem_engine_close(world.engine);
    virtio_mem_blocks_cleanup(&world.blocks);
    return 0;
}
