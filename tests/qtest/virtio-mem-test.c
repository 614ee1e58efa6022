/*
 * virtio-mem: the protocol, seen by a driver
 *
 * Each test is a sentence about the device; numbers in brackets are the
 * demands of the specification as docs/devel/spec-matrix.md lists them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest-single.h"
#include "qemu/bswap.h"
#include <elf.h>
#include "qemu/module.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "libqos/qgraph.h"
#include "libqos/virtio-mem.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_ids.h"
#include "standard-headers/linux/virtio_mem.h"
#include "standard-headers/linux/virtio_pci.h"

#define MiB (1024ULL * 1024)
#define GiB (1024 * MiB)
#define BLOCK QVIRTIO_MEM_BLOCK_SIZE
#define REGION QVIRTIO_MEM_REGION_SIZE
#define EXTENT (256 * MiB)
#define TIMEOUT_US (30 * 1000 * 1000)
#define CONFIG(field) offsetof(struct virtio_mem_config, field)

static uint64_t config(QVirtioMEM *mem, uint64_t offset)
{
    return qvirtio_config_readq(mem->vdev, offset);
}

static uint64_t plugged_size(QVirtioMEM *mem)
{
    return config(mem, CONFIG(plugged_size));
}

static uint64_t usable_size(QVirtioMEM *mem)
{
    return config(mem, CONFIG(usable_region_size));
}

static uint64_t block_addr(QVirtioMEM *mem, uint64_t block)
{
    return config(mem, CONFIG(addr)) + block * BLOCK;
}

static void resize(uint64_t size)
{
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'memory-device-resize',"
                             "  'arguments': { 'id': %s, 'size': %" PRIu64 " } }",
                             QVIRTIO_MEM_ID, size);
}

static uint16_t request(QVirtioMEM *mem, uint16_t type, uint64_t block,
                        uint16_t nb_blocks)
{
    return qvirtio_mem_request(global_qtest, mem, type, block_addr(mem, block),
                               nb_blocks, NULL);
}

static uint16_t state_of(QVirtioMEM *mem, uint64_t block, uint16_t nb_blocks)
{
    uint16_t state;

    g_assert_cmpuint(qvirtio_mem_request(global_qtest, mem,
                                         VIRTIO_MEM_REQ_STATE,
                                         block_addr(mem, block), nb_blocks,
                                         &state), ==, VIRTIO_MEM_RESP_ACK);
    return state;
}

/*
 * Tests of one command line share a QEMU, which is reset in between: nothing
 * is plugged, but what was requested stays so.
 */
static QVirtioMEM *begin(void *obj, uint64_t requested)
{
    QVirtioMEM *mem = obj;

    resize(0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(usable_size(mem), ==, 0);
    resize(requested);
    return mem;
}

static QPCIDevice *pci_device(QVirtioMEM *mem)
{
    return container_of(mem->vdev, QVirtioPCIDevice, vdev)->pdev;
}

static uint8_t config_generation(QVirtioMEM *mem)
{
    QVirtioPCIDevice *dev = container_of(mem->vdev, QVirtioPCIDevice, vdev);

    return qpci_io_readb(dev->pdev, dev->bar, dev->common_cfg_offset +
                         offsetof(struct virtio_pci_common_cfg,
                                  config_generation));
}

/* --- configuration ------------------------------------------------------ */

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
    g_assert_cmphex(qpci_config_readw(pci_device(mem), PCI_DEVICE_ID), ==,
                    0x1040 + VIRTIO_ID_MEM);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 3), ==,
                     VIRTIO_MEM_RESP_ACK);
    for (size_t i = 0; i < sizeof(seen); i++) {
        ((uint8_t *)&seen)[i] = qvirtio_config_readb(mem->vdev, i);
    }
    want.addr = seen.addr;
    g_assert_cmpuint(le64_to_cpu(seen.addr) % BLOCK, ==, 0);
    g_assert_cmpuint(le64_to_cpu(seen.addr), >=, 4 * GiB);
    g_assert_cmpmem(&seen, sizeof(seen), &want, sizeof(want));
}

