/*
 * virtio-mem: a machine in which a guest can aim the device at everything
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/pci_regs.h"
#include "virtio-mem-world.h"

#define MMCONFIG 0xb0000000ULL
#define PCIEXBAR 0x60               /* of the host bridge */
#define HOST_BRIDGE QPCI_DEVFN(0, 0)
#define PORT QPCI_DEVFN(3, 0)
#define OTHER QPCI_DEVFN(5, 0)
#define DISK QPCI_DEVFN(31, 2)
#define BUS 1                       /* behind the port */
#define PORT_WINDOW 0xe0000000ULL   /* its addresses: 16 MiB */
#define ROOT_WINDOW 0xe1000000ULL
#define SLOT_ON 0x01c0              /* power, and an indicator of it */
#define MSIX_BAR 1
#define PENDING_BITS 2048

/* --- configuration space -------------------------------------------------- */

static uint64_t config_space(int devfn)
{
    return MMCONFIG + ((uint64_t)devfn << 12);
}

/* What firmware would write; @mask: the bits that matter. */
typedef struct Setting {
    uint8_t at, size;
    uint32_t value, mask;
} Setting;

/*
 * By ports, which no guest can take away; but one look at all of it, through
 * MMCONFIG, mostly tells that there is nothing to do.
 */
static void apply(QPCIDevice *pci, const Setting *settings, unsigned nb)
{
    uint8_t space[256];

    qtest_memread(global_qtest, config_space(pci->devfn), space, sizeof(space));
    for (unsigned i = 0; i < nb; i++) {
        const Setting *s = &settings[i];
        const uint32_t is = s->size == 2 ? lduw_le_p(space + s->at) :
                                           ldl_le_p(space + s->at);

        if (!((is ^ s->value) & s->mask)) {
            continue;
        }
        if (s->size == 2) {
            qpci_config_writew(pci, s->at, s->value);
        } else {
            qpci_config_writel(pci, s->at, s->value);
        }
    }
}

static void set_up_host_bridge(World *world)
{
    QPCIDevice *bridge = world->bridge;

    if (qpci_config_readl(bridge, PCIEXBAR) != (MMCONFIG | 1) ||
        qpci_config_readl(bridge, PCIEXBAR + 4)) {
        qpci_config_writel(bridge, PCIEXBAR + 4, MMCONFIG >> 32);
        qpci_config_writel(bridge, PCIEXBAR, MMCONFIG | 1);
    }
}

#define ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static void set_up_port(World *world)
{
    const Setting settings[] = {
        { PCI_BRIDGE_CONTROL, 2, 0, 0xffff },
        { PCI_PRIMARY_BUS, 4, BUS << 16 | BUS << 8, 0xffffff },
        { PCI_MEMORY_BASE, 4, 0xe0f0e000, 0xfff0fff0 },
        { PCI_PREF_MEMORY_BASE, 4, 0x0000fff0, 0xfff0fff0 },
        { world->port_express + PCI_EXP_SLTCTL, 2, SLOT_ON, 0xffff },
        { PCI_COMMAND, 2, ON, 0xffff },
    };

    QEMU_BUILD_BUG_ON(PORT_WINDOW != 0xe0000000 || ROOT_WINDOW != 0xe1000000);
    apply(world->port, settings, ARRAY_SIZE(settings));
}

static void set_up_device(WorldDevice *vm)
{
    const uint8_t bar = PCI_BASE_ADDRESS_0 + 4 * vm->pci->bar_idx;
    const Setting settings[] = {
        { bar, 4, vm->pci->bar.addr, 0xfffffff0 },
        { bar + 4, 4, vm->pci->bar.addr >> 32, 0xffffffff },
        { PCI_BASE_ADDRESS_0 + 4 * MSIX_BAR, 4, vm->table, 0xfffffff0 },
        { vm->msix + PCI_MSIX_FLAGS, 2, 0, PCI_MSIX_FLAGS_ENABLE |
                                           PCI_MSIX_FLAGS_MASKALL },
        { PCI_COMMAND, 2, ON, 0xffff },
        { vm->power + PCI_PM_CTRL, 2, 0, PCI_PM_CTRL_STATE_MASK },
    };

    /* vm1, on the root bus, has no power management. */
    apply(vm->pci->pdev, settings, ARRAY_SIZE(settings) - !vm->power);
}

