/*
 * virtio-mem: which parts of the region the guest can reach
 *
 * With dynamic-memslots=on the region is divided into slots of one size, of
 * which only those are mapped that have a plugged block. The last slot may be
 * shorter. Two parts of a change see to that:
 *
 *   plug:    maps the slots of the blocks, before listeners are told of them
 *   unplug:  unmaps slots that have become empty, after the blocks are marked
 *
 * so that what is mapped always covers what is plugged. All that one change
 * maps, or unmaps, is one memory transaction.
 *
 * A slot that empties and fills again and again would be mapped and unmapped
 * each time. Therefore the slot that a driver emptied last stays mapped, as the
 * only empty one, for VIRTIO_MEM_SPARE_SLOT_NS. An UNPLUG ALL, a reset, a load
 * and an unplug in a stopped VM leave none.
 *
 * This module is pure; what mapping is, is given to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SLOTS_H
#define HW_VIRTIO_MEM_SLOTS_H

#include "change.h"

/* Bytes. The smallest slot a user may ask for, and that of the default. */
#define VIRTIO_MEM_MIN_SLOT_SIZE ((uint64_t)128 << 20)
#define VIRTIO_MEM_USUAL_SLOT_SIZE ((uint64_t)1 << 30)

#define VIRTIO_MEM_SPARE_SLOT_NS (5 * G_GINT64_CONSTANT(1000000000))

/* How slots are mapped. begin and commit are those of one transaction. */
typedef struct VirtIOMEMSlotOps {
    void (*begin)(void *opaque);
    void (*map)(void *opaque, unsigned slot, VirtIOMEMSpan span);
    void (*unmap)(void *opaque, unsigned slot);
    void (*commit)(void *opaque);
    /* Call virtio_mem_slots_spare_expired() in VIRTIO_MEM_SPARE_SLOT_NS. */
    void (*expire)(void *opaque);
} VirtIOMEMSlotOps;

typedef struct VirtIOMEMSlots {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    uint64_t slot_size;         /* bytes; a power of two */
    unsigned count;             /* 0: there are no slots, all is mapped */

    /* Private to slots.c. */
    const VirtIOMEMSlotOps *ops;
    void *opaque;
    bool *mapped;
    unsigned nb_mapped;
    int spare;                  /* the empty slot that is mapped, or -1 */
} VirtIOMEMSlots;

/* The number of slots of @slot_size, a power of two, in @region_size bytes. */
uint64_t virtio_mem_slots_count(uint64_t region_size, uint64_t slot_size);

/*
 * virtio_mem_slots_fitting_size: the smallest size of a slot, in bytes, a power
 * of two and at least @smallest (which is one), with which there are at most
 * @most of them. @most is not 0.
 */
uint64_t virtio_mem_slots_fitting_size(uint64_t region_size, uint64_t smallest,
                                       unsigned most);

/*
 * virtio_mem_slots_init: nothing is mapped, and no block is plugged.
 *
 * @slot_size: bytes, a power of two, a multiple of the block size; 0: there are
 *     no slots, and the parts do nothing
 * @geo and @blocks, those of the engine, and @ops outlive @slots.
 */
void virtio_mem_slots_init(VirtIOMEMSlots *slots, const VirtIOMEMGeometry *geo,
                           const VirtIOMEMBlocks *blocks, uint64_t slot_size,
                           const VirtIOMEMSlotOps *ops, void *opaque);

/* Unmap all slots, whatever is plugged. */
void virtio_mem_slots_cleanup(VirtIOMEMSlots *slots);

static inline unsigned virtio_mem_slots_mapped(const VirtIOMEMSlots *slots)
{
    return slots->nb_mapped;
}

/* The time of the spare slot is over. */
void virtio_mem_slots_spare_expired(VirtIOMEMSlots *slots);

/* self of both: a VirtIOMEMSlots. Neither can fail. */
extern const VirtIOMEMPart virtio_mem_slots_map_part;
extern const VirtIOMEMPart virtio_mem_slots_unmap_part;

#endif
