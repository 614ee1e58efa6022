/*
 * virtio-mem: requests, verdicts and responses
 *
 * decode -> decide -> encode. Deciding changes nothing: a verdict says what
 * to answer and, when that is ACK, what has to be done first.
 *
 * This module is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_PROTOCOL_H
#define HW_VIRTIO_MEM_PROTOCOL_H

#include "blocks.h"

/* Bytes on the wire (VIRTIO 1.2, 5.15.6); fields are little-endian. */
#define VIRTIO_MEM_REQUEST_SIZE 24
#define VIRTIO_MEM_RESPONSE_SIZE 10

/*
 * A request as the guest sent it, nothing checked. @addr and @nb_blocks mean
 * something for PLUG, UNPLUG and STATE only.
 */
typedef struct VirtIOMEMRequest {
    uint16_t type;          /* VIRTIO_MEM_REQ_*, or anything else */
    VirtIOMEMAddr addr;
    uint16_t nb_blocks;
} VirtIOMEMRequest;

/* What a verdict depends on. All sizes in bytes, multiples of the block. */
typedef struct VirtIOMEMState {
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    uint64_t usable_size;       /* >= requested_size */
    uint64_t requested_size;
} VirtIOMEMState;

typedef enum VirtIOMEMAction {
    VIRTIO_MEM_ACTION_NONE,
    VIRTIO_MEM_ACTION_PLUG,
    VIRTIO_MEM_ACTION_UNPLUG,
    VIRTIO_MEM_ACTION_UNPLUG_ALL,
} VirtIOMEMAction;

typedef struct VirtIOMEMVerdict {
    uint16_t response;          /* VIRTIO_MEM_RESP_* */
    uint16_t state;             /* VIRTIO_MEM_STATE_*, of STATE only */
    VirtIOMEMAction action;     /* to be done before the answer */
    VirtIOMEMRange range;       /* that it is about */
} VirtIOMEMVerdict;

/* Bytes plugged: always what the blocks say, never kept on its own. */
static inline uint64_t virtio_mem_plugged_size(const VirtIOMEMState *state)
{
    return state->blocks.plugged * state->geo.block_size;
}

/* Padding is ignored (VIRTIO 1.2, 5.15.6). */
VirtIOMEMRequest
virtio_mem_request_decode(const uint8_t wire[VIRTIO_MEM_REQUEST_SIZE]);

/*
 * virtio_mem_decide: what to answer to @req, and what to do before.
 *
 * @busy: blocks cannot change now (migration)
 *
 * Which answer wins, where several fit: ERROR for what the specification
 * calls an error; then BUSY, because a guest retries a NACK at once; then
 * NACK for plugging beyond the requested size. An unknown type is an ERROR.
 * STATE is answered also when busy. UNPLUG ALL is about all blocks, or about
 * none when none is plugged.
 */
VirtIOMEMVerdict virtio_mem_decide(const VirtIOMEMRequest *req,
                                   const VirtIOMEMState *state, bool busy);

/*
 * virtio_mem_joins: may @next be carried out together with @action on @range?
 *
 * @range: adjacent blocks of requests decided before, not carried out yet
 * @next: decided with the same @state
 *
 * If so, @next is answered as if they had been carried out before, provided
 * that nothing fails.
 */
bool virtio_mem_joins(const VirtIOMEMState *state, VirtIOMEMAction action,
                      VirtIOMEMRange range, const VirtIOMEMVerdict *next);

/* Padding is written as zero. */
void virtio_mem_response_encode(const VirtIOMEMVerdict *verdict,
                                uint8_t wire[VIRTIO_MEM_RESPONSE_SIZE]);

#endif
