/*
 * virtio-mem, protocol: the specification read once more, naively
 *
 * Written without a look at how the module decides: a bool for each block, a
 * request taken block by block, and 128 bits so that nothing overflows.
 * Numbers are those of docs/devel/spec-matrix.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_mem.h"
#include "protocol-oracle.h"

typedef unsigned __int128 Wide;

static const VirtIOMEMVerdict error = { .response = VIRTIO_MEM_RESP_ERROR };
static const VirtIOMEMVerdict busy_now = { .response = VIRTIO_MEM_RESP_BUSY };
static const VirtIOMEMVerdict nack = { .response = VIRTIO_MEM_RESP_NACK };

/* The usable block that starts exactly at @gpa; -1 when there is none. */
static int block_at(const Oracle *o, Wide gpa)
{
    for (unsigned b = 0; b < o->usable; b++) {
        if ((Wide)o->addr + (Wide)b * o->block_size == gpa) {
            return b;
        }
    }
    return -1;
}

static unsigned count_plugged(const Oracle *o)
{
    unsigned count = 0;

    for (unsigned b = 0; b < o->blocks; b++) {
        count += o->plugged[b];
    }
    return count;
}

/* Where the request starts and what is plugged of it; false: 26, 32, 44. */
static bool look_up(const Oracle *o, const VirtIOMEMRequest *req,
                    unsigned *first, unsigned *plugged)
{
    *plugged = 0;
    for (unsigned i = 0; i < req->nb_blocks; i++) {
        const int b = block_at(o, req->addr.gpa + (Wide)i * o->block_size);

        if (b < 0) {
            return false;
        }
        *plugged += o->plugged[b];
        if (!i) {
            *first = b;
        }
    }
    return req->nb_blocks > 0;
}

static VirtIOMEMVerdict ack(VirtIOMEMAction action, unsigned first,
                            unsigned count)
{
    return (VirtIOMEMVerdict) {
        .response = VIRTIO_MEM_RESP_ACK,
        .action = action,
        .range = { first, count },
    };
}

VirtIOMEMVerdict oracle_decide(const Oracle *o, const VirtIOMEMRequest *req,
                               bool busy)
{
    unsigned first, plugged;

    if (req->type == VIRTIO_MEM_REQ_UNPLUG_ALL) {           /* 36 to 39 */
        return busy && count_plugged(o)
               ? busy_now : ack(VIRTIO_MEM_ACTION_UNPLUG_ALL, 0, 0);
    }
    if (req->type != VIRTIO_MEM_REQ_PLUG &&
        req->type != VIRTIO_MEM_REQ_UNPLUG &&
        req->type != VIRTIO_MEM_REQ_STATE) {                /* unknown */
        return error;
    }
    if (!look_up(o, req, &first, &plugged)) {               /* 26, 32, 44 */
        return error;
    }
    if (req->type == VIRTIO_MEM_REQ_STATE) {                /* 45, 46 */
        VirtIOMEMVerdict verdict = ack(VIRTIO_MEM_ACTION_NONE, 0, 0);

        verdict.state = plugged == req->nb_blocks ? VIRTIO_MEM_STATE_PLUGGED
                        : plugged ? VIRTIO_MEM_STATE_MIXED
                        : VIRTIO_MEM_STATE_UNPLUGGED;
        return verdict;
    }
    if (req->type == VIRTIO_MEM_REQ_PLUG) {
        if (plugged) {                                      /* 27 */
            return error;
        }
        if (busy) {                                         /* 28 */
            return busy_now;
        }
        if (count_plugged(o) + req->nb_blocks > o->requested) {
            return nack;
        }
        return ack(VIRTIO_MEM_ACTION_PLUG, first, req->nb_blocks);
    }
    if (plugged != req->nb_blocks) {                        /* 33 */
        return error;
    }
    return busy ? busy_now                                  /* 34 */
                : ack(VIRTIO_MEM_ACTION_UNPLUG, first, req->nb_blocks);
}

