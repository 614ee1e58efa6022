/*
 * virtio-mem: a long random life, beside a model that is simple and slow
 *
 * The model is written from the specification and shares nothing with the
 * device. Requests, resizes and resets come at random; each answer, and what
 * configuration and monitor show, has to be what the model says.
 *
 *   VIRTIO_MEM_SEED=n      repeat the run that printed this seed
 *   VIRTIO_MEM_REQUESTS=n  how many requests (100000)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "virtio-mem-snapshot.h"

#define BLOCKS (REGION / BLOCK)
#define USUAL_BLOCKS 400        /* most resizes are to less than this */

typedef struct Model {
    bool plugged[BLOCKS];
    uint64_t content[BLOCKS];   /* what the first bytes of plugged blocks are */
    uint64_t usable;            /* blocks */
    uint64_t requested;         /* blocks */
    uint64_t addr;
    GRand *rand;
} Model;

static int below(Model *m, int end)
{
    return g_rand_int_range(m->rand, 0, end);
}

/* --- the model -------------------------------------------------------- */

static uint64_t count_plugged(const Model *m)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        count += m->plugged[i];
    }
    return count;
}

static uint64_t usable_for(uint64_t requested)
{
    return requested ? MIN(requested + EXTENT / BLOCK, BLOCKS) : 0;
}

/* First block of the request, or -1 when some block of it is not usable. */
static int64_t first_block(const Model *m, const Request *req)
{
    /* Wide enough for any sum to be right. */
    const unsigned __int128 start = req->addr;
    const unsigned __int128 end = start + (unsigned __int128)req->nb_blocks *
                                  BLOCK;
    const unsigned __int128 limit = (unsigned __int128)m->addr +
                                    m->usable * BLOCK;

    if (!req->nb_blocks || start < m->addr || end > limit ||
        (req->addr - m->addr) % BLOCK) {
        return -1;
    }
    return (req->addr - m->addr) / BLOCK;
}

static unsigned count_in(const Model *m, uint64_t first, unsigned nb)
{
    unsigned count = 0;

    for (uint64_t i = first; i < first + nb; i++) {
        count += m->plugged[i];
    }
    return count;
}

static Answer model_change(Model *m, const Request *req, bool plug)
{
    const int64_t first = first_block(m, req);

    if (first < 0 ||
        count_in(m, first, req->nb_blocks) != (plug ? 0 : req->nb_blocks)) {
        return (Answer) { VIRTIO_MEM_RESP_ERROR };
    }
    if (plug && count_plugged(m) + req->nb_blocks > m->requested) {
        return (Answer) { VIRTIO_MEM_RESP_NACK };
    }
    for (uint64_t i = first; i < first + req->nb_blocks; i++) {
        m->plugged[i] = plug;
        m->content[i] = 0;
    }
    return (Answer) { VIRTIO_MEM_RESP_ACK };
}

static void model_unplug_all(Model *m)
{
    memset(m->plugged, 0, sizeof(m->plugged));
    memset(m->content, 0, sizeof(m->content));
    m->usable = usable_for(m->requested);
}

static Answer model_state(const Model *m, const Request *req)
{
    const int64_t first = first_block(m, req);
    unsigned count;

    if (first < 0) {
        return (Answer) { VIRTIO_MEM_RESP_ERROR };
    }
    count = count_in(m, first, req->nb_blocks);
    return (Answer) {
        VIRTIO_MEM_RESP_ACK,
        count == 0 ? VIRTIO_MEM_STATE_UNPLUGGED :
        count == req->nb_blocks ? VIRTIO_MEM_STATE_PLUGGED :
        VIRTIO_MEM_STATE_MIXED
    };
}

static Answer model_answer(Model *m, const Request *req)
{
    switch (req->type) {
    case VIRTIO_MEM_REQ_PLUG:
        return model_change(m, req, true);
    case VIRTIO_MEM_REQ_UNPLUG:
        return model_change(m, req, false);
    case VIRTIO_MEM_REQ_UNPLUG_ALL:
        model_unplug_all(m);
        return (Answer) { VIRTIO_MEM_RESP_ACK };
    case VIRTIO_MEM_REQ_STATE:
        return model_state(m, req);
    default:
        return (Answer) { VIRTIO_MEM_RESP_ERROR };
    }
}

/* --- what happens ----------------------------------------------------- */

static uint16_t any_type(Model *m)
{
    const int dice = below(m, 1000);

    return dice < 400 ? VIRTIO_MEM_REQ_PLUG :
           dice < 700 ? VIRTIO_MEM_REQ_UNPLUG :
           dice < 980 ? VIRTIO_MEM_REQ_STATE :
           dice < 985 ? VIRTIO_MEM_REQ_UNPLUG_ALL : below(m, 0x10000);
}

static uint16_t any_count(Model *m)
{
    const int dice = below(m, 100);

    return dice < 40 ? 1 : dice < 90 ? 1 + below(m, 20) :
           dice < 98 ? below(m, USUAL_BLOCKS) : below(m, 0x10000);
}

