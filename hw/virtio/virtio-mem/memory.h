/*
 * virtio-mem: host memory, the first part of a change
 *
 * Little is done at once, much on a thread of its own, and the change is
 * pending meanwhile. When somebody needs the device at rest, the thread goes on
 * behind: the change is over, and memory is given back that nobody needs any more.
 * What is given back behind is not plugged before that has ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_MEMORY_H
#define HW_VIRTIO_MEM_MEMORY_H

#include "change.h"
#include "jobs.h"
#include "protocol.h"
#include "reserve.h"

/* What is populated in advance, and whoever has that done. */
typedef struct VirtIOMEMMemoryAhead {
    VirtIOMEMReserve *reserve;          /* NULL: there is none */
    /* See VirtIOMEMJobsOwner. */
    void (*ended)(void *opaque, int ret, bool waited);
    void *opaque;
} VirtIOMEMMemoryAhead;

/* Private to memory.c. */
typedef struct VirtIOMEMMemory {
    VirtIOMEMEngine *engine;
    const VirtIOMEMState *state;
    const VirtIOMEMBackend *backend;
    bool prealloc;
    bool is_guarded;            /* no page may come behind an undone plug */
    VirtIOMEMJobs jobs;
    VirtIOMEMMemoryAhead ahead;
    void (*behind_changed)(void *opaque);
    void *opaque;
} VirtIOMEMMemory;

/*
 * plug: populates, if the device was asked to. unplug: discards, unless it may
 * be the only copy of what a stream is about. self: a VirtIOMEMMemory.
 */
extern const VirtIOMEMPart virtio_mem_memory_part;

/*
 * virtio_mem_memory_init: the part of @dev, with memory from @backend.
 *
 * @prealloc: populate what is plugged
 * @behind_changed: called with @opaque when virtio_mem_memory_behind() has changed
 *
 * Returns false and sets @errp when the host refuses the thread of the worker.
 */
bool virtio_mem_memory_init(VirtIOMEMMemory *memory, DeviceState *dev,
                            VirtIOMEMEngine *engine,
                            const VirtIOMEMState *state,
                            const VirtIOMEMBackend *backend,
                            ThreadContext *context, bool prealloc,
                            void (*behind_changed)(void *opaque), void *opaque,
                            Error **errp);

/*
 * Pages are caught in unplugged memory: none may be populated there after a plug
 * was undone. Said before anything is plugged.
 */
void virtio_mem_memory_set_guarded(VirtIOMEMMemory *memory);

/* What is still to be given back stays with the backend. */
void virtio_mem_memory_cleanup(VirtIOMEMMemory *memory);

/* --- behind --------------------------------------------------------------- */

/* Bytes; at most so much unplugged memory is still to be given back. */
uint64_t virtio_mem_memory_behind(const VirtIOMEMMemory *memory);

/* Is something in @span still to be given back? */
bool virtio_mem_memory_is_behind(const VirtIOMEMMemory *memory,
                                 VirtIOMEMSpan span);

/* --- ahead ---------------------------------------------------------------- */

/* Have unplugged blocks populated in advance; @ahead outlives @memory. */
void virtio_mem_memory_set_ahead(VirtIOMEMMemory *memory,
                                 VirtIOMEMMemoryAhead ahead);

/*
 * Populate @range of unplugged blocks for the reserve, when there is nothing else
 * to do. Only one at a time.
 */
void virtio_mem_memory_populate_ahead(VirtIOMEMMemory *memory,
                                      VirtIOMEMRange range);

/* Give what is in the reserve back, in the background; of @range, or all. */
void virtio_mem_memory_give_back(VirtIOMEMMemory *memory, VirtIOMEMRange range);
void virtio_mem_memory_give_reserve_back(VirtIOMEMMemory *memory);

/* A guest has asked for more than the host has, and was not given it since. */
bool virtio_mem_memory_is_short(const VirtIOMEMMemory *memory);

/* ns; how long work on host memory has taken since realize. */
uint64_t virtio_mem_memory_host_time(const VirtIOMEMMemory *memory);

#endif
