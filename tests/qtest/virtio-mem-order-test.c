/*
 * virtio-mem: all or nothing, in the right order, and told to everybody
 *
 * Numbers in brackets are the demands of the specification as
 * docs/devel/spec-matrix.md lists them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qobject/qdict.h"
#include "virtio-mem-snapshot.h"

/* --- a refused request changes nothing -------------------------------- */

typedef struct Refusal {
    uint16_t type;
    int64_t offset;         /* bytes from the start of the region */
    uint16_t nb_blocks;
    uint16_t response;
    bool from_end;          /* of the usable region, in place of the start */
} Refusal;

/* Plugged are blocks 10 to 19, requested are 12. */
static const Refusal refusals[] = {
    /* A second error, or too much, or both: still an error. */
    { VIRTIO_MEM_REQ_PLUG, 10 * BLOCK, 10, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_PLUG, 9 * BLOCK, 12, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_PLUG, 19 * BLOCK, 1, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_PLUG, 20 * BLOCK + 1, 50, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_PLUG, -(int64_t)BLOCK, 3, VIRTIO_MEM_RESP_ERROR, true },
    { VIRTIO_MEM_REQ_PLUG, 0, 1, VIRTIO_MEM_RESP_ERROR, true },
    { VIRTIO_MEM_REQ_PLUG, 0, 0xffff, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_PLUG, 0, 0, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_PLUG, -(int64_t)BLOCK, 2, VIRTIO_MEM_RESP_ERROR },
    /* Nothing wrong but too much. */
    { VIRTIO_MEM_REQ_PLUG, 20 * BLOCK, 3, VIRTIO_MEM_RESP_NACK },
    { VIRTIO_MEM_REQ_PLUG, 20 * BLOCK, 120, VIRTIO_MEM_RESP_NACK },
    { VIRTIO_MEM_REQ_PLUG, 0, 10, VIRTIO_MEM_RESP_NACK },
    { VIRTIO_MEM_REQ_UNPLUG, 9 * BLOCK, 2, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_UNPLUG, 19 * BLOCK, 2, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_UNPLUG, 0, 5, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_UNPLUG, 10 * BLOCK + BLOCK / 2, 1, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_UNPLUG, 10 * BLOCK, 0, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_UNPLUG, 10 * BLOCK, 0xffff, VIRTIO_MEM_RESP_ERROR },
    { VIRTIO_MEM_REQ_STATE, -(int64_t)BLOCK, 2, VIRTIO_MEM_RESP_ERROR, true },
    { VIRTIO_MEM_REQ_STATE, 1, 1, VIRTIO_MEM_RESP_ERROR },
    { 4, 10 * BLOCK, 10, VIRTIO_MEM_RESP_ERROR },
    { 0xffff, 10 * BLOCK, 10, VIRTIO_MEM_RESP_ERROR },
};

/* [26, 27, 32, 33, 44, NACK] */
static void refused_changes_nothing(void *obj, void *data,
                                    QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 12 * BLOCK);
    uint8_t generation;

    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 10, 10), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(usable_size(mem), ==, 12 * BLOCK + EXTENT);
    writeq(block_addr(mem, 10), 0x0123456789abcdef);
    count_size_events(NULL);
    config_notified(mem);
    generation = config_generation(mem);

    for (int i = 0; i < ARRAY_SIZE(refusals); i++) {
        const Refusal *refusal = &refusals[i];
        const uint64_t start = block_addr(mem, 0) +
                               (refusal->from_end ? usable_size(mem) : 0);
        Snapshot *before = snapshot(mem);

        g_test_message("request %d", i);
        g_assert_cmpuint(quiet_request(mem, refusal->type,
                                       start + refusal->offset,
                                       refusal->nb_blocks), ==,
                         refusal->response);
        assert_unchanged(mem, before);
        g_assert_cmphex(config_generation(mem), ==, generation);
    }
    g_assert_cmpuint(queried_size(), ==, 10 * BLOCK);
    g_assert_cmphex(readq(block_addr(mem, 10)), ==, 0x0123456789abcdef);
    g_assert_false(config_notified(mem));
    g_assert_cmpuint(count_size_events(NULL), ==, 0);
}

/* --- order ------------------------------------------------------------ */

/*
 * [29, 35, 40]: what a driver reads after it has seen the answer is the truth.
 * No command is sent in between, only the ring is looked at.
 */
