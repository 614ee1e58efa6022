/*
 * virtio-mem, blocks: the module beside a naive model of it, an array of bools
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_BLOCKS_MODEL_H
#define TESTS_UNIT_BLOCKS_MODEL_H

#include "virtio-mem/blocks.h"

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

/* Plug or unplug blocks, in the module and in the model. */
void set(Pair *p, uint64_t first, uint64_t count, bool plugged);

/* The state of blocks: what the module says, and what the model says. */
VirtIOMEMBlockState state(const Pair *p, uint64_t first, uint64_t count);
VirtIOMEMBlockState model_state(const Pair *p, uint64_t first, uint64_t count);

/* The runs as text, such as "2+3 7+1": of the module, and of the model. */
char *runs(const Pair *p, uint64_t first, uint64_t count, bool plugged);
char *model_runs(const Pair *p, uint64_t first, uint64_t count, bool plugged);

/* The same for what is populated; what is pending in the module is not. */
char *populated(const Pair *p, uint64_t first, uint64_t count, bool yes);
char *model_populated(const Pair *p, uint64_t first, uint64_t count, bool yes);

void add_run_tests(void);
void add_pending_tests(void);

#endif
