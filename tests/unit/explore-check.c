/*
 * virtio-mem, explore: what must be so, whatever happened
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "explore-world.h"

const struct RequestText request_texts[REQUEST_KINDS] = {
    [PLUG_0] = { "PLUG 0", VIRTIO_MEM_REQ_PLUG, 0, 1 },
    [PLUG_1] = { "PLUG 1", VIRTIO_MEM_REQ_PLUG, 1, 1 },
    [PLUG_BIG] = { "PLUG 2-4", VIRTIO_MEM_REQ_PLUG, 2, 3 },
    [UNPLUG_1] = { "UNPLUG 1", VIRTIO_MEM_REQ_UNPLUG, 1, 1 },
    [UNPLUG_BIG] = { "UNPLUG 2-4", VIRTIO_MEM_REQ_UNPLUG, 2, 3 },
    [UNPLUG_ALL] = { "UNPLUG ALL", VIRTIO_MEM_REQ_UNPLUG_ALL, 0,
                     WORLD_BLOCKS },
    [STATE] = { "STATE", VIRTIO_MEM_REQ_STATE, 0, WORLD_BLOCKS },
    [TOO_SHORT] = { "what is too short", VIRTIO_MEM_REQ_STATE, 0, 1 },
    [BAD_CHAIN] = { "a bad chain", VIRTIO_MEM_REQ_STATE, 0, 1 },
};

/* --- a naive model -------------------------------------------------------- */

static unsigned model_plugged(const Request *request)
{
    const struct RequestText *text = &request_texts[request->kind];
    unsigned plugged = 0;

    for (unsigned i = 0; i < text->count; i++) {
        plugged += world.plugged[text->first + i];
    }
    return plugged;
}

/* @request was carried out. */
static void model_apply(const Request *request)
{
    const struct RequestText *text = &request_texts[request->kind];

    for (unsigned i = 0; i < text->count; i++) {
        world.plugged[text->first + i] = text->type == VIRTIO_MEM_REQ_PLUG;
    }
}

static uint16_t model_state(const Request *request)
{
    const unsigned plugged = model_plugged(request);

    return !plugged ? VIRTIO_MEM_STATE_UNPLUGGED :
           plugged == request_texts[request->kind].count ?
           VIRTIO_MEM_STATE_PLUGGED : VIRTIO_MEM_STATE_MIXED;
}

static uint16_t model_change(const Request *request)
{
    MUST(request->outcome != NOT_ENDED, "'%s' is answered before its end",
         request_texts[request->kind].name);
    return request->outcome == CARRIED_OUT ? VIRTIO_MEM_RESP_ACK
                                           : VIRTIO_MEM_RESP_BUSY;
}

static uint16_t model_answer(const Request *request)
{
    const struct RequestText *text = &request_texts[request->kind];
    const unsigned plugged = model_plugged(request);

    switch (text->type) {
    case VIRTIO_MEM_REQ_STATE:
        return VIRTIO_MEM_RESP_ACK;
    case VIRTIO_MEM_REQ_UNPLUG_ALL:
        return request->busy && plugged ? VIRTIO_MEM_RESP_BUSY
                                        : model_change(request);
    default:
        if (plugged != (text->type == VIRTIO_MEM_REQ_PLUG ? 0 : text->count)) {
            return VIRTIO_MEM_RESP_ERROR;
        }
        return request->busy ? VIRTIO_MEM_RESP_BUSY : model_change(request);
    }
}

/* --- requests ------------------------------------------------------------- */