static void config_write_ignored(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QVirtioPCIDevice *dev = container_of(mem->vdev, QVirtioPCIDevice, vdev);

    for (size_t i = 0; i < sizeof(struct virtio_mem_config); i += 4) {
        const uint32_t before = qvirtio_config_readl(mem->vdev, i);

        qpci_io_writel(dev->pdev, dev->bar, dev->device_cfg_offset + i,
                       ~before);
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
    g_assert_cmpuint(config(mem, CONFIG(requested_size)), ==, 2 * GiB);
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
    QVirtioPCIDevice *dev = container_of(mem->vdev, QVirtioPCIDevice, vdev);
    uint8_t generation;

    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    generation = config_generation(mem);
    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1);
    g_assert_cmphex(config_generation(mem), !=, generation);
    g_assert_cmphex(qpci_io_readb(dev->pdev, dev->bar, dev->isr_cfg_offset) & 2,
                    ==, 0);
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

/* --- features ----------------------------------------------------------- */

static void features_offered(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = obj;

    g_assert_cmphex(mem->features & 0xff, ==,
                    (1ull << VIRTIO_MEM_F_ACPI_PXM) |
                    (1ull << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE) |
                    (1ull << VIRTIO_MEM_F_PERSISTENT_SUSPEND));
    g_assert_true(mem->features & (1ull << VIRTIO_F_VERSION_1));
}

/* [12] */
static void driver_without_inaccessible_is_refused(void *obj, void *data,
                                                   QGuestAllocator *alloc)
{
    QVirtioMEM *mem = obj;
    QVirtioDevice *vdev = mem->vdev;
    uint64_t features;

    qvirtio_mem_stop(mem);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    features = qvirtio_mem_usable_features(mem) &
               ~(1ull << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE);
    vdev->bus->set_features(vdev, features);
    vdev->bus->set_status(vdev, vdev->bus->get_status(vdev) |
                                VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_false(vdev->bus->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK);
}

/* --- plug, unplug, state ------------------------------------------------ */

static uint64_t queried_size(void)
{
    QDict *rsp, *info;
    uint64_t size;

    rsp = qtest_qmp(global_qtest, "{ 'execute': 'query-memory-devices' }");
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    info = qdict_get_qdict(info, "data");
    g_assert_cmpstr(qdict_get_str(info, "id"), ==, QVIRTIO_MEM_ID);
    g_assert_cmpuint(qdict_get_int(info, "max-size"), ==, REGION);
    g_assert_cmpuint(qdict_get_int(info, "block-size"), ==, BLOCK);
    g_assert_cmpuint(qdict_get_int(info, "node"), ==, QVIRTIO_MEM_NODE);
    g_assert_cmpstr(qdict_get_str(info, "memdev"), ==, "/objects/mem0");
    size = qdict_get_int(info, "size");
    qobject_unref(rsp);
    return size;
}

/* [3, 25, 29] */
static void plug_one_block(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QDict *event, *what;

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 5, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
    g_assert_cmpuint(queried_size(), ==, BLOCK);
    g_assert_cmpuint(state_of(mem, 5, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 0, 5), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 6, 5), ==, VIRTIO_MEM_STATE_UNPLUGGED);

    /* Events are a second apart at least, and qtest's clock stands still. */
    clock_step(2 * 1000 * 1000 * 1000LL);
    do {
        event = qtest_qmp_eventwait_ref(global_qtest,
                                        "MEMORY_DEVICE_SIZE_CHANGE");
        what = qdict_get_qdict(event, "data");
        g_assert_cmpstr(qdict_get_str(what, "id"), ==, QVIRTIO_MEM_ID);
        g_assert_cmpstr(qdict_get_str(what, "qom-path"), ==,
                        "/machine/peripheral/" QVIRTIO_MEM_ID);
        if (qdict_get_int(what, "size") == BLOCK) {
            what = NULL;
        }
        qobject_unref(event);
    } while (what);
}

/* [27, 33]: whatever state the other blocks have. */
static void wrong_state_is_error(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 9, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 19, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 10), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 9, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 19, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);

    g_assert_cmpuint(plugged_size(mem), ==, 10 * BLOCK);
    g_assert_cmpuint(state_of(mem, 10, 10), ==, VIRTIO_MEM_STATE_PLUGGED);
}

