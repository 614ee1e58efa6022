/*
 * virtio-mem: requests at one kick that are carried out together
 *
 * QEMU traces each discard of host memory and the device each step, and the
 * test counts them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-raw.h"
#include "virtio-mem-sides.h"

#define DISCARD "ram_block_discard_"
#define PLUG "state: plug, ret=0"

/* How often the log has @what because of these requests at one kick. */
static unsigned count_of(QVirtioMEM *mem, const char *log, const char *what,
                         const Request *requests, unsigned nb,
                         const Answer *expected)
{
    g_autofree Answer *answers = g_new0(Answer, nb);
    const unsigned before = count_in(log, what);

    batch(mem, requests, answers, nb);
    for (unsigned i = 0; i < nb; i++) {
        g_assert_cmpuint(answers[i].type, ==, expected ? expected[i].type :
                         VIRTIO_MEM_RESP_ACK);
    }
    return count_in(log, what) - before;
}

/* Requests of one block each, for adjacent blocks. */
static void fill(QVirtioMEM *mem, Request *requests, uint16_t type,
                 unsigned nb)
{
    for (unsigned i = 0; i < nb; i++) {
        requests[i] = (Request) { type, block_addr(mem, i), 1 };
    }
}

static void adjacent_unplugs_share_a_discard(QVirtioMEM *mem, const char *log)
{
    Request requests[64];

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 128), ==,
                     VIRTIO_MEM_RESP_ACK);
    fill(mem, requests, VIRTIO_MEM_REQ_UNPLUG, 64);
    g_assert_cmpuint(count_of(mem, log, DISCARD, requests, 64, NULL), ==, 1);
    g_assert_cmpuint(plugged_size(mem), ==, 64 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 64), ==, VIRTIO_MEM_STATE_UNPLUGGED);

    /* Downwards they are not adjacent in the order of the ring. */
    for (unsigned i = 0; i < 4; i++) {
        requests[i].addr = block_addr(mem, 127 - i);
    }
    g_assert_cmpuint(count_of(mem, log, DISCARD, requests, 4, NULL), ==, 4);
    g_assert_cmpuint(plugged_size(mem), ==, 60 * BLOCK);
}

/* They were carried out, so they are answered before the device stops. */
static void before_one_that_cannot_be_answered(QVirtioMEM *mem,
                                               const char *log)
{
    const QVirtQueue *vq = mem->vq;
    const uint64_t buffers = guest_alloc(mem->alloc, RAW_SIZE);
    const uint64_t responses = buffers + RAW_RESPONSE;
    const uint16_t index = readw(vq->avail + 2);
    const uint16_t used = used_index(mem);

    for (unsigned i = 0; i < 3; i++) {
        const struct virtio_mem_req req = {
            .type = cpu_to_le16(VIRTIO_MEM_REQ_PLUG),
            .u.plug.addr = cpu_to_le64(block_addr(mem, i)),
            .u.plug.nb_blocks = cpu_to_le16(1),
        };

        qtest_memwrite(global_qtest, buffers + i * 32, &req, sizeof(req));
        put_desc(vq->desc, 2 * i, buffers + i * 32, i < 2 ? 24 : 23,
                 VRING_DESC_F_NEXT, 2 * i + 1);
        put_desc(vq->desc, 2 * i + 1, responses + i * 16, 10,
                 VRING_DESC_F_WRITE, 2 * i + 2);
        writew(vq->avail + 4 + 2 * ((index + i) % vq->size), 2 * i);
    }
    qtest_memset(global_qtest, responses, 0xff, 64);
    writew(vq->avail + 2, index + 3);
    mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
    settle();
    g_assert_true(needs_reset(mem));
    g_assert_cmpuint((uint16_t)(used_index(mem) - used), ==, 2);
    g_assert_cmphex(readw(responses), ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmphex(readw(responses + 16), ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmphex(readw(responses + 32), ==, 0xffff);
    g_assert_cmpuint(count_in(log, PLUG), ==, 1);
    restart_as_usual(mem);
    g_assert_cmpuint(plugged_size(mem), ==, 2 * BLOCK);
}

/* What stands between them is answered as if they had come one by one. */
static void mixed_requests_keep_their_order(QVirtioMEM *mem, const char *log)
{
    const Request requests[] = {
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 0), 2 },
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 2), 1 },
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 2), 1 },
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 3), 1 },
        { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0), 1 },
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 4), 1 },
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 5), 100 },
        { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 5), 1 },
    };
    const Answer expected[] = {
        { VIRTIO_MEM_RESP_ACK }, { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ERROR }, { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ACK }, { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ERROR }, { VIRTIO_MEM_RESP_ACK },
    };

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(count_of(mem, log, DISCARD, requests,
                              ARRAY_SIZE(requests), expected), ==, 4);
    g_assert_cmpuint(plugged_size(mem), ==, 3 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 1, 5), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 6, 2), ==, VIRTIO_MEM_STATE_PLUGGED);
}

