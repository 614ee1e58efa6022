/*
 * virtio-mem: transitions, the order of effects
 *
 * A transition takes blocks from one plugged state to the other. It is a short
 * array of steps, each with do and undo, run over a table of effects. It is
 * the only place that orders effects and the only one that changes
 * VirtIOMEMBlocks. When a step fails, the steps before it are undone in
 * reverse order and the blocks are as they were.
 *
 *   plug:        populate -> announce -> commit
 *   unplug:      discard -> retract -> commit
 *   forget:      retract -> commit             of everything, by restore
 *   restore:     (populate ->) announce -> commit    of each run of blocks
 *
 * Unplugging everything is an unplug of the whole region, with one discard.
 * Nothing can fail once blocks are committed. A listener hears of memory that
 * goes away while its blocks are still marked plugged.
 *
 * This room is pure; tests fail each effect in turn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_TRANSITION_H
#define HW_VIRTIO_MEM_TRANSITION_H

#include "virtio-mem-blocks.h"

/*
 * What a transition does to the world. All members are required. Functions
 * that return int return 0 or a negative errno value, and have undone what
 * they did when they fail. Populate and discard may return VIRTIO_MEM_PENDING:
 * then virtio_mem_resume() tells how they ended.
 */
typedef struct VirtIOMEMEffects {
    /* Get host memory for @span, if the device was asked to. May be pending. */
    int (*populate)(void *opaque, VirtIOMEMSpan span);
    /* Give the host memory of @span back, with its content. May be pending. */
    int (*discard)(void *opaque, VirtIOMEMSpan span);
    /* Tell listeners that @span is about to be plugged; they may veto. */
    int (*announce)(void *opaque, VirtIOMEMSpan span);
    /* Tell listeners that the plugged blocks of @span go away. */
    void (*retract)(void *opaque, VirtIOMEMSpan span);
    /*
     * Called after each step and undo, for tracing.
     * @ret: 0, or what the step failed with
     */
    void (*observe)(void *opaque, const char *step, bool undo, int ret);
} VirtIOMEMEffects;

/* Neither 0 nor a negative errno value. */
#define VIRTIO_MEM_PENDING 1

typedef struct VirtIOMEMTransition {
    const VirtIOMEMEffects *effects;
    void *opaque;                       /* passed to every effect */
    const VirtIOMEMGeometry *geo;
    VirtIOMEMBlocks *blocks;
} VirtIOMEMTransition;

/* What made a transition fail. */
typedef enum VirtIOMEMFailure {
    VIRTIO_MEM_FAILURE_NONE,
    VIRTIO_MEM_FAILURE_POPULATE,    /* the host has no memory */
    VIRTIO_MEM_FAILURE_ANNOUNCE,    /* a listener objects */
    VIRTIO_MEM_FAILURE_DISCARD,     /* the host does not take memory back */
} VirtIOMEMFailure;

/* A transition on its way. Private to virtio-mem-transition.c, but @failure. */
typedef struct VirtIOMEMProgress {
    VirtIOMEMRange range;
    const struct VirtIOMEMStep *steps;
    size_t nb_steps;
    size_t at;                  /* steps done and not undone */
    bool undoing;
    int ret;                    /* what made it undo */
    VirtIOMEMFailure failure;
} VirtIOMEMProgress;

/*
 * virtio_mem_plug: plug @range, all of which is unplugged.
 *
 * Returns 0, or the negative errno value of the step that failed; then
 * nothing has changed. A populate is undone by a discard; when that fails
 * too, the host keeps memory that it could have back, and nothing else.
 */
int virtio_mem_plug(const VirtIOMEMTransition *t, VirtIOMEMRange range);

/*
 * virtio_mem_unplug: unplug the plugged blocks of @range.
 *
 * Returns 0, or the negative errno value of the discard; then no block has
 * changed its state.
 */
int virtio_mem_unplug(const VirtIOMEMTransition *t, VirtIOMEMRange range);

/*
 * virtio_mem_begin_plug, virtio_mem_begin_unplug: the same, with effects that
 * may leave a step pending.
 *
 * Returns what virtio_mem_plug() and virtio_mem_unplug() do, or
 * VIRTIO_MEM_PENDING: then virtio_mem_resume() has to follow. No other
 * transition may begin before that has returned something else.
 */
int virtio_mem_begin_plug(const VirtIOMEMTransition *t, VirtIOMEMRange range,
                          VirtIOMEMProgress *progress);
int virtio_mem_begin_unplug(const VirtIOMEMTransition *t, VirtIOMEMRange range,
                            VirtIOMEMProgress *progress);

/*
 * virtio_mem_resume: go on after the effect that was pending.
 *
 * @ret: what it returns, in the end
 */
int virtio_mem_resume(const VirtIOMEMTransition *t,
                      VirtIOMEMProgress *progress, int ret);

/*
 * virtio_mem_restore: make the blocks what a migration stream says they are.
 *
 * @wanted: as many blocks as there are
 * @with_memory: get host memory for plugged blocks, if the device was asked to.
 *     When not, the content of the region is what the stream makes it, before
 *     or after this, and stays untouched.
 *
 * No listener hears of a block that stays unplugged; one plugged before goes
 * away and comes back. Returns 0, or the negative errno value of the step that
 * failed; then all blocks are unplugged, and what was populated is given back.
 */
int virtio_mem_restore(const VirtIOMEMTransition *t,
                       const VirtIOMEMBlocks *wanted, bool with_memory);

/*
 * virtio_mem_release: give back all host memory that was populated, because
 * the content of plugged blocks is still to come.
 *
 * Returns 0, or the negative errno value of the discard.
 */
int virtio_mem_release(const VirtIOMEMTransition *t);

#endif
