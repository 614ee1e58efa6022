/*
 * Stand-in for QEMU's system/memory.h, for queue.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_MEMORY_H
#define SYSTEM_MEMORY_H

#include "exec/cpu-common.h"

typedef struct AddressSpace AddressSpace;
typedef struct MemoryRegion MemoryRegion;
typedef struct MemTxAttrs {
    bool unspecified;
} MemTxAttrs;

#define MEMTXATTRS_UNSPECIFIED ((MemTxAttrs) { .unspecified = true })

/* There is one thread. */
#define RCU_READ_LOCK_GUARD()

MemoryRegion *address_space_translate(AddressSpace *as, hwaddr addr,
                                      hwaddr *offset, hwaddr *len,
                                      bool is_write, MemTxAttrs attrs);
bool memory_access_is_direct(MemoryRegion *mr, bool is_write,
                             MemTxAttrs attrs);

#endif
