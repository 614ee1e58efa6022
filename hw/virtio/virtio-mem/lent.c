/*
 * virtio-mem: pages that are lent for a moment
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "lent.h"

#define LENT_NS SCALE_MS
#define LENT_COUNTS_NS (20 * SCALE_MS)

static void lent_take_back_oldest(VirtIOMEMLent *lent)
{
    const VirtIOMEMSpan page = {
        .offset = lent->pages[lent->oldest].offset,
        .size = lent->backend->page_size,
    };

    lent->oldest = (lent->oldest + 1) % VIRTIO_MEM_LENT_MAX;
    lent->count--;
    virtio_mem_backend_discard(lent->backend, page);
}

void virtio_mem_lent_take_back_all(VirtIOMEMLent *lent)
{
    while (lent->count) {
        lent_take_back_oldest(lent);
    }
}

int virtio_mem_lent_take_back_old(VirtIOMEMLent *lent)
{
    const int64_t now = get_clock();

    while (lent->count) {
        const int64_t left = lent->pages[lent->oldest].since + LENT_NS - now;

        if (left > 0) {
            return DIV_ROUND_UP(left, SCALE_MS);
        }
        lent_take_back_oldest(lent);
    }
    return -1;
}

/* When the page was counted last, or long ago. */
static int64_t lent_counted(const VirtIOMEMLent *lent, uint64_t offset)
{
    int64_t last = -LENT_COUNTS_NS;

    for (unsigned i = 0; i < VIRTIO_MEM_LENT_MAX; i++) {
        if (lent->pages[i].offset == offset && lent->pages[i].counted > last) {
            last = lent->pages[i].counted;
        }
    }
    return last;
}

bool virtio_mem_lent_lend(VirtIOMEMLent *lent, uint64_t offset)
{
    const int64_t now = get_clock();
    const int64_t counted = lent_counted(lent, offset);
    const bool counts = now - counted >= LENT_COUNTS_NS;
    unsigned i;

    if (lent->count == VIRTIO_MEM_LENT_MAX) {
        lent_take_back_oldest(lent);
    }
    if (virtio_mem_userfault_fill(lent->userfault, offset)) {
        i = (lent->oldest + lent->count++) % VIRTIO_MEM_LENT_MAX;
        lent->pages[i].offset = offset;
        lent->pages[i].since = now;
        lent->pages[i].counted = counts ? now : counted;
    }
    return counts;
}

void virtio_mem_lent_init(VirtIOMEMLent *lent, const VirtIOMEMBackend *backend,
                          const VirtIOMEMUserfault *userfault)
{
    *lent = (VirtIOMEMLent) {
        .backend = backend,
        .userfault = userfault,
    };
}