static void plug_beyond_requested_is_nack(void *obj, void *data,
                                          QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 4 * BLOCK);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 5), ==,
                     VIRTIO_MEM_RESP_NACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 4), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 4, 1), ==,
                     VIRTIO_MEM_RESP_NACK);
    g_assert_cmpuint(plugged_size(mem), ==, 4 * BLOCK);
    g_assert_cmpuint(state_of(mem, 4, 1), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    /* An error beyond the requested size is an error. */
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 3, 2), ==,
                     VIRTIO_MEM_RESP_ERROR);
}

/* [26, 32, 44] */
static void bad_range_is_error(void *obj, void *data, QGuestAllocator *alloc)
{
    static const uint16_t types[] = {
        VIRTIO_MEM_REQ_PLUG, VIRTIO_MEM_REQ_UNPLUG, VIRTIO_MEM_REQ_STATE,
    };
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t addr = block_addr(mem, 0);
    const uint64_t usable = usable_size(mem);
    const struct {
        uint64_t addr;
        uint16_t nb_blocks;
    } bad[] = {
        { addr, 0 },
        { addr + 1, 1 },
        { addr + BLOCK / 2, 1 },
        { addr - BLOCK, 1 },
        { addr - BLOCK, 2 },
        { 0, 1 },
        { addr + usable, 1 },
        { addr + usable - BLOCK, 2 },
        { addr + REGION, 1 },
        { addr, 0xffff },
        { -BLOCK, 1 },
        { -BLOCK, 2 },
        { -BLOCK, 0xffff },
    };

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 512);
    for (int t = 0; t < ARRAY_SIZE(types); t++) {
        for (int i = 0; i < ARRAY_SIZE(bad); i++) {
            g_assert_cmpuint(qvirtio_mem_request(global_qtest, mem, types[t],
                                                 bad[i].addr, bad[i].nb_blocks,
                                                 NULL), ==,
                             VIRTIO_MEM_RESP_ERROR);
        }
    }
    g_assert_cmpuint(plugged_size(mem), ==, 1 * GiB);
    g_assert_cmpuint(state_of(mem, 0, 512), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, usable / BLOCK - 1, 1), ==,
                     VIRTIO_MEM_STATE_UNPLUGGED);
}

/* [43-46] */
static void state_is_accurate(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 63, 2);
    g_assert_cmpuint(state_of(mem, 0, 63), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 63, 2), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 64, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 65, 400), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 62, 2), ==, VIRTIO_MEM_STATE_MIXED);
    g_assert_cmpuint(state_of(mem, 64, 2), ==, VIRTIO_MEM_STATE_MIXED);
    g_assert_cmpuint(state_of(mem, 0, 512), ==, VIRTIO_MEM_STATE_MIXED);
}

/* [35] */
static void unplug_part(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 16);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 4, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 8 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 4, 8), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 12, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
}

/* [36-41] */
static void unplug_all(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 16);
    request(mem, VIRTIO_MEM_REQ_PLUG, 100, 16);
    g_assert_cmpuint(qvirtio_mem_request(global_qtest, mem,
                                         VIRTIO_MEM_REQ_UNPLUG_ALL, UINT64_MAX,
                                         UINT16_MAX, NULL), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(state_of(mem, 0, 512), ==, VIRTIO_MEM_STATE_UNPLUGGED);
}

static void many_blocks_at_once(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, REGION);

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 4096), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 4096 * BLOCK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 4096), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
}

static void unknown_request_is_error(void *obj, void *data,
                                     QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    g_assert_cmpuint(request(mem, 4, 0, 1), ==, VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, 0xffff, 0, 1), ==, VIRTIO_MEM_RESP_ERROR);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
}

/* --- memory ------------------------------------------------------------- */

