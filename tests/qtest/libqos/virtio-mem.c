/*
 * libqos driver for virtio-mem
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../libqtest.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qgraph.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_mem.h"
#include "standard-headers/linux/virtio_ring.h"
#include "virtio-mem.h"

#define TIMEOUT_US (30 * 1000 * 1000)

uint64_t qvirtio_mem_usable_features(QVirtioMEM *mem)
{
    return qvirtio_get_features(mem->vdev) &
           ~(QVIRTIO_F_BAD_FEATURE |
             (1ull << VIRTIO_RING_F_INDIRECT_DESC) |
             (1ull << VIRTIO_RING_F_EVENT_IDX) |
             (1ull << VIRTIO_F_RING_PACKED));
}

void qvirtio_mem_start(QVirtioMEM *mem, uint64_t features)
{
    qvirtio_set_features(mem->vdev, features);
    mem->features = features;
    mem->vq = qvirtqueue_setup(mem->vdev, mem->alloc, 0);
    qvirtio_set_driver_ok(mem->vdev);
}

void qvirtio_mem_stop(QVirtioMEM *mem)
{
    qvirtio_reset(mem->vdev);
    qvirtqueue_cleanup(mem->vdev->bus, mem->vq, mem->alloc);
    mem->vq = NULL;
}

uint16_t qvirtio_mem_request(QTestState *qts, QVirtioMEM *mem, uint16_t type,
                             uint64_t addr, uint16_t nb_blocks,
                             uint16_t *state)
{
    struct virtio_mem_req req;
    struct virtio_mem_resp resp;
    uint64_t guest_req = guest_alloc(mem->alloc, sizeof(req));
    uint64_t guest_resp = guest_alloc(mem->alloc, sizeof(resp));
    uint32_t head;

    memset(&req, 0xff, sizeof(req));
    memset(&resp, 0xff, sizeof(resp));
    req.type = cpu_to_le16(type);
    req.u.plug.addr = cpu_to_le64(addr);
    req.u.plug.nb_blocks = cpu_to_le16(nb_blocks);
    qtest_memwrite(qts, guest_req, &req, sizeof(req));
    qtest_memwrite(qts, guest_resp, &resp, sizeof(resp));

    head = qvirtqueue_add(qts, mem->vq, guest_req, sizeof(req), false, true);
    qvirtqueue_add(qts, mem->vq, guest_resp, sizeof(resp), true, false);
    qvirtqueue_kick(qts, mem->vdev, mem->vq, head);
    qvirtio_wait_used_elem(qts, mem->vdev, mem->vq, head, NULL, TIMEOUT_US);
    qvirtqueue_reset_pool(mem->vq);

    qtest_memread(qts, guest_resp, &resp, sizeof(resp));
    guest_free(mem->alloc, guest_req);
    guest_free(mem->alloc, guest_resp);
    for (int i = 0; i < ARRAY_SIZE(resp.padding); i++) {
        g_assert_cmphex(resp.padding[i], ==, 0);
    }
    if (state) {
        *state = le16_to_cpu(resp.u.state.state);
    }
    return le16_to_cpu(resp.type);
}

static void *qvirtio_mem_pci_get_driver(void *object, const char *interface)
{
    QVirtioMEMPCI *pci = object;

    if (!g_strcmp0(interface, "pci-device")) {
        return pci->pci_vdev.pdev;
    }
    if (!g_strcmp0(interface, "virtio-mem")) {
        return &pci->mem;
    }
    if (!g_strcmp0(interface, "virtio")) {
        return pci->mem.vdev;
    }
    g_assert_not_reached();
}

static void qvirtio_mem_pci_destructor(QOSGraphObject *obj)
{
    QVirtioMEMPCI *pci = (QVirtioMEMPCI *)obj;

    if (pci->mem.vq) {
        qvirtqueue_cleanup(pci->mem.vdev->bus, pci->mem.vq, pci->mem.alloc);
    }
    qvirtio_pci_destructor(obj);
}

static void qvirtio_mem_pci_start_hw(QOSGraphObject *obj)
{
    QVirtioMEMPCI *pci = (QVirtioMEMPCI *)obj;

    qvirtio_pci_start_hw(obj);
    qvirtio_mem_start(&pci->mem, qvirtio_mem_usable_features(&pci->mem));
}

static void *qvirtio_mem_pci_create(void *pci_bus, QGuestAllocator *alloc,
                                    void *addr)
{
    QVirtioMEMPCI *pci = g_new0(QVirtioMEMPCI, 1);
    QOSGraphObject *obj = &pci->pci_vdev.obj;

    virtio_pci_init(&pci->pci_vdev, pci_bus, addr);
    pci->mem.vdev = &pci->pci_vdev.vdev;
    pci->mem.alloc = alloc;

    obj->get_driver = qvirtio_mem_pci_get_driver;
    obj->start_hw = qvirtio_mem_pci_start_hw;
    obj->destructor = qvirtio_mem_pci_destructor;
    return obj;
}

static void virtio_mem_register_nodes(void)
{
    QPCIAddress addr = {
        .devfn = QPCI_DEVFN(4, 0),
    };
    QOSGraphEdgeOptions opts = {
        .before_cmd_line = "-m 256M,maxmem=32G"
                           " -object memory-backend-ram,id=boot,size=256M"
                           " -numa node,nodeid=0,memdev=boot"
                           " -numa node,nodeid=1"
                           " -object memory-backend-ram,id=mem0,size=16G,"
                           "reserve=off",
        .extra_device_opts = "id=" QVIRTIO_MEM_ID ",memdev=mem0,node=1,"
                             "block-size=2M,addr=04.0",
    };

    add_qpci_address(&opts, &addr);
    qos_node_create_driver("virtio-mem-pci", qvirtio_mem_pci_create);
    qos_node_consumes("virtio-mem-pci", "pci-bus", &opts);
    qos_node_produces("virtio-mem-pci", "pci-device");
    qos_node_produces("virtio-mem-pci", "virtio");
    qos_node_produces("virtio-mem-pci", "virtio-mem");
}

libqos_init(virtio_mem_register_nodes);
