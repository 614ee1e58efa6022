/*
 * virtio-mem: which parts of the region the guest can reach
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "slots.h"

#define SLOTS_NO_SPARE (-1)

/* --- sizes ---------------------------------------------------------------- */

uint64_t virtio_mem_slots_count(uint64_t region_size, uint64_t slot_size)
{
    return region_size / slot_size + (region_size % slot_size != 0);
}

uint64_t virtio_mem_slots_fitting_size(uint64_t region_size, uint64_t smallest,
                                       unsigned most)
{
    uint64_t size = smallest;

    while (virtio_mem_slots_count(region_size, size) > most) {
        size *= 2;
    }
    return size;
}

static VirtIOMEMSpan slots_span(const VirtIOMEMSlots *slots, unsigned slot)
{
    const uint64_t offset = slot * slots->slot_size;

    return (VirtIOMEMSpan) {
        .offset = offset,
        .size = MIN(slots->slot_size, slots->geo->region_size - offset),
    };
}

static bool slots_is_empty(const VirtIOMEMSlots *slots, unsigned slot)
{
    const VirtIOMEMRange within =
        virtio_mem_range_covering(slots->geo, slots_span(slots, slot));
    VirtIOMEMRange run = { .first = within.first };

    return !virtio_mem_blocks_next_run(slots->blocks, within, true, &run);
}

/* The slots that @span, not empty, touches. */
static unsigned slots_first(const VirtIOMEMSlots *slots, VirtIOMEMSpan span)
{
    return span.offset / slots->slot_size;
}

static unsigned slots_last(const VirtIOMEMSlots *slots, VirtIOMEMSpan span)
{
    return (span.offset + span.size - 1) / slots->slot_size;
}

/* --- life ----------------------------------------------------------------- */

void virtio_mem_slots_init(VirtIOMEMSlots *slots, const VirtIOMEMGeometry *geo,
                           const VirtIOMEMBlocks *blocks, uint64_t slot_size,
                           const VirtIOMEMSlotOps *ops, void *opaque)
{
    *slots = (VirtIOMEMSlots) {
        .geo = geo,
        .blocks = blocks,
        .slot_size = slot_size,
        .ops = ops,
        .opaque = opaque,
        .spare = SLOTS_NO_SPARE,
    };
    if (slot_size) {
        slots->count = virtio_mem_slots_count(geo->region_size, slot_size);
        slots->mapped = g_new0(bool, slots->count);
    }
}

/* --- mapping -------------------------------------------------------------- */

static void slots_map(VirtIOMEMSlots *slots, unsigned slot)
{
    slots->ops->map(slots->opaque, slot, slots_span(slots, slot));
    slots->mapped[slot] = true;
    slots->nb_mapped++;
}

static void slots_unmap(VirtIOMEMSlots *slots, unsigned slot)
{
    slots->ops->unmap(slots->opaque, slot);
    slots->mapped[slot] = false;
    slots->nb_mapped--;
    if (slots->spare == (int)slot) {
        slots->spare = SLOTS_NO_SPARE;
    }
}

/* @slot is the spare one from now on. */
static void slots_keep(VirtIOMEMSlots *slots, unsigned slot)
{
    if (slots->spare != SLOTS_NO_SPARE && slots->spare != (int)slot) {
        slots_unmap(slots, slots->spare);
    }
    slots->spare = slot;
    slots->ops->expire(slots->opaque);
}

/* Unmap what is empty in @span; @keep: but the last one. */
static void slots_release(VirtIOMEMSlots *slots, VirtIOMEMSpan span, bool keep)
{
    const unsigned first = slots_first(slots, span);
    unsigned slot = slots_last(slots, span) + 1;

    slots->ops->begin(slots->opaque);
    while (slot-- > first) {
        if (!slots->mapped[slot] || !slots_is_empty(slots, slot)) {
            continue;
        }
        if (keep) {
            slots_keep(slots, slot);
            keep = false;
        } else {
            slots_unmap(slots, slot);
        }
    }
    slots->ops->commit(slots->opaque);
}

void virtio_mem_slots_cleanup(VirtIOMEMSlots *slots)
{
    if (slots->nb_mapped) {
        slots->ops->begin(slots->opaque);
        for (unsigned slot = 0; slot < slots->count; slot++) {
            if (slots->mapped[slot]) {
                slots_unmap(slots, slot);
            }
        }
        slots->ops->commit(slots->opaque);
    }
    g_free(slots->mapped);
    slots->mapped = NULL;
    slots->count = 0;
}

void virtio_mem_slots_spare_expired(VirtIOMEMSlots *slots)
{
    if (slots->spare != SLOTS_NO_SPARE) {
        slots->ops->begin(slots->opaque);
        slots_unmap(slots, slots->spare);
        slots->ops->commit(slots->opaque);
    }
}

/* --- the parts ------------------------------------------------------------ */

static int slots_plug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMSlots *slots = self;

    if (!slots->count) {
        return 0;
    }
    slots->ops->begin(slots->opaque);
    for (unsigned slot = slots_first(slots, change->span);
         slot <= slots_last(slots, change->span); slot++) {
        if (!slots->mapped[slot]) {
            slots_map(slots, slot);
        } else if (slots->spare == (int)slot) {
            slots->spare = SLOTS_NO_SPARE;
        }
    }
    slots->ops->commit(slots->opaque);
    return 0;
}

static int slots_undo_plug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMSlots *slots = self;

    if (slots->count) {
        slots_release(slots, change->span, false);
    }
    return 0;
}

static int slots_unplug(void *self, const VirtIOMEMChange *change)
{
    VirtIOMEMSlots *slots = self;

    if (slots->count) {
        slots_release(slots, change->span,
                      change->action == VIRTIO_MEM_ACTION_UNPLUG &&
                      !change->at_once);
    }
    return 0;
}

const VirtIOMEMPart virtio_mem_slots_map_part = {
    .name = "map-slots",
    .plug = slots_plug,
    .undo_plug = slots_undo_plug,
};

const VirtIOMEMPart virtio_mem_slots_unmap_part = {
    .name = "unmap-slots",
    .unplug = slots_unplug,
};
