/*
 * virtio-mem: a host that refuses what a test wants it to refuse
 *
 * QEMU is started with the library of virtio-mem-faults.c loaded before its
 * own, and with a device of NB blocks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_FAULTS_HOST_H
#define TESTS_VIRTIO_MEM_FAULTS_HOST_H

#include "virtio-mem-faults.h"
#include "virtio-mem-sides.h"

/* Enough for the worker, and for two threads that populate. */
#define NB 16
#define SIZE (NB * BLOCK)

/* Find the library beside the test program; before any test. */
void faults_init(const char *program);

/* --- the host ------------------------------------------------------------- */

typedef struct Host {
    char *path;
    Faults *faults;
} Host;

/* What QEMU is started between these two asks this host. */
Host *host_new(void);
void host_started(Host *host);

/* When that QEMU has ended. */
void host_free(Host *host);

/* From now on, after @skip calls that go through, @call fails with @error. */
void refuse(Host *host, FaultCall call, int error, int skip);
void give_again(Host *host);

/* Whether the call that was refused last has failed at all. */
bool was_refused(Host *host, FaultCall call);

/* Errors that are possible, and some that are not. */
#define NB_ERRORS 10
extern const int errors[NB_ERRORS];

/* --- kinds of memory ------------------------------------------------------ */

#define NEEDS(call) (1u << FAULT_##call)

typedef struct Memory {
    const char *name;
    const char *type;           /* %s: a file */
    unsigned discards_by;       /* what UNPLUG needs */
    unsigned looks_by;          /* what tells whether that takes long */
} Memory;

#define NB_MEMORIES 4
extern const Memory memories[NB_MEMORIES];

/* A file for the memory that needs one, to be unlinked. */
char *memory_file(void);
char *memory_object(const Memory *memory, const char *file);

/* --- a VM on such a host, with a driver ----------------------------------- */

typedef struct Bed {
    char *file;
    Host *host;
    Side *side;
} Bed;

Bed bed_make(const Memory *memory, const char *options);
void bed_unmake(Bed *bed);

/* --- what is asked, and what is true afterwards --------------------------- */

/* A request of @type for all NB blocks. */
uint16_t ask(QVirtioMEM *mem, uint16_t type);

/* While the host gives: plug and use all; unplug all. */
void plug(QVirtioMEM *mem);
void unplug_all(QVirtioMEM *mem);

/* Plugged memory can be used, all of it. */
void use(QVirtioMEM *mem);

/* What is plugged, by the monitor. */
uint64_t device_size(void);

/* The driver and the monitor are told the same. */
void assert_all_agree(QVirtioMEM *mem, uint64_t nb_plugged);

#endif
