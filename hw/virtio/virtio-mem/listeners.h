/*
 * virtio-mem: the listeners, a part of a change, and RamDiscardSource
 *
 * Tells the rest of QEMU (VFIO, dump, migration) which parts of the device's
 * RAM are populated, and has the RamDiscardManager of the region tell listeners
 * of changes. Reads the blocks; never changes them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_LISTENERS_H
#define HW_VIRTIO_MEM_LISTENERS_H

#include "system/memory.h"
#include "change.h"

/*
 * A change takes its time, and a listener may register meanwhile. The manager
 * then tells it of what is populated, and it has to know of each block what is
 * true in the end:
 *
 * - No block that is pending counts as populated, for nobody: its content is
 *   not there any more, or not there yet.
 * - A plug tells all who registered until then, and marks the blocks at once
 *   after that.
 * - An unplug tells all, also those who have not been told of the blocks: a
 *   listener bears that.
 * - When a discard has failed, blocks stay that some listeners do not know of;
 *   of others, the pages that a listener knows may have been given back. All are
 *   told of a discard and of the blocks again. It is too late for a veto: one is
 *   reported, and then nobody knows of the blocks.
 */
typedef struct VirtIOMEMListeners {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    RamDiscardManager *manager; /* of the region, while the device has it */
    RamDiscardSource *source;   /* the device */

    /* Private to listeners.c. Of an unplug on its way: */
    bool gone;                  /* all have been told */
} VirtIOMEMListeners;

/*
 * plug: notify_populate; when a listener objects, those told before are told of
 * a discard again. unplug: notify_discard. self: a VirtIOMEMListeners.
 */
extern const VirtIOMEMPart virtio_mem_listeners_part;

/* @geo and @blocks, those of the engine, outlive @listeners. */
void virtio_mem_listeners_init(VirtIOMEMListeners *listeners,
                               const VirtIOMEMGeometry *geo,
                               const VirtIOMEMBlocks *blocks);

/* Behind members of RamDiscardSourceClass. */
bool virtio_mem_listeners_is_populated(const VirtIOMEMListeners *listeners,
                                       const MemoryRegionSection *section);
uint64_t virtio_mem_listeners_find_run(const VirtIOMEMListeners *listeners,
                                       const MemoryRegionSection *section,
                                       bool *populated);

#endif