static void size_is_true_when_the_answer_is_seen(void *obj, void *data,
                                                 QGuestAllocator *alloc)
{
    static const struct {
        uint16_t type, first, nb_blocks, plugged;
    } steps[] = {
        { VIRTIO_MEM_REQ_PLUG, 0, 1, 1 },
        { VIRTIO_MEM_REQ_PLUG, 1, 400, 401 },
        { VIRTIO_MEM_REQ_UNPLUG, 0, 200, 201 },
        { VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0, 0 },
    };
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t addr = block_addr(mem, 0);

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < ARRAY_SIZE(steps); i++) {
            const Request request = {
                steps[i].type, addr + steps[i].first * BLOCK, steps[i].nb_blocks
            };
            const uint16_t used = readw(mem->vq->used + 2);
            const uint64_t buffers = batch_send(mem, &request, 1);
            Answer answer;

            while (readw(mem->vq->used + 2) == used) {
                /* The device is at work. */
            }
            g_assert_cmpuint(plugged_size(mem), ==, steps[i].plugged * BLOCK);
            batch_wait(mem, buffers, &answer, 1);
            g_assert_cmpuint(answer.type, ==, VIRTIO_MEM_RESP_ACK);
        }
    }
}

/* Requests of one kick are handled in their order. */
static void later_requests_see_earlier_ones(void *obj, void *data,
                                            QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t addr = block_addr(mem, 0);
    const Request requests[] = {
        { VIRTIO_MEM_REQ_STATE, addr, 4 },
        { VIRTIO_MEM_REQ_PLUG, addr, 2 },
        { VIRTIO_MEM_REQ_STATE, addr, 4 },
        { VIRTIO_MEM_REQ_PLUG, addr, 4 },
        { VIRTIO_MEM_REQ_PLUG, addr + 2 * BLOCK, 2 },
        { VIRTIO_MEM_REQ_STATE, addr, 4 },
        { VIRTIO_MEM_REQ_UNPLUG, addr, 1 },
        { VIRTIO_MEM_REQ_STATE, addr, 1 },
        { VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0 },
        { VIRTIO_MEM_REQ_UNPLUG, addr + BLOCK, 1 },
    };
    static const Answer want[] = {
        { VIRTIO_MEM_RESP_ACK, VIRTIO_MEM_STATE_UNPLUGGED },
        { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ACK, VIRTIO_MEM_STATE_MIXED },
        { VIRTIO_MEM_RESP_ERROR },
        { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ACK, VIRTIO_MEM_STATE_PLUGGED },
        { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ACK, VIRTIO_MEM_STATE_UNPLUGGED },
        { VIRTIO_MEM_RESP_ACK },
        { VIRTIO_MEM_RESP_ERROR },
    };
    Answer answers[ARRAY_SIZE(requests)];

    batch(mem, requests, answers, ARRAY_SIZE(requests));
    for (int i = 0; i < ARRAY_SIZE(requests); i++) {
        g_test_message("request %d", i);
        g_assert_cmpuint(answers[i].type, ==, want[i].type);
        if (requests[i].type == VIRTIO_MEM_REQ_STATE) {
            g_assert_cmpuint(answers[i].state, ==, want[i].state);
        }
    }
    g_assert_cmpuint(plugged_size(mem), ==, 0);
}

/* --- news of the size ------------------------------------------------- */

/* The first change is told at once: no time passes here. */
static void first_change_is_told_at_once(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    QDict *event;

    count_size_events(NULL);
    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 3);
    settle();
    event = qtest_qmp_event_ref(global_qtest, "MEMORY_DEVICE_SIZE_CHANGE");
    g_assert_nonnull(event);
    g_assert_cmpuint(qdict_get_int(qdict_get_qdict(event, "data"), "size"), ==,
                     3 * BLOCK);
    qobject_unref(event);
}

/* Of many changes within a second the last one is told, always. */
static void last_change_is_always_told(void *obj, void *data,
                                       QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    uint64_t last = 0;

    for (int nb = 1; nb < 20; nb++) {
        count_size_events(NULL);
        for (int i = 0; i < nb; i++) {
            request(mem, VIRTIO_MEM_REQ_PLUG, i, 1);
        }
        g_assert_cmpuint(count_size_events(&last), ==, nb == 1 ? 1 : 2);
        g_assert_cmpuint(last, ==, nb * BLOCK);

        request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
        g_assert_cmpuint(count_size_events(&last), ==, 1);
        g_assert_cmpuint(last, ==, 0);
    }
    /* Nothing was plugged, so there is nothing to tell. */
    request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
    g_assert_cmpuint(count_size_events(NULL), ==, 0);
}

static void system_reset_is_told(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    uint64_t last = 1;

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 3);
    count_size_events(NULL);
    /* qtest_system_reset() would throw away what is told before RESET. */
    qtest_system_reset_nowait(global_qtest);
    await_unplugged();
    g_assert_cmpuint(count_size_events(&last), ==, 1);
    g_assert_cmpuint(last, ==, 0);
}

static const QVirtioMEMTest tests[] = {
    { "a-refused-request-changes-nothing", refused_changes_nothing },
    { "plugged-size-is-true-when-the-answer-is-seen",
      size_is_true_when_the_answer_is_seen },
    { "later-requests-see-earlier-ones", later_requests_see_earlier_ones },
    { "events/the-first-change-is-told-at-once", first_change_is_told_at_once },
    { "events/the-last-change-is-always-told", last_change_is_always_told },
    { "events/a-system-reset-is-told", system_reset_is_told },
};

static void register_order_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_order_tests);
