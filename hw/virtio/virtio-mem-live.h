/*
 * virtio-mem: what exists while a device is realized
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_LIVE_H
#define HW_VIRTIO_MEM_LIVE_H

#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-migration.h"
#include "virtio-mem-protocol.h"
#include "virtio-mem-rdm.h"
#include "virtio-mem-system-reset.h"
#include "virtio-mem-transition.h"

struct VirtIOMEMLive {
    VirtIOMEMState state;
    VirtIOMEMTransition transition;
    VirtIOMEMRdm rdm;
    bool unplugged_inaccessible;    /* 'auto' is resolved */
    VirtQueue *vq;
    QEMUBH *more_requests;      /* goes on with a ring that was not emptied */
    VirtIOMEMSystemResetListener system_reset;
    VirtIOMEMMigration migration;
};

#endif
