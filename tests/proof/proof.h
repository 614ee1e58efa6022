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

#include "virtio-mem/protocol.h"

/* Wide enough that nothing a guest sends can overflow it. */
typedef unsigned __int128 Wide;

#define WORD_BITS 64

/* Block sizes that a device may have: 2^20 to 2^63. */
#ifndef MIN_SHIFT
#define MIN_SHIFT 20
#define MAX_SHIFT 63
#endif

bool nondet_bool(void);
uint8_t nondet_uint8(void);
uint16_t nondet_uint16(void);
int nondet_int(void);
unsigned nondet_unsigned(void);
uint64_t nondet_uint64(void);
unsigned long nondet_word(void);

#define assume(condition_) __CPROVER_assume(condition_)
#define prove(condition_) __CPROVER_assert(condition_, #condition_)

/* cbmc must find a case of this, or the proof would be about nothing. */
#define possible(condition_) \
    __CPROVER_assert(!(condition_), "possible: " #condition_)

/* In place of __builtin_ctzl() and __builtin_popcountl() in the modules. */
int lowest_bit(unsigned long word);
int count_bits(unsigned long word);

/*
 * Any geometry with blocks of 1 << @shift that virtio_mem_geometry_check()
 * finds no fault in: proof "geometry: what the check accepts" shows that
 * these are all there are.
 */
VirtIOMEMGeometry any_geometry(unsigned shift);

/* Any multiple of the block that is at most @limit. */
uint64_t any_size(unsigned shift, uint64_t limit);

/* Any range inside @count blocks; with at least @least blocks. */
VirtIOMEMRange any_range(uint64_t count, uint64_t least);

#endif