static void set_up_disk(World *world)
{
    const Setting settings[] = {
        { PCI_BASE_ADDRESS_5, 4, world->disk_bar, 0xfffffff0 },
        { PCI_COMMAND, 2, ON, 0xffff },
    };

    apply(world->disk, settings, ARRAY_SIZE(settings));
}

/* Also after a guest has written anything to any of it. */
static void set_up(World *world)
{
    set_up_host_bridge(world);
    set_up_port(world);
    set_up_device(&world->vm[0]);
    set_up_device(&world->vm[1]);
    set_up_disk(world);
}

/* --- life ----------------------------------------------------------------- */

static uint8_t find_window(QPCIDevice *pci)
{
    uint8_t cap = 0;

    do {
        cap = qpci_find_capability(pci, PCI_CAP_ID_VNDR, cap);
        g_assert_cmpuint(cap, !=, 0);
    } while (qpci_config_readb(pci, cap + offsetof(struct virtio_pci_cap,
                                                   cfg_type)) !=
             VIRTIO_PCI_CAP_PCI_CFG);
    return cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
}

static void find_device(World *world, int number, int devfn, uint64_t window)
{
    WorldDevice *vm = &world->vm[number];

    world->qs->pcibus->mmio_alloc_ptr = window;
    vm->pci = virtio_pci_new(world->qs->pcibus, &(QPCIAddress) {
        .devfn = devfn,
    });
    g_assert_nonnull(vm->pci);
    vm->mem.vdev = &vm->pci->vdev;
    vm->mem.alloc = &world->qs->alloc;
    qvirtio_pci_device_enable(vm->pci);
    vm->table = qpci_iomap(vm->pci->pdev, MSIX_BAR, NULL).addr;
    vm->config = config_space(devfn);
    vm->data = vm->config + find_window(vm->pci->pdev);
    vm->msix = qpci_find_capability(vm->pci->pdev, PCI_CAP_ID_MSIX, 0);
    vm->power = qpci_find_capability(vm->pci->pdev, PCI_CAP_ID_PM, 0);
    qvirtio_start_device(vm->mem.vdev);
    qvirtio_mem_start(&vm->mem, qvirtio_mem_usable_features(&vm->mem));
    vm->region = block_addr(&vm->mem, 0);
    vm->features = vm->mem.features;
}

World *world_boot(const char *options)
{
    World *world = g_new0(World, 1);
    QPCIBus *bus;

    world->qs = qtest_pc_boot(
        "-machine q35 -nodefaults -m 256M,maxmem=64G"
        " -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
        " -object memory-backend-ram,id=boot,size=256M"
        " -numa node,nodeid=0,memdev=boot -numa node,nodeid=1"
        " -object memory-backend-memfd,id=mem0,size=1G,reserve=off"
        " -object memory-backend-memfd,id=mem1,size=1G,reserve=off"
        " -device pcie-root-port,id=root0,addr=03.0,chassis=1"
        " -device virtio-mem-pci,id=" QVIRTIO_MEM_ID ",bus=root0,memdev=mem0,"
        "node=1,block-size=2M%s"
        " -device virtio-mem-pci,id=vm1,addr=05.0,memdev=mem1,"
        "block-size=2M,ioeventfd=off", options);
    global_qtest = world->qs->qts;
    bus = world->qs->pcibus;
    world->port = qpci_device_find(bus, PORT);
    world->port_config = config_space(PORT);
    world->port_express = qpci_find_capability(world->port, PCI_CAP_ID_EXP, 0);
    world->slot_control = world->port_config + world->port_express +
                          PCI_EXP_SLTCTL;
    world->disk = qpci_device_find(bus, DISK);
    world->bridge = qpci_device_find(bus, HOST_BRIDGE);
    set_up_host_bridge(world);
    set_up_port(world);
    find_device(world, 0, BUS << 8, PORT_WINDOW);
    find_device(world, 1, OTHER, ROOT_WINDOW);
    world->disk_bar = qpci_iomap(world->disk, 5, NULL).addr;
    return world;
}

