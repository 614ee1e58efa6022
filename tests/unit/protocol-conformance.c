/*
 * virtio-mem, protocol: the module and the oracle answer alike, for every
 * request in every state of a small device, and for a long random life of a
 * larger one whose requests come over the wire.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "protocol-oracle.h"
#include "unit.h"

#define RANDOM_REQUESTS 200000
#define RANDOM_BLOCKS 100

/* --- Every request in every state --- */

#define SMALL_BLOCKS 4

static void decide_every_request(const Oracle *o)
{
    static const uint16_t types[] = {
        VIRTIO_MEM_REQ_PLUG, VIRTIO_MEM_REQ_UNPLUG, VIRTIO_MEM_REQ_UNPLUG_ALL,
        VIRTIO_MEM_REQ_STATE, 4, 0x100, 0xffff,
    };
    static const uint16_t counts[] = { 0, 1, 2, 3, 4, 5, 0x8000, 0xffff };
    VirtIOMEMState state = oracle_state(o);

    for (size_t t = 0; t < G_N_ELEMENTS(types); t++) {
        for (size_t n = 0; n < G_N_ELEMENTS(counts); n++) {
            /* Half blocks, from before the device to after it. */
            for (uint64_t half = 0; half < 2 * SMALL_BLOCKS + 6; half++) {
                const VirtIOMEMRequest req = {
                    .type = types[t],
                    .addr.gpa = o->addr + (half - 3) * (o->block_size / 2),
                    .nb_blocks = counts[n],
                };

                checked_decide(o, &state, &req, false);
                checked_decide(o, &state, &req, true);
            }
        }
    }
    virtio_mem_blocks_cleanup(&state.blocks);
}

/* Also states that no device gets into: all plugged, nothing requested. */
static void decide_in_every_state(uint64_t addr, uint64_t block_size)
{
    Oracle o = {
        .addr = addr, .block_size = block_size, .blocks = SMALL_BLOCKS,
    };

    for (unsigned bits = 0; bits < 1 << SMALL_BLOCKS; bits++) {
        for (unsigned b = 0; b < SMALL_BLOCKS; b++) {
            o.plugged[b] = bits >> b & 1;
        }
        for (o.usable = 0; o.usable <= SMALL_BLOCKS; o.usable++) {
            for (o.requested = 0; o.requested <= o.usable; o.requested++) {
                decide_every_request(&o);
            }
        }
    }
}

static void test_every_state(void)
{
    decide_in_every_state(4096 * MiB, MiB);
}

static void test_every_state_bottom(void)
{
    decide_in_every_state(0, 2 * MiB);
}

static void test_every_state_top(void)
{
    decide_in_every_state(0 - (SMALL_BLOCKS + 1) * MiB, MiB);
}

/* Eight of its blocks are all addresses: what a request spans wraps soon. */
static void test_every_state_huge(void)
{
    decide_in_every_state((uint64_t)1 << 61, (uint64_t)1 << 61);
}

/* --- A random life --- */

static uint16_t random_type(void)
{
    const int dice = g_test_rand_int_range(0, 1000);

    return dice < 450 ? VIRTIO_MEM_REQ_PLUG
           : dice < 750 ? VIRTIO_MEM_REQ_UNPLUG
           : dice < 980 ? VIRTIO_MEM_REQ_STATE
           : dice < 985 ? VIRTIO_MEM_REQ_UNPLUG_ALL
           : g_test_rand_int_range(0, 0x10000);
}

static uint64_t random_addr(const Oracle *o)
{
    const int dice = g_test_rand_int_range(0, 100);
    const uint64_t block = g_test_rand_int_range(-2, RANDOM_BLOCKS + 2);

    if (dice == 0) {
        return (uint64_t)(uint32_t)g_test_rand_int() << 32 |
               (uint32_t)g_test_rand_int();
    }
    return o->addr + block * o->block_size +
           (dice == 1 ? g_test_rand_int_range(0, MiB) : 0);
}

static uint16_t random_count(void)
{
    const int dice = g_test_rand_int_range(0, 100);

    return dice < 40 ? 1
           : dice < 95 ? g_test_rand_int_range(1, 8)
           : dice < 99 ? g_test_rand_int_range(0, RANDOM_BLOCKS + 2)
           : g_test_rand_int_range(0, 0x10000);
}

