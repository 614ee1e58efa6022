/*
 * virtio-mem: where memory of the host is
 *
 * Looks for pages behind a mapping, without touching any. A file that tells
 * where it has data knows of pages that other processes have put there; all
 * else is asked of the page tables of this process: PAGEMAP_SCAN (Linux 6.7)
 * passes by empty ones, reading /proc/self/pagemap has to look at each entry.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_RESIDENCY_H
#define HW_VIRTIO_MEM_RESIDENCY_H

#include "geometry.h"

/* Memory that is looked at. */
typedef struct VirtIOMEMMapping {
    char *host;                 /* where it is mapped */
    uint64_t size;              /* bytes */
    int fd;                     /* of a file, or -1 */
    uint64_t fd_offset;         /* of the memory in it */
    bool is_private;            /* not shared with others that map the file */
    bool only_copies;           /* what is the file's does not count */
} VirtIOMEMMapping;

/* Private to residency.c; tests may forbid what a kernel may lack. */
typedef struct VirtIOMEMResidency {
    VirtIOMEMMapping mapping;
    bool file_tells;            /* where it has data */
    bool can_scan;              /* PAGEMAP_SCAN */
    int pagemap;
} VirtIOMEMResidency;

/*
 * virtio_mem_residency_init: find out how the pages of @mapping can be found.
 *
 * Call it while there are none, if possible: a file system that does not tell
 * of holes is known by that.
 *
 * Returns 0, or the negative errno value of opening /proc/self/pagemap.
 */
int virtio_mem_residency_init(VirtIOMEMResidency *residency,
                              const VirtIOMEMMapping *mapping);
void virtio_mem_residency_cleanup(VirtIOMEMResidency *residency);

/*
 * virtio_mem_residency_find: the first run of pages in @within, which has the
 * bounds of pages.
 *
 * A page that was swapped out is there, too.
 *
 * Returns false when there are none, or when the kernel does not say.
 */
bool virtio_mem_residency_find(const VirtIOMEMResidency *residency,
                               VirtIOMEMSpan within, VirtIOMEMSpan *found);

/* Bytes that a single look should have at most, to be over in a millisecond. */
uint64_t virtio_mem_residency_reach(const VirtIOMEMResidency *residency);

#endif
