/*
 * virtio-mem: what QEMU 10.0 lacks of the interfaces of 11.1
 *
 * The device and its tests are written for 11.1. Over 10.0, the headers beside
 * this one stand where those of 11.1 do, and each includes this one: no source
 * names it. Nothing else in this project knows of versions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_COMPAT_H
#define HW_VIRTIO_MEM_COMPAT_H

#include "exec/memory.h"
#include "qom/object.h"

/* --- const ---------------------------------------------------------------- */

#define memory_region_size(mr) memory_region_size((MemoryRegion *)(mr))

/* --- migration ------------------------------------------------------------ */

#define MIG_EVENT_SETUP MIG_EVENT_PRECOPY_SETUP

/* --- functions of another type -------------------------------------------- */

/*
 * Each macro stands for a definition only, as it has parameters: beside what is
 * defined, under a longer name, there is then a function of the same name and
 * of the type that 10.0 calls it by.
 */
#define COMPAT_CLASS_INIT(fn, oc, data)                                 \
    fn##_const(ObjectClass *, const void *);                            \
    static void fn(ObjectClass *class, void *opaque)                    \
    {                                                                   \
        fn##_const(class, opaque);                                      \
    }                                                                   \
    static void fn##_const(oc, data)

#define system_reset_class_init(oc, data)                               \
    COMPAT_CLASS_INIT(system_reset_class_init, oc, data)
#define virtio_ccw_mem_class_init(oc, data)                             \
    COMPAT_CLASS_INIT(virtio_ccw_mem_class_init, oc, data)
#define virtio_mem_class_init(oc, data)                                 \
    COMPAT_CLASS_INIT(virtio_mem_class_init, oc, data)
#define virtio_mem_pci_class_init(oc, data)                             \
    COMPAT_CLASS_INIT(virtio_mem_pci_class_init, oc, data)

#define virtio_mem_set_status(vdev, status)                             \
    virtio_mem_set_status_int(VirtIODevice *, uint8_t);                 \
    static void virtio_mem_set_status(VirtIODevice *dev, uint8_t val)   \
    {                                                                   \
        virtio_mem_set_status_int(dev, val);                            \
    }                                                                   \
    static int virtio_mem_set_status_int(vdev, status)

#define migration_post_save(opaque)                                     \
    migration_post_save_void(void *);                                   \
    static int migration_post_save(void *migration)                     \
    {                                                                   \
        migration_post_save_void(migration);                            \
        return 0;                                                       \
    }                                                                   \
    static void migration_post_save_void(opaque)

/* --- RamDiscardSource ----------------------------------------------------- */

#define TYPE_RAM_DISCARD_SOURCE "ram-discard-source"
typedef struct RamDiscardSourceClass RamDiscardSourceClass;
typedef struct RamDiscardSource RamDiscardSource;
DECLARE_OBJ_CHECKERS(RamDiscardSource, RamDiscardSourceClass,
                     RAM_DISCARD_SOURCE, TYPE_RAM_DISCARD_SOURCE);

/* With find_run, which a patch adds to that of 11.1. */
struct RamDiscardSourceClass {
    InterfaceClass parent_class;

    uint64_t (*get_min_granularity)(const RamDiscardSource *rds,
                                    const MemoryRegion *mr);
    bool (*is_populated)(const RamDiscardSource *rds,
                         const MemoryRegionSection *section);
    uint64_t (*find_run)(const RamDiscardSource *rds,
                         const MemoryRegionSection *section, bool *populated);
};

/* --- RamDiscardManager: an interface in 10.0, an object in 11.1 ----------- */

/* Implements the interface for one source, which has find_run. */
struct RamDiscardManager {
    Object parent;

    MemoryRegion *mr;
    RamDiscardSource *source;
    QLIST_HEAD(, RamDiscardListener) rdl_list;
};

typedef int (*ReplayRamDiscardState)(const MemoryRegionSection *section,
                                     void *opaque);

RamDiscardManager *ram_discard_manager_new(MemoryRegion *mr);
int ram_discard_manager_add_source(RamDiscardManager *rdm,
                                   RamDiscardSource *source);
int ram_discard_manager_del_source(RamDiscardManager *rdm,
                                   RamDiscardSource *source);
int ram_discard_manager_notify_populate(RamDiscardManager *rdm,
                                        RamDiscardSource *source,
                                        uint64_t offset, uint64_t size);
void ram_discard_manager_notify_discard(RamDiscardManager *rdm,
                                        RamDiscardSource *source,
                                        uint64_t offset, uint64_t size);

static inline int memory_region_add_ram_discard_source(MemoryRegion *mr,
                                                       RamDiscardSource *source)
{
    RamDiscardManager *rdm = ram_discard_manager_new(mr);

    memory_region_set_ram_discard_manager(mr, rdm);
    return ram_discard_manager_add_source(rdm, source);
}

static inline int memory_region_del_ram_discard_source(MemoryRegion *mr,
                                                       RamDiscardSource *source)
{
    RamDiscardManager *rdm = memory_region_get_ram_discard_manager(mr);

    ram_discard_manager_del_source(rdm, source);
    memory_region_set_ram_discard_manager(mr, NULL);
    object_unref(rdm);
    return 0;
}

/*
 * 10.0 has functions of these names that call those of the interface. Who is
 * written for 11.1, a test, calls the manager itself.
 */
#define ram_discard_manager_is_populated \
    compat_ram_discard_manager_is_populated
#define ram_discard_manager_replay_populated \
    compat_ram_discard_manager_replay_populated
#define ram_discard_manager_replay_discarded \
    compat_ram_discard_manager_replay_discarded
#define ram_discard_manager_register_listener \
    compat_ram_discard_manager_register_listener
#define ram_discard_manager_unregister_listener \
    compat_ram_discard_manager_unregister_listener

bool ram_discard_manager_is_populated(const RamDiscardManager *rdm,
                                      const MemoryRegionSection *section);
int ram_discard_manager_replay_populated(const RamDiscardManager *rdm,
                                         const MemoryRegionSection *section,
                                         ReplayRamDiscardState replay_fn,
                                         void *opaque);
int ram_discard_manager_replay_discarded(const RamDiscardManager *rdm,
                                         const MemoryRegionSection *section,
                                         ReplayRamDiscardState replay_fn,
                                         void *opaque);
void ram_discard_manager_register_listener(RamDiscardManager *rdm,
                                           RamDiscardListener *rdl,
                                           MemoryRegionSection *section);
void ram_discard_manager_unregister_listener(RamDiscardManager *rdm,
                                             RamDiscardListener *rdl);

/* A listener of 11.1 gets sections that are const, and bears any discard. */
#define ram_discard_listener_init(rdl, populate_fn, discard_fn)         \
    ram_discard_listener_init(rdl, (NotifyRamPopulate)(populate_fn),    \
                              (NotifyRamDiscard)(discard_fn), true)

#endif
