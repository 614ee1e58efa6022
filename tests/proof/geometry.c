/*
 * virtio-mem, geometry: proofs for every block size, region and address, and
 * for every request that a guest can send
 *
 * What is proved is said once more with 128 bits and without a division. The
 * block size is a constant in each turn of a loop over all of them, which
 * keeps divisions cheap for the solver.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "proof.h"

#define FOREACH_SHIFT(shift_) \
    for (unsigned shift_ = MIN_SHIFT; shift_ <= MAX_SHIFT; shift_++)

static bool multiple(Wide value, uint64_t power_of_two)
{
    return !(value & (power_of_two - 1));
}

void prove_check_of_block_size(void)
{
    const VirtIOMEMGeometry geo = {
        .addr.gpa = nondet_uint64(),
        .region_size = nondet_uint64(),
        .block_size = nondet_uint64(),
        .usable_extent = nondet_uint64(),
    };
    const bool power = __builtin_popcountll(geo.block_size) == 1;
    const VirtIOMEMFault fault = virtio_mem_geometry_check(&geo, nondet_uint64());

    prove((fault == VIRTIO_MEM_FAULT_BLOCK_POWER) == !power);
    possible(fault == VIRTIO_MEM_FAULT_BLOCK_POWER);
    possible(fault == VIRTIO_MEM_FAULT_NONE);
}

/* The faults are looked for in this order; the first one counts. */
static VirtIOMEMFault fault_of(const VirtIOMEMGeometry *geo, uint64_t page_size)
{
    const Wide block = geo->block_size, region = geo->region_size;

    return block < ((Wide)1 << MIN_SHIFT) ? VIRTIO_MEM_FAULT_BLOCK_SMALL
           : block < page_size ? VIRTIO_MEM_FAULT_BLOCK_PAGE
           : !region ? VIRTIO_MEM_FAULT_REGION_EMPTY
           : !multiple(region, block) ? VIRTIO_MEM_FAULT_REGION_BLOCKS
           : region > INT32_MAX * block ? VIRTIO_MEM_FAULT_REGION_MANY
           : !multiple(geo->addr.gpa, block) ? VIRTIO_MEM_FAULT_ADDR_ALIGN
           : geo->addr.gpa + region > UINT64_MAX ? VIRTIO_MEM_FAULT_ADDR_WRAP
           : VIRTIO_MEM_FAULT_NONE;
}

void prove_check(void)
{
    for (unsigned shift = 0; shift <= MAX_SHIFT; shift++) {
        const VirtIOMEMGeometry geo = {
            .addr.gpa = nondet_uint64(),
            .region_size = nondet_uint64(),
            .block_size = (uint64_t)1 << shift,
            .usable_extent = nondet_uint64(),
        };
        const uint64_t page_size = nondet_uint64();
        const VirtIOMEMFault fault = virtio_mem_geometry_check(&geo, page_size);

        prove(fault == fault_of(&geo, page_size));
        possible(fault == VIRTIO_MEM_FAULT_NONE);
        possible(fault == VIRTIO_MEM_FAULT_REGION_MANY);
        possible(fault == VIRTIO_MEM_FAULT_ADDR_WRAP);
    }
}

/* The geometries of all other proofs are those that the check accepts. */
void prove_any_geometry(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry any = any_geometry(shift);

        prove(fault_of(&any, 4096) == VIRTIO_MEM_FAULT_NONE);
        possible(any.region_size > any.block_size);
    }
}

void prove_check_size(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry geo = any_geometry(shift);
        const uint64_t size = nondet_uint64();
        const VirtIOMEMFault fault = virtio_mem_geometry_check_size(&geo, size);

        prove(fault == (size > geo.region_size ? VIRTIO_MEM_FAULT_SIZE_LARGE
                        : !multiple(size, geo.block_size)
                        ? VIRTIO_MEM_FAULT_SIZE_ALIGN
                        : VIRTIO_MEM_FAULT_NONE));
        possible(fault == VIRTIO_MEM_FAULT_SIZE_LARGE);
        possible(fault == VIRTIO_MEM_FAULT_SIZE_ALIGN);
        possible(fault == VIRTIO_MEM_FAULT_NONE && size);
    }
}

