/*
 * virtio-mem: configuration space, features and their negotiation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "virtio-mem-raw.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_ids.h"

/* --- configuration ---------------------------------------------------- */

/* [2, 4-7] */
static void config_layout(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    struct virtio_mem_config want = {
        .block_size = cpu_to_le64(BLOCK),
        .node_id = cpu_to_le16(QVIRTIO_MEM_NODE),
        .region_size = cpu_to_le64(REGION),
        .usable_region_size = cpu_to_le64(1 * GiB + EXTENT),
        .plugged_size = cpu_to_le64(3 * BLOCK),
        .requested_size = cpu_to_le64(1 * GiB),
    };
    struct virtio_mem_config seen;

    QEMU_BUILD_BUG_ON(sizeof(want) != 56);
    g_assert_cmphex(qpci_config_readw(virtio_pci(mem)->pdev, PCI_DEVICE_ID), ==,
                    0x1040 + VIRTIO_ID_MEM);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 3), ==,
                     VIRTIO_MEM_RESP_ACK);
    for (size_t i = 0; i < sizeof(seen); i++) {
        ((uint8_t *)&seen)[i] = qvirtio_config_readb(mem->vdev, i);
    }
    want.addr = seen.addr;
    g_assert_cmpuint(le64_to_cpu(seen.addr) % BLOCK, ==, 0);
    /* Behind what can be boot memory. */
    g_assert_cmpuint(le64_to_cpu(seen.addr), >=,
                     on_x86() ? 4 * GiB : 1 * GiB + 256 * MiB);
    g_assert_cmpmem(&seen, sizeof(seen), &want, sizeof(want));
}

static void config_write_ignored(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QVirtioPCIDevice *dev = container_of(mem->vdev, QVirtioPCIDevice, vdev);

    for (size_t i = 0; i < sizeof(struct virtio_mem_config); i += 4) {
        const uint64_t offset = dev->device_cfg_offset + i;
        const uint32_t before = qvirtio_config_readl(mem->vdev, i);

        qpci_io_writeb(dev->pdev, dev->bar, offset, ~before);
        g_assert_cmphex(qvirtio_config_readl(mem->vdev, i), ==, before);
        qpci_io_writew(dev->pdev, dev->bar, offset, ~before);
        g_assert_cmphex(qvirtio_config_readl(mem->vdev, i), ==, before);
        qpci_io_writel(dev->pdev, dev->bar, offset, ~before);
        g_assert_cmphex(qvirtio_config_readl(mem->vdev, i), ==, before);
    }
}

/* [1, 9] */
static void resize_interrupts(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    uint8_t generation;

    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    generation = config_generation(mem);
    resize(2 * GiB);
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    g_assert_cmphex(config_generation(mem), !=, generation);
    g_assert_cmpuint(requested_size(mem), ==, 2 * GiB);
}

/* [11]: writing the value that is already there notifies as well. */
static void resize_to_same_interrupts(void *obj, void *data,
                                      QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    resize(1 * GiB);
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
}

