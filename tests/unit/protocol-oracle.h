/*
 * virtio-mem, protocol: the specification read once more, naively
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_PROTOCOL_ORACLE_H
#define TESTS_UNIT_PROTOCOL_ORACLE_H

#include "virtio-mem/protocol.h"

#define ORACLE_MAX_BLOCKS 128

/* A device as an array of bools. */
typedef struct Oracle {
    uint64_t addr, block_size;              /* bytes */
    unsigned blocks, usable, requested;     /* blocks */
    bool plugged[ORACLE_MAX_BLOCKS];
} Oracle;

/* What the answer to @req must be. */
VirtIOMEMVerdict oracle_decide(const Oracle *o, const VirtIOMEMRequest *req,
                               bool busy);

/* Do what an ACKed @req asks for. */
void oracle_apply(Oracle *o, const VirtIOMEMRequest *req);

/* The same device as the module sees it; virtio_mem_blocks_cleanup() frees it. */
VirtIOMEMState oracle_state(const Oracle *o);

/*
 * The module's verdict, after checking that it is the oracle's and that deciding
 * has changed nothing.
 */
VirtIOMEMVerdict checked_decide(const Oracle *o, const VirtIOMEMState *state,
                                const VirtIOMEMRequest *req, bool busy);

void add_conformance_tests(void);

#endif