void world_leave(World *world)
{
    for (int i = 0; i < ARRAY_SIZE(world->vm); i++) {
        WorldDevice *vm = &world->vm[i];

        qvirtqueue_cleanup(vm->mem.vdev->bus, vm->mem.vq, vm->mem.alloc);
        qvirtio_pci_device_disable(vm->pci);
        g_free(vm->pci->pdev);
        g_free(vm->pci);
    }
    g_free(world->port);
    g_free(world->disk);
    g_free(world->bridge);
    qtest_shutdown(world->qs);
    g_free(world);
}

bool world_has_device(World *world)
{
    set_up_host_bridge(world);
    set_up_port(world);
    return qpci_config_readw(world->vm[0].pci->pdev, PCI_VENDOR_ID) != 0xffff;
}

static void resize_to(const char *id, uint64_t size)
{
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'memory-device-resize',"
                             "  'arguments': { 'id': %s,"
                             "                 'size': %" PRIu64 " } }",
                             id, size);
}

/* As libqos expects it, which would take one write for each. */
static void clear_ring(QVirtQueue *vq)
{
    g_autofree struct vring_desc *table = g_new0(struct vring_desc, vq->size);

    for (unsigned i = 0; i < vq->size; i++) {
        table[i].next = cpu_to_le16(i + 1);
    }
    qtest_memwrite(global_qtest, vq->desc, table, vq->size * sizeof(*table));
    writel(vq->avail, 0);
    writel(vq->used, 0);
    vq->last_used_idx = 0;
    qvirtqueue_reset_pool(vq);
}

void world_start_queue(WorldDevice *vm, const QVirtQueue *ring,
                       uint64_t features)
{
    QVirtioDevice *vdev = vm->mem.vdev;
    QVirtQueue *vq = vm->mem.vq;

    vdev->bus->set_status(vdev, 0);
    vdev->bus->set_status(vdev, 3);
    vdev->bus->set_features(vdev, features);
    vdev->bus->set_status(vdev, 11);
    vdev->features = vm->mem.features = features;
    vdev->features_negotiated = true;
    clear_ring(vq);
    vq->indirect = features & FEATURE(RING_F_INDIRECT_DESC);
    vq->event = features & FEATURE(RING_F_EVENT_IDX);
    vdev->bus->queue_select(vdev, 0);
    vdev->bus->set_queue_address(vdev, (QVirtQueue *)ring);
    qpci_io_writew(vm->pci->pdev, vm->pci->bar, vm->pci->common_cfg_offset +
                   COMMON(cfg.queue_enable), 1);
    /* It may have stopped already. */
    vdev->bus->set_status(vdev, vdev->bus->get_status(vdev) |
                                VIRTIO_CONFIG_S_DRIVER_OK);
}

static void demand(QVirtioMEM *mem, uint16_t type, uint64_t block, uint16_t nb)
{
    g_assert_cmpuint(request(mem, type, block, nb), ==, VIRTIO_MEM_RESP_ACK);
}

/*
 * What is plugged stays so where that is right: to discard a whole region takes
 * longer than all the rest.
 */
