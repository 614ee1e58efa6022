/*
 * virtio-mem: the sizes of a device and its three coordinates
 *
 * A byte of device memory can be named in three ways, each with a type of its
 * own so that mixing them up does not compile:
 *
 *   VirtIOMEMAddr   guest-physical address, as the guest sends it
 *   VirtIOMEMSpan   offset into the device's region and size, both in bytes:
 *                   what the host memory is addressed with
 *   VirtIOMEMRange  index of the first block and number of blocks: what the
 *                   plugged state is kept in
 *
 * A VirtIOMEMRange made from an address lies inside the usable region: the
 * only way to make one is a successful check.
 *
 * This module is pure: it includes nothing of QEMU but qemu/osdep.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_GEOMETRY_H
#define HW_VIRTIO_MEM_GEOMETRY_H

/* Smallest block size of a device, in bytes. */
#define VIRTIO_MEM_MIN_BLOCK_SIZE ((uint64_t)1024 * 1024)

/* Most blocks of a device: the migration stream counts them in an int32. */
#define VIRTIO_MEM_MAX_BLOCKS ((uint64_t)INT32_MAX)

typedef struct VirtIOMEMAddr {
    uint64_t gpa;           /* bytes */
} VirtIOMEMAddr;

typedef struct VirtIOMEMSpan {
    uint64_t offset;        /* bytes from the start of the region */
    uint64_t size;          /* bytes */
} VirtIOMEMSpan;

typedef struct VirtIOMEMRange {
    uint64_t first;         /* block index */
    uint64_t count;         /* blocks */
} VirtIOMEMRange;

/*
 * The immutable sizes of a device (VIRTIO 1.2, 5.15.4: block_size, addr and
 * region_size never change). All in bytes.
 */
typedef struct VirtIOMEMGeometry {
    VirtIOMEMAddr addr;     /* start of the region; multiple of block_size */
    uint64_t region_size;   /* multiple of block_size, at least one block */
    uint64_t block_size;    /* power of two, >= VIRTIO_MEM_MIN_BLOCK_SIZE */
    uint64_t usable_extent; /* what is usable beyond the requested size */
} VirtIOMEMGeometry;

/* What is wrong with a geometry or a requested size. */
typedef enum VirtIOMEMFault {
    VIRTIO_MEM_FAULT_NONE,
    VIRTIO_MEM_FAULT_BLOCK_POWER,   /* block_size is no power of two */
    VIRTIO_MEM_FAULT_BLOCK_SMALL,   /* ... below VIRTIO_MEM_MIN_BLOCK_SIZE */
    VIRTIO_MEM_FAULT_BLOCK_PAGE,    /* ... below the backend's page size */
    VIRTIO_MEM_FAULT_REGION_EMPTY,  /* the region has no block */
    VIRTIO_MEM_FAULT_REGION_BLOCKS, /* ... is no multiple of block_size */
    VIRTIO_MEM_FAULT_REGION_MANY,   /* ... has > VIRTIO_MEM_MAX_BLOCKS */
    VIRTIO_MEM_FAULT_ADDR_ALIGN,    /* addr is no multiple of block_size */
    VIRTIO_MEM_FAULT_ADDR_WRAP,     /* the region ends at or beyond 2^64 */
    VIRTIO_MEM_FAULT_SIZE_ALIGN,    /* size is no multiple of block_size */
    VIRTIO_MEM_FAULT_SIZE_LARGE,    /* size is larger than the region */
} VirtIOMEMFault;

/*
 * virtio_mem_geometry_check: find the first fault of @geo.
 *
 * @page_size: page size of the host memory, in bytes, a power of two
 *
 * Called once, before anything else uses @geo; every other function here
 * requires a @geo without fault.
 */
VirtIOMEMFault virtio_mem_geometry_check(const VirtIOMEMGeometry *geo,
                                         uint64_t page_size);

/*
 * virtio_mem_geometry_check_size: may @size, in bytes, be a requested size?
 *
 * Returns VIRTIO_MEM_FAULT_NONE, _SIZE_ALIGN or _SIZE_LARGE (which wins).
 */
VirtIOMEMFault virtio_mem_geometry_check_size(const VirtIOMEMGeometry *geo,
                                              uint64_t size);

/*
 * Bytes of a transparent huge page, on this host with pages of @page_size, as
 * far as one can say when the kernel does not tell.
 */
uint64_t virtio_mem_usual_huge_page(uint64_t page_size);

/*
 * virtio_mem_default_block_size: bytes, for host memory of ordinary pages.
 *
 * The size of a transparent huge page, so that discarding a block does not
 * split one, and at least VIRTIO_MEM_MIN_BLOCK_SIZE. Part of what a migration
 * demands to be the same on both sides.
 *
 * @shown: is there a file with that size? A kernel without transparent huge
 *     pages has none.
 * @text: what is in the file; NULL when it cannot be read
 * @page_size: of ordinary pages
 * @usual: bytes, to be taken where the file does not tell
 * @guessed: set to whether it was taken; may not be NULL
 */
uint64_t virtio_mem_default_block_size(bool shown, const char *text,
                                       uint64_t page_size, uint64_t usual,
                                       bool *guessed);

/* Number of blocks in the region. */
uint64_t virtio_mem_geometry_blocks(const VirtIOMEMGeometry *geo);

/*
 * virtio_mem_geometry_usable: bytes the guest may use for a requested size.
 *
 * min(region, @requested_size + usable_extent) rounded up to a block, and 0
 * when nothing is requested. Never below @requested_size (VIRTIO 1.2, 5.15.4).
 * @requested_size has passed virtio_mem_geometry_check_size().
 */
uint64_t virtio_mem_geometry_usable(const VirtIOMEMGeometry *geo,
                                    uint64_t requested_size);

/*
 * virtio_mem_range_from_guest: check what a guest sent.
 *
 * @usable_size: bytes usable, at most region_size
 * @addr: any value a guest may send
 * @nb_blocks: any value a guest may send
 * @range: set on success only
 *
 * Fails when @addr is misaligned, @nb_blocks is 0 or any block lies outside
 * the usable region (VIRTIO 1.2, 5.15.6). No value
 * overflows.
 */
bool virtio_mem_range_from_guest(const VirtIOMEMGeometry *geo,
                                 uint64_t usable_size, VirtIOMEMAddr addr,
                                 uint16_t nb_blocks, VirtIOMEMRange *range);

/* All blocks of the region. */
VirtIOMEMRange virtio_mem_range_all(const VirtIOMEMGeometry *geo);

/*
 * virtio_mem_range_covering: the blocks that @span touches.
 *
 * @span may be unaligned; it lies inside the region. Empty for a size of 0.
 */
VirtIOMEMRange virtio_mem_range_covering(const VirtIOMEMGeometry *geo,
                                         VirtIOMEMSpan span);

/* The bytes of @range. */
static inline VirtIOMEMSpan virtio_mem_range_span(const VirtIOMEMGeometry *geo,
                                                  VirtIOMEMRange range)
{
    return (VirtIOMEMSpan) {
        .offset = range.first * geo->block_size,
        .size = range.count * geo->block_size,
    };
}

#endif
