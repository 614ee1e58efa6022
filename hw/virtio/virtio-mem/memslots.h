/*
 * virtio-mem: the memory slots of a device with dynamic-memslots=on
 *
 * KVM and vhost back ends have a limited number of memory slots, and each costs
 * them memory for its size. A device with dynamic-memslots=on takes them for
 * what is plugged: what the machine maps is a container, and a slot is an alias
 * in it of a piece of the backend's RAM. `slots` decides which are mapped.
 *
 * The machine asks for container and number of slots before realize, and still
 * after unrealize. So they live with the object, and are made when they are
 * first asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_MEMSLOTS_H
#define HW_VIRTIO_MEM_MEMSLOTS_H

#include "system/memory.h"
#include "slots.h"

typedef struct VirtIOMEMMemslots VirtIOMEMMemslots;

/*
 * virtio_mem_memslots_new: the container for slots of @ram.
 *
 * @owner: the device; the regions are its children. Freed when it is finalized,
 * after its children.
 */
VirtIOMEMMemslots *virtio_mem_memslots_new(Object *owner, MemoryRegion *ram);
void virtio_mem_memslots_free(VirtIOMEMMemslots *memslots);

/* What the machine maps in place of the backend's RAM. */
MemoryRegion *virtio_mem_memslots_region(VirtIOMEMMemslots *memslots);

/*
 * virtio_mem_memslots_decide: the machine offers up to @limit slots.
 *
 * @wanted: bytes of each, a power of two; 0: as QEMU's own device has them
 * @least: bytes; the block size and the page size of the backend, the larger
 *
 * Where @wanted does not fit, fewer slots are taken, and
 * virtio_mem_memslots_fit() fails: the machine cannot be told here.
 */
void virtio_mem_memslots_decide(VirtIOMEMMemslots *memslots, unsigned limit,
                                uint64_t wanted, uint64_t least);

/* Those decided for; 1 before. */
unsigned virtio_mem_memslots_count(const VirtIOMEMMemslots *memslots);

/* Bytes of each, a power of two; the last may be shorter. */
uint64_t virtio_mem_memslots_size(const VirtIOMEMMemslots *memslots);

/* Bytes; the smallest size that fits into what was offered, at least @smallest. */
uint64_t virtio_mem_memslots_fitting_size(const VirtIOMEMMemslots *memslots,
                                          uint64_t smallest);

/* What the machine has offered. */
unsigned virtio_mem_memslots_offered(const VirtIOMEMMemslots *memslots);

/*
 * virtio_mem_memslots_start: the device is realized; @slots, which it gives to
 * the engine, maps from now on.
 *
 * @memslots: NULL: without dynamic-memslots; all is mapped
 */
void virtio_mem_memslots_start(VirtIOMEMMemslots *memslots,
                               VirtIOMEMSlots *slots,
                               const VirtIOMEMGeometry *geo,
                               const VirtIOMEMBlocks *blocks);
void virtio_mem_memslots_stop(VirtIOMEMMemslots *memslots,
                              VirtIOMEMSlots *slots);

#endif
