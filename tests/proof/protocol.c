/*
 * virtio-mem, protocol: proofs for every request in every state of any device
 *
 * The modules below are not run here: in their place stands what the proofs of
 * geometry and blocks say about them, and that they are called as they must.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "proof.h"

/* --- The wire --- */

static void any_bytes(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = nondet_uint8();
    }
}

static uint64_t little_endian(const uint8_t *bytes, int size)
{
    uint64_t value = 0;

    for (int i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

/* What is decoded depends on these bytes only, so the padding is ignored. */
void prove_decode(void)
{
    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];
    VirtIOMEMRequest req;

    any_bytes(wire, sizeof(wire));
    req = virtio_mem_request_decode(wire);
    prove(req.type == little_endian(wire, 2));
    prove(req.addr.gpa == little_endian(wire + 8, 8));
    prove(req.nb_blocks == little_endian(wire + 16, 2));
    possible(req.type == 1 && req.addr.gpa > UINT32_MAX);
}

void prove_encode(void)
{
    const VirtIOMEMVerdict verdict = {
        .response = nondet_uint16(),
        .state = nondet_uint16(),
        .action = nondet_int(),
        .range = { nondet_uint64(), nondet_uint64() },
    };
    uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE];

    any_bytes(wire, sizeof(wire));
    virtio_mem_response_encode(&verdict, wire);
    prove(little_endian(wire, 2) == verdict.response);
    prove(little_endian(wire + 2, 6) == 0);
    prove(little_endian(wire + 8, 2) == verdict.state);
    possible(wire[0] && wire[8]);
}

/* --- What other proofs say about the modules below --- */

static unsigned shift;      /* the block size is 1 << shift */
static VirtIOMEMBlockState found;   /* in the range asked for, if it fits */

static bool inside(const VirtIOMEMGeometry *geo, uint64_t usable_size,
                   VirtIOMEMAddr addr, uint16_t nb_blocks)
{
    const Wide start = addr.gpa, base = geo->addr.gpa;

    return start >= base && !(start & (((Wide)1 << shift) - 1)) && nb_blocks &&
           start + ((Wide)nb_blocks << shift) <= base + usable_size;
}

bool virtio_mem_range_from_guest(const VirtIOMEMGeometry *geo,
                                 uint64_t usable_size, VirtIOMEMAddr addr,
                                 uint16_t nb_blocks, VirtIOMEMRange *range)
{
    prove(usable_size <= geo->region_size);
    if (!inside(geo, usable_size, addr, nb_blocks)) {
        return false;
    }
    range->first = (addr.gpa - geo->addr.gpa) >> shift;
    range->count = nb_blocks;
    return true;
}

VirtIOMEMRange virtio_mem_range_all(const VirtIOMEMGeometry *geo)
{
    return (VirtIOMEMRange) { .count = geo->region_size >> shift };
}

VirtIOMEMBlockState virtio_mem_blocks_state(const VirtIOMEMBlocks *blocks,
                                            VirtIOMEMRange range)
{
    prove(range.count && range.first <= blocks->count &&
          range.count <= blocks->count - range.first);
    return found;
}

/* --- The verdict --- */

/* Every state that the modules themselves allow, reachable or not. */
static VirtIOMEMState any_state(const VirtIOMEMRequest *req)
{
    VirtIOMEMState state = { .geo = any_geometry(shift) };
    const uint64_t count = state.geo.region_size >> shift;

    state.usable_size = any_size(shift, state.geo.region_size);
    state.requested_size = any_size(shift, state.usable_size);
    state.blocks.count = count;
    state.blocks.plugged = nondet_uint64();
    assume(state.blocks.plugged <= count);
    /* As many are plugged as what is found in the range allows. */
    if (inside(&state.geo, state.usable_size, req->addr, req->nb_blocks)) {
        assume(found != VIRTIO_MEM_BLOCKS_UNPLUGGED ||
               state.blocks.plugged <= count - req->nb_blocks);
        assume(found != VIRTIO_MEM_BLOCKS_PLUGGED ||
               state.blocks.plugged >= req->nb_blocks);
        assume(found != VIRTIO_MEM_BLOCKS_MIXED ||
               (state.blocks.plugged && state.blocks.plugged < count));
    }
    return state;
}

static bool is_error(const VirtIOMEMRequest *req, bool fits)
{
    switch (req->type) {
    case VIRTIO_MEM_REQ_PLUG:
        return !fits || found != VIRTIO_MEM_BLOCKS_UNPLUGGED;
    case VIRTIO_MEM_REQ_UNPLUG:
        return !fits || found != VIRTIO_MEM_BLOCKS_PLUGGED;
    case VIRTIO_MEM_REQ_STATE:
        return !fits;
    default:
        return req->type != VIRTIO_MEM_REQ_UNPLUG_ALL;
    }
}

