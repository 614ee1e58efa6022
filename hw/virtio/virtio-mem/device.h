/*
 * virtio-mem: what exists while a device is realized
 *
 * Where all modules come together. Only the QOM type and the transport include
 * this; whoever else needs something of it is given that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_DEVICE_H
#define HW_VIRTIO_MEM_DEVICE_H

#include "hw/virtio/virtio-mem.h"
#include "ahead.h"
#include "backend.h"
#include "change.h"
#include "guard.h"
#include "listeners.h"
#include "memory.h"
#include "migration.h"
#include "patrol.h"
#include "queue.h"
#include "report.h"
#include "retry.h"
#include "sizes.h"
#include "slots.h"
#include "system-reset.h"
#include "violations.h"

struct VirtIOMEMLive {
    bool unplugged_inaccessible;    /* 'auto' is resolved */
    VirtIOMEMState state;
    VirtIOMEMBackend backend;

    VirtIOMEMPartOfDevice *parts;   /* of a change, in order */
    VirtIOMEMEngine *engine;
    VirtIOMEMMemory memory;
    VirtIOMEMAhead ahead;
    VirtIOMEMSlots slots;
    VirtIOMEMListeners listeners;
    VirtIOMEMSizes sizes;
    VirtIOMEMRetry retry;

    VirtioMEMProtection protection; /* 'auto' is resolved */
    VirtIOMEMViolations violations;
    VirtIOMEMGuard *guard;
    VirtIOMEMPatrol patrol;

    VirtIOMEMQueue *queue;
    VirtIOMEMReport report;
    VirtIOMEMSystemResetListener system_reset;
    VirtIOMEMChange reset_change;   /* by a system reset */
    VirtIOMEMMigration migration;
};

#endif