void oracle_apply(Oracle *o, const VirtIOMEMRequest *req)
{
    const bool plug = req->type == VIRTIO_MEM_REQ_PLUG;
    int b;

    if (req->type == VIRTIO_MEM_REQ_UNPLUG_ALL) {
        memset(o->plugged, 0, sizeof(o->plugged));
    } else if (plug || req->type == VIRTIO_MEM_REQ_UNPLUG) {
        for (unsigned i = 0; i < req->nb_blocks; i++) {
            b = block_at(o, req->addr.gpa + (Wide)i * o->block_size);
            g_assert_cmpint(b, >=, 0);
            o->plugged[b] = plug;
        }
    }
}

VirtIOMEMState oracle_state(const Oracle *o)
{
    VirtIOMEMState state = {
        .geo = {
            .addr.gpa = o->addr,
            .region_size = o->blocks * o->block_size,
            .block_size = o->block_size,
        },
        .usable_size = o->usable * o->block_size,
        .requested_size = o->requested * o->block_size,
    };

    g_assert_cmpint(virtio_mem_geometry_check(&state.geo, 4096), ==,
                    VIRTIO_MEM_FAULT_NONE);
    virtio_mem_blocks_init(&state.blocks, o->blocks);
    for (unsigned b = 0; b < o->blocks; b++) {
        virtio_mem_blocks_set(&state.blocks, (VirtIOMEMRange) { b, 1 },
                              o->plugged[b]);
    }
    return state;
}

static char *verdict_text(const VirtIOMEMVerdict *v)
{
    return g_strdup_printf("response %u state %u action %u blocks %u+%u",
                           v->response, v->state, v->action,
                           (unsigned)v->range.first, (unsigned)v->range.count);
}

static char *situation_text(const Oracle *o, const VirtIOMEMRequest *req,
                            bool busy)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "type %u addr 0x%" PRIx64 " nb_blocks %u%s; device "
                    "at 0x%" PRIx64 ", blocks of 0x%" PRIx64
                    ", %u usable, %u requested, plugged ",
                    req->type, req->addr.gpa, req->nb_blocks,
                    busy ? ", busy" : "", o->addr, o->block_size, o->usable,
                    o->requested);
    for (unsigned b = 0; b < o->blocks; b++) {
        g_string_append_c(text, o->plugged[b] ? '1' : '0');
    }
    return g_string_free(text, FALSE);
}

/* The range of a verdict means something for PLUG and UNPLUG only. */
static void forget_range(VirtIOMEMVerdict *v)
{
    if (v->action != VIRTIO_MEM_ACTION_PLUG &&
        v->action != VIRTIO_MEM_ACTION_UNPLUG) {
        v->range = (VirtIOMEMRange) { 0 };
    }
}

VirtIOMEMVerdict checked_decide(const Oracle *o, const VirtIOMEMState *state,
                                const VirtIOMEMRequest *req, bool busy)
{
    const size_t words = (o->blocks + 8 * sizeof(long) - 1) /
                         (8 * sizeof(long));
    const VirtIOMEMState state_before = *state;
    unsigned long before[ORACLE_MAX_BLOCKS / (8 * sizeof(long))];
    VirtIOMEMVerdict seen, expected = oracle_decide(o, req, busy);

    memcpy(before, state->blocks.bitmap, words * sizeof(long));
    seen = virtio_mem_decide(req, state, busy);
    g_assert_cmpmem(&state_before, sizeof(state_before), state,
                    sizeof(*state));
    g_assert_cmpmem(before, words * sizeof(long), state->blocks.bitmap,
                    words * sizeof(long));

    forget_range(&seen);
    if (seen.response != expected.response || seen.state != expected.state ||
        seen.action != expected.action ||
        seen.range.first != expected.range.first ||
        seen.range.count != expected.range.count) {
        g_autofree char *what = situation_text(o, req, busy);
        g_autofree char *wanted = verdict_text(&expected);
        g_autofree char *got = verdict_text(&seen);

        g_test_message("%s: expected %s, seen %s", what, wanted, got);
        g_assert_cmpstr(got, ==, wanted);
    }
    return seen;
}