/* Mostly sensible: a run of blocks of one state, or one just beside it. */
static Request any_request(Model *m)
{
    Request req = { any_type(m), 0, any_count(m) };
    const int dice = below(m, 100);
    uint64_t first = below(m, MAX(m->usable, 1) + 2);

    if (dice < 5) {
        req.addr = (uint64_t)g_rand_int(m->rand) << 32 | g_rand_int(m->rand);
        return req;
    }
    if (dice < 60 && first < m->usable) {
        unsigned run = 1;

        while (run < req.nb_blocks && first + run < m->usable &&
               m->plugged[first + run] == m->plugged[first]) {
            run++;
        }
        req.nb_blocks = run;
        if (req.type <= VIRTIO_MEM_REQ_UNPLUG) {
            req.type = m->plugged[first] ? VIRTIO_MEM_REQ_UNPLUG
                                         : VIRTIO_MEM_REQ_PLUG;
        }
    }
    req.addr = m->addr + first * BLOCK;
    if (dice >= 97) {
        req.addr += below(m, 2 * BLOCK) - (int64_t)BLOCK;
    }
    return req;
}

static void any_resize(Model *m)
{
    m->requested = below(m, 20) ? below(m, USUAL_BLOCKS) : below(m, BLOCKS + 1);
    m->usable = MAX(m->usable, usable_for(m->requested));
    resize(m->requested * BLOCK);
}

/* Returns how many requests were sent. */
static unsigned any_batch(QVirtioMEM *mem, Model *m)
{
    Request requests[64];
    Answer want[64], got[64];
    const unsigned nb = 1 + below(m, ARRAY_SIZE(requests));

    for (unsigned i = 0; i < nb; i++) {
        requests[i] = any_request(m);
        want[i] = model_answer(m, &requests[i]);
    }
    batch(mem, requests, got, nb);
    for (unsigned i = 0; i < nb; i++) {
        const bool has_state = requests[i].type == VIRTIO_MEM_REQ_STATE &&
                               want[i].type == VIRTIO_MEM_RESP_ACK;

        if (got[i].type != want[i].type ||
            (has_state && got[i].state != want[i].state)) {
            g_test_message("request %u of %u: type %u addr 0x%" PRIx64
                           " blocks %u: expected %u state %u, got %u state %u",
                           i, nb, requests[i].type, requests[i].addr,
                           requests[i].nb_blocks, want[i].type, want[i].state,
                           got[i].type, got[i].state);
            g_test_message("requested %" PRIu64 " blocks, usable %" PRIu64
                           " (after the batch)", m->requested, m->usable);
        }
        g_assert_cmpuint(got[i].type, ==, want[i].type);
        if (has_state) {
            g_assert_cmpuint(got[i].state, ==, want[i].state);
        }
    }
    return nb;
}

static void write_somewhere(Model *m)
{
    const unsigned block = below(m, BLOCKS);

    if (m->plugged[block]) {
        m->content[block] = g_rand_int(m->rand);
        writeq(m->addr + block * BLOCK, m->content[block]);
    }
}

/* --- what has to be so ------------------------------------------------ */

static void assert_sizes(QVirtioMEM *mem, const Model *m)
{
    g_assert_cmpuint(plugged_size(mem), ==, count_plugged(m) * BLOCK);
    g_assert_cmpuint(usable_size(mem), ==, m->usable * BLOCK);
    g_assert_cmpuint(requested_size(mem), ==, m->requested * BLOCK);
}

static void assert_all(QVirtioMEM *mem, Model *m)
{
    g_autofree Snapshot *shot = snapshot(mem);

    g_assert_cmpuint(queried_size(), ==, count_plugged(m) * BLOCK);
    for (unsigned i = 0; i < BLOCKS; i++) {
        const uint8_t want = i >= m->usable ? 0xff :
                             m->plugged[i] ? VIRTIO_MEM_STATE_PLUGGED :
                             VIRTIO_MEM_STATE_UNPLUGGED;

        if (shot->state[i] != want) {
            g_test_message("block %u", i);
        }
        g_assert_cmpuint(shot->state[i], ==, want);
        if (m->content[i]) {
            g_assert_cmphex(readq(m->addr + i * BLOCK), ==, m->content[i]);
        }
    }
    for (int i = 0; i < 100; i++) {
        const unsigned block = below(m, BLOCKS);

        if (m->plugged[block]) {
            g_assert_cmphex(readq(m->addr + block * BLOCK), ==,
                            m->content[block]);
        }
    }
}

static void random_life(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 0);
    const uint64_t nb_requests = number_from_env("VIRTIO_MEM_REQUESTS", 100000);
    const uint32_t seed = number_from_env("VIRTIO_MEM_SEED", g_test_rand_int());
    g_autofree Model *m = g_new0(Model, 1);
    uint64_t sent = 0, device_resets = 0, system_resets = 0, resizes = 0;

    g_test_message("VIRTIO_MEM_SEED=%u repeats this run", seed);
    m->rand = g_rand_new_with_seed(seed);
    m->addr = block_addr(mem, 0);
    while (sent < nb_requests) {
        const int dice = below(m, 1000);

        if (dice < 60) {
            any_resize(m);
            resizes++;
        } else if (dice < 75) {
            restart_as_usual(mem);
            device_resets++;
        } else if (dice < 85) {
            reset_system(mem);
            await_unplugged();
            model_unplug_all(m);
            system_resets++;
        } else if (dice < 105) {
            assert_all(mem, m);
        } else if (dice < 300) {
            write_somewhere(m);
        } else {
            sent += any_batch(mem, m);
        }
        assert_sizes(mem, m);
    }
    assert_all(mem, m);
    g_test_message("%" PRIu64 " requests, %" PRIu64 " resizes, %" PRIu64
                   " device resets, %" PRIu64 " system resets", sent, resizes,
                   device_resets, system_resets);
    g_rand_free(m->rand);
}

static const QVirtioMEMTest tests[] = {
    { "random/the-device-does-what-a-naive-model-does", random_life },
};

static void register_random_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_random_tests);