void prove_blocks(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry geo = any_geometry(shift);
        const uint64_t blocks = virtio_mem_geometry_blocks(&geo);
        const VirtIOMEMRange all = virtio_mem_range_all(&geo);

        prove(blocks >= 1 && blocks <= INT32_MAX);
        prove((Wide)blocks << shift == geo.region_size);
        prove(all.first == 0 && all.count == blocks);
        possible(blocks == INT32_MAX);
    }
}

void prove_usable(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry geo = any_geometry(shift);
        const uint64_t requested = any_size(shift, geo.region_size);
        const uint64_t usable = virtio_mem_geometry_usable(&geo, requested);
        const Wide wanted = (Wide)requested + geo.usable_extent;

        prove(usable >= requested && usable <= geo.region_size);
        prove(multiple(usable, geo.block_size));
        prove(requested || !usable);
        /* The least multiple that is enough, if the region is. */
        prove(!requested || usable == geo.region_size || usable >= wanted);
        prove(!requested || usable == requested ||
              usable - geo.block_size < wanted);
        possible(requested && usable == wanted);
        possible(requested && usable > wanted);
        possible(requested && usable < wanted);
    }
}

void prove_range_from_guest(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry geo = any_geometry(shift);
        const uint64_t usable = any_size(shift, geo.region_size);
        const VirtIOMEMAddr addr = { .gpa = nondet_uint64() };
        const uint16_t nb_blocks = nondet_uint16();
        const VirtIOMEMRange before = { nondet_uint64(), nondet_uint64() };
        VirtIOMEMRange range = before;
        const bool inside =
            addr.gpa >= geo.addr.gpa && multiple(addr.gpa, geo.block_size) &&
            nb_blocks && (Wide)addr.gpa + ((Wide)nb_blocks << shift) <=
                         (Wide)geo.addr.gpa + usable;
        const bool ok = virtio_mem_range_from_guest(&geo, usable, addr,
                                                    nb_blocks, &range);

        prove(ok == inside);
        prove(!ok || range.count == nb_blocks);
        prove(!ok || geo.addr.gpa + ((Wide)range.first << shift) == addr.gpa);
        prove(ok || (range.first == before.first &&
                     range.count == before.count));
        possible(ok);
        possible(!ok && addr.gpa > geo.addr.gpa && nb_blocks);
    }
}

void prove_covering(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry geo = any_geometry(shift);
        const VirtIOMEMSpan span = { nondet_uint64(), nondet_uint64() };
        VirtIOMEMRange range;
        Wide start, end;

        assume(span.offset <= geo.region_size &&
               span.size <= geo.region_size - span.offset);
        range = virtio_mem_range_covering(&geo, span);
        start = (Wide)range.first << shift;
        end = start + ((Wide)range.count << shift);

        prove(!range.count == !span.size);
        prove(start <= span.offset && span.offset - start < geo.block_size);
        prove(end <= geo.region_size);
        prove(!span.size || (Wide)span.offset + span.size <= end);
        prove(!span.size ||
              end - ((Wide)span.offset + span.size) < geo.block_size);
        possible(span.size && start < span.offset &&
                 (Wide)span.offset + span.size < end);
        possible(!span.size);
    }
}

void prove_span(void)
{
    FOREACH_SHIFT(shift) {
        const VirtIOMEMGeometry geo = any_geometry(shift);
        const VirtIOMEMRange range =
            any_range(virtio_mem_geometry_blocks(&geo), 0);
        const VirtIOMEMSpan span = virtio_mem_range_span(&geo, range);
        const VirtIOMEMRange back = virtio_mem_range_covering(&geo, span);

        prove(span.offset == (Wide)range.first << shift);
        prove(span.size == (Wide)range.count << shift);
        prove(back.first == range.first && back.count == range.count);
        possible(range.first && range.count);
    }
}
