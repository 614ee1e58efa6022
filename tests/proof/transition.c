/*
 * virtio-mem, transition: proofs for every plugged state of up to MAX_BLOCKS
 * blocks, every range of them, and whichever effects fail
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

#define SHIFT 21

/* What has been done to the world by the effects so far. */
typedef struct World {
    VirtIOMEMSpan span;         /* the only one that may be named */
    const VirtIOMEMBlocks *blocks;
    uint64_t plugged;           /* before; also until the commit */
    bool populated, announced, discarded, retracted;
    int first_error;
} World;

static World *at(void *opaque, VirtIOMEMSpan span)
{
    World *world = opaque;

    prove(span.offset == world->span.offset && span.size == world->span.size);
    prove(world->blocks->plugged == world->plugged);    /* not committed */
    return world;
}

/* 0, or a failure, of which the first is what the caller must get to know. */
static int any_result(World *world)
{
    const int ret = nondet_int();

    assume(ret <= 0);
    if (ret && !world->first_error) {
        world->first_error = ret;
    }
    return ret;
}

static int populate(void *opaque, VirtIOMEMSpan span)
{
    World *world = at(opaque, span);
    const int ret = any_result(world);

    prove(!world->first_error || ret);
    world->populated = !ret;
    return ret;
}

static int discard(void *opaque, VirtIOMEMSpan span)
{
    World *world = at(opaque, span);

    prove(!world->announced && !world->retracted && !world->discarded);
    world->discarded = true;
    return any_result(world);
}

static int announce(void *opaque, VirtIOMEMSpan span)
{
    World *world = at(opaque, span);
    const int ret = any_result(world);

    prove(world->populated);
    world->announced = !ret;
    return ret;
}

static void retract(void *opaque, VirtIOMEMSpan span)
{
    World *world = at(opaque, span);

    prove(world->discarded && !world->first_error && !world->retracted);
    world->retracted = true;
}

static void observe(void *opaque, const char *step, bool undo, int ret)
{
    prove(step && ret <= 0);
}

static const VirtIOMEMEffects effects = {
    .populate = populate,
    .discard = discard,
    .announce = announce,
    .retract = retract,
    .observe = observe,
};

static void prove_transition(bool plug, unsigned words)
{
    const VirtIOMEMGeometry geo = any_geometry(SHIFT);
    VirtIOMEMBlocks blocks = any_blocks(words);
    const VirtIOMEMRange range = any_range(blocks.count, 1);
    const uint64_t block = nondet_uint64();
    const bool in_range = block >= range.first &&
                          block - range.first < range.count;
    World world = {
        .span = { range.first << SHIFT, range.count << SHIFT },
        .blocks = &blocks,
        .plugged = blocks.plugged,
    };
    const VirtIOMEMTransition t = {
        .effects = &effects,
        .opaque = &world,
        .geo = &geo,
        .blocks = &blocks,
    };
    bool before;
    int ret;

    assume(geo.region_size >> SHIFT == blocks.count);
    assume(block < blocks.count);
    before = block_is_plugged(&blocks, block);

    ret = plug ? virtio_mem_plug(&t, range) : virtio_mem_unplug(&t, range);

    prove(ret == world.first_error);
    prove(!ret || blocks.plugged == world.plugged);
    prove(block_is_plugged(&blocks, block) ==
          (!ret && in_range ? plug : before));
    if (plug) {
        prove(ret || (world.populated && world.announced && !world.discarded));
        prove(!ret || world.discarded == world.populated);
        prove(!world.retracted);
    } else {
        prove(world.discarded && world.retracted == !ret);
        prove(!world.populated && !world.announced);
    }
    virtio_mem_blocks_cleanup(&blocks);
}

void prove_plug(void)
{
    FOREACH_WORDS(words) {
        prove_transition(true, words);
    }
}

void prove_unplug(void)
{
    FOREACH_WORDS(words) {
        prove_transition(false, words);
    }
}
