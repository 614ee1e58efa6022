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
    QLIST_HEAD(, RamDiscardListener) listeners;     /* latest first */

    /* The change on its way. Private to virtio-mem-rdm.c. */
    struct {
        VirtIOMEMSpan span;         /* of size 0: there is none */
        bool coming;
        bool told;                  /* those there before know the memory */
        RamDiscardListener *before; /* the latest of them; NULL: nobody */
    } change;
} VirtIOMEMRdm;

/* @geo and @blocks outlive @rdm. */
void virtio_mem_rdm_init(VirtIOMEMRdm *rdm, const VirtIOMEMGeometry *geo,
                         const VirtIOMEMBlocks *blocks);

/* Is there anybody who could object to a plug? */
bool virtio_mem_rdm_has_listeners(const VirtIOMEMRdm *rdm);

/*
 * A change takes longer than the blocks show: a discard may run for seconds
 * before they are marked unplugged, and a listener may register meanwhile. It
 * must hear of each block exactly once, so the one who makes the change says
 * when it is on its way. Until virtio_mem_rdm_settled():
 *
 * - No block of @span counts as populated, for nobody: its content is not there
 *   any more, or not there yet.
 * - A listener that registers is not told of @span. Those registered before
 *   know of it what they were told.
 *
 * virtio_mem_rdm_going: blocks of @span go; before the discard begins.
 * virtio_mem_rdm_coming: all of @span, now unplugged, comes; at the latest just
 *     before virtio_mem_rdm_announce(), which tells all who registered until
 *     then.
 *
 * There is one change at a time. @span is made of whole blocks, not empty.
 */
void virtio_mem_rdm_going(VirtIOMEMRdm *rdm, VirtIOMEMSpan span);
void virtio_mem_rdm_coming(VirtIOMEMRdm *rdm, VirtIOMEMSpan span);

/*
 * virtio_mem_rdm_settled: the change has ended, well or not, and the blocks are
 * marked as they stay. No effect when there is none.
 *
 * Whoever has not been told of blocks that are plugged now (they came, or they
 * stay because the discard failed) is told. It is too late for a veto: one is
 * reported, as when a listener registers.
 */
void virtio_mem_rdm_settled(VirtIOMEMRdm *rdm);

/*
 * Tell all listeners that @span is about to be plugged. When one objects,
 * those told before are told of a discard again, and its error is returned.
 */
int virtio_mem_rdm_announce(VirtIOMEMRdm *rdm, VirtIOMEMSpan span);

/*
 * Tell all listeners that what they know of in @span goes away: the blocks now
 * marked plugged, and what was announced.
 */
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
