/*
 * virtio-mem: paravirtualized, resizable memory
 *
 * The public contract of the device: its properties, what transports need, and
 * the one thing a user does with it, changing the requested size.
 *
 * Implements the memory device of VIRTIO 1.2, section 5.15.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_H
#define HW_VIRTIO_MEM_H

#include "qapi/qapi-types-machine.h"
#include "hw/virtio/virtio.h"
#include "system/hostmem.h"
#include "qom/object.h"

#define TYPE_VIRTIO_MEM "virtio-mem"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMEM, VIRTIO_MEM)

/* Property names; all sizes and addresses are in bytes. */
#define VIRTIO_MEM_MEMDEV_PROP "memdev"
#define VIRTIO_MEM_NODE_PROP "node"
#define VIRTIO_MEM_SIZE_PROP "size"
#define VIRTIO_MEM_REQUESTED_SIZE_PROP "requested-size"
#define VIRTIO_MEM_BLOCK_SIZE_PROP "block-size"
#define VIRTIO_MEM_ADDR_PROP "memaddr"
#define VIRTIO_MEM_UNPLUGGED_INACCESSIBLE_PROP "unplugged-inaccessible"
#define VIRTIO_MEM_EARLY_MIGRATION_PROP "x-early-migration"
#define VIRTIO_MEM_PREALLOC_PROP "prealloc"
#define VIRTIO_MEM_PREALLOC_THREADS_PROP "prealloc-threads"
#define VIRTIO_MEM_PREALLOC_RESERVE_PROP "prealloc-reserve"
#define VIRTIO_MEM_RESIZE_EVENTS_PROP "resize-events"
#define VIRTIO_MEM_DYNAMIC_MEMSLOTS_PROP "dynamic-memslots"
#define VIRTIO_MEM_MEMSLOT_SIZE_PROP "memslot-size"

#define VIRTIO_MEM_PROTECTION_PROP "unplugged-protection"
#define VIRTIO_MEM_VIOLATION_PROP "unplugged-violation"
#define VIRTIO_MEM_PROTECTION_INTERVAL_PROP "unplugged-protection-interval"

/* What exists only while the device is realized; private to the device. */
typedef struct VirtIOMEMLive VirtIOMEMLive;

struct VirtIOMEM {
    VirtIODevice parent_obj;

    /* Properties; they do not change once the device is realized. */
    HostMemoryBackend *memdev;
    uint64_t addr;                      /* guest-physical; 0: not assigned */
    uint64_t block_size;                /* 0: the default for memdev */
    uint64_t initial_size;              /* the first requested size */
    const char *initial_size_name;      /* the property that set it, or NULL */
    uint32_t node;
    bool prealloc;
    uint32_t prealloc_threads;          /* at most; 0: one for each CPU */
    uint64_t prealloc_reserve;          /* bytes populated in advance */
    OnOffAuto unplugged_inaccessible;
    bool early_migration;
    bool dynamic_memslots;
    uint64_t memslot_size;              /* 0: the default for memdev */
    VirtioMEMProtection protection;
    VirtioMEMViolation violation;
    uint32_t protection_interval;       /* ms; 0: the default */

    bool resize_events;                 /* this property may change any time */

    VirtIOMEMLive *live;                /* NULL unless realized */
    struct VirtIOMEMMigration *migration;   /* of live, for the stream */
    /* From when the machine asks first until the end; NULL: not dynamic. */
    struct VirtIOMEMMemslots *memslots;
};

/*
 * virtio_mem_set_requested_size: ask the guest for another size.
 *
 * @name: how the user called the value, for messages: a property or argument
 * @size: bytes, multiple of the block size, at most the size of memdev
 *
 * Before realize, sets the first requested size, which realize checks; fails
 * when a property of another name has set it to another value. After, the
 * usable region grows if need be and the guest is notified, even when the size
 * is the one already requested (VIRTIO 1.2, 5.15.4 allows that).
 *
 * Fails, with nothing changed, when @size is not allowed or when an unplug of
 * the device is pending.
 */
bool virtio_mem_set_requested_size(VirtIOMEM *vmem, const char *name,
                                   uint64_t size, Error **errp);

/* Bytes. The size last requested. */
uint64_t virtio_mem_get_requested_size(const VirtIOMEM *vmem);

/* Bytes plugged; 0 unless realized. */
uint64_t virtio_mem_get_plugged_size(const VirtIOMEM *vmem);

/*
 * virtio_mem_get_region: the RAM behind the device, at any time.
 *
 * Returns NULL and sets @errp when memdev is not set, has no RAM or is ROM.
 */
MemoryRegion *virtio_mem_get_region(const VirtIOMEM *vmem, Error **errp);

/*
 * Bytes. Before realize, what it will be with the properties as they are now;
 * 0 when that cannot be said because memdev is missing.
 */
uint64_t virtio_mem_get_block_size(const VirtIOMEM *vmem);

/*
 * virtio_mem_check_unplug: may a user take the device away?
 *
 * Returns false and sets @errp while memory is plugged or requested, or is still
 * given back to the host, or when the guest may access unplugged memory. Called on an
 * unplug request. A request that is on its way is ended.
 */
bool virtio_mem_check_unplug(VirtIOMEM *vmem, Error **errp);

/*
 * For transports, which are what a machine sees as the memory device: fill in
 * the MemoryDevice interface of a class whose instances create the device with
 * virtio_instance_init_common(). Called from class_init.
 */
void virtio_mem_transport_class_init(ObjectClass *oc);

/* The device that @proxy is a transport of, or NULL when it is none. */
VirtIOMEM *virtio_mem_of_transport(Object *proxy);

/*
 * Called after the plugged size has changed, by the device: sends
 * MEMORY_DEVICE_SIZE_CHANGE on behalf of the transport. Building the event costs
 * more than plugging a block.
 */
void virtio_mem_transport_size_changed(const VirtIOMEM *vmem);

#endif