static void restart_device(WorldDevice *vm, const char *id, uint64_t plugged)
{
    QVirtioMEM *mem = &vm->mem;

    world_start_queue(vm, mem->vq, vm->features);
    g_assert_cmphex(mem->vdev->bus->get_status(mem->vdev), ==,
                    WORLD_DRIVER_OK);
    if (requested_size(mem) != WORLD_REQUESTED) {
        resize_to(id, WORLD_REQUESTED);
    }
    if (plugged_size(mem) != BLOCK ||
        state_of(mem, plugged, 1) != VIRTIO_MEM_STATE_PLUGGED) {
        demand(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
        g_assert_cmpuint(plugged_size(mem), ==, 0);
        demand(mem, VIRTIO_MEM_REQ_PLUG, plugged, 1);
    }
    demand(mem, VIRTIO_MEM_REQ_PLUG, 0, 2);
    g_assert_cmpuint(plugged_size(mem), ==, 3 * BLOCK);
    demand(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 2);
    g_assert_cmpuint(state_of(mem, 0, plugged), ==,
                     VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    g_assert_cmpuint(requested_size(mem), ==, WORLD_REQUESTED);
}

static bool works(WorldDevice *vm)
{
    return vm->mem.vdev->bus->get_status(vm->mem.vdev) == WORLD_DRIVER_OK;
}

void world_restart_vm0(World *world)
{
    QVirtioDevice *vdev = world->vm[0].mem.vdev;

    /* What was asked for before may still end in messages, until it is reset. */
    do {
        set_up(world);
        vdev->bus->set_status(vdev, 0);
    } while (vdev->bus->get_status(vdev));
    set_up(world);
    restart_device(&world->vm[0], QVIRTIO_MEM_ID, WORLD_PLUGGED);
    if (!works(&world->vm[1])) {
        restart_device(&world->vm[1], "vm1", WORLD_OTHER_PLUGGED);
    }
}

void world_restart(World *world)
{
    QVirtioDevice *other = world->vm[1].mem.vdev;

    set_up(world);
    other->bus->set_status(other, 0);
    settle();
    world_restart_vm0(world);
}

void world_power_off(World *world)
{
    writew(world->slot_control, WORLD_POWER_OFF);
}

void world_aim_vectors(WorldDevice *vm, uint64_t addr, uint32_t data)
{
    QVirtioPCIDevice *dev = vm->pci;

    for (int i = 0; i < 2; i++) {
        const uint64_t vector = vm->table + i * PCI_MSIX_ENTRY_SIZE;

        writel(vector + PCI_MSIX_ENTRY_LOWER_ADDR, addr);
        writel(vector + PCI_MSIX_ENTRY_UPPER_ADDR, addr >> 32);
        writel(vector + PCI_MSIX_ENTRY_DATA, data);
        writel(vector + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    }
    qpci_config_writew(dev->pdev, vm->msix + PCI_MSIX_FLAGS,
                       PCI_MSIX_FLAGS_ENABLE);
    qpci_io_writew(dev->pdev, dev->bar, dev->common_cfg_offset +
                   COMMON(cfg.msix_config), 0);
    qpci_io_writew(dev->pdev, dev->bar, dev->common_cfg_offset +
                   COMMON(cfg.queue_select), 0);
    qpci_io_writew(dev->pdev, dev->bar, dev->common_cfg_offset +
                   COMMON(cfg.queue_msix_vector), 1);
}

/* --- places --------------------------------------------------------------- */

static uint64_t absolute(const World *world, uint64_t offset)
{
    return offset;
}

static uint64_t boot_memory(const World *world, uint64_t offset)
{
    return 128 * MiB + offset;      /* no allocator comes as far */
}

static uint64_t region(const World *world, uint64_t offset)
{
    return world->vm[0].region + offset;
}

static uint64_t other_region(const World *world, uint64_t offset)
{
    return world->vm[1].region + offset;
}

static uint64_t common(const World *world, uint64_t offset)
{
    const QVirtioPCIDevice *pci = world->vm[0].pci;

    return pci->bar.addr + pci->common_cfg_offset + offset;
}

static uint64_t notify(const World *world, uint64_t offset)
{
    const QVirtioPCIDevice *pci = world->vm[0].pci;

    return pci->bar.addr + pci->notify_cfg_offset + offset;
}

static uint64_t isr(const World *world, uint64_t offset)
{
    const QVirtioPCIDevice *pci = world->vm[0].pci;

    return pci->bar.addr + pci->isr_cfg_offset + offset;
}

static uint64_t device(const World *world, uint64_t offset)
{
    const QVirtioPCIDevice *pci = world->vm[0].pci;

    return pci->bar.addr + pci->device_cfg_offset + offset;
}

static uint64_t vectors(const World *world, uint64_t offset)
{
    return world->vm[0].table + offset;
}

static uint64_t own_config(const World *world, uint64_t offset)
{
    return world->vm[0].config + offset;
}

/* The window is moved to the register at @offset of the BAR. */
static uint64_t window(const World *world, uint64_t offset)
{
    const WorldDevice *vm = &world->vm[0];
    const uint64_t cap = vm->data - offsetof(struct virtio_pci_cfg_cap,
                                             pci_cfg_data);

    writeb(cap + offsetof(struct virtio_pci_cap, bar), vm->pci->bar_idx);
    writel(cap + offsetof(struct virtio_pci_cap, offset), offset);
    writel(cap + offsetof(struct virtio_pci_cap, length), 4);
    return vm->data;
}

static uint64_t window_to_notify(const World *world, uint64_t offset)
{
    return window(world, world->vm[0].pci->notify_cfg_offset);
}

static uint64_t window_to_status(const World *world, uint64_t offset)
{
    return window(world, world->vm[0].pci->common_cfg_offset +
                         COMMON(cfg.device_status));
}

static uint64_t port_config(const World *world, uint64_t offset)
{
    return world->port_config + offset;
}

static uint64_t slot_control(const World *world, uint64_t offset)
{
    return world->slot_control + offset;
}

static uint64_t other_common(const World *world, uint64_t offset)
{
    const QVirtioPCIDevice *pci = world->vm[1].pci;

    return pci->bar.addr + pci->common_cfg_offset + offset;
}

static uint64_t other_notify(const World *world, uint64_t offset)
{
    const QVirtioPCIDevice *pci = world->vm[1].pci;

    return pci->bar.addr + pci->notify_cfg_offset + offset;
}

static uint64_t other_vectors(const World *world, uint64_t offset)
{
    return world->vm[1].table + offset;
}

static uint64_t disk(const World *world, uint64_t offset)
{
    return world->disk_bar + offset;
}

#define OWN(reg) \
    { "own-" #reg, TARGET_OTHER, common, COMMON(cfg.reg) }
#define OWN_TOO(reg) \
    { "own-" #reg, TARGET_OTHER, common, COMMON(cfg.reg), .like_others = true }
#define OWN_NEW(reg) \
    { "own-" #reg, TARGET_OTHER, common, COMMON(reg), .like_others = true }

const Target targets[] = {
    OWN(device_feature_select),
    OWN_TOO(device_feature),
    OWN_TOO(guest_feature_select),
    OWN_TOO(guest_feature),
    OWN_TOO(msix_config),
    OWN_TOO(num_queues),
    OWN(device_status),
    OWN_TOO(config_generation),
    OWN_TOO(queue_select),
    OWN_TOO(queue_size),
    OWN_TOO(queue_msix_vector),
    OWN(queue_enable),
    OWN_TOO(queue_notify_off),
    OWN(queue_desc_lo),
    OWN_TOO(queue_desc_hi),
    OWN_TOO(queue_avail_lo),
    OWN_TOO(queue_avail_hi),
    OWN_TOO(queue_used_lo),
    OWN_TOO(queue_used_hi),
    OWN_NEW(queue_notify_data),
    OWN_NEW(queue_reset),
    { "own-registers-end", TARGET_OTHER, common, 4092 },
    { "own-notify", TARGET_OTHER, notify },
    { "own-notify-of-no-queue", TARGET_OTHER, notify, 4 },
    { "own-isr", TARGET_OTHER, isr },
    { "own-device-config", TARGET_OTHER, device },
    { "own-requested-size", TARGET_OTHER, device, CONFIG(requested_size) },
    { "own-vectors", TARGET_OTHER, vectors, .keeps = true },
    { "own-vector-control", TARGET_OTHER, vectors, PCI_MSIX_ENTRY_VECTOR_CTRL },
    { "own-pending-bits", TARGET_OTHER, vectors, PENDING_BITS },
    { "own-command", TARGET_OTHER, own_config, PCI_COMMAND },
    { "own-bar", TARGET_OTHER, own_config, PCI_BASE_ADDRESS_4 },
    { "own-window-to-notify", TARGET_OTHER, window_to_notify },
    { "own-window-to-status", TARGET_OTHER, window_to_status },
    { "port-command", TARGET_OTHER, port_config, PCI_COMMAND },
    { "port-buses", TARGET_OTHER, port_config, PCI_PRIMARY_BUS },
    { "port-addresses", TARGET_OTHER, port_config, PCI_MEMORY_BASE },
    { "port-interrupt", TARGET_OTHER, port_config, PCI_INTERRUPT_LINE },
    { "port-secondary-reset", TARGET_OTHER, port_config, PCI_BRIDGE_CONTROL },
    { "port-slot-control", TARGET_OTHER, slot_control },
    { "mmconfig", TARGET_OTHER, absolute, MMCONFIG + PCIEXBAR },
    { "other-status", TARGET_OTHER, other_common, COMMON(cfg.device_status) },
    { "other-queue-enable", TARGET_OTHER, other_common,
      COMMON(cfg.queue_enable) },
    { "other-queue-addresses", TARGET_OTHER, other_common,
      COMMON(cfg.queue_desc_lo), .keeps = true },
    { "other-notify", TARGET_OTHER, other_notify },
    { "other-vectors", TARGET_OTHER, other_vectors, .keeps = true },
    { "disk", TARGET_OTHER, disk },
    { "interrupt-controller", TARGET_OTHER, absolute, 0xfec00000 },
    { "timer", TARGET_OTHER, absolute, 0xfed00000 },
    { "interrupt-messages", TARGET_OTHER, absolute, 0xfee00000 },
    { "hole", TARGET_OTHER, absolute, 0xd0000000 },
    { "hole-above", TARGET_OTHER, absolute, 1ULL << 38 },
    { "end-of-addresses", TARGET_OTHER, absolute, UINT64_MAX - 3 },
    { "rom", TARGET_ROM, absolute, 0xffff0000 },
    { "boot-memory", TARGET_RAM, boot_memory, .keeps = true },
    { "end-of-boot-memory", TARGET_OTHER, absolute, 256 * MiB - 4 },
    { "plugged-block", TARGET_RAM, region, WORLD_PLUGGED * BLOCK,
      .keeps = true },
    { "unplugged-block", TARGET_RAM, region, WORLD_UNPLUGGED * BLOCK,
      .keeps = true },
    { "requested-blocks", TARGET_RAM, region, 4096, .keeps = true },
    { "other-plugged-block", TARGET_RAM, other_region,
      WORLD_OTHER_PLUGGED * BLOCK, .keeps = true },
};
const unsigned nb_targets = ARRAY_SIZE(targets);

uint64_t target_addr(const World *world, const Target *target)
{
    return target->where(world, target->offset);
}

const Target *target_named(const char *name)
{
    for (unsigned i = 0; i < nb_targets; i++) {
        if (g_str_equal(targets[i].name, name)) {
            return &targets[i];
        }
    }
    g_error("there is no target '%s'", name);
}
