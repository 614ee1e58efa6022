/*
 * virtio-mem: requests, verdicts and responses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "protocol.h"

G_STATIC_ASSERT(sizeof(struct virtio_mem_req) == VIRTIO_MEM_REQUEST_SIZE);
G_STATIC_ASSERT(sizeof(struct virtio_mem_resp) == VIRTIO_MEM_RESPONSE_SIZE);
/* Where PLUG has its fields, UNPLUG and STATE have the same ones. */
G_STATIC_ASSERT(sizeof(struct virtio_mem_req_plug) ==
                sizeof(struct virtio_mem_req_unplug));
G_STATIC_ASSERT(sizeof(struct virtio_mem_req_plug) ==
                sizeof(struct virtio_mem_req_state));

static uint16_t protocol_le16_at(const uint8_t *wire, size_t offset)
{
    uint16_t value;

    memcpy(&value, wire + offset, sizeof(value));
    return GUINT16_FROM_LE(value);
}

static uint64_t protocol_le64_at(const uint8_t *wire, size_t offset)
{
    uint64_t value;

    memcpy(&value, wire + offset, sizeof(value));
    return GUINT64_FROM_LE(value);
}

static void protocol_put_le16(uint8_t *wire, size_t offset, uint16_t value)
{
    value = GUINT16_TO_LE(value);
    memcpy(wire + offset, &value, sizeof(value));
}

VirtIOMEMRequest
virtio_mem_request_decode(const uint8_t wire[VIRTIO_MEM_REQUEST_SIZE])
{
    return (VirtIOMEMRequest) {
        .type = protocol_le16_at(wire, offsetof(struct virtio_mem_req, type)),
        .addr.gpa = protocol_le64_at(wire, offsetof(struct virtio_mem_req,
                                           u.plug.addr)),
        .nb_blocks = protocol_le16_at(wire, offsetof(struct virtio_mem_req,
                                            u.plug.nb_blocks)),
    };
}

static VirtIOMEMVerdict protocol_answer(uint16_t response)
{
    return (VirtIOMEMVerdict) { .response = response };
}

/* Is so much more than what is plugged still within the requested size? */
static bool protocol_is_requested(const VirtIOMEMState *state,
                                  VirtIOMEMRange more)
{
    return virtio_mem_plugged_size(state) +
           virtio_mem_range_span(&state->geo, more).size <=
           state->requested_size;
}

/* PLUG and UNPLUG: every block of a valid range has the opposite state. */
static VirtIOMEMVerdict protocol_decide_change(const VirtIOMEMRequest *req,
                                               const VirtIOMEMState *state,
                                               bool busy)
{
    const bool plug = req->type == VIRTIO_MEM_REQ_PLUG;
    const VirtIOMEMBlockState before = plug ? VIRTIO_MEM_BLOCKS_UNPLUGGED
                                            : VIRTIO_MEM_BLOCKS_PLUGGED;
    VirtIOMEMVerdict verdict = {
        .response = VIRTIO_MEM_RESP_ACK,
        .action = plug ? VIRTIO_MEM_ACTION_PLUG : VIRTIO_MEM_ACTION_UNPLUG,
    };

    if (!virtio_mem_range_from_guest(&state->geo, state->usable_size, req->addr,
                                     req->nb_blocks, &verdict.range) ||
        virtio_mem_blocks_state(&state->blocks, verdict.range) != before) {
        return protocol_answer(VIRTIO_MEM_RESP_ERROR);
    }
    if (busy) {
        return protocol_answer(VIRTIO_MEM_RESP_BUSY);
    }
    if (plug && !protocol_is_requested(state, verdict.range)) {
        return protocol_answer(VIRTIO_MEM_RESP_NACK);
    }
    return verdict;
}

static VirtIOMEMVerdict protocol_decide_unplug_all(const VirtIOMEMState *state,
                                                   bool busy)
{
    VirtIOMEMVerdict verdict = {
        .response = VIRTIO_MEM_RESP_ACK,
        .action = VIRTIO_MEM_ACTION_UNPLUG_ALL,
    };

    if (busy && state->blocks.plugged) {
        return protocol_answer(VIRTIO_MEM_RESP_BUSY);
    }
    if (state->blocks.plugged) {
        verdict.range = virtio_mem_range_all(&state->geo);
    }
    return verdict;
}

static VirtIOMEMVerdict protocol_decide_state(const VirtIOMEMRequest *req,
                                              const VirtIOMEMState *state)
{
    static const uint16_t wire_state[] = {
        [VIRTIO_MEM_BLOCKS_UNPLUGGED] = VIRTIO_MEM_STATE_UNPLUGGED,
        [VIRTIO_MEM_BLOCKS_PLUGGED] = VIRTIO_MEM_STATE_PLUGGED,
        [VIRTIO_MEM_BLOCKS_MIXED] = VIRTIO_MEM_STATE_MIXED,
    };
    VirtIOMEMVerdict verdict = { .response = VIRTIO_MEM_RESP_ACK };

    if (!virtio_mem_range_from_guest(&state->geo, state->usable_size, req->addr,
                                     req->nb_blocks, &verdict.range)) {
        return protocol_answer(VIRTIO_MEM_RESP_ERROR);
    }
    verdict.state = wire_state[virtio_mem_blocks_state(&state->blocks,
                                                       verdict.range)];
    return verdict;
}

VirtIOMEMVerdict virtio_mem_decide(const VirtIOMEMRequest *req,
                                   const VirtIOMEMState *state, bool busy)
{
    switch (req->type) {
    case VIRTIO_MEM_REQ_PLUG:
    case VIRTIO_MEM_REQ_UNPLUG:
        return protocol_decide_change(req, state, busy);
    case VIRTIO_MEM_REQ_UNPLUG_ALL:
        return protocol_decide_unplug_all(state, busy);
    case VIRTIO_MEM_REQ_STATE:
        return protocol_decide_state(req, state);
    default:
        return protocol_answer(VIRTIO_MEM_RESP_ERROR);
    }
}

bool virtio_mem_joins(const VirtIOMEMState *state, VirtIOMEMAction action,
                      VirtIOMEMRange range, const VirtIOMEMVerdict *next)
{
    if (next->action != action ||
        next->range.first != range.first + range.count) {
        return false;
    }
    range.count += next->range.count;
    return action == VIRTIO_MEM_ACTION_UNPLUG ||
           (action == VIRTIO_MEM_ACTION_PLUG &&
            protocol_is_requested(state, range));
}

void virtio_mem_response_encode(const VirtIOMEMVerdict *verdict,
                                uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE])
{
    memset(wire, 0, VIRTIO_MEM_RESPONSE_SIZE);
    protocol_put_le16(wire, offsetof(struct virtio_mem_resp, type),
                      verdict->response);
    protocol_put_le16(wire, offsetof(struct virtio_mem_resp, u.state.state),
             verdict->state);
}
