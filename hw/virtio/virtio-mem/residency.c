/*
 * virtio-mem: where memory of the host is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "residency.h"

/* From linux/fs.h of 6.7, which a distribution may not have yet. */
#ifndef PAGEMAP_SCAN
struct pm_scan_arg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};
struct page_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};
#define PAGEMAP_SCAN    _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE    (1 << 2)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#endif

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_FILE    (1ull << 61)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_PRESENT (1ull << 63)

#define AT_ONCE 512     /* entries read of the page map */

static uint64_t residency_page_size(void)
{
    return sysconf(_SC_PAGESIZE);
}

/* --- a file --------------------------------------------------------------- */

/* Where its data, or the hole behind that, is from @offset on. */
static uint64_t residency_seek(const VirtIOMEMMapping *mapping,
                               uint64_t offset, int whence)
{
    const off_t at = lseek(mapping->fd, mapping->fd_offset + offset, whence);

    return at < 0 ? mapping->size : MIN(at - mapping->fd_offset, mapping->size);
}

static bool residency_find_data(const VirtIOMEMMapping *mapping,
                                VirtIOMEMSpan within, VirtIOMEMSpan *found)
{
    const uint64_t end = within.offset + within.size;

    found->offset = residency_seek(mapping, within.offset, SEEK_DATA);
    if (found->offset >= end) {
        return false;
    }
    found->size = MIN(residency_seek(mapping, found->offset, SEEK_HOLE), end) -
                  found->offset;
    return found->size > 0;
}

/* --- page tables ---------------------------------------------------------- */

static bool residency_scan(const VirtIOMEMResidency *residency,
                           VirtIOMEMSpan within, VirtIOMEMSpan *found)
{
    const VirtIOMEMMapping *mapping = &residency->mapping;
    const uint64_t start = (uintptr_t)mapping->host + within.offset;
    struct page_region region;
    struct pm_scan_arg arg = {
        .size = sizeof(arg),
        .start = start,
        .end = start + within.size,
        .vec = (uintptr_t)&region,
        .vec_len = 1,
        .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        .return_mask = PAGE_IS_PRESENT,
    };

    if (mapping->only_copies) {
        arg.category_inverted = arg.category_mask = PAGE_IS_FILE;
    }
    if (ioctl(residency->pagemap, PAGEMAP_SCAN, &arg) <= 0) {
        return false;
    }
    found->offset = region.start - (uintptr_t)mapping->host;
    found->size = region.end - region.start;
    return true;
}

static bool residency_counts(const VirtIOMEMMapping *mapping, uint64_t entry)
{
    return entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) &&
           !(mapping->only_copies && entry & PAGEMAP_FILE);
}

static bool residency_read(const VirtIOMEMResidency *residency,
                           VirtIOMEMSpan within, VirtIOMEMSpan *found)
{
    const VirtIOMEMMapping *mapping = &residency->mapping;
    const uint64_t page_size = residency_page_size();
    const uint64_t first = ((uintptr_t)mapping->host + within.offset) /
                           page_size;
    const uint64_t pages = within.size / page_size;
    uint64_t entries[AT_ONCE];

    found->size = 0;
    for (uint64_t done = 0; done < pages; done += AT_ONCE) {
        const uint64_t now = MIN(pages - done, AT_ONCE);
        const ssize_t bytes = now * sizeof(*entries);

        if (pread(residency->pagemap, entries, bytes,
                  (first + done) * sizeof(*entries)) != bytes) {
            break;
        }
        for (uint64_t i = 0; i < now; i++) {
            if (residency_counts(mapping, entries[i])) {
                if (!found->size) {
                    found->offset = within.offset + (done + i) * page_size;
                }
                found->size += page_size;
            } else if (found->size) {
                return true;
            }
        }
    }
    return found->size > 0;
}

/* --- both ----------------------------------------------------------------- */

bool virtio_mem_residency_find(const VirtIOMEMResidency *residency,
                               VirtIOMEMSpan within, VirtIOMEMSpan *found)
{
    if (residency->file_tells) {
        return residency_find_data(&residency->mapping, within, found);
    }
    return residency->can_scan ? residency_scan(residency, within, found)
                               : residency_read(residency, within, found);
}

uint64_t virtio_mem_residency_reach(const VirtIOMEMResidency *residency)
{
    if (residency->file_tells) {
        return UINT64_MAX;      /* it walks along its data, not its holes */
    }
    return (residency->can_scan ? 256 : 16) << 20;
}

int virtio_mem_residency_init(VirtIOMEMResidency *residency,
                              const VirtIOMEMMapping *mapping)
{
    const VirtIOMEMSpan page = { .size = residency_page_size() };
    VirtIOMEMSpan found;

    *residency = (VirtIOMEMResidency) {
        .mapping = *mapping,
        .pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
    };
    if (residency->pagemap < 0) {
        return -errno;
    }
    residency->file_tells =
        mapping->fd >= 0 && !mapping->is_private &&
        residency_seek(mapping, 0, SEEK_DATA) == mapping->size;
    errno = 0;
    residency_scan(residency, page, &found);
    residency->can_scan = errno != ENOTTY && errno != EINVAL;
    return 0;
}

void virtio_mem_residency_cleanup(VirtIOMEMResidency *residency)
{
    close(residency->pagemap);
}
