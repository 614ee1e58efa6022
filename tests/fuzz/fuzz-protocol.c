/*
 * virtio-mem, protocol: a device's life of any requests and resizes, each
 * request as bytes on the wire, beside the oracle of the unit tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "protocol-oracle.h"
#include "bytes.h"

/* The host asks for another size; what is usable does not shrink by that. */
static void resize(Bytes *bytes, Oracle *o, VirtIOMEMState *state)
{
    o->requested = take_range(bytes, 0, o->blocks);
    o->usable = MAX(o->usable, MIN(o->requested + 2, o->blocks));
    state->requested_size = o->requested * o->block_size;
    state->usable_size = o->usable * o->block_size;
}

/* Whatever the input says, or an address that is near the device. */
static void take_request(Bytes *bytes, const Oracle *o, bool raw,
                         uint8_t wire[VIRTIO_MEM_REQUEST_SIZE])
{
    uint64_t gpa;

    if (raw) {
        for (int i = 0; i < VIRTIO_MEM_REQUEST_SIZE; i++) {
            wire[i] = take(bytes, 1);
        }
        return;
    }
    memset(wire, take(bytes, 1), VIRTIO_MEM_REQUEST_SIZE);
    wire[0] = take(bytes, 1) % 6;
    wire[1] = 0;
    gpa = o->addr + (take_range(bytes, 0, o->blocks + 1) - 1) * o->block_size;
    for (int i = 0; i < 8; i++) {
        wire[8 + i] = gpa >> (8 * i);
    }
    wire[16] = take_range(bytes, 0, o->blocks + 1);
    wire[17] = 0;
}

static void apply(const VirtIOMEMVerdict *verdict, VirtIOMEMState *state)
{
    VirtIOMEMRange range = verdict->range;

    if (verdict->action == VIRTIO_MEM_ACTION_UNPLUG_ALL) {
        range = virtio_mem_range_all(&state->geo);
    }
    if (verdict->action != VIRTIO_MEM_ACTION_NONE) {
        virtio_mem_blocks_set(&state->blocks, range,
                              verdict->action == VIRTIO_MEM_ACTION_PLUG);
    }
}

static void check_response(const VirtIOMEMVerdict *verdict)
{
    uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE];

    memset(wire, 0xaa, sizeof(wire));
    virtio_mem_response_encode(verdict, wire);
    g_assert_cmpint(wire[0] | wire[1] << 8, ==, verdict->response);
    g_assert_cmpint(wire[8] | wire[9] << 8, ==, verdict->state);
    for (int i = 2; i < 8; i++) {
        g_assert_cmpint(wire[i], ==, 0);
    }
}

static void check_state(const Oracle *o, const VirtIOMEMState *state)
{
    uint64_t plugged = 0;

    for (unsigned b = 0; b < o->blocks; b++) {
        g_assert_cmpint(virtio_mem_blocks_state(&state->blocks,
                                                (VirtIOMEMRange) { b, 1 }),
                        ==, o->plugged[b] ? VIRTIO_MEM_BLOCKS_PLUGGED
                                          : VIRTIO_MEM_BLOCKS_UNPLUGGED);
        plugged += o->plugged[b];
    }
    g_assert_true(virtio_mem_plugged_size(state) == plugged * o->block_size);
}

static void one_request(Bytes *bytes, uint8_t how, Oracle *o,
                        VirtIOMEMState *state)
{
    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];
    VirtIOMEMRequest req;
    VirtIOMEMVerdict verdict;

    take_request(bytes, o, how & 2, wire);
    req = virtio_mem_request_decode(wire);
    verdict = checked_decide(o, state, &req, how & 4);
    check_response(&verdict);
    if (verdict.response == VIRTIO_MEM_RESP_ACK) {
        oracle_apply(o, &req);
        apply(&verdict, state);
    }
    check_state(o, state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    const unsigned shift = take_range(&bytes, 20, 56);
    Oracle o = {
        .blocks = take_range(&bytes, 1, 127),
        .block_size = (uint64_t)1 << shift,
    };
    VirtIOMEMState state;

    /* Up to where it ends below 2^64. */
    o.addr = take_range(&bytes, 0, (UINT64_MAX >> shift) - o.blocks) << shift;
    state = oracle_state(&o);
    while (bytes.left) {
        const uint8_t how = take(&bytes, 1);

        if ((how & 0x38) == 0x38) {
            resize(&bytes, &o, &state);
        } else {
            one_request(&bytes, how, &o, &state);
        }
    }
    virtio_mem_blocks_cleanup(&state.blocks);
    return 0;
}
