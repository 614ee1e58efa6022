/*
 * virtio-mem: host memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/units.h"
#include "exec/ramblock.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "virtio-mem-backing.h"
#include "virtio-mem-populate.h"
#include "virtio-mem-shortage.h"

#define LOOK_AT_MOST (256 * MiB)
#define DISCARD_STEP (64 * MiB)

bool virtio_mem_backing_check(HostMemoryBackend *backend, Error **errp)
{
    g_autofree char *name = host_memory_backend_get_name(backend);

    if (host_memory_backend_is_mapped(backend)) {
        error_setg(errp, "'memdev' names the memory backend '%s', which is"
                   " already used by another device", name);
        return false;
    }
    if (backend->prealloc) {
        error_setg(errp, "'memdev' names the memory backend '%s', which has"
                   " prealloc=on; use prealloc=on of the virtio-mem device"
                   " instead, to populate memory as it is plugged", name);
        return false;
    }
    return true;
}

/* --- whose the content is ------------------------------------------------- */

static char *path_of(HostMemoryBackend *backend)
{
    return qemu_ram_is_named_file(backend->mr.ram_block) ?
           object_property_get_str(OBJECT(backend), "mem-path", NULL) : NULL;
}

/* QEMU makes a file without a name below a path that is a directory. */
static VirtIOMEMContent content_of(RAMBlock *rb, const char *path)
{
    if (!path || g_file_test(path, G_FILE_TEST_IS_DIR)) {
        return VIRTIO_MEM_CONTENT_OWN;
    }
    return qemu_ram_is_shared(rb) ? VIRTIO_MEM_CONTENT_FILE
                                  : VIRTIO_MEM_CONTENT_TEMPLATE;
}

/* Who relies on memory that goes back at unplug has to know that none does. */
static void warn_of_template(const VirtIOMEMBacking *backing)
{
    if (backing->content == VIRTIO_MEM_CONTENT_TEMPLATE &&
        !(backing->rb->flags & RAM_READONLY_FD)) {
        warn_report("virtio-mem: memory backend '%s' maps the file '%s' with"
                    " share=off: unplug gives back what this VM has written,"
                    " and never changes the file",
                    object_get_canonical_path_component(
                        OBJECT(backing->backend)), backing->path);
    }
}

/* --- take and release ----------------------------------------------------- */

/* At least a huge page, which would come as a whole with the first step. */
static uint64_t populate_step(HostMemoryBackend *backend)
{
    return MAX(virtio_mem_backing_default_block_size(backend), 2 * MiB);
}

static void resolve(VirtIOMEMBacking *backing, HostMemoryBackend *backend,
                    unsigned threads)
{
    RAMBlock *rb = backend->mr.ram_block;

    *backing = (VirtIOMEMBacking) {
        .backend = backend,
        .rb = rb,
        .host = memory_region_get_ram_ptr(&backend->mr),
        .fd = qemu_ram_get_fd(rb),
        .page_size = qemu_ram_pagesize(rb),
        .populate_step = populate_step(backend),
        .threads = threads,
        .path = path_of(backend),
    };
    backing->content = content_of(rb, backing->path);
}

bool virtio_mem_backing_take(VirtIOMEMBacking *backing,
                             HostMemoryBackend *backend, unsigned threads,
                             RamDiscardManager *rdm, Error **errp)
{
    const VirtIOMEMSpan all = { .size = memory_region_size(&backend->mr) };
    int ret = 0;

    if (ram_block_coordinated_discard_require(true)) {
        error_setg(errp, "virtio-mem gives unplugged memory back to the host,"
                   " which another device or option of this VM forbids");
        return false;
    }
    resolve(backing, backend, threads);
    if (!runstate_check(RUN_STATE_INMIGRATE)) {
        ret = virtio_mem_backing_discard(backing, all);
    }
    if (ret) {
        error_setg_errno(errp, -ret, "'memdev': memory of the backend cannot be"
                         " given back to the host");
        g_free(backing->path);
        ram_block_coordinated_discard_require(false);
        return false;
    }
    warn_of_template(backing);
    host_memory_backend_set_mapped(backend, true);
    vmstate_register_ram(&backend->mr, DEVICE(rdm));
    memory_region_set_ram_discard_manager(&backend->mr, rdm);
    return true;
}

void virtio_mem_backing_release(VirtIOMEMBacking *backing, DeviceState *dev)
{
    MemoryRegion *mr = &backing->backend->mr;

    memory_region_set_ram_discard_manager(mr, NULL);
    vmstate_unregister_ram(mr, dev);
    host_memory_backend_set_mapped(backing->backend, false);
    ram_block_coordinated_discard_require(false);
    g_free(backing->path);
}