/* As a guest sends it: little-endian, with rubbish for padding. */
static void to_wire(const VirtIOMEMRequest *req,
                    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE])
{
    for (int i = 0; i < VIRTIO_MEM_REQUEST_SIZE; i++) {
        wire[i] = g_test_rand_int();
    }
    for (int i = 0; i < 2; i++) {
        wire[i] = req->type >> (8 * i);
        wire[16 + i] = req->nb_blocks >> (8 * i);
    }
    for (int i = 0; i < 8; i++) {
        wire[8 + i] = req->addr.gpa >> (8 * i);
    }
}

/* The host asks for another size: what is usable never shrinks by that. */
static void resize(Oracle *o, VirtIOMEMState *state)
{
    o->requested = g_test_rand_int_range(0, RANDOM_BLOCKS + 1);
    o->usable = MAX(o->usable, MIN(o->requested + 4, RANDOM_BLOCKS));
    state->requested_size = o->requested * o->block_size;
    state->usable_size = o->usable * o->block_size;
}

static void apply(const VirtIOMEMVerdict *verdict, VirtIOMEMState *state)
{
    switch (verdict->action) {
    case VIRTIO_MEM_ACTION_PLUG:
        virtio_mem_blocks_set(&state->blocks, verdict->range, true);
        break;
    case VIRTIO_MEM_ACTION_UNPLUG:
        virtio_mem_blocks_set(&state->blocks, verdict->range, false);
        break;
    case VIRTIO_MEM_ACTION_UNPLUG_ALL:
        virtio_mem_blocks_set(&state->blocks,
                              virtio_mem_range_all(&state->geo), false);
        break;
    case VIRTIO_MEM_ACTION_NONE:
        break;
    }
}

static void test_random(void)
{
    Oracle o = {
        .addr = 4096 * MiB, .block_size = 2 * MiB, .blocks = RANDOM_BLOCKS,
    };
    VirtIOMEMState state = oracle_state(&o);
    unsigned seen[4][4] = { 0 };    /* [type][response] */

    for (int i = 0; i < RANDOM_REQUESTS; i++) {
        const VirtIOMEMRequest sent = {
            .type = random_type(),
            .addr.gpa = random_addr(&o),
            .nb_blocks = random_count(),
        };
        uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];
        VirtIOMEMRequest req;
        VirtIOMEMVerdict verdict;
        unsigned plugged = 0;

        if (!g_test_rand_int_range(0, 50)) {
            resize(&o, &state);
        }
        to_wire(&sent, wire);
        req = virtio_mem_request_decode(wire);
        verdict = checked_decide(&o, &state, &req,
                                 !g_test_rand_int_range(0, 20));
        if (verdict.response == VIRTIO_MEM_RESP_ACK) {
            oracle_apply(&o, &sent);
            apply(&verdict, &state);
        }
        for (unsigned b = 0; b < RANDOM_BLOCKS; b++) {
            plugged += o.plugged[b];
        }
        g_assert_cmphex(virtio_mem_plugged_size(&state), ==,    /* 3 */
                        plugged * o.block_size);
        if (req.type < G_N_ELEMENTS(seen)) {
            seen[req.type][verdict.response]++;
        }
    }
    virtio_mem_blocks_cleanup(&state.blocks);

    /* A load that never meets an answer would say nothing about it. */
    for (unsigned type = 0; type < 2; type++) {
        g_assert_cmpuint(seen[type][VIRTIO_MEM_RESP_ACK], >, 100);
        g_assert_cmpuint(seen[type][VIRTIO_MEM_RESP_BUSY], >, 100);
        g_assert_cmpuint(seen[type][VIRTIO_MEM_RESP_ERROR], >, 100);
    }
    g_assert_cmpuint(seen[VIRTIO_MEM_REQ_PLUG][VIRTIO_MEM_RESP_NACK], >, 100);
    g_assert_cmpuint(seen[VIRTIO_MEM_REQ_UNPLUG_ALL][VIRTIO_MEM_RESP_ACK], >,
                     100);
    g_assert_cmpuint(seen[VIRTIO_MEM_REQ_STATE][VIRTIO_MEM_RESP_ACK], >, 100);
    g_assert_cmpuint(seen[VIRTIO_MEM_REQ_STATE][VIRTIO_MEM_RESP_ERROR], >,
                     100);
}

void add_conformance_tests(void)
{
    g_test_add_func("/virtio-mem/protocol/every-state/device-at-4G",
                    test_every_state);
    g_test_add_func("/virtio-mem/protocol/every-state/device-at-zero",
                    test_every_state_bottom);
    g_test_add_func("/virtio-mem/protocol/every-state/device-at-the-top",
                    test_every_state_top);
    g_test_add_func("/virtio-mem/protocol/every-state/huge-blocks",
                    test_every_state_huge);
    g_test_add_func("/virtio-mem/protocol/random-life", test_random);
}
