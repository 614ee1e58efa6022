/*
 * virtio-mem: a change of blocks, on its way
 *
 * A plug or an unplug runs through an ordered list of parts: host memory, the
 * listeners, and, last, the plugged state. The engine runs them, and takes back
 * what was done when one fails:
 *
 *   plug:    each part's plug, in the order of the list
 *   unplug:  each part's unplug, in the same order
 *   at the end, well or not: each part's ended, in the same order
 *
 * A part may leave its work pending: then the change goes on later. Who needs the
 * device at rest drains, and does not wait for host memory: a plug on its way is
 * cancelled, and what an unplug gives back goes on behind.
 *
 * The engine knows nothing of any part. It is the only place that orders
 * effects. This module is pure; tests fail each part in turn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_CHANGE_H
#define HW_VIRTIO_MEM_CHANGE_H

#include "blocks.h"
#include "progress.h"
#include "protocol.h"

/* Neither 0 nor a negative errno value. */
#define VIRTIO_MEM_PENDING 1

/* --- one change ----------------------------------------------------------- */

/* Who asked for it. */
typedef enum VirtIOMEMOrigin {
    VIRTIO_MEM_BY_DRIVER,
    VIRTIO_MEM_BY_SYSTEM_RESET,
    VIRTIO_MEM_BY_LOAD,
} VirtIOMEMOrigin;

typedef struct VirtIOMEMChange VirtIOMEMChange;

/* Owned by who asked for it, who leaves it alone until it has ended. */
struct VirtIOMEMChange {
    VirtIOMEMAction action;         /* not NONE */
    VirtIOMEMRange range;           /* empty: nothing to do but to end */
    VirtIOMEMOrigin origin;
    /*
     * Not left before it has ended, and what is quicker at once is done so: by
     * a load, in a stopped VM, or when the VM is recorded or replayed.
     */
    bool at_once;
    /* Host memory is as it has to be already, and stays so. */
    bool keeps_memory;
    /* Called when it has ended, but not by virtio_mem_change_begin(). */
    void (*done)(VirtIOMEMChange *change);

    /* How it ended. Set before a part hears of the end. */
    int ret;                            /* 0 or a negative errno value */
    VirtIOMEMProgressReason reason;     /* what made it fail */

    /* Set by the engine. */
    VirtIOMEMSpan span;             /* the bytes of range */
    size_t at;                      /* parts done and not undone */
    bool undoing;
    bool cancelled;
};

static inline bool virtio_mem_change_is_plug(const VirtIOMEMChange *change)
{
    return change->action == VIRTIO_MEM_ACTION_PLUG;
}

/* --- parts ---------------------------------------------------------------- */

/*
 * What one part does. All members but the name may be NULL, for what it has
 * nothing to do with. @self is what the device gives the engine for it.
 *
 * Each step returns 0, or a negative errno value and has undone then what it
 * did. Only a part that says why may fail to plug or to unplug.
 */
typedef struct VirtIOMEMPart {
    const char *name;

    int (*plug)(void *self, const VirtIOMEMChange *change);
    int (*undo_plug)(void *self, const VirtIOMEMChange *change);
    int (*unplug)(void *self, const VirtIOMEMChange *change);
    int (*undo_unplug)(void *self, const VirtIOMEMChange *change);

    /* Why one failed; NO_REASON: it cannot. */
    VirtIOMEMProgressReason plug_fails;
    VirtIOMEMProgressReason unplug_fails;

    /* May a plug fail with the device as it is now? NULL: it does not. */
    bool (*may_refuse)(void *self);

    /*
     * Of a part that may return VIRTIO_MEM_PENDING from the four above. Both call
     * virtio_mem_change_resume() before they return. wait: however long it takes.
     * hurry: soon. A plug may fail with -ECANCELED, and what takes long without
     * anything depending on it goes on behind the change.
     */
    void (*wait)(void *self);
    void (*hurry)(void *self);

    /* The change has ended, and nothing is pending any more. */
    void (*ended)(void *self, const VirtIOMEMChange *change);
} VirtIOMEMPart;

