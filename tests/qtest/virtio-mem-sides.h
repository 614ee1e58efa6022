/*
 * virtio-mem: the two sides of a migration
 *
 * Each is a QEMU of its own. The helpers of a driver's view speak to one at a
 * time: global_qtest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_SIDES_H
#define TESTS_VIRTIO_MEM_SIDES_H

#include "libqos/libqos-pc.h"
#include "virtio-mem-snapshot.h"

/* Machine types: blocks come early, or with the rest. */
#define NEW "pc"
#define OLD "pc-i440fx-7.2"
#define MEMORY " -object memory-backend-ram,id=mem0,size=16G,reserve=off"
/* Where the device is, as streams call it. */
#define PLACE "0000:00:04.0/"

typedef struct Side {
    QOSState *qs;
    QVirtioPCIDevice *pci;
    QVirtioMEM mem;
} Side;

/*
 * @memory: the backend mem0
 * @options: more properties of the device, or ""
 * @more: more of anything, or ""
 */
char *command_line(const char *machine, const char *memory,
                   const char *options, const char *more);

/* Start a QEMU and turn to it. */
Side *boot(const char *machine, const char *memory, const char *options,
           const char *more);

/* ... that runs, with a driver. */
Side *boot_driver(const char *machine, const char *memory, const char *options,
                  const char *more);

/* ... with MEMORY and no more. */
Side *source(const char *machine);

/* ... that waits for load(). */
Side *destination(const char *machine, const char *options, const char *more);

void leave(Side *side);

QVirtioMEM *turn_to(Side *side);

/* Find the device, without a reset. */
void look_at_device(Side *side);

/* The driver of the source is not known here: start another one. */
QVirtioMEM *restart_driver(Side *side);

/* Save a VM that goes on to run. */
void save(Side *side, const char *path);

/* Load it, look at the device and do not run it yet. */
void load(Side *side, const char *path);

/* Try to, with a QEMU that goes on to run when it cannot. */
void load_fails(const char *path);

/* A migration that is still on its way when this returns. */
void migrate_slowly(const char *path);
void set_bandwidth(uint64_t bytes);
void cancel(void);

/* What query-memory-devices says of the first device. */
QDict *device_info(void);

/* These are done. */
void plug_blocks(QVirtioMEM *mem, uint64_t block, uint16_t count);
void unplug_blocks(QVirtioMEM *mem, uint64_t block, uint16_t count);

/* QEMU that is started between these two prints its warnings to the file. */
int print_to(const char *file);
void print_as(int before);

/* A line for the shell, with its errors among its output, that is refused. */
void assert_does_not_start(const char *command, const char *message);

/* The status that @command answers with, or NULL. */
char *status_of(const char *command);

/* Wait until it is @wanted. */
void wait_for(const char *command, const char *wanted);

char *temporary_file(void);

/* A CPU that this program, and so QEMU, may run on. */
unsigned first_cpu(void);

/* Arguments that make QEMU write each discard of host memory to @log. */
char *trace_discards(const char *log);

/* How often @log has @what. */
unsigned count_in(const char *log, const char *what);

/* How many discards there are in it. */
unsigned count_discards(const char *log);

/* Make @path a disk that savevm can write to. */
void add_snapshot_disk(const char *path);

/* A command of the human monitor that has nothing to say. */
void hmp(const char *line);

#endif
