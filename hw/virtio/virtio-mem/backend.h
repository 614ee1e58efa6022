/*
 * virtio-mem: host memory
 *
 * What lies behind the device's region: page sizes, giving memory back to the
 * host and getting it. Everything here blocks until it is done.
 *
 * Nothing is discarded before it is known to be ours to discard:
 *
 *                      own      file with a name,   file with a name,
 *                               share=on            share=off (template)
 *   fresh start        all      all                 own copies
 *   -incoming          -        -                   -
 *   start of a load    all      -                   own copies
 *   load, blocks known -        unplugged blocks    -
 *   RAM not in stream  -        -                   -
 *   unplug, reset      range    range               own copies of the range
 *   end                -        -                   -
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_BACKEND_H
#define HW_VIRTIO_MEM_BACKEND_H

#include "system/hostmem.h"
#include "system/memory.h"
#include "blocks.h"
#include "residency.h"

/*
 * Whose is the content of the memory? What is not ours is not discarded.
 */
typedef enum VirtIOMEMContent {
    /* Nobody else sees it: anonymous memory, a file that QEMU made for it. */
    VIRTIO_MEM_CONTENT_OWN,
    /*
     * A file that has a name, mapped with share=on. It is the memory of the
     * guest, and of nobody else but for the time of a migration: then it may
     * be the only copy there is.
     */
    VIRTIO_MEM_CONTENT_FILE,
    /*
     * A file that has a name, mapped privately: a template, perhaps of other
     * VMs. What this VM has written is its own, the file is not and never
     * changes.
     */
    VIRTIO_MEM_CONTENT_TEMPLATE,
} VirtIOMEMContent;

/*
 * The memory of a realized device. Resolved once, under the BQL, so that a
 * thread without it finds all it needs; valid until it is released.
 */
typedef struct VirtIOMEMBackend {
    HostMemoryBackend *memdev;
    RAMBlock *rb;
    char *host;                 /* where it is mapped */
    char *path;                 /* of a file, or of its directory; or NULL */
    int fd;                     /* or -1 */
    uint64_t page_size;
    unsigned threads;           /* that populate, at most; 0: one a CPU */
    VirtIOMEMContent content;
} VirtIOMEMBackend;

/*
 * virtio_mem_backend_check: can @memdev serve a device at all?
 *
 * Returns false and sets @errp, naming the property to change, when it is in
 * use or preallocated.
 */
bool virtio_mem_backend_check(HostMemoryBackend *memdev, Error **errp);

/*
 * virtio_mem_backend_take: make @memdev the memory of the device @source.
 *
 * @threads: that populate, at most; 0: one for each CPU
 *
 * From now on all of it is given back to the host, but what the device
 * populates. A VM that waits for a migration stream leaves it as it is: it may
 * be what the stream is about.
 *
 * Returns false and sets @errp, with nothing changed, when memory cannot be
 * given back to the host.
 */
bool virtio_mem_backend_take(VirtIOMEMBackend *backend,
                             HostMemoryBackend *memdev, unsigned threads,
                             RamDiscardSource *source, Error **errp);

/* The opposite of virtio_mem_backend_take(). */
void virtio_mem_backend_release(VirtIOMEMBackend *backend, DeviceState *dev);

/* How the user calls it. The caller frees it. */
char *virtio_mem_backend_name(const VirtIOMEMBackend *backend);

/*
 * Could its content be the only copy that there is? So it is with a file while
 * the VM waits for a stream, or loads it: the other side may still run on it.
 */
bool virtio_mem_backend_may_be_needed(const VirtIOMEMBackend *backend);

/* For a look at where it has pages. */
VirtIOMEMMapping virtio_mem_backend_mapping(const VirtIOMEMBackend *backend);

/* Is it in no migration stream (x-ignore-shared, cpr)? */
bool virtio_mem_backend_is_left_out(const VirtIOMEMBackend *backend);

/* Where Linux tells the size of a transparent huge page. */
#define VIRTIO_MEM_THP_SIZE_FILE \
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

/*
 * virtio_mem_backend_default_block_size: bytes, a power of two.
 *
 * Ordinary pages: see virtio_mem_default_block_size(); other page sizes: the
 * page size, and at least VIRTIO_MEM_MIN_BLOCK_SIZE.
 */
uint64_t virtio_mem_backend_default_block_size(HostMemoryBackend *memdev);

/*
 * The same; sets @guessed to whether VIRTIO_MEM_THP_SIZE_FILE had to tell it
 * and does not.
 */
uint64_t virtio_mem_backend_find_block_size(HostMemoryBackend *memdev,
                                            bool *guessed);

/*
 * Does reading never-written memory take no host memory? Only anonymous
 * private memory of ordinary pages has the shared zero page.
 */
bool virtio_mem_backend_has_zero_page(HostMemoryBackend *memdev);

/*
 * Mark @span as dirty, as QEMU does with other fresh memory when it is created. For
 * memory that may never be plugged that would take a lot of memory and time.
 */
void virtio_mem_backend_set_dirty(const VirtIOMEMBackend *backend,
                                  VirtIOMEMSpan span);

/*
 * Give the host memory of @span back. @span is aligned to the page size.
 *
 * Of a template only what this VM has written is given back; the content is
 * then that of the file. Returns 0 or a negative errno value.
 */
int virtio_mem_backend_discard(const VirtIOMEMBackend *backend,
                               VirtIOMEMSpan span);

/*
 * The same in steps of 64 MiB, and of up to 512 where there is hardly any
 * memory. For a thread that nobody waits for: as it is with faulting in (see
 * populate.h), a kernel without locks for each mapping
 * keeps QEMU from changing its address space during a step. An error ends it;
 * the steps before are done. When @cancelled, which is atomic, becomes true it
 * ends soon with -ECANCELED.
 */
int virtio_mem_backend_discard_in_steps(const VirtIOMEMBackend *backend,
                                        VirtIOMEMSpan span,
                                        const bool *cancelled);

/*
 * virtio_mem_backend_discard_unplugged: give back what lies behind the
 * unplugged ones of @blocks, which a stream has told.
 *
 * Nothing to do unless it is a file whose content was kept until now.
 *
 * Asks a file where it has data: an empty one costs one call, not one for each
 * run of blocks. Returns 0 or a negative errno value; part may then be done.
 */
int virtio_mem_backend_discard_unplugged(const VirtIOMEMBackend *backend,
                                         const VirtIOMEMGeometry *geo,
                                         const VirtIOMEMBlocks *blocks);

/*
 * virtio_mem_backend_holds: is more host memory behind @span than @bytes?
 *
 * Quick, and only a guess: it says yes of more than 256 MiB without a look, and
 * of a shared file with any memory there.
 */
bool virtio_mem_backend_holds(const VirtIOMEMBackend *backend,
                              VirtIOMEMSpan span, uint64_t bytes);

/*
 * Fault in the host memory of @span for writing. The memory policy of the
 * backend is heeded.
 *
 * @cancelled: atomic; when it becomes true, ends soon with -ECANCELED
 *
 * Returns 0, or a negative errno value; part of @span may then be populated.
 * When it is a failure of the host, @errp is set and names what is short.
 */
int virtio_mem_backend_populate(const VirtIOMEMBackend *backend,
                                VirtIOMEMSpan span, const bool *cancelled,
                                Error **errp);

#endif
