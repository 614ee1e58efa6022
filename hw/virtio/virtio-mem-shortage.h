/*
 * virtio-mem: what a host is short of
 *
 * Linux says "Bad address" when a file system or a pool of huge pages is full.
 * An operator has to know which, and how much is left.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SHORTAGE_H
#define HW_VIRTIO_MEM_SHORTAGE_H

#include "virtio-mem-backing.h"

/*
 * virtio_mem_shortage_describe: why could the memory of @backing not be had?
 *
 * @ret: the negative errno value of populating
 *
 * Sets @errp to a clause that names what is short, and what is left of it: the
 * pool of huge pages, the file system by path, or the host's memory and the
 * cgroup's. Reads files; any thread.
 */
void virtio_mem_shortage_describe(const VirtIOMEMBacking *backing, int ret,
                                  Error **errp);

#endif
