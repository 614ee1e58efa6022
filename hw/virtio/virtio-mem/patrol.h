/*
 * virtio-mem: what is found in unplugged memory is discarded
 *
 * unplugged-protection=discard: now and then looks into unplugged blocks, from
 * a random one on, for a bounded time. A guest can then use memory that it has
 * given back, but not keep it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_PATROL_H
#define HW_VIRTIO_MEM_PATROL_H

#include "qapi/error.h"
#include "qemu/timer.h"
#include "backend.h"
#include "guard.h"
#include "memory.h"
#include "residency.h"
#include "violations.h"

#define VIRTIO_MEM_PATROL_DEFAULT_MS 1000
#define VIRTIO_MEM_PATROL_MAX_MS (60 * 60 * 1000)

/* Private to patrol.c. */
typedef struct VirtIOMEMPatrol {
    const VirtIOMEMGeometry *geo;
    const VirtIOMEMBlocks *blocks;
    const VirtIOMEMBackend *backend;
    const VirtIOMEMMemory *memory;
    VirtIOMEMGuard *guard;
    VirtIOMEMViolations *violations;
    VirtIOMEMResidency residency;
    unsigned interval;          /* ms */
    QEMUTimer *timer;           /* NULL: nobody is on patrol */
    Notifier guard_closed;
    uint64_t searched;          /* so many blocks have been, or all */
    bool search_again;          /* from the first one, afterwards */
    bool failure_told;
} VirtIOMEMPatrol;

/*
 * virtio_mem_patrol_start: look into unplugged memory from now on.
 *
 * @memory: what it gives back has not been used since
 * @guard: gives some pages away for a moment; or NULL. When it was open, all is
 *         searched from the first block to the last.
 * @interval: ms, from the end of a look to the next
 *
 * Returns false and sets @errp when this process may not see its page tables.
 */
bool virtio_mem_patrol_start(VirtIOMEMPatrol *patrol,
                             const VirtIOMEMGeometry *geo,
                             const VirtIOMEMBlocks *blocks,
                             const VirtIOMEMBackend *backend,
                             const VirtIOMEMMemory *memory,
                             VirtIOMEMGuard *guard,
                             VirtIOMEMViolations *violations, unsigned interval,
                             Error **errp);

/* Also when it was not started. */
void virtio_mem_patrol_stop(VirtIOMEMPatrol *patrol);

#endif
