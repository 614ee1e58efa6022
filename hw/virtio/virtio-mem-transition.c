/*
 * virtio-mem: transitions, the order of effects
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-transition.h"

typedef int StepFn(const VirtIOMEMTransition *t, VirtIOMEMRange range);

typedef struct Step {
    const char *name;
    StepFn *run;
    StepFn *undo;           /* NULL: nothing to undo */
} Step;

static VirtIOMEMSpan span_of(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    return virtio_mem_range_span(t->geo, range);
}

static int populate(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    return t->effects->populate(t->opaque, span_of(t, range));
}

static int discard(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    return t->effects->discard(t->opaque, span_of(t, range));
}

static int announce(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    return t->effects->announce(t->opaque, span_of(t, range));
}

static int retract(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    t->effects->retract(t->opaque, span_of(t, range));
    return 0;
}

static int commit_plug(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    virtio_mem_blocks_set(t->blocks, range, true);
    return 0;
}

static int commit_unplug(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    virtio_mem_blocks_set(t->blocks, range, false);
    return 0;
}

static const Step plug_steps[] = {
    { "populate", populate, discard },
    { "announce", announce, NULL },
    { "commit-plug", commit_plug, NULL },
};

/* A discard cannot be taken back: it has to come first, and alone may fail. */
static const Step unplug_steps[] = {
    { "discard", discard, NULL },
    { "retract", retract, NULL },
    { "commit-unplug", commit_unplug, NULL },
};

static const Step restore_steps[] = {
    { "announce", announce, NULL },
    { "commit-plug", commit_plug, NULL },
};

static const Step forget_steps[] = {
    { "retract", retract, NULL },
    { "commit-unplug", commit_unplug, NULL },
};

static int run(const VirtIOMEMTransition *t, VirtIOMEMRange range,
               const Step *steps, size_t nb_steps)
{
    size_t i;
    int ret = 0;

    for (i = 0; i < nb_steps; i++) {
        ret = steps[i].run(t, range);
        t->effects->observe(t->opaque, steps[i].name, false, ret);
        if (ret) {
            break;
        }
    }
    while (ret && i-- > 0) {
        if (steps[i].undo) {
            const int undo_ret = steps[i].undo(t, range);

            t->effects->observe(t->opaque, steps[i].name, true, undo_ret);
        }
    }
    return ret;
}

int virtio_mem_plug(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    return run(t, range, plug_steps, G_N_ELEMENTS(plug_steps));
}

int virtio_mem_unplug(const VirtIOMEMTransition *t, VirtIOMEMRange range)
{
    return run(t, range, unplug_steps, G_N_ELEMENTS(unplug_steps));
}

/* Unplug everything, whatever content there is. */
static void forget(const VirtIOMEMTransition *t)
{
    run(t, virtio_mem_range_all(t->geo), forget_steps,
        G_N_ELEMENTS(forget_steps));
}

int virtio_mem_restore(const VirtIOMEMTransition *t,
                       const VirtIOMEMBlocks *wanted, bool with_memory)
{
    const VirtIOMEMRange all = virtio_mem_range_all(t->geo);
    int ret = 0;

    if (t->blocks->plugged) {
        forget(t);
    }
    VIRTIO_MEM_FOREACH_RUN(plugged, wanted, all, true) {
        ret = with_memory ? virtio_mem_plug(t, plugged) :
              run(t, plugged, restore_steps, G_N_ELEMENTS(restore_steps));
        if (ret) {
            break;
        }
    }
    if (ret && with_memory) {
        virtio_mem_unplug(t, all);
    }
    if (ret && t->blocks->plugged) {
        forget(t);
    }
    return ret;
}

int virtio_mem_release(const VirtIOMEMTransition *t)
{
    return discard(t, virtio_mem_range_all(t->geo));
}