void check_ended(const VirtIOMEMChange *change)
{
    MUST(!world.removing || !virtio_mem_change_is_plug(change) || change->ret,
         "a plug is not undone while the device goes");
    if (change->origin == VIRTIO_MEM_BY_SYSTEM_RESET) {
        if (!change->ret) {
            memset(world.plugged, 0, sizeof(world.plugged));
        }
        /* A driver that is there already may have looked before. */
        world.unseen = world_is_up() && !world.quiet;
        return;
    }
    for (unsigned i = world_vq()->first; i < world.nb_requests; i++) {
        Request *request = &world.requests[i];

        if (request->fate == TAKEN) {
            MUST(request->outcome == NOT_ENDED, "'%s' ends twice",
                 request_texts[request->kind].name);
            request->outcome = change->ret ? FAILED : CARRIED_OUT;
        }
    }
}

static void check_reported(const Request *request, uint16_t response)
{
    MUST(world.reported &&
         world.reported_type == request_texts[request->kind].type &&
         world.reported_response == response,
         "'%s' was reported otherwise", request_texts[request->kind].name);
    world.reported = false;
}

void check_answer(Request *request)
{
    const char *name = request_texts[request->kind].name;
    struct virtio_mem_resp wire;
    uint16_t response, expected;

    memcpy(&wire, request->response, sizeof(wire));
    response = GUINT16_FROM_LE(wire.type);
    MUST(request->kind < TOO_SHORT, "an answer to %s", name);
    expected = model_answer(request);
    MUST(response == expected, "'%s' is answered by %u, not by %u", name,
         response, expected);
    check_reported(request, response);
    if (request->kind == STATE) {
        MUST(GUINT16_FROM_LE(wire.u.state.state) == model_state(request),
             "STATE is %u, not %u", GUINT16_FROM_LE(wire.u.state.state),
             model_state(request));
    } else if (response == VIRTIO_MEM_RESP_ACK) {
        model_apply(request);
    } else if (response == VIRTIO_MEM_RESP_BUSY && request->busy) {
        MUST(world.told_to_wait, "a guest waits for a migration unnoticed");
    }
    world.told_to_wait = false;
}

void check_forgotten(Request *request)
{
    const char *name = request_texts[request->kind].name;

    if (request->fate == GONE) {
        MUST(world_vdev()->broken || world.kind.aimed,
             "'%s' was handed back already", name);
    } else {
        MUST(request->fate == TAKEN, "'%s' was answered, and forgotten", name);
        MUST(world_vdev()->broken || world_vq()->desc >= WORLD_REGISTERS ||
             request->kind == TOO_SHORT || world.removing,
             "'%s' is forgotten without need", name);
        request->fate = FORGOTTEN;
    }
    if (request->outcome == CARRIED_OUT) {
        model_apply(request);
    }
}

/* --- the world ------------------------------------------------------------ */

static void check_blocks(const Live *live)
{
    const VirtIOMEMBlocks *blocks = &live->state.blocks;
    const VirtIOMEMChange *current = live->engine->current;
    unsigned plugged = 0;

    for (unsigned i = 0; i < WORLD_BLOCKS; i++) {
        const bool is_plugged = blocks->bitmap[0] >> i & 1;

        MUST(is_plugged == world.plugged[i],
             "block %u is %splugged, by what was answered it is not so", i,
             is_plugged ? "" : "un");
        MUST(current || (is_plugged == live->held[i] &&
                         is_plugged == live->mapped[i] &&
                         is_plugged == live->told[i]),
             "the parts do not agree about block %u", i);
        plugged += is_plugged;
    }
    MUST(blocks->plugged == plugged, "plugged blocks are counted wrong");
}

static void check_pending(const Live *live)
{
    const VirtIOMEMBlocks *blocks = &live->state.blocks;
    const VirtIOMEMChange *current = live->engine->current;

    MUST(!!current == (live->work != NO_WORK),
         "a change and the work for it are not on their way together");
    if (!current) {
        MUST(blocks->pending == VIRTIO_MEM_PENDING_NOTHING &&
             !blocks->pending_range.count,
             "nothing is on its way and blocks are pending");
        return;
    }
    MUST(blocks->pending_range.first == current->range.first &&
         blocks->pending_range.count == current->range.count,
         "other blocks are pending than are on their way");
    MUST(world_vdev()->vm_running, "a change is on its way in a stopped VM");
    MUST(!world.kind.recorded, "a change is on its way in a recorded VM");
}

