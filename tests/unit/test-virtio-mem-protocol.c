/*
 * virtio-mem, protocol: the wire format byte by byte, and each rule of a
 * verdict by name: what is an ERROR, what is BUSY, what is a NACK, and which
 * of them wins. Numbers are those of docs/devel/spec-matrix.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "protocol-oracle.h"
#include "unit.h"

/* --- Requests on the wire --- */

static const uint8_t wire_plug[VIRTIO_MEM_REQUEST_SIZE] = {
    0x34, 0x12, 0, 0, 0, 0, 0, 0,
    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
    0xcd, 0xab, 0, 0, 0, 0, 0, 0,
};

static void assert_decodes(const uint8_t *wire)
{
    const VirtIOMEMRequest req = virtio_mem_request_decode(wire);

    g_assert_cmphex(req.type, ==, 0x1234);
    g_assert_cmphex(req.addr.gpa, ==, 0x1122334455667788);
    g_assert_cmphex(req.nb_blocks, ==, 0xabcd);
}

static void test_decode(void)
{
    assert_decodes(wire_plug);
}

static void test_decode_padding(void)   /* 24, 25, 30, 31, 42, 43 */
{
    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];

    memcpy(wire, wire_plug, sizeof(wire));
    memset(wire + 2, 0xff, 6);
    memset(wire + 18, 0xff, 6);
    assert_decodes(wire);
}

static void test_decode_unaligned(void)
{
    uint8_t buffer[VIRTIO_MEM_REQUEST_SIZE + 8];

    for (int shift = 0; shift < 8; shift++) {
        memcpy(buffer + shift, wire_plug, sizeof(wire_plug));
        assert_decodes(buffer + shift);
    }
}

/* --- Responses on the wire --- */

static void assert_encodes(const VirtIOMEMVerdict *verdict,
                           const uint8_t expected[VIRTIO_MEM_RESPONSE_SIZE])
{
    uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE + 2];

    memset(wire, 0xa5, sizeof(wire));
    virtio_mem_response_encode(verdict, wire + 1);
    g_assert_cmpmem(wire + 1, VIRTIO_MEM_RESPONSE_SIZE, expected,
                    VIRTIO_MEM_RESPONSE_SIZE);
    g_assert_cmphex(wire[0], ==, 0xa5);
    g_assert_cmphex(wire[VIRTIO_MEM_RESPONSE_SIZE + 1], ==, 0xa5);
}

static void test_encode(void)
{
    static const uint8_t expected[] = {
        0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x78, 0x56,
    };
    const VirtIOMEMVerdict verdict = { .response = 0x1234, .state = 0x5678 };

    assert_encodes(&verdict, expected);
}

