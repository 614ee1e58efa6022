/*
 * virtio-mem, protocol: proofs for every request in every state of a device of
 * up to MAX_BLOCKS blocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "proof.h"

/* Which block size prove_decide() is about: 1 << SHIFT. */
#ifndef SHIFT
#define SHIFT MIN_SHIFT
#endif

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
}

/* --- The verdict --- */

/* Every state that the rooms themselves allow, reachable or not. */
static VirtIOMEMState any_state(unsigned words)
{
    VirtIOMEMState state = {
        .geo = any_geometry(SHIFT),
        .blocks = any_blocks(words),
    };

    assume(state.geo.region_size >> SHIFT == state.blocks.count);
    state.usable_size = any_size(SHIFT, state.geo.region_size);
    state.requested_size = any_size(SHIFT, state.usable_size);
    return state;
}

static bool inside(const VirtIOMEMState *state, const VirtIOMEMRequest *req)
{
    const Wide start = req->addr.gpa, base = state->geo.addr.gpa;

    return start >= base && !(start & (((Wide)1 << SHIFT) - 1)) &&
           req->nb_blocks &&
           start + ((Wide)req->nb_blocks << SHIFT) <= base + state->usable_size;
}

/*
 * Of the count of plugged blocks only this is used: those that are not in
 * @range fit beside it, if none in it is plugged. More counts than can be are
 * allowed then, which is no harm, and counting bits is hard for a solver.
 */
static bool may_be_count(uint64_t plugged, const VirtIOMEMBlocks *blocks,
                         VirtIOMEMRange range, Found found)
{
    return plugged <= blocks->count - (found.plugged ? 0 : range.count) &&
           (plugged || !found.plugged);
}

static bool is_error(const VirtIOMEMRequest *req, bool fits, Found found)
{
    switch (req->type) {
    case VIRTIO_MEM_REQ_PLUG:
        return !fits || found.plugged;
    case VIRTIO_MEM_REQ_UNPLUG:
        return !fits || found.unplugged;
    case VIRTIO_MEM_REQ_STATE:
        return !fits;
    default:
        return req->type != VIRTIO_MEM_REQ_UNPLUG_ALL;
    }
}

static uint16_t expected_response(const VirtIOMEMRequest *req,
                                  const VirtIOMEMState *state, bool busy,
                                  bool fits, Found found)
{
    const Wide after = (Wide)state->blocks.plugged + req->nb_blocks;

    if (is_error(req, fits, found)) {
        return VIRTIO_MEM_RESP_ERROR;
    }
    if (busy && (req->type == VIRTIO_MEM_REQ_PLUG ||
                 req->type == VIRTIO_MEM_REQ_UNPLUG ||
                 (req->type == VIRTIO_MEM_REQ_UNPLUG_ALL &&
                  state->blocks.plugged))) {
        return VIRTIO_MEM_RESP_BUSY;
    }
    if (req->type == VIRTIO_MEM_REQ_PLUG &&
        after << SHIFT > state->requested_size) {
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
                          Found found, const VirtIOMEMVerdict *verdict)
{
    const bool ack = verdict->response == VIRTIO_MEM_RESP_ACK;
    const bool range_used = verdict->action == VIRTIO_MEM_ACTION_PLUG ||
                            verdict->action == VIRTIO_MEM_ACTION_UNPLUG;

    prove(verdict->action ==
          (ack ? expected_action(req) : VIRTIO_MEM_ACTION_NONE));
    prove(verdict->state ==
          (!ack || req->type != VIRTIO_MEM_REQ_STATE ? 0
           : !found.plugged ? VIRTIO_MEM_STATE_UNPLUGGED
           : !found.unplugged ? VIRTIO_MEM_STATE_PLUGGED
           : VIRTIO_MEM_STATE_MIXED));
    prove(!range_used || (fits && verdict->range.count == req->nb_blocks));
    prove(!range_used ||
          state->geo.addr.gpa + ((Wide)verdict->range.first << SHIFT) ==
          req->addr.gpa);
    prove(verdict->action != VIRTIO_MEM_ACTION_PLUG ||
          (Wide)virtio_mem_plugged_size(state) +
          ((Wide)verdict->range.count << SHIFT) <= state->requested_size);
}

static void prove_decide_words(unsigned words)
{
    VirtIOMEMState state = any_state(words);
    const VirtIOMEMRequest req = {
        .type = nondet_uint16(),
        .addr.gpa = nondet_uint64(),
        .nb_blocks = nondet_uint16(),
    };
    const bool busy = nondet_bool();
    const bool fits = inside(&state, &req);
    const VirtIOMEMRange range = {
        .first = fits ? (req.addr.gpa - state.geo.addr.gpa) >> SHIFT : 0,
        .count = fits ? req.nb_blocks : 0,
    };
    const Found found = look_for(&state.blocks, words, range);
    VirtIOMEMVerdict verdict;

    assume(may_be_count(state.blocks.plugged, &state.blocks, range, found));
    verdict = virtio_mem_decide(&req, &state, busy);
    prove(verdict.response ==
          expected_response(&req, &state, busy, fits, found));
    prove_verdict(&state, &req, fits, found, &verdict);
    virtio_mem_blocks_cleanup(&state.blocks);
}

void prove_decide(void)
{
    FOREACH_WORDS(words) {
        prove_decide_words(words);
    }
}
