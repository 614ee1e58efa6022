/*
 * virtio-mem: host memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/units.h"
#include "system/ramblock.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "backend.h"
#include "geometry.h"
#include "populate.h"
#include "shortage.h"
#include "steps.h"
#include "worker.h"

#define BACKEND_LOOK_AT_MOST (256 * MiB)
#define BACKEND_DISCARD_STEP (64 * MiB)
#define BACKEND_DISCARD_MOST (512 * MiB)     /* where there is hardly any */
#define BACKEND_POPULATE_STEP (2 * MiB)

bool virtio_mem_backend_check(HostMemoryBackend *memdev, Error **errp)
{
    g_autofree char *name = host_memory_backend_get_name(memdev);

    if (host_memory_backend_is_mapped(memdev)) {
        error_setg(errp, "'memdev' names the memory backend '%s', which is"
                   " already used by another device", name);
        return false;
    }
    if (memdev->prealloc) {
        error_setg(errp, "'memdev' names the memory backend '%s', which has"
                   " prealloc=on; use prealloc=on of the virtio-mem device"
                   " instead, to populate memory as it is plugged", name);
        return false;
    }
    return true;
}

/* --- whose the content is ------------------------------------------------- */

static char *backend_path_of(HostMemoryBackend *memdev)
{
    return qemu_ram_is_named_file(memdev->mr.ram_block) ?
           object_property_get_str(OBJECT(memdev), "mem-path", NULL) : NULL;
}

/* QEMU makes a file without a name below a path that is a directory. */
static VirtIOMEMContent backend_content_of(RAMBlock *rb, const char *path)
{
    if (!path || g_file_test(path, G_FILE_TEST_IS_DIR)) {
        return VIRTIO_MEM_CONTENT_OWN;
    }
    return qemu_ram_is_shared(rb) ? VIRTIO_MEM_CONTENT_FILE
                                  : VIRTIO_MEM_CONTENT_TEMPLATE;
}

/* Who relies on memory that goes back at unplug has to know that none does. */
static void backend_warn_of_template(const VirtIOMEMBackend *backend)
{
    if (backend->content == VIRTIO_MEM_CONTENT_TEMPLATE &&
        !(backend->rb->flags & RAM_READONLY_FD)) {
        warn_report("virtio-mem: memory backend '%s' maps the file '%s' with"
                    " share=off: unplug gives back what this VM has written,"
                    " and never changes the file",
                    object_get_canonical_path_component(
                        OBJECT(backend->memdev)), backend->path);
    }
}

bool virtio_mem_backend_may_be_needed(const VirtIOMEMBackend *backend)
{
    /* Postcopy is different: QEMU itself has emptied the file before. */
    return backend->content == VIRTIO_MEM_CONTENT_FILE &&
           runstate_check(RUN_STATE_INMIGRATE) &&
           !migration_incoming_postcopy_advised();
}

bool virtio_mem_backend_is_left_out(const VirtIOMEMBackend *backend)
{
    return migrate_ram_is_ignored(backend->rb);
}

/* --- take and release ----------------------------------------------------- */

char *virtio_mem_backend_name(const VirtIOMEMBackend *backend)
{
    return host_memory_backend_get_name(backend->memdev);
}

static void backend_resolve(VirtIOMEMBackend *backend,
                            HostMemoryBackend *memdev, unsigned threads)
{
    RAMBlock *rb = memdev->mr.ram_block;

    *backend = (VirtIOMEMBackend) {
        .memdev = memdev,
        .rb = rb,
        .host = memory_region_get_ram_ptr(&memdev->mr),
        .fd = qemu_ram_get_fd(rb),
        .page_size = qemu_ram_pagesize(rb),
        .threads = threads,
        .path = backend_path_of(memdev),
    };
    backend->content = backend_content_of(rb, backend->path);
}

bool virtio_mem_backend_take(VirtIOMEMBackend *backend,
                             HostMemoryBackend *memdev, unsigned threads,
                             RamDiscardSource *source, Error **errp)
{
    const VirtIOMEMSpan all = { .size = memory_region_size(&memdev->mr) };
    int ret = 0;

    if (ram_block_coordinated_discard_require(true)) {
        error_setg(errp, "virtio-mem gives unplugged memory back to the host,"
                   " which another device or option of this VM forbids");
        return false;
    }
    backend_resolve(backend, memdev, threads);
    if (!runstate_check(RUN_STATE_INMIGRATE)) {
        ret = virtio_mem_backend_discard(backend, all);
    }
    if (ret) {
        error_setg_errno(errp, -ret, "'memdev': memory of the backend cannot be"
                         " given back to the host");
        g_free(backend->path);
        ram_block_coordinated_discard_require(false);
        return false;
    }
    backend_warn_of_template(backend);
    memory_region_add_ram_discard_source(&memdev->mr, source);
    host_memory_backend_set_mapped(memdev, true);
    vmstate_register_ram(&memdev->mr, DEVICE(source));
    return true;
}

