/*
 * virtio-mem: the memory slots of a device with dynamic-memslots=on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/timer.h"
#include "memslots.h"

struct VirtIOMEMMemslots {
    Object *owner;
    MemoryRegion *ram;
    MemoryRegion container;
    uint64_t slot_size;
    unsigned offered;

    /* While the device is realized. */
    MemoryRegion *aliases;      /* initialized: those that are mapped */
    VirtIOMEMSlots *slots;
    QEMUTimer *spare_expires;
};

/* --- with the object ------------------------------------------------------ */

VirtIOMEMMemslots *virtio_mem_memslots_new(Object *owner, MemoryRegion *ram)
{
    VirtIOMEMMemslots *memslots = g_new0(VirtIOMEMMemslots, 1);
    const uint64_t size = memory_region_size(ram);

    memslots->owner = owner;
    memslots->ram = ram;
    memslots->offered = 1;
    memslots->slot_size = pow2ceil(size);
    memory_region_init(&memslots->container, owner, "virtio-mem-memslots",
                       size);
    /* As a machine aligns the RAM itself. */
    memslots->container.align = memory_region_get_alignment(ram);
    return memslots;
}

void virtio_mem_memslots_free(VirtIOMEMMemslots *memslots)
{
    g_free(memslots);
}

MemoryRegion *virtio_mem_memslots_region(VirtIOMEMMemslots *memslots)
{
    return &memslots->container;
}

uint64_t virtio_mem_memslots_fitting_size(const VirtIOMEMMemslots *memslots,
                                          uint64_t smallest)
{
    return virtio_mem_slots_fitting_size(
        memory_region_size(&memslots->container), smallest, memslots->offered);
}

void virtio_mem_memslots_decide(VirtIOMEMMemslots *memslots, unsigned limit,
                                uint64_t wanted, uint64_t least)
{
    const uint64_t smallest = wanted ?: VIRTIO_MEM_USUAL_SLOT_SIZE;

    memslots->offered = MAX(limit, 1);
    memslots->slot_size =
        virtio_mem_memslots_fitting_size(memslots, MAX(smallest, least));
}

unsigned virtio_mem_memslots_count(const VirtIOMEMMemslots *memslots)
{
    return virtio_mem_slots_count(memory_region_size(&memslots->container),
                                  memslots->slot_size);
}

uint64_t virtio_mem_memslots_size(const VirtIOMEMMemslots *memslots)
{
    return memslots->slot_size;
}

unsigned virtio_mem_memslots_offered(const VirtIOMEMMemslots *memslots)
{
    return memslots->offered;
}

/* --- mapping -------------------------------------------------------------- */

static void memslots_begin(void *opaque)
{
    memory_region_transaction_begin();
}

static void memslots_commit(void *opaque)
{
    memory_region_transaction_commit();
}

static void memslots_map(void *opaque, unsigned slot, VirtIOMEMSpan span)
{
    VirtIOMEMMemslots *memslots = opaque;
    MemoryRegion *alias = &memslots->aliases[slot];
    g_autofree char *name = g_strdup_printf("virtio-mem-memslot-%u", slot);

    memory_region_init_alias(alias, memslots->owner, name, memslots->ram,
                             span.offset, span.size);
    /* Or a neighbour that comes would take this one away for a moment. */
    memory_region_set_unmergeable(alias, true);
    memory_region_add_subregion(&memslots->container, span.offset, alias);
}

static void memslots_unmap(void *opaque, unsigned slot)
{
    VirtIOMEMMemslots *memslots = opaque;
    MemoryRegion *alias = &memslots->aliases[slot];

    memory_region_del_subregion(&memslots->container, alias);
    object_unparent(OBJECT(alias));
}

static void memslots_expire(void *opaque)
{
    const VirtIOMEMMemslots *memslots = opaque;

    timer_mod(memslots->spare_expires,
              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + VIRTIO_MEM_SPARE_SLOT_NS);
}

static void memslots_spare_expired(void *opaque)
{
    const VirtIOMEMMemslots *memslots = opaque;

    virtio_mem_slots_spare_expired(memslots->slots);
}

static const VirtIOMEMSlotOps memslots_ops = {
    .begin = memslots_begin,
    .map = memslots_map,
    .unmap = memslots_unmap,
    .commit = memslots_commit,
    .expire = memslots_expire,
};

/* --- with the device ------------------------------------------------------ */

void virtio_mem_memslots_start(VirtIOMEMMemslots *memslots,
                               VirtIOMEMSlots *slots,
                               const VirtIOMEMGeometry *geo,
                               const VirtIOMEMBlocks *blocks)
{
    virtio_mem_slots_init(slots, geo, blocks,
                          memslots ? memslots->slot_size : 0, &memslots_ops,
                          memslots);
    if (memslots) {
        memslots->slots = slots;
        memslots->aliases = g_new0(MemoryRegion, slots->count);
        memslots->spare_expires = timer_new_ns(QEMU_CLOCK_VIRTUAL,
                                               memslots_spare_expired,
                                               memslots);
    }
}

void virtio_mem_memslots_stop(VirtIOMEMMemslots *memslots,
                              VirtIOMEMSlots *slots)
{
    virtio_mem_slots_cleanup(slots);
    if (memslots) {
        timer_free(memslots->spare_expires);
        g_free(memslots->aliases);
        memslots->aliases = NULL;
        memslots->slots = NULL;
    }
}