/* The elements that the device has are those of the change on its way. */
static void check_ring(const Live *live)
{
    const VirtIOMEMChange *current = live->engine->current;
    const unsigned taken = ring_count(TAKEN);

    if (current && current->origin == VIRTIO_MEM_BY_DRIVER) {
        MUST(taken, "a change is on its way and its driver is gone");
    } else {
        MUST(!taken, "a request was taken and nothing is on its way for it");
    }
    if (world_vdev()->broken) {
        return;     /* a reset comes first */
    }
    MUST(world_vq()->in_use == taken, "QEMU counts %u elements, of %u",
         world_vq()->in_use, taken);
    MUST(!ring_count(FORGOTTEN), "a request is forgotten and the device works");
    MUST(!world.untold, "the driver was not told of an answer");
    MUST(!world.unseen, "the driver was not told of the end of a reset");
}

void check_world(void)
{
    const Transport *transport = world.transport;

    MUST(!world.reported, "an answer was reported and not given");
    MUST(!world.quiet, "an end of quiet was missed");
    if (world.live) {
        MUST(transport && transport->parent_obj.refs == 1,
             "a reference of the transport was not released");
        check_blocks(world.live);
        check_pending(world.live);
        check_ring(world.live);
        return;
    }
    MUST((transport ? transport->parent_obj.refs : 0) == world.drops,
         "not all references of the transport are to be dropped");
    for (unsigned i = 0; i < world.nb_requests; i++) {
        MUST(world.requests[i].fate != TAKEN,
             "the device is gone and '%s' was never answered",
             request_texts[world.requests[i].kind].name);
    }
}

/* --- digest --------------------------------------------------------------- */

static void put(GByteArray *digest, uint8_t value)
{
    g_byte_array_append(digest, &value, 1);
}

static void put_change(GByteArray *digest, const VirtIOMEMChange *change)
{
    put(digest, change->action);
    put(digest, change->origin);
    put(digest, change->range.first);
    put(digest, change->range.count);
    put(digest, change->at);
    put(digest, change->undoing | change->cancelled << 1);
    put(digest, change->ret);
}

static void put_live(GByteArray *digest, const Live *live)
{
    const VirtIODevice *vdev = world_vdev();

    put(digest, vdev->status);
    put(digest, vdev->guest_features != 0);
    put(digest, vdev->vm_running | vdev->broken << 1 | world.migrating << 2 |
        world.more->scheduled << 3);
    put(digest, live->work);
    for (unsigned i = 0; i < WORLD_BLOCKS; i++) {
        put(digest, (live->state.blocks.bitmap[0] >> i & 1) |
            world.plugged[i] << 1 | live->held[i] << 2 | live->mapped[i] << 3 |
            live->told[i] << 4);
    }
    if (live->engine->current) {
        put_change(digest, live->engine->current);
    }
}

/* What was answered does not matter any more. */
static void put_ring(GByteArray *digest, const VirtQueue *vq)
{
    put(digest, !vq->desc ? 0 : vq->desc < WORLD_REGISTERS ? 1 : 2);
    put(digest, MAX(vq->kicked, vq->taken) - vq->taken);
    for (unsigned i = vq->first; i < world.nb_requests; i++) {
        const Request *request = &world.requests[i];

        if ((request->fate == WAITS && !vq->vdev->broken) ||
            request->fate == TAKEN) {
            put(digest, request->kind << 3 | request->busy << 2 |
                request->fate);
        }
    }
}

GBytes *check_digest(void)
{
    GByteArray *digest = g_byte_array_new();

    put(digest, world.drops << 1 | !world.more);
    if (world.live) {
        put_live(digest, world.live);
        put_ring(digest, world_vq());
    }
    return g_byte_array_free_to_bytes(digest);
}