void virtio_mem_backend_release(VirtIOMEMBackend *backend, DeviceState *dev)
{
    MemoryRegion *mr = &backend->memdev->mr;

    memory_region_del_ram_discard_source(mr, RAM_DISCARD_SOURCE(dev));
    vmstate_unregister_ram(mr, dev);
    host_memory_backend_set_mapped(backend->memdev, false);
    ram_block_coordinated_discard_require(false);
    g_free(backend->path);
}

/* --- block size ----------------------------------------------------------- */

uint64_t virtio_mem_backend_find_block_size(HostMemoryBackend *memdev,
                                            bool *guessed)
{
    const uint64_t page_size = host_memory_backend_pagesize(memdev);
    const uint64_t usual = virtio_mem_usual_huge_page(page_size);
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;

    if (page_size != qemu_real_host_page_size()) {
        *guessed = false;
        return MAX(page_size, VIRTIO_MEM_MIN_BLOCK_SIZE);
    }
    g_file_get_contents(VIRTIO_MEM_THP_SIZE_FILE, &text, NULL, &err);
    return virtio_mem_default_block_size(
        !g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_NOENT), text,
        page_size, usual, guessed);
}

uint64_t virtio_mem_backend_default_block_size(HostMemoryBackend *memdev)
{
    bool guessed;

    return virtio_mem_backend_find_block_size(memdev, &guessed);
}

bool virtio_mem_backend_has_zero_page(HostMemoryBackend *memdev)
{
    RAMBlock *rb = memdev->mr.ram_block;

    return !qemu_ram_is_shared(rb) && qemu_ram_get_fd(rb) < 0 &&
           qemu_ram_pagesize(rb) == qemu_real_host_page_size();
}

void virtio_mem_backend_set_dirty(const VirtIOMEMBackend *backend,
                                  VirtIOMEMSpan span)
{
    memory_region_set_dirty(&backend->memdev->mr, span.offset, span.size);
}

/* --- discard -------------------------------------------------------------- */

int virtio_mem_backend_discard(const VirtIOMEMBackend *backend,
                               VirtIOMEMSpan span)
{
    if (backend->content != VIRTIO_MEM_CONTENT_TEMPLATE) {
        return ram_block_discard_range(backend->rb, span.offset, span.size);
    }
    /* ram_block_discard_range() would make a hole in the file. */
    return qemu_madvise(backend->host + span.offset, span.size,
                        QEMU_MADV_DONTNEED) ? -errno : 0;
}

typedef struct BackendDiscard {
    const VirtIOMEMBackend *backend;
    VirtIOMEMSpan span;
    uint64_t step;
    uint64_t done;              /* bytes, by a single thread */
    const bool *cancelled;      /* atomic */
} BackendDiscard;

static VirtIOMEMSpan backend_step_of(const BackendDiscard *discard, uint64_t at)
{
    return (VirtIOMEMSpan) {
        .offset = discard->span.offset + at,
        .size = MIN(discard->step, discard->span.size - at),
    };
}

static int backend_discard_step(void *opaque, size_t first, size_t count)
{
    BackendDiscard *discard = opaque;
    VirtIOMEMSpan span = backend_step_of(discard, first * discard->step);

    span.size = MIN(count * discard->step,
                    discard->span.offset + discard->span.size - span.offset);

    if (qatomic_read(discard->cancelled)) {
        return -ECANCELED;
    }
    qatomic_set(&discard->done, first * discard->step);
    return virtio_mem_backend_discard(discard->backend, span);
}

/* A hole is made sooner where nobody has the file's pages mapped. */
static void *backend_unmap_ahead(void *opaque)
{
    const BackendDiscard *discard = opaque;

    for (uint64_t at = 0; at < discard->span.size &&
                          !qatomic_read(discard->cancelled);
         at += discard->step) {
        if (at >= qatomic_read(&discard->done)) {
            const VirtIOMEMSpan span = backend_step_of(discard, at);

            qemu_madvise(discard->backend->host + span.offset, span.size,
                         QEMU_MADV_DONTNEED);
        }
    }
    return NULL;
}

/*
 * Linux takes pages from a process in several threads, but makes only one hole in
 * a file at a time.
 */
