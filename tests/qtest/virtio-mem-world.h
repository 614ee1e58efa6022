/*
 * virtio-mem: a machine in which a guest can aim the device at everything
 *
 * q35 with MMCONFIG, so that configuration space is memory, too. The device
 * vm0 is below a root port, by whose slot the guest can remove it; vm1 is
 * another one. No firmware runs: what it would set up is set up here, and set
 * up again after a guest has written to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_WORLD_H
#define TESTS_VIRTIO_MEM_WORLD_H

#include "libqos/libqos-pc.h"
#include "virtio-mem-raw.h"

/* Blocks that world_restart() plugs; the first ones of vm0 are for tests. */
#define WORLD_PLUGGED 300           /* of vm0 */
#define WORLD_OTHER_PLUGGED 301     /* of vm1 */
#define WORLD_UNPLUGGED 302         /* of vm0, stays so */
#define WORLD_REQUESTED (768 * MiB)
#define WORLD_REGION (1 * GiB)      /* of each */

typedef struct WorldDevice {
    QVirtioPCIDevice *pci;
    QVirtioMEM mem;
    uint64_t table;         /* of MSI-X vectors */
    uint64_t region, features;
    uint64_t config;        /* its configuration space */
    uint64_t data;          /* there: the window to its BAR */
    uint8_t msix, power;    /* capabilities; they may be unreadable later */
} WorldDevice;

typedef struct World {
    QOSState *qs;
    WorldDevice vm[2];
    QPCIDevice *port, *disk, *bridge;
    uint8_t port_express;
    uint64_t port_config, slot_control, disk_bar;
} World;

/* @options: properties of vm0, like ",prealloc=on,ioeventfd=off" */
World *world_boot(const char *options);

/* QEMU has to be alive until then. */
void world_leave(World *world);

/* Whether vm0 is still there. */
bool world_has_device(World *world);

/*
 * Bring both devices up with drivers that make no mistake: nothing is plugged
 * but the blocks above.
 */
void world_restart(World *world);

/* ... but leave vm1 alone if it still runs. */
void world_restart_vm0(World *world);

/* Reset a device and start it with its queue, or with parts of it elsewhere. */
void world_start_queue(WorldDevice *vm, const QVirtQueue *ring,
                       uint64_t features);
#define WORLD_DRIVER_OK 15          /* the status of a driver that works */

/* Have both vectors of a device write @data to @addr. */
void world_aim_vectors(WorldDevice *vm, uint64_t addr, uint32_t data);

/* The guest turns the power of vm0's slot off. */
void world_power_off(World *world);
#define WORLD_POWER_OFF 0x0700      /* to port-slot-control */

typedef enum TargetKind {
    TARGET_RAM,             /* fit for rings and buffers */
    TARGET_ROM,             /* fit for what the device only reads */
    TARGET_OTHER,
} TargetKind;

/* A place that a guest can name. */
typedef struct Target {
    const char *name;
    TargetKind kind;
    uint64_t (*where)(const World *world, uint64_t offset);
    uint64_t offset;
    bool keeps;             /* reads as it was written, with no effect */
    bool like_others;       /* as far as reading is concerned */
} Target;

extern const Target targets[];
extern const unsigned nb_targets;

uint64_t target_addr(const World *world, const Target *target);
const Target *target_named(const char *name);

#endif
