/*
 * virtio-mem: what a change of blocks does to the world
 *
 * Binds the effects that virtio-mem-transition orders to the rooms that have
 * them, and tells the guest and the user of the new size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_EFFECTS_H
#define HW_VIRTIO_MEM_EFFECTS_H

#include "qapi/error.h"
#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-protocol.h"
#include "virtio-mem-transition.h"
#include "virtio-mem-worker.h"

/* What the worker does, for the step that is pending. */
typedef struct VirtIOMEMJob {
    bool populate;              /* or discard */
    bool give_back;             /* what was populated, when it fails */
    VirtIOMEMSpan span;
    int64_t start;              /* ns */
    Error *err;
} VirtIOMEMJob;

/* A change on its way. Private to this room. */
typedef struct VirtIOMEMOperation {
    VirtIOMEMAction action;
    VirtIOMEMProgress progress;
    void (*done)(VirtIOMEM *vmem, int ret);
    VirtIOMEMWorker worker;
    VirtIOMEMJob job;
    bool shortage_told;         /* to the user, and not over since */
} VirtIOMEMOperation;

/*
 * virtio_mem_effects_init: set up the transitions of @live, whose state and rdm
 * are set up already.
 *
 * @done: see virtio_mem_device_begin()
 *
 * Returns false and sets @errp when the host refuses the thread of the worker.
 */
bool virtio_mem_effects_init(VirtIOMEM *vmem, VirtIOMEMLive *live,
                             void (*done)(VirtIOMEM *vmem, int ret),
                             Error **errp);
void virtio_mem_effects_cleanup(VirtIOMEMLive *live);

/*
 * virtio_mem_device_begin: carry out @action, which is not NONE, on @range.
 *
 * UNPLUG_ALL (@range is ignored) unplugs whatever is plugged and shrinks the
 * usable region to what is requested. It shrinks at no other time (VIRTIO 1.2,
 * 5.15.4), and here without a notification: a driver reads the config after
 * UNPLUG ALL. One that comes while a system reset goes on is done()'s matter.
 *
 * Little is done at once. Returns 0, or a negative errno value with nothing
 * changed, or VIRTIO_MEM_PENDING: then done() is called later, from the main
 * loop, with one of the former, and nothing else may begin before.
 */
int virtio_mem_device_begin(VirtIOMEM *vmem, VirtIOMEMAction action,
                            VirtIOMEMRange range);

/*
 * May several requests for this be carried out as one? A plug that might fail
 * has to be tried for each: there may be enough for some of them.
 */
bool virtio_mem_device_may_join(const VirtIOMEM *vmem, VirtIOMEMAction action);

/* Why the action begun last has failed. */
VirtIOMEMFailure virtio_mem_device_failure(const VirtIOMEM *vmem);

bool virtio_mem_device_is_pending(const VirtIOMEM *vmem);

/*
 * If something is pending, wait for it; done() has been called then, and the
 * guest interrupted. Returns false when that took the device away.
 */
bool virtio_mem_device_drain(VirtIOMEM *vmem);

#endif