int virtio_mem_backend_discard_in_steps(const VirtIOMEMBackend *backend,
                                        VirtIOMEMSpan span,
                                        const bool *cancelled)
{
    const unsigned most = backend->threads ?: VIRTIO_MEM_STEPS_MAX_THREADS;
    const bool is_small = backend->page_size == qemu_real_host_page_size();
    const bool is_shared = qemu_ram_is_shared(backend->rb);
    BackendDiscard discard = {
        .backend = backend,
        .span = span,
        .step = MAX(backend->page_size, BACKEND_DISCARD_STEP),
        .cancelled = cancelled,
    };
    const VirtIOMEMSteps steps = {
        .count = DIV_ROUND_UP(span.size, discard.step),
        .most = BACKEND_DISCARD_MOST / BACKEND_DISCARD_STEP,
        .threads = is_small && !is_shared && backend->fd < 0 ? most : 1,
        .step = backend_discard_step,
        .opaque = &discard,
    };
    QemuThread thread;
    const bool ahead = is_small && is_shared && most > 1 && steps.count > 1 &&
                       !virtio_mem_thread_create(&thread, backend_unmap_ahead,
                                                 &discard);
    const int ret = virtio_mem_steps_run(&steps);

    if (ahead) {
        qemu_thread_join(&thread);
    }
    return ret;
}

/*
 * Where the memory from @offset on begins that a file has; what cannot tell
 * (huge pages) has it at once.
 */
static uint64_t backend_next_data(const VirtIOMEMBackend *backend,
                                  uint64_t offset)
{
    const uint64_t start = backend->rb->fd_offset + offset;
    const off_t data = lseek(backend->fd, start, SEEK_DATA);

    if (data < 0) {
        return errno == ENXIO ? UINT64_MAX : offset;
    }
    return data - backend->rb->fd_offset;
}

int virtio_mem_backend_discard_unplugged(const VirtIOMEMBackend *backend,
                                         const VirtIOMEMGeometry *geo,
                                         const VirtIOMEMBlocks *blocks)
{
    uint64_t data = 0;

    if (backend->content != VIRTIO_MEM_CONTENT_FILE) {
        return 0;
    }
    VIRTIO_MEM_FOREACH_RUN(run, blocks, virtio_mem_range_all(geo), false) {
        const VirtIOMEMSpan span = virtio_mem_range_span(geo, run);
        int ret = 0;

        if (backend->fd >= 0 && data < span.offset) {
            data = backend_next_data(backend, span.offset);
        }
        if (data < span.offset + span.size) {
            ret = virtio_mem_backend_discard(backend, span);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

VirtIOMEMMapping virtio_mem_backend_mapping(const VirtIOMEMBackend *backend)
{
    const bool huge = backend->page_size != qemu_real_host_page_size();

    return (VirtIOMEMMapping) {
        .host = backend->host,
        .size = backend->rb->used_length,
        /* hugetlbfs does not tell of its holes. */
        .fd = huge ? -1 : backend->fd,
        .fd_offset = backend->rb->fd_offset,
        .is_private = !qemu_ram_is_shared(backend->rb),
        .only_copies = backend->content == VIRTIO_MEM_CONTENT_TEMPLATE,
    };
}

/* --- what is there -------------------------------------------------------- */

/* A shared file knows of its holes; looking at each page would take longer. */
static bool backend_file_has_data(const VirtIOMEMBackend *backend,
                                  VirtIOMEMSpan span)
{
    return backend_next_data(backend, span.offset) < span.offset + span.size;
}

static uint64_t backend_resident_bytes(void *area, uint64_t size)
{
    const uint64_t page_size = qemu_real_host_page_size();
    const uint64_t pages = size / page_size;
    g_autofree unsigned char *resident = g_try_malloc(pages);
    uint64_t bytes = 0;

    if (!resident || mincore(area, size, resident)) {
        return size;
    }
    for (uint64_t i = 0; i < pages; i++) {
        bytes += (resident[i] & 1) * page_size;
    }
    return bytes;
}

bool virtio_mem_backend_holds(const VirtIOMEMBackend *backend,
                              VirtIOMEMSpan span, uint64_t bytes)
{
    if (span.size <= bytes || span.size > BACKEND_LOOK_AT_MOST) {
        return span.size > bytes;
    }
    if (qemu_ram_is_shared(backend->rb) && backend->fd >= 0) {
        return backend_file_has_data(backend, span);
    }
    return backend_resident_bytes(backend->host + span.offset, span.size) >
           bytes;
}

/* --- populate ------------------------------------------------------------- */

int virtio_mem_backend_populate(const VirtIOMEMBackend *backend,
                                VirtIOMEMSpan span, const bool *cancelled,
                                Error **errp)
{
    VirtIOMEMPopulate what = {
        .area = backend->host + span.offset,
        .size = span.size,
        .step = MAX(backend->page_size, BACKEND_POPULATE_STEP),
        .threads = backend->threads,
        .looks = backend->page_size == qemu_real_host_page_size(),
        .cancelled = cancelled,
    };
    const int ret = virtio_mem_populate(&what);

    if (ret && ret != -ECANCELED) {
        virtio_mem_shortage_describe(ret, backend->page_size, backend->path,
                                     backend->fd, errp);
    }
    return ret;
}