static void test_encode_no_state(void)
{
    static const uint8_t expected[] = {
        VIRTIO_MEM_RESP_ERROR, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    const VirtIOMEMVerdict verdict = {
        .response = VIRTIO_MEM_RESP_ERROR,
        .action = VIRTIO_MEM_ACTION_UNPLUG,
        .range = { UINT64_MAX, UINT64_MAX },
    };

    assert_encodes(&verdict, expected);
}

/* --- Verdicts --- */

#define BLOCK (2 * MiB)
#define BASE (4096 * MiB)

/* Blocks: 0 and 1 plugged; 4 requested; 6 usable; 8 in all. */
static const Oracle device = {
    .addr = BASE, .block_size = BLOCK, .blocks = 8, .usable = 6,
    .requested = 4, .plugged = { true, true },
};

static const Oracle nothing_plugged = {
    .addr = BASE, .block_size = BLOCK, .blocks = 8, .usable = 6,
    .requested = 4,
};

/* After the host has asked for less: 4 plugged, 1 requested. */
static const Oracle shrinking = {
    .addr = BASE, .block_size = BLOCK, .blocks = 8, .usable = 6,
    .requested = 1, .plugged = { true, true, true, true },
};

typedef struct VerdictCase {
    const char *name;
    const Oracle *device;
    uint16_t type;
    uint64_t gpa;
    uint16_t nb_blocks;
    bool busy;
    uint16_t response, state;
    VirtIOMEMAction action;
} VerdictCase;

#define AT(n) (BASE + (n) * BLOCK)
#define IDLE false
#define BUSY true
#define PLUG &device, VIRTIO_MEM_REQ_PLUG
#define UNPLUG &device, VIRTIO_MEM_REQ_UNPLUG
#define ALL &device, VIRTIO_MEM_REQ_UNPLUG_ALL
#define STATE &device, VIRTIO_MEM_REQ_STATE
#define IS_ERROR VIRTIO_MEM_RESP_ERROR, 0, VIRTIO_MEM_ACTION_NONE
#define IS_BUSY VIRTIO_MEM_RESP_BUSY, 0, VIRTIO_MEM_ACTION_NONE
#define IS_NACK VIRTIO_MEM_RESP_NACK, 0, VIRTIO_MEM_ACTION_NONE
#define IS_ACK(action_) VIRTIO_MEM_RESP_ACK, 0, VIRTIO_MEM_ACTION_##action_
#define IS_STATE(state_) VIRTIO_MEM_RESP_ACK, VIRTIO_MEM_STATE_##state_, \
                         VIRTIO_MEM_ACTION_NONE

static const VerdictCase verdict_cases[] = {
    { "plug/up-to-requested-is-ack", PLUG, AT(2), 2, IDLE, IS_ACK(PLUG) },
    { "plug/anywhere-usable-is-ack", PLUG, AT(4), 2, IDLE, IS_ACK(PLUG) },
    { "plug/beyond-requested-is-nack", PLUG, AT(2), 3, IDLE, IS_NACK },
    { "plug/when-more-than-requested-is-nack", &shrinking, VIRTIO_MEM_REQ_PLUG,
      AT(4), 1, IDLE, IS_NACK },
    { "plug/plugged-is-error", PLUG, AT(0), 1, IDLE, IS_ERROR },
    { "plug/partly-plugged-is-error", PLUG, AT(1), 2, IDLE, IS_ERROR },
    { "plug/not-usable-is-error", PLUG, AT(6), 1, IDLE, IS_ERROR },
    { "plug/partly-usable-is-error", PLUG, AT(5), 2, IDLE, IS_ERROR },
    { "plug/misaligned-is-error", PLUG, AT(2) + 1, 1, IDLE, IS_ERROR },
    { "plug/no-blocks-is-error", PLUG, AT(2), 0, IDLE, IS_ERROR },
    { "plug/below-is-error", PLUG, BASE - BLOCK, 1, IDLE, IS_ERROR },
    { "plug/error-wins-over-nack", PLUG, AT(0), 4, IDLE, IS_ERROR },
    { "plug/busy-is-busy", PLUG, AT(2), 2, BUSY, IS_BUSY },
    { "plug/busy-wins-over-nack", PLUG, AT(2), 3, BUSY, IS_BUSY },
    { "plug/error-wins-over-busy", PLUG, AT(1), 1, BUSY, IS_ERROR },
    { "plug/bad-range-wins-over-busy", PLUG, AT(2), 0, BUSY, IS_ERROR },

    { "unplug/plugged-is-ack", UNPLUG, AT(0), 2, IDLE, IS_ACK(UNPLUG) },
    { "unplug/one-of-them-is-ack", UNPLUG, AT(1), 1, IDLE, IS_ACK(UNPLUG) },
    { "unplug/when-more-than-requested-is-ack", &shrinking,
      VIRTIO_MEM_REQ_UNPLUG, AT(0), 4, IDLE, IS_ACK(UNPLUG) },
    { "unplug/unplugged-is-error", UNPLUG, AT(2), 1, IDLE, IS_ERROR },
    { "unplug/partly-plugged-is-error", UNPLUG, AT(1), 2, IDLE, IS_ERROR },
    { "unplug/not-usable-is-error", UNPLUG, AT(6), 1, IDLE, IS_ERROR },
    { "unplug/misaligned-is-error", UNPLUG, AT(0) + MiB, 1, IDLE, IS_ERROR },
    { "unplug/no-blocks-is-error", UNPLUG, AT(0), 0, IDLE, IS_ERROR },
    { "unplug/busy-is-busy", UNPLUG, AT(0), 2, BUSY, IS_BUSY },
    { "unplug/error-wins-over-busy", UNPLUG, AT(2), 1, BUSY, IS_ERROR },

    { "unplug-all/is-ack", ALL, 0, 0, IDLE, IS_ACK(UNPLUG_ALL) },
    { "unplug-all/data-is-ignored", ALL, 12345, 0xffff, IDLE,   /* 36 */
      IS_ACK(UNPLUG_ALL) },
    { "unplug-all/busy-is-busy", ALL, 0, 0, BUSY, IS_BUSY },
    { "unplug-all/of-nothing-is-ack", &nothing_plugged,
      VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0, IDLE, IS_ACK(UNPLUG_ALL) },
    { "unplug-all/of-nothing-while-busy-is-ack", &nothing_plugged,
      VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0, BUSY, IS_ACK(UNPLUG_ALL) },

    { "state/plugged", STATE, AT(0), 2, IDLE, IS_STATE(PLUGGED) },
    { "state/unplugged", STATE, AT(2), 4, IDLE, IS_STATE(UNPLUGGED) },
    { "state/mixed", STATE, AT(1), 2, IDLE, IS_STATE(MIXED) },
    { "state/answered-while-busy", STATE, AT(1), 2, BUSY, IS_STATE(MIXED) },
    { "state/not-usable-is-error", STATE, AT(6), 1, IDLE, IS_ERROR },
    { "state/partly-usable-is-error", STATE, AT(2), 5, IDLE, IS_ERROR },
    { "state/misaligned-is-error", STATE, AT(0) + 1, 1, IDLE, IS_ERROR },
    { "state/no-blocks-is-error", STATE, AT(0), 0, IDLE, IS_ERROR },

    { "unknown/next-type-is-error", &device, VIRTIO_MEM_REQ_STATE + 1, AT(2),
      1, IDLE, IS_ERROR },
    { "unknown/last-type-is-error", &device, 0xffff, AT(2), 1, IDLE,
      IS_ERROR },
    { "unknown/error-wins-over-busy", &device, 4, AT(2), 1, BUSY, IS_ERROR },
};

static void test_verdict(gconstpointer data)
{
    const VerdictCase *c = data;
    const VirtIOMEMRequest req = {
        .type = c->type, .addr.gpa = c->gpa, .nb_blocks = c->nb_blocks,
    };
    VirtIOMEMState state = oracle_state(c->device);
    VirtIOMEMVerdict verdict = checked_decide(c->device, &state, &req, c->busy);

    g_assert_cmpuint(verdict.response, ==, c->response);
    g_assert_cmpuint(verdict.state, ==, c->state);
    g_assert_cmpint(verdict.action, ==, c->action);
    virtio_mem_blocks_cleanup(&state.blocks);
}

/* --- Requests that are carried out as one --- */

typedef struct JoinCase {
    const char *name;
    const Oracle *device;
    VirtIOMEMAction action;
    VirtIOMEMRange range;       /* of those before */
    VirtIOMEMVerdict next;
    bool joins;
} JoinCase;

#define TO(action_, first_, count_) \
    { .action = VIRTIO_MEM_ACTION_##action_, .range = { first_, count_ } }

static const JoinCase join_cases[] = {
    { "join/plug-up-to-requested", &device, VIRTIO_MEM_ACTION_PLUG, { 2, 1 },
      TO(PLUG, 3, 1), true },
    { "join/plug-beyond-requested", &device, VIRTIO_MEM_ACTION_PLUG, { 2, 2 },
      TO(PLUG, 4, 1), false },
    { "join/plug-large-beyond-requested", &nothing_plugged,
      VIRTIO_MEM_ACTION_PLUG, { 0, 2 }, TO(PLUG, 2, 3), false },
    { "join/plug-not-adjacent", &device, VIRTIO_MEM_ACTION_PLUG, { 2, 1 },
      TO(PLUG, 4, 1), false },
    { "join/plug-before", &device, VIRTIO_MEM_ACTION_PLUG, { 3, 1 },
      TO(PLUG, 2, 1), false },
    { "join/plug-the-same", &device, VIRTIO_MEM_ACTION_PLUG, { 2, 1 },
      TO(PLUG, 2, 1), false },
    { "join/unplug", &device, VIRTIO_MEM_ACTION_UNPLUG, { 0, 1 },
      TO(UNPLUG, 1, 1), true },
    { "join/unplug-when-more-than-requested", &shrinking,
      VIRTIO_MEM_ACTION_UNPLUG, { 0, 2 }, TO(UNPLUG, 2, 2), true },
    { "join/unplug-not-adjacent", &shrinking, VIRTIO_MEM_ACTION_UNPLUG,
      { 0, 1 }, TO(UNPLUG, 2, 1), false },
    { "join/unplug-behind-plug", &device, VIRTIO_MEM_ACTION_PLUG, { 2, 1 },
      TO(UNPLUG, 3, 1), false },
    { "join/state-behind-plug", &device, VIRTIO_MEM_ACTION_PLUG, { 2, 1 },
      TO(NONE, 3, 1), false },
    { "join/unplug-all", &device, VIRTIO_MEM_ACTION_UNPLUG_ALL, { 0, 0 },
      TO(UNPLUG_ALL, 0, 0), false },
    { "join/nothing", &device, VIRTIO_MEM_ACTION_NONE, { 0, 0 },
      TO(NONE, 0, 0), false },
};

static void test_join(gconstpointer data)
{
    const JoinCase *c = data;
    VirtIOMEMState state = oracle_state(c->device);

    g_assert_cmpint(virtio_mem_joins(&state, c->action, c->range, &c->next),
                    ==, c->joins);
    virtio_mem_blocks_cleanup(&state.blocks);
}

static void test_plugged_size(void)     /* 3 */
{
    VirtIOMEMState state = oracle_state(&device);

    g_assert_cmphex(virtio_mem_plugged_size(&state), ==, 2 * BLOCK);
    virtio_mem_blocks_set(&state.blocks, (VirtIOMEMRange) { 0, 8 }, true);
    g_assert_cmphex(virtio_mem_plugged_size(&state), ==, 8 * BLOCK);
    virtio_mem_blocks_cleanup(&state.blocks);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/protocol/decode/little-endian", test_decode);
    g_test_add_func("/virtio-mem/protocol/decode/padding-is-ignored",
                    test_decode_padding);
    g_test_add_func("/virtio-mem/protocol/decode/unaligned",
                    test_decode_unaligned);
    g_test_add_func("/virtio-mem/protocol/encode/little-endian-ten-bytes",
                    test_encode);
    g_test_add_func("/virtio-mem/protocol/encode/nothing-but-the-answer",
                    test_encode_no_state);
    g_test_add_func("/virtio-mem/protocol/plugged-size", test_plugged_size);
    ADD_CASES("/virtio-mem/protocol", verdict_cases, test_verdict);
    ADD_CASES("/virtio-mem/protocol", join_cases, test_join);
    add_conformance_tests();
    return g_test_run();
}
