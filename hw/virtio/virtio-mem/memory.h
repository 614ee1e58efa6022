/*
 * virtio-mem: host memory, the first part of a change
 *
 * Little is done at once, much on a thread of its own, and the change is
 * pending meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_MEMORY_H
#define HW_VIRTIO_MEM_MEMORY_H

#include "qapi/error.h"
#include "backend.h"
#include "change.h"
#include "worker.h"

/* What is done to the memory, for the change that is on its way. */
typedef struct VirtIOMEMJob {
    bool populate;              /* or discard */
    bool give_back;             /* what was populated, when it fails */
    bool cancelled;             /* atomic */
    VirtIOMEMSpan span;
    int64_t start;              /* ns */
    Error *err;
} VirtIOMEMJob;

/* Private to memory.c. */
typedef struct VirtIOMEMMemory {
    VirtIOMEMEngine *engine;
    const VirtIOMEMBackend *backend;
    bool prealloc;
    VirtIOMEMWorker worker;
    VirtIOMEMJob job;
    bool shortage_told;         /* to the user, and not over since */
    uint64_t host_ns;
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
 *
 * Returns false and sets @errp when the host refuses the thread of the worker.
 */
bool virtio_mem_memory_init(VirtIOMEMMemory *memory, DeviceState *dev,
                            VirtIOMEMEngine *engine,
                            const VirtIOMEMBackend *backend,
                            ThreadContext *context, bool prealloc,
                            Error **errp);
void virtio_mem_memory_cleanup(VirtIOMEMMemory *memory);

/* ns; how long work on host memory has taken since realize. */
uint64_t virtio_mem_memory_host_time(const VirtIOMEMMemory *memory);

#endif
