/*
 * virtio-mem: what the tests of a driver's view share
 *
 * They are parts of qos-test, so all of them speak to global_qtest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_DRIVER_H
#define TESTS_VIRTIO_MEM_DRIVER_H

#include "libqtest-single.h"
#include "libqos/qgraph.h"
#include "libqos/virtio-mem.h"
#include "standard-headers/linux/virtio_mem.h"
#include "standard-headers/linux/virtio_pci.h"

#define MiB (1024ULL * 1024)
#define GiB (1024 * MiB)
#define BLOCK QVIRTIO_MEM_BLOCK_SIZE
#define REGION QVIRTIO_MEM_REGION_SIZE
#define EXTENT (on_x86() ? 256 * MiB : 1 * GiB)
#define TIMEOUT_US (30 * 1000 * 1000)
#define CONFIG(field) offsetof(struct virtio_mem_config, field)
#define FEATURE(name) (1ull << VIRTIO_##name)
#define COMMON(field) offsetof(struct virtio_pci_modern_common_cfg, field)

/* Or on Arm: the machines of qos-test that have a place for the device. */
static inline bool on_x86(void)
{
    return g_str_equal(qtest_get_arch(), "x86_64");
}

typedef struct QVirtioMEMTest {
    const char *name;
    QOSTestFunc function;
    const char *device_opts;        /* more properties, or NULL */
    void *(*before)(GString *cmd_line, void *arg);
    const void *arg;
} QVirtioMEMTest;

static inline void add_tests(const QVirtioMEMTest *tests, size_t nb_tests)
{
    for (size_t i = 0; i < nb_tests; i++) {
        QOSGraphTestOptions opts = {
            .edge.extra_device_opts = tests[i].device_opts,
            .before = tests[i].before,
            .arg = (void *)tests[i].arg,
        };

        qos_add_test(tests[i].name, "virtio-mem", tests[i].function, &opts);
    }
}

/* --- what the device shows -------------------------------------------- */

static inline uint64_t config(QVirtioMEM *mem, uint64_t offset)
{
    return qvirtio_config_readq(mem->vdev, offset);
}

static inline uint64_t plugged_size(QVirtioMEM *mem)
{
    return config(mem, CONFIG(plugged_size));
}

static inline uint64_t usable_size(QVirtioMEM *mem)
{
    return config(mem, CONFIG(usable_region_size));
}

static inline uint64_t requested_size(QVirtioMEM *mem)
{
    return config(mem, CONFIG(requested_size));
}

static inline uint64_t block_addr(QVirtioMEM *mem, uint64_t block)
{
    return config(mem, CONFIG(addr)) + block * BLOCK;
}

static inline QVirtioPCIDevice *virtio_pci(QVirtioMEM *mem)
{
    return container_of(mem->vdev, QVirtioPCIDevice, vdev);
}

static inline uint8_t config_generation(QVirtioMEM *mem)
{
    QVirtioPCIDevice *dev = virtio_pci(mem);

    return qpci_io_readb(dev->pdev, dev->bar, dev->common_cfg_offset +
                         COMMON(cfg.config_generation));
}

/*
 * Was there a configuration notification? Asking forgets it, and so does
 * request(), which asks for the other kind; batch() does not.
 */
static inline bool config_notified(QVirtioMEM *mem)
{
    QVirtioPCIDevice *dev = virtio_pci(mem);

    return qpci_io_readb(dev->pdev, dev->bar, dev->isr_cfg_offset) & 2;
}

static inline bool notified_within(QVirtioMEM *mem, unsigned ms)
{
    const gint64 end = g_get_monotonic_time() + ms * 1000;

    while (!config_notified(mem)) {
        if (g_get_monotonic_time() > end) {
            return false;
        }
        g_usleep(1000);
    }
    return true;
}

static inline bool needs_reset(QVirtioMEM *mem)
{
    return mem->vdev->bus->get_status(mem->vdev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* --- what the host does ----------------------------------------------- */

static inline void resize(uint64_t size)
{
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'memory-device-resize',"
                             "  'arguments': { 'id': %s,"
                             "                 'size': %" PRIu64 " } }",
                             QVIRTIO_MEM_ID, size);
}

/*
 * A kick only sets an event that QEMU's main loop sees later. Commands come
 * through the same loop, so what was kicked before has been handled after.
 */
static inline void settle(void)
{
    for (int i = 0; i < 3; i++) {
        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'query-status' }");
    }
}

/* --- what a driver does ----------------------------------------------- */

static inline uint16_t request(QVirtioMEM *mem, uint16_t type, uint64_t block,
                               uint16_t nb_blocks)
{
    return qvirtio_mem_request(global_qtest, mem, type, block_addr(mem, block),
                               nb_blocks, NULL);
}

static inline uint16_t state_of(QVirtioMEM *mem, uint64_t block,
                                uint16_t nb_blocks)
{
    uint16_t state;

    g_assert_cmpuint(qvirtio_mem_request(global_qtest, mem,
                                         VIRTIO_MEM_REQ_STATE,
                                         block_addr(mem, block), nb_blocks,
                                         &state), ==, VIRTIO_MEM_RESP_ACK);
    return state;
}

/* Reset the device up to the point where a driver negotiates features. */
static inline void reset_device(QVirtioMEM *mem)
{
    qvirtio_mem_stop(mem);
    qvirtio_set_acknowledge(mem->vdev);
    qvirtio_set_driver(mem->vdev);
}

static inline void restart(QVirtioMEM *mem, uint64_t features)
{
    reset_device(mem);
    qvirtio_mem_start(mem, features);
}

static inline void restart_as_usual(QVirtioMEM *mem)
{
    restart(mem, qvirtio_mem_usable_features(mem));
}

/* The system is reset, and the driver comes up anew. */
static inline void reset_system(QVirtioMEM *mem)
{
    qtest_system_reset(global_qtest);
    qvirtqueue_cleanup(mem->vdev->bus, mem->vq, mem->alloc);
    qvirtio_pci_device_enable(virtio_pci(mem));
    qvirtio_start_device(mem->vdev);
    qvirtio_mem_start(mem, qvirtio_mem_usable_features(mem));
}

/*
 * Tests of one command line share a QEMU, which is reset in between: nothing
 * is plugged, but what was requested stays so.
 */
static inline QVirtioMEM *begin(void *obj, uint64_t requested)
{
    QVirtioMEM *mem = obj;

    resize(0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(usable_size(mem), ==, 0);
    resize(requested);
    return mem;
}

#endif