/* [16-20] */
static void unplug_discards(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t keep = block_addr(mem, 0), lose = block_addr(mem, 1);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 2);
    writeq(keep, 0x0123456789abcdef);
    writeq(keep + BLOCK - 8, 0xfedcba9876543210);
    writeq(lose, 0x0123456789abcdef);
    request(mem, VIRTIO_MEM_REQ_UNPLUG, 1, 1);
    request(mem, VIRTIO_MEM_REQ_PLUG, 1, 1);
    g_assert_cmphex(readq(keep), ==, 0x0123456789abcdef);
    g_assert_cmphex(readq(keep + BLOCK - 8), ==, 0xfedcba9876543210);
    g_assert_cmphex(readq(lose), ==, 0);
}

/* [13, 14] */
static void device_reset_changes_nothing(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QVirtioDevice *vdev = mem->vdev;

    request(mem, VIRTIO_MEM_REQ_PLUG, 3, 4);
    writeq(block_addr(mem, 3), 0x0123456789abcdef);
    resize(512 * MiB);

    qvirtio_mem_stop(mem);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem));

    g_assert_cmpuint(plugged_size(mem), ==, 4 * BLOCK);
    g_assert_cmpuint(usable_size(mem), ==, 1 * GiB + EXTENT);
    g_assert_cmpuint(config(mem, CONFIG(requested_size)), ==, 512 * MiB);
    g_assert_cmpuint(state_of(mem, 3, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 0, 3), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmphex(readq(block_addr(mem, 3)), ==, 0x0123456789abcdef);
}

/* [8, 21, 22] */
static void system_reset_unplugs_all(void *obj, void *data,
                                     QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 100);
    resize(512 * MiB);
    qtest_system_reset(global_qtest);
    g_assert_cmpuint(queried_size(), ==, 0);

    /* The driver comes up anew. */
    qvirtio_pci_device_enable(container_of(mem->vdev, QVirtioPCIDevice, vdev));
    qvirtio_start_device(mem->vdev);
    qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem));
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(config(mem, CONFIG(requested_size)), ==, 512 * MiB);
    g_assert_cmpuint(usable_size(mem), ==, 512 * MiB + EXTENT);
    g_assert_cmpuint(state_of(mem, 0, 200), ==, VIRTIO_MEM_STATE_UNPLUGGED);
}

/*
 * A dump of the device's whole region holds what is plugged and nothing else.
 * QEMU's dump asks the device's RamDiscardManager.
 */
static void dump_has_plugged_memory_only(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    g_autofree char *path = NULL, *uri = NULL, *dump = NULL;
    const Elf64_Ehdr *ehdr;
    const Elf64_Phdr *phdr;
    uint64_t loaded = 0;
    gsize size;
    const int fd = g_file_open_tmp("virtio-mem-dump-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    uri = g_strconcat("file:", path, NULL);
    request(mem, VIRTIO_MEM_REQ_PLUG, 1, 2);
    request(mem, VIRTIO_MEM_REQ_PLUG, 300, 1);
    writeq(block_addr(mem, 2), 0x0123456789abcdef);
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'dump-guest-memory', 'arguments':"
                             "  { 'paging': false, 'protocol': %s,"
                             "    'begin': %" PRIu64 ", 'length': %" PRIu64
                             " } }", uri, block_addr(mem, 0), (uint64_t)REGION);
    g_assert_true(g_file_get_contents(path, &dump, &size, NULL));
    unlink(path);

    ehdr = (const Elf64_Ehdr *)dump;
    phdr = (const Elf64_Phdr *)(dump + ehdr->e_phoff);
    for (int i = 0; i < ehdr->e_phnum; i++) {
        if (phdr[i].p_type == PT_LOAD) {
            loaded += phdr[i].p_memsz;
            g_assert_cmpuint(phdr[i].p_filesz, ==, phdr[i].p_memsz);
            if (phdr[i].p_paddr == block_addr(mem, 1)) {
                g_assert_cmpuint(phdr[i].p_memsz, ==, 2 * BLOCK);
                g_assert_cmphex(*(uint64_t *)(dump + phdr[i].p_offset + BLOCK),
                                ==, 0x0123456789abcdef);
            } else {
                g_assert_cmphex(phdr[i].p_paddr, ==, block_addr(mem, 300));
            }
        }
    }
    g_assert_cmpuint(loaded, ==, 3 * BLOCK);
    g_assert_cmpuint(size, <, 4 * BLOCK);
}

