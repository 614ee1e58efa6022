/*
 * virtio-mem: the sizes of a device and its three coordinates
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "geometry.h"

static bool geometry_is_multiple(uint64_t value, uint64_t power_of_two)
{
    return !(value & (power_of_two - 1));
}

VirtIOMEMFault virtio_mem_geometry_check(const VirtIOMEMGeometry *geo,
                                         uint64_t page_size)
{
    const uint64_t block = geo->block_size;

    if (!block || !geometry_is_multiple(block, block)) {
        return VIRTIO_MEM_FAULT_BLOCK_POWER;
    }
    if (block < VIRTIO_MEM_MIN_BLOCK_SIZE) {
        return VIRTIO_MEM_FAULT_BLOCK_SMALL;
    }
    if (block < page_size) {
        return VIRTIO_MEM_FAULT_BLOCK_PAGE;
    }
    if (!geo->region_size) {
        return VIRTIO_MEM_FAULT_REGION_EMPTY;
    }
    if (!geometry_is_multiple(geo->region_size, block)) {
        return VIRTIO_MEM_FAULT_REGION_BLOCKS;
    }
    if (geo->region_size / block > VIRTIO_MEM_MAX_BLOCKS) {
        return VIRTIO_MEM_FAULT_REGION_MANY;
    }
    if (!geometry_is_multiple(geo->addr.gpa, block)) {
        return VIRTIO_MEM_FAULT_ADDR_ALIGN;
    }
    if (geo->addr.gpa > UINT64_MAX - geo->region_size) {
        return VIRTIO_MEM_FAULT_ADDR_WRAP;
    }
    return VIRTIO_MEM_FAULT_NONE;
}

VirtIOMEMFault virtio_mem_geometry_check_size(const VirtIOMEMGeometry *geo,
                                              uint64_t size)
{
    if (size > geo->region_size) {
        return VIRTIO_MEM_FAULT_SIZE_LARGE;
    }
    if (!geometry_is_multiple(size, geo->block_size)) {
        return VIRTIO_MEM_FAULT_SIZE_ALIGN;
    }
    return VIRTIO_MEM_FAULT_NONE;
}

uint64_t virtio_mem_usual_huge_page(uint64_t page_size)
{
#ifdef __s390x__
    return VIRTIO_MEM_MIN_BLOCK_SIZE;
#else
    /* A page table one level above the smallest page. */
    return page_size * (page_size / sizeof(uint64_t));
#endif
}

uint64_t virtio_mem_default_block_size(bool shown, const char *text,
                                       uint64_t page_size, uint64_t usual,
                                       bool *guessed)
{
    uint64_t size = 0;

    *guessed = false;
    if (shown) {
        g_autofree char *number = g_strchomp(g_strdup(text ?: ""));

        *guessed = !g_ascii_string_to_unsigned(number, 10, page_size,
                                               UINT64_MAX, &size, NULL) ||
                   !geometry_is_multiple(size, size);
    }
    if (*guessed) {
        size = usual;
    }
    return MAX(size, VIRTIO_MEM_MIN_BLOCK_SIZE);
}

uint64_t virtio_mem_geometry_blocks(const VirtIOMEMGeometry *geo)
{
    return geo->region_size / geo->block_size;
}

uint64_t virtio_mem_geometry_usable(const VirtIOMEMGeometry *geo,
                                    uint64_t requested_size)
{
    uint64_t room, extent;

    if (!requested_size) {
        return 0;
    }
    /* Both are multiples of the block, so rounding up cannot pass the end. */
    room = geo->region_size - requested_size;
    extent = MIN(geo->usable_extent, room);
    extent = (extent + geo->block_size - 1) & ~(geo->block_size - 1);
    return requested_size + extent;
}

bool virtio_mem_range_from_guest(const VirtIOMEMGeometry *geo,
                                 uint64_t usable_size, VirtIOMEMAddr addr,
                                 uint16_t nb_blocks, VirtIOMEMRange *range)
{
    uint64_t offset;

    if (addr.gpa < geo->addr.gpa || !nb_blocks) {
        return false;
    }
    offset = addr.gpa - geo->addr.gpa;
    if (!geometry_is_multiple(offset, geo->block_size) ||
        offset >= usable_size ||
        nb_blocks > (usable_size - offset) / geo->block_size) {
        return false;
    }
    range->first = offset / geo->block_size;
    range->count = nb_blocks;
    return true;
}

VirtIOMEMRange virtio_mem_range_all(const VirtIOMEMGeometry *geo)
{
    return (VirtIOMEMRange) {
        .first = 0,
        .count = virtio_mem_geometry_blocks(geo),
    };
}

VirtIOMEMRange virtio_mem_range_covering(const VirtIOMEMGeometry *geo,
                                         VirtIOMEMSpan span)
{
    VirtIOMEMRange range = { .first = span.offset / geo->block_size };

    if (span.size) {
        const uint64_t last = (span.offset + span.size - 1) / geo->block_size;

        range.count = last - range.first + 1;
    }
    return range;
}
