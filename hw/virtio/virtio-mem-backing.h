/*
 * virtio-mem: host memory
 *
 * What lies behind the device's region: page sizes, giving memory back to the
 * host and getting it. Everything here blocks until it is done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_BACKING_H
#define HW_VIRTIO_MEM_BACKING_H

#include "system/hostmem.h"
#include "virtio-mem-geometry.h"

/*
 * virtio_mem_backing_check: can @backend serve a device at all?
 *
 * Returns false and sets @errp, naming the property to change, when it is in
 * use or preallocated.
 */
bool virtio_mem_backing_check(HostMemoryBackend *backend, Error **errp);

/*
 * virtio_mem_backing_take: make @backend the memory of the device @rdm.
 *
 * From now on all of it is given back to the host, but what the device
 * populates; only an incoming migration may find content that has to stay.
 *
 * Returns false and sets @errp, with nothing changed, when memory cannot be
 * given back to the host.
 */
bool virtio_mem_backing_take(HostMemoryBackend *backend, RamDiscardManager *rdm,
                             Error **errp);

/* The opposite of virtio_mem_backing_take(). */
void virtio_mem_backing_release(HostMemoryBackend *backend, DeviceState *dev);

/* Where Linux tells the size of a transparent huge page. */
#define VIRTIO_MEM_THP_SIZE_FILE \
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

/*
 * virtio_mem_backing_default_block_size: bytes, a power of two.
 *
 * Ordinary pages: see virtio_mem_default_block_size(); other page sizes: the
 * page size, and at least VIRTIO_MEM_MIN_BLOCK_SIZE.
 */
uint64_t virtio_mem_backing_default_block_size(HostMemoryBackend *backend);

/*
 * The same; sets @guessed to whether VIRTIO_MEM_THP_SIZE_FILE had to tell it
 * and does not.
 */
uint64_t virtio_mem_backing_find_block_size(HostMemoryBackend *backend,
                                            bool *guessed);

/*
 * Does reading never-written memory take no host memory? Only anonymous
 * private memory of ordinary pages has the shared zero page.
 */
bool virtio_mem_backing_has_zero_page(HostMemoryBackend *backend);

/*
 * Give the host memory of @span back. @span is aligned to the page size.
 * Returns 0 or a negative errno value; QEMU has then logged why.
 */
int virtio_mem_backing_discard(HostMemoryBackend *backend, VirtIOMEMSpan span);

/*
 * The same in steps of 64 MiB, in between which whoever is ready to run goes
 * first. For a thread that nobody waits for: as it is with faulting in (see
 * virtio-mem-populate.h), a kernel without locks for each mapping keeps QEMU from
 * changing its address space during a step. An error ends it; the steps before
 * are done.
 */
int virtio_mem_backing_discard_in_steps(HostMemoryBackend *backend,
                                        VirtIOMEMSpan span);

/*
 * virtio_mem_backing_holds: is more host memory behind @span than @bytes?
 *
 * Quick, and only a guess: it says yes of more than 256 MiB without a look, and
 * of a shared file with any memory there.
 */
bool virtio_mem_backing_holds(HostMemoryBackend *backend, VirtIOMEMSpan span,
                              uint64_t bytes);

/*
 * Fault in the host memory of @span for writing, with up to @threads threads,
 * or as many as there are CPUs when it is 0. The memory policy and the thread
 * context of @backend are heeded.
 * Returns 0, or -ENOMEM and sets @errp; part of @span may then be populated.
 */
int virtio_mem_backing_populate(HostMemoryBackend *backend, VirtIOMEMSpan span,
                                unsigned threads, Error **errp);

#endif
