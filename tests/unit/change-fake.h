/*
 * virtio-mem, change: a device whose parts but the last are fakes
 *
 * They write down each call, with the state in which it finds the blocks, and
 * fail where they are told to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_CHANGE_FAKE_H
#define TESTS_UNIT_CHANGE_FAKE_H

#include "virtio-mem/change.h"
#include "unit.h"

#define BLOCK (2 * MiB)
#define BLOCKS 100
/* Most calls of one change that may fail: restoring two runs of blocks. */
#define MAX_CALLS 6

typedef struct Fake {
    GString *log;
    const int *returns;         /* of the calls that may fail, in order */
    unsigned calls;             /* of them so far */
    bool later;                 /* memory is pending first */
    bool pending;
    bool refuses;               /* a plug may fail */
    unsigned hurried;           /* steps */
    unsigned done;              /* calls of done() */
    unsigned ended;             /* changes that the parts heard the end of */
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    VirtIOMEMPartOfDevice parts[4];
    VirtIOMEMEngine *engine;
} Fake;

/* Host memory, which may be pending. Its @self is the Fake. */
extern const VirtIOMEMPart fake_memory;

/*
 * @plugged: blocks that are
 * @returns: of the calls that may fail, in order; at most MAX_CALLS
 */
void fake_init(Fake *fake, VirtIOMEMRange plugged, const int *returns);
void fake_cleanup(Fake *fake);

/* What is pending takes its time. Returns whether that was the end. */
bool fake_let_it_end(Fake *fake);

typedef struct Case {
    const char *name;
    bool plug;
    VirtIOMEMRange plugged;     /* before */
    VirtIOMEMRange range;
    int returns[MAX_CALLS];     /* of the parts, as they are called */
    int ret;
    const char *log;
} Case;

/* A change that somebody asked for. Its done() counts. */
typedef struct Asked {
    VirtIOMEMChange change;
    Fake *fake;
} Asked;

Asked ask(Fake *fake, const Case *c);

void assert_same_blocks(const VirtIOMEMBlocks *a, const VirtIOMEMBlocks *b);

/* The blocks are what @c must end with: those of its range changed, or none. */
void assert_blocks(const Fake *fake, const Case *c);

void add_life_tests(void);
void add_restore_tests(void);

#endif
