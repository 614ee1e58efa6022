/*
 * virtio-mem: host memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "exec/ramblock.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "virtio-mem-backing.h"
#include "virtio-mem-populate.h"

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

/*
 * Memory that others share with an incoming VM may be all the memory there is
 * of the guest (x-ignore-shared). Whether it is, is known when the stream
 * comes, not yet now.
 */
static bool may_have_content(HostMemoryBackend *backend)
{
    return runstate_check(RUN_STATE_INMIGRATE) &&
           qemu_ram_is_shared(backend->mr.ram_block);
}

bool virtio_mem_backing_take(HostMemoryBackend *backend, RamDiscardManager *rdm,
                             Error **errp)
{
    const VirtIOMEMSpan all = { .size = memory_region_size(&backend->mr) };
    int ret = 0;

    if (ram_block_coordinated_discard_require(true)) {
        error_setg(errp, "virtio-mem gives unplugged memory back to the host,"
                   " which another device or option of this VM forbids");
        return false;
    }
    if (!may_have_content(backend)) {
        ret = virtio_mem_backing_discard(backend, all);
    }
    if (ret) {
        error_setg_errno(errp, -ret, "'memdev': memory of the backend cannot be"
                         " given back to the host");
        ram_block_coordinated_discard_require(false);
        return false;
    }
    host_memory_backend_set_mapped(backend, true);
    vmstate_register_ram(&backend->mr, DEVICE(rdm));
    memory_region_set_ram_discard_manager(&backend->mr, rdm);
    return true;
}

void virtio_mem_backing_release(HostMemoryBackend *backend, DeviceState *dev)
{
    memory_region_set_ram_discard_manager(&backend->mr, NULL);
    vmstate_unregister_ram(&backend->mr, dev);
    host_memory_backend_set_mapped(backend, false);
    ram_block_coordinated_discard_require(false);
}

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

int virtio_mem_backing_discard(HostMemoryBackend *backend, VirtIOMEMSpan span)
{
    return ram_block_discard_range(backend->mr.ram_block, span.offset,
                                   span.size);
}

int virtio_mem_backing_discard_in_steps(HostMemoryBackend *backend,
                                        VirtIOMEMSpan span)
{
    const uint64_t page_size = host_memory_backend_pagesize(backend);
    const uint64_t step = MAX(page_size, DISCARD_STEP);
    int ret = 0;

    for (uint64_t done = 0; !ret && done < span.size; done += step) {
        ret = virtio_mem_backing_discard(backend, (VirtIOMEMSpan) {
            .offset = span.offset + done,
            .size = MIN(step, span.size - done),
        });
        sched_yield();
    }
    return ret;
}

#ifdef CONFIG_LINUX
/* A shared file knows of its holes; looking at each page would take longer. */
static bool file_has_data(RAMBlock *rb, VirtIOMEMSpan span)
{
    const uint64_t start = rb->fd_offset + span.offset;
    const off_t data = lseek(qemu_ram_get_fd(rb), start, SEEK_DATA);

    return data < 0 ? errno != ENXIO : (uint64_t)data < start + span.size;
}

static uint64_t resident_bytes(void *area, uint64_t size)
{
    const uint64_t page_size = qemu_real_host_page_size();
    const uint64_t pages = size / page_size;
    g_autofree unsigned char *resident = g_malloc(pages);
    uint64_t bytes = 0;

    if (mincore(area, size, resident)) {
        return size;
    }
    for (uint64_t i = 0; i < pages; i++) {
        bytes += (resident[i] & 1) * page_size;
    }
    return bytes;
}
#endif

bool virtio_mem_backing_holds(HostMemoryBackend *backend, VirtIOMEMSpan span,
                              uint64_t bytes)
{
#ifdef CONFIG_LINUX
    RAMBlock *rb = backend->mr.ram_block;

    if (span.size > bytes && span.size <= LOOK_AT_MOST) {
        if (qemu_ram_is_shared(rb) && qemu_ram_get_fd(rb) >= 0) {
            return file_has_data(rb, span);
        }
        return resident_bytes((char *)memory_region_get_ram_ptr(&backend->mr) +
                              span.offset, span.size) > bytes;
    }
#endif
    return span.size > bytes;
}

/* Not less than a huge page, which would come as a whole with the first step. */
static uint64_t populate_step(HostMemoryBackend *backend)
{
    return MAX(virtio_mem_backing_default_block_size(backend), 2 * MiB);
}

int virtio_mem_backing_populate(HostMemoryBackend *backend, VirtIOMEMSpan span,
                                unsigned threads, Error **errp)
{
    const VirtIOMEMPopulate what = {
        .area = (char *)memory_region_get_ram_ptr(&backend->mr) + span.offset,
        .size = span.size,
        .step = populate_step(backend),
        .fd = memory_region_get_fd(&backend->mr),
        .threads = threads,
        .context = backend->prealloc_context,
    };

    return virtio_mem_populate(&what, errp);
}
