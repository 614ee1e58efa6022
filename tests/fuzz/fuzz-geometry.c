/*
 * virtio-mem, geometry: any geometry, any size, any request of a guest
 *
 * What must hold is said in 128 bits, where nothing overflows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/geometry.h"
#include "bytes.h"

typedef unsigned __int128 Wide;

/* Whether any of the limits of a geometry is broken. */
static bool is_faulty(const VirtIOMEMGeometry *geo, uint64_t page_size)
{
    const Wide block = geo->block_size, region = geo->region_size;

    return __builtin_popcountll(block) != 1 || block < 1 << 20 ||
           block < page_size || !region || region % block ||
           region / block > INT32_MAX || geo->addr.gpa % block ||
           geo->addr.gpa + region > UINT64_MAX;
}

static uint64_t check_usable(const VirtIOMEMGeometry *geo, uint64_t requested)
{
    const Wide block = geo->block_size;
    const Wide sum = (Wide)requested + geo->usable_extent;
    const Wide wanted = (sum + block - 1) / block * block;
    const uint64_t usable = virtio_mem_geometry_usable(geo, requested);

    g_assert_true(usable == (!requested ? 0 : MIN(wanted, geo->region_size)));
    return usable;
}

static void check_range(const VirtIOMEMGeometry *geo, uint64_t usable,
                        VirtIOMEMAddr addr, uint16_t nb_blocks)
{
    const Wide base = geo->addr.gpa, block = geo->block_size;
    const bool inside = addr.gpa >= base && !(addr.gpa % block) && nb_blocks &&
                        addr.gpa + nb_blocks * block <= base + usable;
    VirtIOMEMRange range = { 12345, 67890 }, back;
    VirtIOMEMSpan span;

    g_assert_true(inside == virtio_mem_range_from_guest(geo, usable, addr,
                                                        nb_blocks, &range));
    if (!inside) {
        g_assert_true(range.first == 12345 && range.count == 67890);
        return;
    }
    g_assert_true(base + range.first * block == addr.gpa);
    g_assert_true(range.count == nb_blocks);
    span = virtio_mem_range_span(geo, range);
    g_assert_true(span.offset == range.first * block);
    g_assert_true(span.size == range.count * block);
    back = virtio_mem_range_covering(geo, span);
    g_assert_true(back.first == range.first && back.count == range.count);
}

static void check_covering(const VirtIOMEMGeometry *geo, VirtIOMEMSpan span)
{
    const Wide block = geo->block_size, end = (Wide)span.offset + span.size;
    const VirtIOMEMRange range = virtio_mem_range_covering(geo, span);

    g_assert_true(range.first == span.offset / block);
    g_assert_true(range.count == (!span.size ? 0
                                  : (end - 1) / block - range.first + 1));
}

/* As it comes, or bent so that the check may like it. */
static VirtIOMEMGeometry take_geometry(Bytes *bytes)
{
    const bool bent = take(bytes, 1) & 1;
    VirtIOMEMGeometry geo = {
        .block_size = take(bytes, 8),
        .addr.gpa = take(bytes, 8),
        .region_size = take(bytes, 8),
        .usable_extent = take(bytes, 8),
    };

    if (bent) {
        const unsigned shift = 20 + geo.block_size % 44;
        const uint64_t blocks = MIN(INT32_MAX, UINT64_MAX >> shift);

        geo.block_size = (uint64_t)1 << shift;
        geo.region_size = (1 + geo.region_size % blocks) << shift;
        geo.addr.gpa = geo.addr.gpa >> shift << shift;
    }
    return geo;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    const VirtIOMEMGeometry geo = take_geometry(&bytes);
    const uint64_t page_size = (uint64_t)1 << take_range(&bytes, 0, 63);
    const bool faulty = virtio_mem_geometry_check(&geo, page_size) !=
                        VIRTIO_MEM_FAULT_NONE;
    uint64_t requested, usable;

    g_assert_true(faulty == is_faulty(&geo, page_size));
    if (faulty) {
        return 0;
    }
    requested = take(&bytes, 8);
    g_assert_true((virtio_mem_geometry_check_size(&geo, requested) ==
                   VIRTIO_MEM_FAULT_NONE) ==
                  (requested <= geo.region_size &&
                   !(requested % geo.block_size)));
    requested = MIN(requested, geo.region_size);
    requested -= requested % geo.block_size;
    usable = check_usable(&geo, requested);

    while (bytes.left) {
        const bool relative = take(&bytes, 1) & 1;
        const uint64_t gpa = take(&bytes, 8);
        const uint64_t near = geo.addr.gpa + gpa % 70000 * geo.block_size;
        const uint64_t offset = take_range(&bytes, 0, geo.region_size);

        check_range(&geo, usable, (VirtIOMEMAddr) { relative ? near : gpa },
                    take(&bytes, 2));
        check_covering(&geo, (VirtIOMEMSpan) {
            offset, take_range(&bytes, 0, geo.region_size - offset),
        });
    }
    return 0;
}
