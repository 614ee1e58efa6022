/*
 * virtio-mem: listeners that record what they hear
 *
 * A device of 16 blocks without QEMU: its blocks, the module `listeners` and QEMU's
 * RamDiscardManager are linked into the test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_LISTENERS_H
#define TESTS_VIRTIO_MEM_LISTENERS_H

#include "../../hw/virtio/virtio-mem/listeners.h"

#define BLOCK 0x200000ULL
#define NB_BLOCKS 16

typedef struct Fixture {
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    VirtIOMEMListeners listeners;
    MemoryRegion mr;
    RamDiscardManager *rdm;
    VirtIOMEMChange change;     /* on its way */
    GString *log;
} Fixture;

typedef struct Listener {
    RamDiscardListener rdl;
    GString *log;
    const char *name;
    int answer;             /* to a populate */
} Listener;

void setup(Fixture *f, const void *data);
void teardown(Fixture *f, const void *data);

/* Mark blocks; nobody is told. */
void plug(Fixture *f, uint64_t first, uint64_t count);
void unplug(Fixture *f, uint64_t first, uint64_t count);

/*
 * What the engine does with a change: blocks are going or coming; the part is
 * told to unplug (retract) or to plug (announce); the change has ended.
 */
void going(Fixture *f, uint64_t first, uint64_t count);
void coming(Fixture *f, uint64_t first, uint64_t count);
void retract(Fixture *f, uint64_t first, uint64_t count);
int announce(Fixture *f, uint64_t first, uint64_t count);
void settled(Fixture *f);

/* Is there anybody who could object to a plug? */
bool may_refuse(Fixture *f);

/* A section of the region that is mapped at 0x100000000 in its space. */
MemoryRegionSection section(Fixture *f, uint64_t offset, uint64_t size);
MemoryRegionSection whole(Fixture *f);

void add_listener(Fixture *f, Listener *listener, const char *name,
                  MemoryRegionSection s);
void remove_listener(Fixture *f, Listener *listener);

/* What a Listener does when it is told. */
int on_populate(RamDiscardListener *rdl, const MemoryRegionSection *s);
void on_discard(RamDiscardListener *rdl, const MemoryRegionSection *s);

/* For a replay; @opaque is the log. */
int log_populated(const MemoryRegionSection *s, void *opaque);
int log_discarded(const MemoryRegionSection *s, void *opaque);

/* The log is @want, and empty afterwards. */
void assert_log(Fixture *f, const char *want);

#endif
