/*
 * virtio-mem: what the proofs share
 *
 * A proof is a function that cbmc runs for all values of whatever the nondet_*()
 * functions return. Next to its assertions, cbmc checks each step of the code
 * under proof: no overflow (signed or not), no access outside an object, no
 * shift by too much, no division by zero, no loop longer than said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_PROOF_PROOF_H
#define TESTS_PROOF_PROOF_H

#include "virtio-mem-transition.h"
#include "virtio-mem-protocol.h"

/* Wide enough that nothing a guest sends can overflow it. */
typedef unsigned __int128 Wide;

/* Three words of the bitmap: a first, a whole one in between, a cut last. */
#define MAX_BLOCKS 130

/* Block sizes that a device may have: 2^20 to 2^63. */
#define MIN_SHIFT 20
#define MAX_SHIFT 63

bool nondet_bool(void);
uint8_t nondet_uint8(void);
uint16_t nondet_uint16(void);
int nondet_int(void);
unsigned nondet_unsigned(void);
uint64_t nondet_uint64(void);
unsigned long nondet_word(void);

#define assume(condition_) __CPROVER_assume(condition_)
#define prove(condition_) __CPROVER_assert(condition_, #condition_)

/*
 * Any geometry with blocks of 1 << @shift that virtio_mem_geometry_check()
 * finds no fault in: proof "geometry: what the check accepts" shows that
 * these are all there are.
 */
VirtIOMEMGeometry any_geometry(unsigned shift);

/* Any multiple of the block that is at most @limit. */
uint64_t any_size(unsigned shift, uint64_t limit);

/* Any plugged state of @count blocks. */
VirtIOMEMBlocks any_blocks(uint64_t count);

/* Any range inside @count blocks; with at least @least blocks. */
VirtIOMEMRange any_range(uint64_t count, uint64_t least);

bool block_is_plugged(const VirtIOMEMBlocks *blocks, uint64_t block);

/* The count is that of the bits set, and no bit is set after the last. */
bool blocks_are_sound(const VirtIOMEMBlocks *blocks);

/* How many blocks of @range are plugged, counted one by one. */
uint64_t count_plugged(const VirtIOMEMBlocks *blocks, VirtIOMEMRange range);

#endif
