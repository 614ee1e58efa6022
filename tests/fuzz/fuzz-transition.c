/*
 * virtio-mem, transition: any sequence of plug, unplug and unplug of all, with
 * effects that fail where the input says
 *
 * The fake world keeps, for each block, whether the host holds memory for it
 * and what listeners have been told. Both must be what the blocks say after
 * each transition, failed or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-transition.h"
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
    bool leaked;                    /* the undo of a populate failed */
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

static int populate(void *opaque, VirtIOMEMSpan span)
{
    World *world = opaque;
    const int ret = result(world);

    if (!ret) {
        mark(world, world->populated, span, true);
    }
    return ret;
}

static int discard(void *opaque, VirtIOMEMSpan span)
{
    World *world = opaque;
    const bool is_undo = world->first_error;
    const int ret = result(world);

    if (ret) {
        world->leaked = is_undo;
    } else {
        mark(world, world->populated, span, false);
    }
    return ret;
}

static int announce(void *opaque, VirtIOMEMSpan span)
{
    World *world = opaque;
    const int ret = result(world);

    for (uint64_t b = 0; b < span.size / BLOCK; b++) {
        g_assert_true(world->populated[span.offset / BLOCK + b]);
    }
    if (!ret) {
        mark(world, world->announced, span, true);
    }
    return ret;
}

static void retract(void *opaque, VirtIOMEMSpan span)
{
    World *world = opaque;

    mark(world, world->announced, span, false);
}

static void observe(void *opaque, const char *step, bool undo, int ret)
{
    World *world = opaque;

    g_assert_true(step && (!ret || world->first_error));
}

static const VirtIOMEMEffects effects = {
    .populate = populate,
    .discard = discard,
    .announce = announce,
    .retract = retract,
    .observe = observe,
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

static void transition(World *world, bool plug, VirtIOMEMRange range)
{
    const VirtIOMEMTransition t = {
        .effects = &effects,
        .opaque = world,
        .geo = &world->geo,
        .blocks = &world->blocks,
    };
    int ret;

    if (plug && virtio_mem_blocks_state(&world->blocks, range) !=
                VIRTIO_MEM_BLOCKS_UNPLUGGED) {
        return;
    }
    world->calls = 0;
    world->first_error = 0;
    world->leaked = false;
    ret = plug ? virtio_mem_plug(&t, range) : virtio_mem_unplug(&t, range);
    g_assert_cmpint(ret, ==, world->first_error);
    if (!ret) {
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

    virtio_mem_blocks_init(&world.blocks, count);
    while (bytes.left) {
        const uint8_t op = take(&bytes, 1);
        const uint64_t first = take_range(&bytes, 0, count - 1);
        const VirtIOMEMRange range = {
            first, take_range(&bytes, 1, count - first),
        };

        world.failing = op >> 3 & 7;
        if ((op & 7) == 7) {
            transition(&world, false, virtio_mem_range_all(&world.geo));
        } else {
            transition(&world, op & 1, range);
        }
    }
    virtio_mem_blocks_cleanup(&world.blocks);
    return 0;
}
