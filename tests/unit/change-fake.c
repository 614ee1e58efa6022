/*
 * virtio-mem, change: a device whose parts but the last are fakes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/trace.h"
#include "virtio-mem/state.h"
#include "change-fake.h"

#define WORDS ((BLOCKS + 8 * sizeof(long) - 1) / (8 * sizeof(long)))

/* --- parts ---------------------------------------------------------------- */

static const char *state_text(const Fake *fake, VirtIOMEMSpan span)
{
    static const char *const text[] = {
        [VIRTIO_MEM_BLOCKS_UNPLUGGED] = "unplugged",
        [VIRTIO_MEM_BLOCKS_PLUGGED] = "plugged",
        [VIRTIO_MEM_BLOCKS_MIXED] = "mixed",
    };

    return text[virtio_mem_blocks_state(
                &fake->blocks, virtio_mem_range_covering(&fake->geo, span))];
}

/* Whoever looks in the middle sees what is coming or going. */
static void assert_pending(const Fake *fake, const VirtIOMEMChange *change)
{
    g_assert_cmpint(fake->blocks.pending, ==,
                    change->action == VIRTIO_MEM_ACTION_PLUG ?
                    VIRTIO_MEM_PENDING_COMING : VIRTIO_MEM_PENDING_GOING);
    g_assert_cmpuint(fake->blocks.pending_range.first, ==, change->range.first);
    g_assert_cmpuint(fake->blocks.pending_range.count, ==, change->range.count);
}

static void note(Fake *fake, const char *call, const VirtIOMEMChange *change)
{
    assert_pending(fake, change);
    g_string_append_printf(fake->log, "%s 0x%" PRIx64 "+0x%" PRIx64 " %s\n",
                           call, change->span.offset, change->span.size,
                           state_text(fake, change->span));
}

static int next_return(Fake *fake)
{
    g_assert_cmpuint(fake->calls, <, MAX_CALLS);
    return fake->returns[fake->calls++];
}

static int memory_step(Fake *fake, const char *call,
                       const VirtIOMEMChange *change)
{
    if (change->keeps_memory) {
        return 0;
    }
    note(fake, call, change);
    if (!fake->later) {
        return next_return(fake);
    }
    fake->pending = true;
    return VIRTIO_MEM_PENDING;
}

static int memory_plug(void *self, const VirtIOMEMChange *change)
{
    return memory_step(self, "memory plug", change);
}

static int memory_undo_plug(void *self, const VirtIOMEMChange *change)
{
    return memory_step(self, "memory undo", change);
}

static int memory_unplug(void *self, const VirtIOMEMChange *change)
{
    return memory_step(self, "memory unplug", change);
}

static bool memory_may_refuse(void *self)
{
    const Fake *fake = self;

    return fake->refuses;
}

static void memory_wait(void *self)
{
    Fake *fake = self;

    g_assert_true(fake->pending);
    fake->pending = false;
    virtio_mem_change_resume(fake->engine, next_return(fake));
}

/* Somebody needs the device at rest. */
static void memory_hurry(void *self)
{
    Fake *fake = self;

    fake->hurried++;
    memory_wait(self);
}

bool fake_let_it_end(Fake *fake)
{
    while (fake->pending) {
        memory_wait(fake);
    }
    return !virtio_mem_change_is_pending(fake->engine);
}

const VirtIOMEMPart fake_memory = {
    .name = "memory",
    .plug = memory_plug,
    .undo_plug = memory_undo_plug,
    .unplug = memory_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_HOST_MEMORY,
    .unplug_fails = VIRTIO_MEM_PROGRESS_HOST_DISCARD,
    .may_refuse = memory_may_refuse,
    .wait = memory_wait,
    .hurry = memory_hurry,
};

static int listeners_plug(void *self, const VirtIOMEMChange *change)
{
    note(self, "listeners plug", change);
    return next_return(self);
}

static int listeners_unplug(void *self, const VirtIOMEMChange *change)
{
    note(self, "listeners unplug", change);
    return 0;
}

static void listeners_ended(void *self, const VirtIOMEMChange *change)
{
    Fake *fake = self;

    g_assert_cmpint(fake->blocks.pending, ==, VIRTIO_MEM_PENDING_NOTHING);
    g_assert_cmpuint(fake->blocks.pending_range.count, ==, 0);
    fake->ended++;
}

static const VirtIOMEMPart fake_listeners = {
    .name = "listeners",
    .plug = listeners_plug,
    .unplug = listeners_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_LISTENER,
    .ended = listeners_ended,
};

void trace_virtio_mem_step(void *dev, const char *part, const char *step,
                           int ret)
{
    Fake *fake = dev;
    const bool silent = fake->engine->current->keeps_memory &&
                        g_str_equal(part, "memory");

    if (!silent) {
        g_string_append_printf(fake->log, "  %s %s: %d, %u plugged\n", part,
                               step, ret, (unsigned)fake->blocks.plugged);
    }
}

/* --- a device ------------------------------------------------------------- */

/* At 4 GiB, so that an address does not pass for an offset. */
void fake_init(Fake *fake, VirtIOMEMRange plugged, const int *returns)
{
    *fake = (Fake) {
        .log = g_string_new(NULL),
        .returns = returns,
        .geo = {
            .addr.gpa = 4096 * MiB,
            .region_size = BLOCKS * BLOCK,
            .block_size = BLOCK,
        },
        .parts = {
            { &fake_memory, fake },
            { &fake_listeners, fake },
            { &virtio_mem_state_part, &fake->blocks },
        },
    };
    virtio_mem_blocks_init(&fake->blocks, BLOCKS);
    virtio_mem_blocks_set(&fake->blocks, plugged, true);
    fake->engine = virtio_mem_engine_new(fake, &fake->geo, &fake->blocks,
                                         fake->parts, 3);
}

void fake_cleanup(Fake *fake)
{
    virtio_mem_engine_close(fake->engine);
    virtio_mem_blocks_cleanup(&fake->blocks);
    g_string_free(fake->log, TRUE);
}

/* --- cases ---------------------------------------------------------------- */

void assert_same_blocks(const VirtIOMEMBlocks *a,
                        const VirtIOMEMBlocks *b)
{
    g_assert_cmpuint(a->plugged, ==, b->plugged);
    g_assert_cmpmem(a->bitmap, WORDS * sizeof(long), b->bitmap,
                    WORDS * sizeof(long));
}

void assert_blocks(const Fake *fake, const Case *c)
{
    Fake expected;

    fake_init(&expected, c->plugged, NULL);
    if (!c->ret) {
        virtio_mem_blocks_set(&expected.blocks, c->range, c->plug);
    }
    assert_same_blocks(&fake->blocks, &expected.blocks);
    fake_cleanup(&expected);
}

static void asked_done(VirtIOMEMChange *change)
{
    Asked *asked = (Asked *)change;

    g_assert_false(virtio_mem_change_is_pending(asked->fake->engine));
    asked->fake->done++;
}

Asked ask(Fake *fake, const Case *c)
{
    return (Asked) {
        .change = {
            .action = c->plug ? VIRTIO_MEM_ACTION_PLUG
                              : VIRTIO_MEM_ACTION_UNPLUG,
            .range = c->range,
            .done = asked_done,
        },
        .fake = fake,
    };
}