static void adjacent_plugs_are_one(QVirtioMEM *mem, const char *log)
{
    Request requests[64];

    fill(mem, requests, VIRTIO_MEM_REQ_PLUG, 64);
    g_assert_cmpuint(count_of(mem, log, PLUG, requests, 64, NULL), ==, 1);
    g_assert_cmpuint(plugged_size(mem), ==, 64 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 64), ==, VIRTIO_MEM_STATE_PLUGGED);
}

/* 128 blocks are requested: 126 of them are plugged, so there is room for two. */
static void plugs_beyond_the_requested_size(QVirtioMEM *mem, const char *log)
{
    Request requests[4];
    const Answer expected[] = {
        { VIRTIO_MEM_RESP_ACK }, { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_NACK }, { VIRTIO_MEM_RESP_NACK },
    };

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 4, 126), ==,
                     VIRTIO_MEM_RESP_ACK);
    fill(mem, requests, VIRTIO_MEM_REQ_PLUG, 4);
    g_assert_cmpuint(count_of(mem, log, PLUG, requests, 4, expected), ==, 1);
    g_assert_cmpuint(plugged_size(mem), ==, 128 * BLOCK);
    g_assert_cmpuint(state_of(mem, 2, 2), ==, VIRTIO_MEM_STATE_UNPLUGGED);
}

/* There may be memory for some of them. */
static void plugs_that_may_fail_are_not_joined(QVirtioMEM *mem,
                                               const char *log)
{
    Request requests[8];

    fill(mem, requests, VIRTIO_MEM_REQ_PLUG, 8);
    g_assert_cmpuint(count_of(mem, log, PLUG, requests, 8, NULL), ==, 8);
    g_assert_cmpuint(plugged_size(mem), ==, 8 * BLOCK);
}

typedef void TogetherTest(QVirtioMEM *mem, const char *log);

static void run(TogetherTest *test, const char *options)
{
    g_autofree char *log = temporary_file();
    g_autofree char *trace = g_strdup_printf(
        "-trace ram_block_discard_* -trace virtio_mem_step -D %s", log);
    Side *side = boot_driver(NEW, MEMORY, options, trace);

    resize(256 * MiB);
    test(&side->mem, log);
    leave(side);
    unlink(log);
}

static void run_plain(const void *test)
{
    run((TogetherTest *)test, "");
}

static void run_prealloc(const void *test)
{
    run((TogetherTest *)test, ",prealloc=on");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("virtio-mem/together/adjacent-unplugs-share-a-discard",
                        adjacent_unplugs_share_a_discard, run_plain);
    qtest_add_data_func("virtio-mem/together/mixed-requests-keep-their-order",
                        mixed_requests_keep_their_order, run_plain);
    qtest_add_data_func("virtio-mem/together/adjacent-plugs-are-one",
                        adjacent_plugs_are_one, run_plain);
    qtest_add_data_func("virtio-mem/together/before-one-without-an-answer",
                        before_one_that_cannot_be_answered, run_plain);
    qtest_add_data_func("virtio-mem/together/plugs-beyond-the-requested-size",
                        plugs_beyond_the_requested_size, run_plain);
    qtest_add_data_func("virtio-mem/together/plugs-that-may-fail",
                        plugs_that_may_fail_are_not_joined, run_prealloc);
    return g_test_run();
}