static uint16_t expected_response(const VirtIOMEMRequest *req,
                                  const VirtIOMEMState *state, bool busy,
                                  bool fits)
{
    const Wide after = (Wide)state->blocks.plugged + req->nb_blocks;

    if (is_error(req, fits)) {
        return VIRTIO_MEM_RESP_ERROR;
    }
    if (busy && (req->type == VIRTIO_MEM_REQ_PLUG ||
                 req->type == VIRTIO_MEM_REQ_UNPLUG ||
                 (req->type == VIRTIO_MEM_REQ_UNPLUG_ALL &&
                  state->blocks.plugged))) {
        return VIRTIO_MEM_RESP_BUSY;
    }
    if (req->type == VIRTIO_MEM_REQ_PLUG &&
        after << shift > state->requested_size) {
        return VIRTIO_MEM_RESP_NACK;
    }
    return VIRTIO_MEM_RESP_ACK;
}

static VirtIOMEMAction expected_action(const VirtIOMEMRequest *req)
{
    return req->type == VIRTIO_MEM_REQ_PLUG ? VIRTIO_MEM_ACTION_PLUG
           : req->type == VIRTIO_MEM_REQ_UNPLUG ? VIRTIO_MEM_ACTION_UNPLUG
           : req->type == VIRTIO_MEM_REQ_UNPLUG_ALL
           ? VIRTIO_MEM_ACTION_UNPLUG_ALL
           : VIRTIO_MEM_ACTION_NONE;
}

static void prove_verdict(const VirtIOMEMState *state,
                          const VirtIOMEMRequest *req, bool fits,
                          const VirtIOMEMVerdict *verdict)
{
    const bool ack = verdict->response == VIRTIO_MEM_RESP_ACK;
    const bool range_used = verdict->action == VIRTIO_MEM_ACTION_PLUG ||
                            verdict->action == VIRTIO_MEM_ACTION_UNPLUG;

    prove(verdict->action ==
          (ack ? expected_action(req) : VIRTIO_MEM_ACTION_NONE));
    prove(verdict->state ==
          (!ack || req->type != VIRTIO_MEM_REQ_STATE ? 0
           : found == VIRTIO_MEM_BLOCKS_UNPLUGGED ? VIRTIO_MEM_STATE_UNPLUGGED
           : found == VIRTIO_MEM_BLOCKS_PLUGGED ? VIRTIO_MEM_STATE_PLUGGED
           : VIRTIO_MEM_STATE_MIXED));
    prove(!range_used || (fits && verdict->range.count == req->nb_blocks));
    prove(!range_used ||
          state->geo.addr.gpa + ((Wide)verdict->range.first << shift) ==
          req->addr.gpa);
    prove(verdict->action != VIRTIO_MEM_ACTION_PLUG ||
          (Wide)virtio_mem_plugged_size(state) +
          ((Wide)verdict->range.count << shift) <= state->requested_size);
}

void prove_decide(void)
{
    for (shift = MIN_SHIFT; shift <= MAX_SHIFT; shift++) {
        const VirtIOMEMRequest req = {
            .type = nondet_uint16(),
            .addr.gpa = nondet_uint64(),
            .nb_blocks = nondet_uint16(),
        };
        const int any = nondet_int();
        const bool busy = nondet_bool();
        VirtIOMEMState state;
        VirtIOMEMVerdict verdict;
        bool fits;

        assume(any == VIRTIO_MEM_BLOCKS_UNPLUGGED ||
               any == VIRTIO_MEM_BLOCKS_PLUGGED ||
               any == VIRTIO_MEM_BLOCKS_MIXED);
        found = any;
        state = any_state(&req);
        fits = inside(&state.geo, state.usable_size, req.addr, req.nb_blocks);
        verdict = virtio_mem_decide(&req, &state, busy);
        prove(verdict.response ==
              expected_response(&req, &state, busy, fits));
        prove_verdict(&state, &req, fits, &verdict);
        possible(verdict.response == VIRTIO_MEM_RESP_ACK);
        possible(verdict.response == VIRTIO_MEM_RESP_NACK);
        possible(verdict.response == VIRTIO_MEM_RESP_BUSY);
        possible(verdict.response == VIRTIO_MEM_RESP_ERROR && fits);
        possible(verdict.action == VIRTIO_MEM_ACTION_UNPLUG);
        /* Of blocks of 2^63 bytes there is room for one. */
        possible(verdict.state == VIRTIO_MEM_STATE_MIXED || shift == 63);
    }
}
