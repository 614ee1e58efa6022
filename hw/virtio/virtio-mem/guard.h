/*
 * virtio-mem: unplugged memory is out of reach
 *
 * unplugged-protection=userfaultfd: an access to an unplugged block has to wait
 * for a thread of the device, whoever makes it: a CPU, a device, vhost in the
 * kernel, QEMU itself. It is counted, and goes on with a page of zeroes, which
 * is taken away again a moment later. Only unplugged blocks are guarded, so
 * plugged memory meets nothing of this.
 *
 * Where Linux does not let this process handle faults of the kernel, accesses by
 * the kernel fail at once. A CPU of KVM is let in for a moment then, and what it
 * has left is looked for afterwards.
 *
 * The thread never needs the BQL: who waits for it may have that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_GUARD_H
#define HW_VIRTIO_MEM_GUARD_H

#include "qapi/error.h"
#include "qemu/notify.h"
#include "backend.h"
#include "change.h"
#include "violations.h"

/* Private to guard.c. NULL: there is none. */
typedef struct VirtIOMEMGuard VirtIOMEMGuard;

/*
 * Keeps unplugged blocks guarded, from before their memory is discarded, and
 * until before it is populated. self: a VirtIOMEMGuard *, which may be NULL.
 */
extern const VirtIOMEMPart virtio_mem_guard_part;

/*
 * virtio_mem_guard_new: guard all unplugged blocks from now on, unless a
 * migration is on its way.
 *
 * @user_mode: do not try to handle faults of the kernel
 *
 * Returns NULL and sets @errp when the kernel does not let this process, or
 * has no userfaultfd for this kind of memory.
 */
VirtIOMEMGuard *virtio_mem_guard_new(const VirtIOMEMGeometry *geo,
                                     const VirtIOMEMBlocks *blocks,
                                     const VirtIOMEMBackend *backend,
                                     VirtIOMEMViolations *violations,
                                     bool user_mode, Error **errp);
void virtio_mem_guard_free(VirtIOMEMGuard *guard);

/* Accesses by the kernel fail. */
bool virtio_mem_guard_is_user_mode(const VirtIOMEMGuard *guard);

/* Call @notifier when somebody was let in, and cannot get in any more. */
void virtio_mem_guard_notify_closed(VirtIOMEMGuard *guard, Notifier *notifier);

/*
 * Stand aside at once, and come back when a migration is over: it may use
 * userfaultfd itself, and writes to what is not known to be plugged yet.
 */
void virtio_mem_guard_stand_aside(VirtIOMEMGuard *guard);

/*
 * virtio_mem_guard_pause: while somebody looks at which pages there are.
 *
 * No page of the guard's own is there meanwhile, and accesses wait.
 */
void virtio_mem_guard_pause(VirtIOMEMGuard *guard);
void virtio_mem_guard_go_on(VirtIOMEMGuard *guard);

#endif