typedef struct VirtIOMEMPartOfDevice {
    const VirtIOMEMPart *part;
    void *self;
} VirtIOMEMPartOfDevice;

/* --- the engine ----------------------------------------------------------- */

typedef struct VirtIOMEMEngine {
    void *dev;                      /* for tracing */
    const VirtIOMEMGeometry *geo;
    VirtIOMEMBlocks *blocks;
    const VirtIOMEMPartOfDevice *parts;     /* in order */
    size_t nb_parts;

    /* Private to change.c. */
    VirtIOMEMChange *current;       /* on its way, or NULL */
    bool closed;
} VirtIOMEMEngine;

/*
 * virtio_mem_engine_new: run changes of @blocks through @parts.
 *
 * @dev: what a trace of a step names
 *
 * All of it outlives the engine. Nothing that may fail comes behind what cannot
 * be undone, which is checked: then no block has changed when a change fails.
 */
VirtIOMEMEngine *virtio_mem_engine_new(void *dev, const VirtIOMEMGeometry *geo,
                                       VirtIOMEMBlocks *blocks,
                                       const VirtIOMEMPartOfDevice *parts,
                                       size_t nb_parts);

/* The device goes away. Nothing is on its way. */
void virtio_mem_engine_close(VirtIOMEMEngine *engine);

/*
 * virtio_mem_change_begin: carry out @change.
 *
 * A plug is of blocks that are all unplugged; an unplug takes those of the
 * range that are plugged. Nothing else is on its way.
 *
 * Returns 0, or the negative errno value of the part that failed, with no block
 * changed, or VIRTIO_MEM_PENDING: then change->done() is called later. (When
 * the undo of a plug fails too, the host keeps memory that it could have back.)
 */
int virtio_mem_change_begin(VirtIOMEMEngine *engine, VirtIOMEMChange *change);

/*
 * virtio_mem_change_resume: the part that left its work pending has ended with
 * @ret. May end the change, and with that, by what done() does, the device.
 */
void virtio_mem_change_resume(VirtIOMEMEngine *engine, int ret);

static inline bool virtio_mem_change_is_pending(const VirtIOMEMEngine *engine)
{
    return engine->current;
}

/*
 * virtio_mem_change_drain: if a change is on its way, have it end now, and done()
 * called. A plug whose memory is not there yet is undone and ends with -ECANCELED;
 * an unplug is carried out, and may give memory back later. Returns false when that
 * took the device away.
 */
bool virtio_mem_change_drain(VirtIOMEMEngine *engine);

/*
 * May several requests for @action be carried out as one? A plug that might
 * fail has to be tried for each: there may be enough for some of them.
 */
bool virtio_mem_change_may_join(const VirtIOMEMEngine *engine,
                                VirtIOMEMAction action);

/* --- by a load ------------------------------------------------------------ */

/*
 * Unplug all. @keeps_memory: see VirtIOMEMChange. Returns 0 or a negative errno
 * value.
 */
int virtio_mem_change_clear(VirtIOMEMEngine *engine, bool keeps_memory);

/*
 * virtio_mem_change_restore: make the blocks what a migration stream says they
 * are.
 *
 * @wanted: as many blocks as there are
 * @with_memory: get host memory for plugged blocks, if the device was asked to.
 *     When not, the content of the region is what the stream makes it, before
 *     or after this, and stays untouched.
 *
 * No listener hears of a block that stays unplugged; one plugged before goes
 * away and comes back. Returns 0, or the negative errno value of the part that
 * failed; then all blocks are unplugged, and what was populated is given back.
 */
int virtio_mem_change_restore(VirtIOMEMEngine *engine,
                              const VirtIOMEMBlocks *wanted, bool with_memory);

#endif
