/*
 * virtio-mem, blocks: the room beside a naive model of it, an array of bools
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_BLOCKS_MODEL_H
#define TESTS_UNIT_BLOCKS_MODEL_H

#include "virtio-mem-blocks.h"

#define WORD (CHAR_BIT * sizeof(unsigned long))

typedef struct Pair {
    VirtIOMEMBlocks blocks;
    bool *model;
} Pair;

Pair *pair_new(uint64_t count);
void pair_free(Pair *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pair, pair_free)

/* Every bit is the model's, no bit lies after the last, the count is right. */
void check(const Pair *p);

/* Plug or unplug blocks, in the room and in the model. */
void set(Pair *p, uint64_t first, uint64_t count, bool plugged);

/* The state of blocks: what the room says, and what the model says. */
VirtIOMEMBlockState state(const Pair *p, uint64_t first, uint64_t count);
VirtIOMEMBlockState model_state(const Pair *p, uint64_t first, uint64_t count);

/* The runs as text, such as "2+3 7+1": of the room, and of the model. */
char *runs(const Pair *p, uint64_t first, uint64_t count, bool plugged);
char *model_runs(const Pair *p, uint64_t first, uint64_t count, bool plugged);

void add_run_tests(void);

#endif
