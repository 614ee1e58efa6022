/*
 * virtio-mem: RamDiscardManager
 *
 * Tells the rest of QEMU (VFIO, dump, migration) which parts of the device's
 * RAM are plugged, and tells listeners of changes. Reads the blocks; never
 * changes them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_RDM_H
#define HW_VIRTIO_MEM_RDM_H

#include "exec/memory.h"
#include "virtio-mem-blocks.h"

typedef struct VirtIOMEMRdm {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    QLIST_HEAD(, RamDiscardListener) listeners;
} VirtIOMEMRdm;

/* @geo and @blocks outlive @rdm. */
void virtio_mem_rdm_init(VirtIOMEMRdm *rdm, const VirtIOMEMGeometry *geo,
                         const VirtIOMEMBlocks *blocks);

/* Is there anybody who could object to a plug? */
bool virtio_mem_rdm_has_listeners(const VirtIOMEMRdm *rdm);

/*
 * Tell all listeners that @span is about to be plugged. When one objects,
 * those told before are told of a discard again, and its error is returned.
 */
int virtio_mem_rdm_announce(VirtIOMEMRdm *rdm, VirtIOMEMSpan span);

/* Tell all listeners that the blocks of @span now marked plugged go away. */
void virtio_mem_rdm_retract(VirtIOMEMRdm *rdm, VirtIOMEMSpan span);

/* Behind the members of RamDiscardManagerClass; see include/exec/memory.h. */
bool virtio_mem_rdm_is_populated(const VirtIOMEMRdm *rdm,
                                 const MemoryRegionSection *section);
int virtio_mem_rdm_replay_populated(const VirtIOMEMRdm *rdm,
                                    MemoryRegionSection *section,
                                    ReplayRamPopulate fn, void *opaque);
void virtio_mem_rdm_replay_discarded(const VirtIOMEMRdm *rdm,
                                     MemoryRegionSection *section,
                                     ReplayRamDiscard fn, void *opaque);
void virtio_mem_rdm_register(VirtIOMEMRdm *rdm, RamDiscardListener *listener,
                             MemoryRegionSection *section);
void virtio_mem_rdm_unregister(VirtIOMEMRdm *rdm,
                               RamDiscardListener *listener);

#endif
