/*
 * virtio-mem: what exists while a device is realized
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_LIVE_H
#define HW_VIRTIO_MEM_LIVE_H

#include "hw/virtio/virtio-mem.h"
#include "virtio-mem-backing.h"
#include "virtio-mem-effects.h"
#include "virtio-mem-migration.h"
#include "virtio-mem-news.h"
#include "virtio-mem-protocol.h"
#include "virtio-mem-queue.h"
#include "virtio-mem-rdm.h"
#include "virtio-mem-status.h"
#include "virtio-mem-system-reset.h"
#include "virtio-mem-transition.h"
#include "virtio-mem-wakeup.h"

struct VirtIOMEMLive {
    VirtIOMEMState state;
    VirtIOMEMBacking backing;
    VirtIOMEMTransition transition;         /* all at once */
    VirtIOMEMTransition transition_later;   /* may leave work to the worker */
    VirtIOMEMOperation operation;
    VirtIOMEMRdm rdm;
    bool unplugged_inaccessible;    /* 'auto' is resolved */
    VirtIOMEMQueue queue;
    VirtIOMEMWakeup wakeup;
    VirtIOMEMNews size_news;
    VirtIOMEMStatus status;
    VirtIOMEMSystemResetListener system_reset;
    VirtIOMEMMigration migration;
};

#endif