/* [10]: no notification for plugged_size, but another generation. */
static void plug_changes_generation(void *obj, void *data,
                                    QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    uint8_t generation;

    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    generation = config_generation(mem);
    g_assert_cmpuint(quiet_request(mem, VIRTIO_MEM_REQ_PLUG,
                                   block_addr(mem, 0), 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmphex(config_generation(mem), !=, generation);
    settle();
    g_assert_false(config_notified(mem));
}

/* Whatever changes, a driver that has read half of it can notice. */
static void every_change_has_a_generation(void *obj, void *data,
                                          QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    static const struct {
        uint16_t type, first, nb_blocks;
    } steps[] = {
        { VIRTIO_MEM_REQ_PLUG, 0, 4 },
        { VIRTIO_MEM_REQ_UNPLUG, 0, 2 },
        { VIRTIO_MEM_REQ_UNPLUG_ALL },      /* plugged_size and usable */
        { VIRTIO_MEM_REQ_UNPLUG_ALL },      /* usable only */
    };
    uint8_t generation = config_generation(mem);

    for (int i = 0; i < ARRAY_SIZE(steps); i++) {
        g_assert_cmpuint(request(mem, steps[i].type, steps[i].first,
                                 steps[i].nb_blocks), ==, VIRTIO_MEM_RESP_ACK);
        g_assert_cmphex(config_generation(mem), !=, generation);
        generation = config_generation(mem);
        if (i >= 1) {
            resize((4 - i) * 128 * MiB);
            g_assert_cmphex(config_generation(mem), !=, generation);
            generation = config_generation(mem);
        }
    }
}

/* [8, 9]: the usable region shrinks and nobody is notified. */
static void unplug_all_is_silent(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 4);
    resize(512 * MiB);
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    g_assert_cmpuint(usable_size(mem), ==, 1 * GiB + EXTENT);
    g_assert_cmpuint(quiet_request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    settle();
    g_assert_cmpuint(usable_size(mem), ==, 512 * MiB + EXTENT);
    g_assert_false(config_notified(mem));
}

/* [4, 8, 41] */
static void usable_region_follows(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    g_assert_cmpuint(usable_size(mem), ==, 1 * GiB + EXTENT);
    resize(4 * GiB);
    g_assert_cmpuint(usable_size(mem), ==, 4 * GiB + EXTENT);
    resize(BLOCK);
    g_assert_cmpuint(usable_size(mem), ==, 4 * GiB + EXTENT);
    request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
    g_assert_cmpuint(usable_size(mem), ==, BLOCK + EXTENT);
    resize(REGION);
    g_assert_cmpuint(usable_size(mem), ==, REGION);
    resize(0);
    g_assert_cmpuint(usable_size(mem), ==, REGION);
    request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
    g_assert_cmpuint(usable_size(mem), ==, 0);
}

/* --- features --------------------------------------------------------- */

static void features_offered(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = obj;

    g_assert_cmphex(mem->features & 0xff, ==,
                    FEATURE(MEM_F_ACPI_PXM) |
                    FEATURE(MEM_F_UNPLUGGED_INACCESSIBLE) |
                    (on_x86() ? FEATURE(MEM_F_PERSISTENT_SUSPEND) : 0));
    g_assert_true(mem->features & FEATURE(F_VERSION_1));
}

/* [12] */
static void driver_without_inaccessible_is_refused(void *obj, void *data,
                                                   QGuestAllocator *alloc)
{
    QVirtioMEM *mem = obj;
    QVirtioDevice *vdev = mem->vdev;
    uint64_t features;

    reset_device(mem);
    features = qvirtio_mem_usable_features(mem) &
               ~FEATURE(MEM_F_UNPLUGGED_INACCESSIBLE);
    vdev->bus->set_features(vdev, features);
    vdev->bus->set_status(vdev, vdev->bus->get_status(vdev) |
                                VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_false(vdev->bus->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK);
}

/* --- drivers that break off the negotiation --------------------------- */

/* Set up the device with @features and @status, and ask for a plug. */
static void plug_with_status(QVirtioMEM *mem, uint64_t features, uint8_t status)
{
    QVirtioDevice *vdev = mem->vdev;
    const uint32_t half[] = { features, features >> 32 };
    QVirtioPCIDevice *dev = virtio_pci(mem);
    uint64_t buffers;

    reset_device(mem);
    for (uint32_t i = 0; i < ARRAY_SIZE(half); i++) {
        qpci_io_writel(dev->pdev, dev->bar, dev->common_cfg_offset +
                       COMMON(cfg.guest_feature_select), i);
        qpci_io_writel(dev->pdev, dev->bar, dev->common_cfg_offset +
                       COMMON(cfg.guest_feature), half[i]);
    }
    vdev->features = features;
    vdev->features_negotiated = true;
    vdev->bus->set_status(vdev, status & ~VIRTIO_CONFIG_S_DRIVER_OK);
    mem->vq = qvirtqueue_setup(vdev, mem->alloc, 0);
    vdev->bus->set_status(vdev, status);

    buffers = alloc_buffers(mem);
    put_desc(mem->vq->desc, 0, buffers, sizeof(struct virtio_mem_req),
             VRING_DESC_F_NEXT, 1);
    put_desc(mem->vq->desc, 1, buffers + RAW_RESPONSE,
             sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, 2);
    offer(mem, 0);
    settle();
}

#define HALF_WAY (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

static void not_served_without_version_1(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t features = qvirtio_mem_usable_features(mem) &
                              ~FEATURE(F_VERSION_1);

    plug_with_status(mem, features, HALF_WAY | VIRTIO_CONFIG_S_FEATURES_OK |
                                    VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmpuint(used_index(mem), ==, 0);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    plug_with_status(mem, features, HALF_WAY | VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmpuint(used_index(mem), ==, 0);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    assert_recovers(mem);
}

/* The driver goes on as if FEATURES_OK had not been refused, or not asked. */
static void not_served_when_refused(void *obj, void *data,
                                    QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t features = qvirtio_mem_usable_features(mem) &
                              ~FEATURE(MEM_F_UNPLUGGED_INACCESSIBLE);

    plug_with_status(mem, features, HALF_WAY | VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_true(needs_reset(mem));
    g_assert_cmpuint(used_index(mem), ==, 0);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    assert_recovers(mem);
}

/* VIRTIO 1.2, 3.1.1: no buffer is consumed before DRIVER_OK; then it is. */
static void not_served_before_driver_ok(void *obj, void *data,
                                        QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QVirtioDevice *vdev = mem->vdev;

    plug_with_status(mem, qvirtio_mem_usable_features(mem),
                     HALF_WAY | VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_cmpuint(used_index(mem), ==, 0);
    g_assert_cmpuint(plugged_size(mem), ==, 0);

    qvirtio_set_driver_ok(vdev);
    g_assert_cmpint(wait_outcome(mem, 0), ==, ANSWERED);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    assert_recovers(mem);
}

/* --- other machines and properties ------------------------------------ */

static void *without_acpi(GString *cmd_line, void *arg)
{
    g_string_append(cmd_line, " -machine acpi=off");
    return arg;
}

/* [15]: a machine without ACPI cannot be suspended. */
static void no_suspend_no_persistence(void *obj, void *data,
                                      QGuestAllocator *alloc)
{
    QVirtioMEM *mem = obj;

    g_assert_false(mem->features & FEATURE(MEM_F_PERSISTENT_SUSPEND));
    g_assert_true(mem->features & FEATURE(MEM_F_UNPLUGGED_INACCESSIBLE));
}

/* [20]: all of the usable region can be read, plugged or not. */
static void unplugged_can_be_read(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 64 * MiB);
    const uint64_t end = usable_size(mem) / BLOCK;

    g_assert_false(mem->features & FEATURE(MEM_F_UNPLUGGED_INACCESSIBLE));
    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 4);
    writeq(block_addr(mem, 1), 0x0123456789abcdef);
    request(mem, VIRTIO_MEM_REQ_UNPLUG, 2, 2);
    for (uint64_t block = 0; block < end; block++) {
        g_assert_cmphex(readq(block_addr(mem, block)), ==,
                        block == 1 ? 0x0123456789abcdef : 0);
    }
}

static const QVirtioMEMTest tests[] = {
    { "config/layout", config_layout },
    { "config/write-is-ignored", config_write_ignored },
    { "config/resize-interrupts", resize_interrupts },
    { "config/resize-to-same-interrupts", resize_to_same_interrupts },
    { "config/plug-changes-generation", plug_changes_generation },
    { "config/every-change-has-a-generation", every_change_has_a_generation },
    { "config/unplug-all-is-silent", unplug_all_is_silent },
    { "config/usable-region-follows", usable_region_follows },
    { "features/offered", features_offered },
    { "features/driver-without-inaccessible-is-refused",
      driver_without_inaccessible_is_refused },
    { "features/driver-without-version-1-is-not-served",
      not_served_without_version_1 },
    { "features/driver-that-was-refused-is-not-served",
      not_served_when_refused },
    { "features/nothing-is-served-before-driver-ok",
      not_served_before_driver_ok },
    { "features/no-persistence-where-nothing-suspends",
      no_suspend_no_persistence, NULL, without_acpi },
};

static const QVirtioMEMTest x86_tests[] = {
    { "features/unplugged-memory-can-be-read-where-accessible",
      unplugged_can_be_read, "unplugged-inaccessible=off" },
};

static void register_space_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
    if (on_x86()) {
        add_tests(x86_tests, ARRAY_SIZE(x86_tests));
    }
}

libqos_init(register_space_tests);
