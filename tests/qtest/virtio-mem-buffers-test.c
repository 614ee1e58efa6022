/*
 * virtio-mem: what a driver puts into the ring
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "virtio-mem-driver.h"

/* --- too small, too large -------------------------------------------------- */

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

static const QVirtioMEMTest tests[] = {
    { "buffers/too-small-needs-reset", too_small_buffer_needs_reset },
    { "buffers/spare-room-is-left-alone", spare_room_is_left_alone },
};

static void register_buffers_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_buffers_tests);
