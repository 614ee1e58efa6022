/*
 * virtio-mem: transitions, the order of effects
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-transition.h"

typedef int StepFn(const VirtIOMEMTransition *t, VirtIOMEMRange range);

typedef struct VirtIOMEMStep {
    const char *name;
    StepFn *run;
    StepFn *undo;           /* NULL: nothing to undo */
    VirtIOMEMFailure failure;
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
    { .name = "populate", .run = populate, .undo = discard,
      .failure = VIRTIO_MEM_FAILURE_POPULATE },
    { .name = "announce", .run = announce,
      .failure = VIRTIO_MEM_FAILURE_ANNOUNCE },
    { .name = "commit-plug", .run = commit_plug },
};

/* A discard cannot be taken back: it has to come first, and alone may fail. */
static const Step unplug_steps[] = {
    { .name = "discard", .run = discard,
      .failure = VIRTIO_MEM_FAILURE_DISCARD },
    { .name = "retract", .run = retract },
    { .name = "commit-unplug", .run = commit_unplug },
};

static const Step restore_steps[] = {
    { .name = "announce", .run = announce,
      .failure = VIRTIO_MEM_FAILURE_ANNOUNCE },
    { .name = "commit-plug", .run = commit_plug },
};

static const Step forget_steps[] = {
    { .name = "retract", .run = retract },
    { .name = "commit-unplug", .run = commit_unplug },
};

/* A step or an undo has ended: what is next? */
static void settle(const VirtIOMEMTransition *t, VirtIOMEMProgress *p, int ret)
{
    const Step *step = &p->steps[p->undoing ? p->at - 1 : p->at];

    t->effects->observe(t->opaque, step->name, p->undoing, ret);
    if (p->undoing) {
        p->at--;
    } else if (ret) {
        p->ret = ret;
        p->failure = step->failure;
        p->undoing = true;
    } else {
        p->at++;
    }
}

/* Skip what needs no undo. Returns false when there is nothing left to do. */
static bool more_to_do(VirtIOMEMProgress *p)
{
    if (!p->undoing) {
        return p->at < p->nb_steps;
    }
    while (p->at && !p->steps[p->at - 1].undo) {
        p->at--;
    }
    return p->at;
}

static int go_on(const VirtIOMEMTransition *t, VirtIOMEMProgress *p)
{
    while (more_to_do(p)) {
        StepFn *fn = p->undoing ? p->steps[p->at - 1].undo
                                : p->steps[p->at].run;
        const int ret = fn(t, p->range);

        if (ret == VIRTIO_MEM_PENDING) {
            return ret;
        }
        settle(t, p, ret);
    }
    return p->ret;
}

static int begin(const VirtIOMEMTransition *t, VirtIOMEMProgress *p,
                 VirtIOMEMRange range, const Step *steps, size_t nb_steps)
{
    *p = (VirtIOMEMProgress) {
        .range = range,
        .steps = steps,
        .nb_steps = nb_steps,
    };
    return go_on(t, p);
}

int virtio_mem_begin_plug(const VirtIOMEMTransition *t, VirtIOMEMRange range,
                          VirtIOMEMProgress *progress)
{
    return begin(t, progress, range, plug_steps, G_N_ELEMENTS(plug_steps));
}

int virtio_mem_begin_unplug(const VirtIOMEMTransition *t, VirtIOMEMRange range,
                            VirtIOMEMProgress *progress)
{
    return begin(t, progress, range, unplug_steps, G_N_ELEMENTS(unplug_steps));
}

int virtio_mem_resume(const VirtIOMEMTransition *t,
                      VirtIOMEMProgress *progress, int ret)
{
    settle(t, progress, ret);
    return go_on(t, progress);
}

/* With effects that leave nothing pending. */
static int run(const VirtIOMEMTransition *t, VirtIOMEMRange range,
               const Step *steps, size_t nb_steps)
{
    VirtIOMEMProgress progress;
    const int ret = begin(t, &progress, range, steps, nb_steps);

    g_assert(ret != VIRTIO_MEM_PENDING);
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
