/*
 * virtio-mem: what a change of blocks does to the world
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "trace.h"
#include "virtio-mem-backing.h"
#include "virtio-mem-config.h"
#include "virtio-mem-effects.h"
#include "virtio-mem-live.h"

static int effect_populate(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;
    Error *err = NULL;
    int ret;

    if (!vmem->prealloc) {
        return 0;
    }
    ret = virtio_mem_backing_populate(vmem->memdev, span, &err);
    if (ret) {
        /* What could be had before memory ran out goes back to the host. */
        virtio_mem_backing_discard(vmem->memdev, span);
        warn_report_once("virtio-mem: memory backend '%s' ran out of memory:"
                         " %s",
                         object_get_canonical_path_component(
                             OBJECT(vmem->memdev)),
                         error_get_pretty(err));
        error_free(err);
    }
    return ret;
}

static int effect_discard(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;

    return virtio_mem_backing_discard(vmem->memdev, span);
}

static int effect_announce(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;

    return virtio_mem_rdm_announce(&vmem->live->rdm, span);
}

static void effect_retract(void *opaque, VirtIOMEMSpan span)
{
    VirtIOMEM *vmem = opaque;

    virtio_mem_rdm_retract(&vmem->live->rdm, span);
}

static void effect_observe(void *opaque, const char *step, bool undo, int ret)
{
    trace_virtio_mem_step(opaque, step, undo ? "undo" : "do", ret);
}

static const VirtIOMEMEffects virtio_mem_effects = {
    .populate = effect_populate,
    .discard = effect_discard,
    .announce = effect_announce,
    .retract = effect_retract,
    .observe = effect_observe,
};

void virtio_mem_effects_init(VirtIOMEM *vmem, VirtIOMEMLive *live)
{
    live->transition = (VirtIOMEMTransition) {
        .effects = &virtio_mem_effects,
        .opaque = vmem,
        .geo = &live->state.geo,
        .blocks = &live->state.blocks,
    };
}

/* A driver that reads the size in two halves has to see that it changed. */
static int spread_news(VirtIOMEM *vmem, int ret)
{
    if (!ret) {
        VIRTIO_DEVICE(vmem)->generation++;
        virtio_mem_transport_size_changed(vmem);
    }
    return ret;
}

int virtio_mem_device_plug(VirtIOMEM *vmem, VirtIOMEMRange range)
{
    return spread_news(vmem, virtio_mem_plug(&vmem->live->transition, range));
}

int virtio_mem_device_unplug(VirtIOMEM *vmem, VirtIOMEMRange range)
{
    return spread_news(vmem, virtio_mem_unplug(&vmem->live->transition, range));
}

int virtio_mem_device_unplug_all(VirtIOMEM *vmem)
{
    const VirtIOMEMState *state = &vmem->live->state;

    if (state->blocks.plugged) {
        const VirtIOMEMRange all = virtio_mem_range_all(&state->geo);
        const int ret = virtio_mem_device_unplug(vmem, all);

        if (ret) {
            return ret;
        }
        trace_virtio_mem_unplugged_all();
    }
    virtio_mem_set_usable(vmem,
                          virtio_mem_geometry_usable(&state->geo,
                                                     state->requested_size));
    return 0;
}
