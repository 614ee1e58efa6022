/*
 * virtio-mem: pages that are lent for a moment
 *
 * Whoever accesses a page that is out of reach has to get one: a page of zeroes,
 * which is taken away again a moment later. So many are lent at a time at most.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_LENT_H
#define HW_VIRTIO_MEM_LENT_H

#include "backend.h"
#include "userfault.h"

#define VIRTIO_MEM_LENT_MAX 256

/* Private to lent.c. */
typedef struct VirtIOMEMLent {
    const VirtIOMEMBackend *backend;
    const VirtIOMEMUserfault *userfault;
    struct {
        uint64_t offset;
        int64_t since, counted;     /* get_clock() */
    } pages[VIRTIO_MEM_LENT_MAX];   /* a ring */
    unsigned oldest, count;
} VirtIOMEMLent;

/* None is lent yet; all is borrowed. */
void virtio_mem_lent_init(VirtIOMEMLent *lent, const VirtIOMEMBackend *backend,
                          const VirtIOMEMUserfault *userfault);

/*
 * virtio_mem_lent_lend: lend the page at @offset, which is registered; takes one
 * back if need be.
 *
 * Returns whether that counts: a page counts once in 20 ms. Whoever gets no
 * processor for a while finds that it was taken away, and needs it again.
 */
bool virtio_mem_lent_lend(VirtIOMEMLent *lent, uint64_t offset);

/*
 * virtio_mem_lent_take_back_old: those that have been lent for a millisecond.
 *
 * Returns how long it is until the next, in ms; -1: there is none.
 */
int virtio_mem_lent_take_back_old(VirtIOMEMLent *lent);

void virtio_mem_lent_take_back_all(VirtIOMEMLent *lent);

#endif