/* --- block size ----------------------------------------------------------- */

uint64_t virtio_mem_backing_find_block_size(HostMemoryBackend *backend,
                                            bool *guessed)
{
    const uint64_t page_size = host_memory_backend_pagesize(backend);
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;

    if (page_size != qemu_real_host_page_size()) {
        *guessed = false;
        return MAX(page_size, VIRTIO_MEM_MIN_BLOCK_SIZE);
    }
    g_file_get_contents(VIRTIO_MEM_THP_SIZE_FILE, &text, NULL, &err);
    return virtio_mem_default_block_size(
        !g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_NOENT), text,
        page_size, guessed);
}

uint64_t virtio_mem_backing_default_block_size(HostMemoryBackend *backend)
{
    bool guessed;

    return virtio_mem_backing_find_block_size(backend, &guessed);
}

bool virtio_mem_backing_has_zero_page(HostMemoryBackend *backend)
{
    RAMBlock *rb = backend->mr.ram_block;

    return !qemu_ram_is_shared(rb) && qemu_ram_get_fd(rb) < 0 &&
           qemu_ram_pagesize(rb) == qemu_real_host_page_size();
}

/* --- discard -------------------------------------------------------------- */

int virtio_mem_backing_discard(const VirtIOMEMBacking *backing,
                               VirtIOMEMSpan span)
{
    if (backing->content != VIRTIO_MEM_CONTENT_TEMPLATE) {
        return ram_block_discard_range(backing->rb, span.offset, span.size);
    }
    /* ram_block_discard_range() would make a hole in the file. */
    return qemu_madvise(backing->host + span.offset, span.size,
                        QEMU_MADV_DONTNEED) ? -errno : 0;
}

int virtio_mem_backing_discard_in_steps(const VirtIOMEMBacking *backing,
                                        VirtIOMEMSpan span)
{
    const uint64_t step = MAX(backing->page_size, DISCARD_STEP);
    int ret = 0;

    for (uint64_t done = 0; !ret && done < span.size; done += step) {
        ret = virtio_mem_backing_discard(backing, (VirtIOMEMSpan) {
            .offset = span.offset + done,
            .size = MIN(step, span.size - done),
        });
        sched_yield();
    }
    return ret;
}

/*
 * Where the memory from @offset on begins that a file has; what cannot tell
 * (huge pages) has it at once.
 */
static uint64_t next_data(const VirtIOMEMBacking *backing, uint64_t offset)
{
    const uint64_t start = backing->rb->fd_offset + offset;
    const off_t data = lseek(backing->fd, start, SEEK_DATA);

    if (data < 0) {
        return errno == ENXIO ? UINT64_MAX : offset;
    }
    return data - backing->rb->fd_offset;
}

int virtio_mem_backing_discard_unplugged(const VirtIOMEMBacking *backing,
                                         const VirtIOMEMGeometry *geo,
                                         const VirtIOMEMBlocks *blocks)
{
    uint64_t data = 0;

    VIRTIO_MEM_FOREACH_RUN(run, blocks, virtio_mem_range_all(geo), false) {
        const VirtIOMEMSpan span = virtio_mem_range_span(geo, run);
        int ret = 0;

        if (backing->fd >= 0 && data < span.offset) {
            data = next_data(backing, span.offset);
        }
        if (data < span.offset + span.size) {
            ret = virtio_mem_backing_discard(backing, span);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

/* --- what is there -------------------------------------------------------- */

/* A shared file knows of its holes; looking at each page would take longer. */
static bool file_has_data(const VirtIOMEMBacking *backing, VirtIOMEMSpan span)
{
    return next_data(backing, span.offset) < span.offset + span.size;
}

static uint64_t resident_bytes(void *area, uint64_t size)
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

bool virtio_mem_backing_holds(const VirtIOMEMBacking *backing,
                              VirtIOMEMSpan span, uint64_t bytes)
{
    if (span.size <= bytes || span.size > LOOK_AT_MOST) {
        return span.size > bytes;
    }
    if (qemu_ram_is_shared(backing->rb) && backing->fd >= 0) {
        return file_has_data(backing, span);
    }
    return resident_bytes(backing->host + span.offset, span.size) > bytes;
}

/* --- populate ------------------------------------------------------------- */

int virtio_mem_backing_populate(const VirtIOMEMBacking *backing,
                                VirtIOMEMSpan span, Error **errp)
{
    const VirtIOMEMPopulate what = {
        .area = backing->host + span.offset,
        .size = span.size,
        .step = backing->populate_step,
        .threads = backing->threads,
    };
    const int ret = virtio_mem_populate(&what);

    if (ret) {
        virtio_mem_shortage_describe(backing, ret, errp);
    }
    return ret;
}
