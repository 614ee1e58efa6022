/*
 * virtio-mem: a machine in which a guest can aim the device at everything
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
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

static void set_bar(QPCIDevice *pci, int bar, uint64_t addr, bool is_64_bit)
{
    const uint8_t reg = PCI_BASE_ADDRESS_0 + 4 * bar;

    qpci_config_writel(pci, reg, addr);
    if (is_64_bit) {
        qpci_config_writel(pci, reg + 4, addr >> 32);
    }
}

/* Something that is still on its way may turn it off again. */
static void enable(QPCIDevice *pci)
{
    qpci_config_writew(pci, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
                                         PCI_COMMAND_MASTER);
}

static void power_up(QPCIDevice *pci, uint8_t cap)
{
    if (cap) {
        qpci_config_writew(pci, cap + PCI_PM_CTRL, 0);
    }
}

static void set_up_host_bridge(World *world)
{
    QPCIDevice *bridge = qpci_device_find(world->qs->pcibus, HOST_BRIDGE);

    qpci_config_writel(bridge, PCIEXBAR + 4, MMCONFIG >> 32);
    qpci_config_writel(bridge, PCIEXBAR, MMCONFIG | 1);
    g_free(bridge);
}

static void set_up_port(World *world)
{
    QPCIDevice *port = world->port;

    power_up(port, world->port_power);
    qpci_config_writew(port, PCI_BRIDGE_CONTROL, 0);
    qpci_config_writel(port, PCI_PRIMARY_BUS, BUS << 16 | BUS << 8);
    qpci_config_writel(port, PCI_MEMORY_BASE,
                       ((ROOT_WINDOW - 1) >> 16) << 16 | PORT_WINDOW >> 16);
    qpci_config_writel(port, PCI_PREF_MEMORY_BASE, 0x0000fff0);
    qpci_config_writew(port, world->port_express + PCI_EXP_SLTCTL, SLOT_ON);
    enable(port);
}

static void set_up_device(WorldDevice *vm)
{
    QPCIDevice *pci = vm->pci->pdev;

    power_up(pci, vm->power);
    set_bar(pci, vm->pci->bar_idx, vm->pci->bar.addr, true);
    set_bar(pci, MSIX_BAR, vm->table, false);
    qpci_config_writew(pci, vm->msix + PCI_MSIX_FLAGS, 0);
    enable(pci);
}

static void set_up_disk(World *world)
{
    set_bar(world->disk, 5, world->disk_bar, false);
    enable(world->disk);
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
        " -object memory-backend-memfd,id=mem0,size=16G,reserve=off"
        " -object memory-backend-memfd,id=mem1,size=2G,reserve=off"
        " -device pcie-root-port,id=root0,addr=03.0,chassis=1"
        " -device virtio-mem-pci,id=" QVIRTIO_MEM_ID ",bus=root0,memdev=mem0,"
        "node=1,block-size=2M%s"
        " -device virtio-mem-pci,id=vm1,addr=05.0,memdev=mem1,"
        "block-size=2M,ioeventfd=off", options);
    global_qtest = world->qs->qts;
    bus = world->qs->pcibus;
    world->port = qpci_device_find(bus, PORT);
    world->port_config = config_space(PORT);
    world->port_power = qpci_find_capability(world->port, PCI_CAP_ID_PM, 0);
    world->port_express = qpci_find_capability(world->port, PCI_CAP_ID_EXP, 0);
    world->slot_control = world->port_config + world->port_express +
                          PCI_EXP_SLTCTL;
    world->disk = qpci_device_find(bus, DISK);
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

static void restart_device(QVirtioMEM *mem, const char *id, uint64_t plugged)
{
    restart_as_usual(mem);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    resize_to(id, WORLD_REQUESTED);
    g_assert_cmpuint(requested_size(mem), ==, WORLD_REQUESTED);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, plugged, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(state_of(mem, 0, plugged), ==,
                     VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
}

void world_restart(World *world)
{
    set_up(world);
    for (int i = 0; i < ARRAY_SIZE(world->vm); i++) {
        world->vm[i].pci->vdev.bus->set_status(&world->vm[i].pci->vdev, 0);
    }
    settle();
    set_up(world);          /* the last answers may have changed it again */
    restart_device(&world->vm[0].mem, QVIRTIO_MEM_ID, WORLD_PLUGGED);
    restart_device(&world->vm[1].mem, "vm1", WORLD_OTHER_PLUGGED);
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
#define OWN_NEW(reg) \
    { "own-" #reg, TARGET_OTHER, common, COMMON(reg) }

const Target targets[] = {
    OWN(device_feature_select),
    OWN(device_feature),
    OWN(guest_feature_select),
    OWN(guest_feature),
    OWN(msix_config),
    OWN(num_queues),
    OWN(device_status),
    OWN(config_generation),
    OWN(queue_select),
    OWN(queue_size),
    OWN(queue_msix_vector),
    OWN(queue_enable),
    OWN(queue_notify_off),
    OWN(queue_desc_lo),
    OWN(queue_desc_hi),
    OWN(queue_avail_lo),
    OWN(queue_avail_hi),
    OWN(queue_used_lo),
    OWN(queue_used_hi),
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
