/*
 * virtio-mem: the listeners, a part of a change, and RamDiscardManager
 *
 * Tells the rest of QEMU (VFIO, dump, migration) which parts of the device's
 * RAM are populated, and tells listeners of changes. Reads the blocks; never
 * changes them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_LISTENERS_H
#define HW_VIRTIO_MEM_LISTENERS_H

#include "exec/memory.h"
#include "change.h"

/*
 * A change takes its time, and a listener may register meanwhile. Each hears of
 * each block exactly once:
 *
 * - No block that is pending counts as populated, for nobody: its content is
 *   not there any more, or not there yet.
 * - A listener that registers is not told of pending blocks. Those registered
 *   before know of them what they were told.
 * - A plug tells all who registered until then, before the blocks are marked.
 * - When the change has ended, whoever has not been told of blocks that are
 *   plugged now (they came, or they stay because the discard failed) is told.
 *   It is too late for a veto: one is reported, as when a listener registers.
 */
typedef struct VirtIOMEMListeners {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    QLIST_HEAD(, RamDiscardListener) listeners;     /* latest first */

    /* Private to listeners.c. Of the change on its way: */
    unsigned late;              /* listeners that registered and know nothing */
    bool told;                  /* a plug: of the blocks that are coming */
    bool gone;                  /* an unplug: that they have gone */
} VirtIOMEMListeners;

/*
 * plug: notify_populate; when a listener objects, those told before are told of
 * a discard again. unplug: notify_discard, of what each knows of. self: a
 * VirtIOMEMListeners.
 */
extern const VirtIOMEMPart virtio_mem_listeners_part;

/* @geo and @blocks, those of the engine, outlive @listeners. */
void virtio_mem_listeners_init(VirtIOMEMListeners *listeners,
                               const VirtIOMEMGeometry *geo,
                               const VirtIOMEMBlocks *blocks);

/* Behind the members of RamDiscardManagerClass; see include/exec/memory.h. */
bool virtio_mem_listeners_is_populated(const VirtIOMEMListeners *listeners,
                                       const MemoryRegionSection *section);
int virtio_mem_listeners_replay_populated(const VirtIOMEMListeners *listeners,
                                          MemoryRegionSection *section,
                                          ReplayRamPopulate fn, void *opaque);
void virtio_mem_listeners_replay_discarded(const VirtIOMEMListeners *listeners,
                                           MemoryRegionSection *section,
                                           ReplayRamDiscard fn, void *opaque);
void virtio_mem_listeners_register(VirtIOMEMListeners *listeners,
                                   RamDiscardListener *listener,
                                   MemoryRegionSection *section);
void virtio_mem_listeners_unregister(VirtIOMEMListeners *listeners,
                                     RamDiscardListener *listener);

#endif
