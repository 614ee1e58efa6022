/*
 * virtio-mem: requests at one kick that are carried out together
 *
 * QEMU traces each discard of host memory, and the test counts them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-sides.h"

/* What the host has to do for these requests at one kick. */
static unsigned discards_of(QVirtioMEM *mem, const char *log,
                            const Request *requests, unsigned nb,
                            const Answer *expected)
{
    g_autofree Answer *answers = g_new0(Answer, nb);
    const unsigned before = count_discards(log);

    batch(mem, requests, answers, nb);
    for (unsigned i = 0; i < nb; i++) {
        g_assert_cmpuint(answers[i].type, ==, expected ? expected[i].type :
                         VIRTIO_MEM_RESP_ACK);
    }
    return count_discards(log) - before;
}

static void adjacent_unplugs_share_a_discard(QVirtioMEM *mem, const char *log)
{
    Request requests[64];

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 128), ==,
                     VIRTIO_MEM_RESP_ACK);
    for (unsigned i = 0; i < 64; i++) {
        requests[i] = (Request) {
            VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, i), 1,
        };
    }
    g_assert_cmpuint(discards_of(mem, log, requests, 64, NULL), ==, 1);
    g_assert_cmpuint(plugged_size(mem), ==, 64 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 64), ==, VIRTIO_MEM_STATE_UNPLUGGED);

    /* Downwards they are not adjacent in the order of the ring. */
    for (unsigned i = 0; i < 4; i++) {
        requests[i].addr = block_addr(mem, 127 - i);
    }
    g_assert_cmpuint(discards_of(mem, log, requests, 4, NULL), ==, 4);
    g_assert_cmpuint(plugged_size(mem), ==, 60 * BLOCK);
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
    g_assert_cmpuint(discards_of(mem, log, requests, ARRAY_SIZE(requests),
                                 expected), ==, 4);
    g_assert_cmpuint(plugged_size(mem), ==, 3 * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 1, 5), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(state_of(mem, 6, 2), ==, VIRTIO_MEM_STATE_PLUGGED);
}

typedef void TogetherTest(QVirtioMEM *mem, const char *log);

static void run(const void *test)
{
    g_autofree char *log = temporary_file();
    g_autofree char *trace = trace_discards(log);
    Side *side = boot_driver(NEW, MEMORY, "", trace);

    resize(256 * MiB);
    ((TogetherTest *)test)(&side->mem, log);
    leave(side);
    unlink(log);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("virtio-mem/together/adjacent-unplugs-share-a-discard",
                        adjacent_unplugs_share_a_discard, run);
    qtest_add_data_func("virtio-mem/together/mixed-requests-keep-their-order",
                        mixed_requests_keep_their_order, run);
    return g_test_run();
}