/* --- buffers ------------------------------------------------------------ */

/* Send @request_size bytes of PLUG, with room for @response_size bytes. */
static uint32_t send_sized(QVirtioMEM *mem, uint32_t request_size,
                           uint32_t response_size)
{
    const struct virtio_mem_req req = {
        .type = cpu_to_le16(VIRTIO_MEM_REQ_PLUG),
        .u.plug.addr = cpu_to_le64(block_addr(mem, 0)),
        .u.plug.nb_blocks = cpu_to_le16(1),
    };
    const uint64_t buffer = guest_alloc(mem->alloc, 4096);
    uint32_t head;

    qtest_memset(global_qtest, buffer, 0xff, 4096);
    qtest_memwrite(global_qtest, buffer, &req, sizeof(req));
    head = qvirtqueue_add(global_qtest, mem->vq, buffer, request_size, false,
                          response_size > 0);
    if (response_size) {
        qvirtqueue_add(global_qtest, mem->vq, buffer + 2048, response_size,
                       true, false);
    }
    qvirtqueue_kick(global_qtest, mem->vdev, mem->vq, head);
    return head;
}

static void too_small_buffer_needs_reset(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    static const uint32_t sizes[][2] = {
        { 1, 10 }, { 23, 10 }, { 24, 9 }, { 24, 1 }, { 24, 0 },
    };
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QVirtioDevice *vdev = mem->vdev;

    for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
        send_sized(mem, sizes[i][0], sizes[i][1]);
        g_assert_true(vdev->bus->get_status(vdev) &
                      VIRTIO_CONFIG_S_NEEDS_RESET);
        g_assert_cmpuint(plugged_size(mem), ==, 0);

        qvirtio_mem_stop(mem);
        qvirtio_set_acknowledge(vdev);
        qvirtio_set_driver(vdev);
        qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem));
        g_assert_cmpuint(state_of(mem, 0, 1), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    }
}

static void spare_room_is_left_alone(void *obj, void *data,
                                     QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint32_t head = send_sized(mem, 2048, 2048);
    uint32_t written;

    qvirtio_wait_used_elem(global_qtest, mem->vdev, mem->vq, head, &written,
                           TIMEOUT_US);
    g_assert_cmpuint(written, ==, sizeof(struct virtio_mem_resp));
    g_assert_cmpuint(plugged_size(mem), ==, BLOCK);
}

static void register_virtio_mem_test(void)
{
    static const struct {
        const char *name;
        QOSTestFunc function;
    } tests[] = {
        { "config/layout", config_layout },
        { "config/write-is-ignored", config_write_ignored },
        { "config/resize-interrupts", resize_interrupts },
        { "config/resize-to-same-interrupts", resize_to_same_interrupts },
        { "config/plug-changes-generation", plug_changes_generation },
        { "config/usable-region-follows", usable_region_follows },
        { "features/offered", features_offered },
        { "features/driver-without-inaccessible-is-refused",
          driver_without_inaccessible_is_refused },
        { "plug/one-block", plug_one_block },
        { "plug/wrong-state-is-error", wrong_state_is_error },
        { "plug/beyond-requested-is-nack", plug_beyond_requested_is_nack },
        { "plug/bad-range-is-error", bad_range_is_error },
        { "plug/many-blocks-at-once", many_blocks_at_once },
        { "state/is-accurate", state_is_accurate },
        { "unplug/part", unplug_part },
        { "unplug/all", unplug_all },
        { "unplug/discards", unplug_discards },
        { "unknown-request-is-error", unknown_request_is_error },
        { "dump/has-plugged-memory-only", dump_has_plugged_memory_only },
        { "reset/device-reset-changes-nothing", device_reset_changes_nothing },
        { "reset/system-reset-unplugs-all", system_reset_unplugs_all },
        { "buffers/too-small-needs-reset", too_small_buffer_needs_reset },
        { "buffers/spare-room-is-left-alone", spare_room_is_left_alone },
    };

    for (int i = 0; i < ARRAY_SIZE(tests); i++) {
        qos_add_test(tests[i].name, "virtio-mem", tests[i].function, NULL);
    }
}

libqos_init(register_virtio_mem_test);
