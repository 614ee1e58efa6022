/*
 * virtio-mem, change: which parts are run in which order, and that after a
 * failure of any of them those before are undone, in reverse, and no block has
 * changed.
 *
 * The parts but the last are fakes that write down each call, with the state in
 * which it finds the blocks, and fail where they are told to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/trace.h"
#include "virtio-mem/change.h"
#include "virtio-mem/state.h"
#include "unit.h"

#define BLOCK (2 * MiB)
#define BLOCKS 100
#define WORDS ((BLOCKS + 8 * sizeof(long) - 1) / (8 * sizeof(long)))
/* Most calls of one change that may fail: restoring two runs of blocks. */
#define MAX_CALLS 6

typedef struct Fake {
    GString *log;
    const int *returns;         /* of the calls that may fail, in order */
    unsigned calls;             /* of them so far */
    bool later;                 /* memory is pending first */
    bool pending;
    bool refuses;               /* a plug may fail */
    unsigned cancelled;
    unsigned done;              /* calls of done() */
    unsigned ended;             /* changes that the parts heard the end of */
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    VirtIOMEMPartOfDevice parts[4];
    VirtIOMEMEngine *engine;
} Fake;

/* --- parts ----------------------------------------------------------------- */

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

static int now_or_later(Fake *fake)
{
    if (!fake->later) {
        return next_return(fake);
    }
    fake->pending = true;
    return VIRTIO_MEM_PENDING;
}

static int memory_plug(void *self, const VirtIOMEMChange *change)
{
    if (change->keeps_memory) {
        return 0;
    }
    note(self, "memory plug", change);
    return now_or_later(self);
}

static int memory_undo_plug(void *self, const VirtIOMEMChange *change)
{
    if (change->keeps_memory) {
        return 0;
    }
    note(self, "memory undo", change);
    return now_or_later(self);
}

static int memory_unplug(void *self, const VirtIOMEMChange *change)
{
    if (change->keeps_memory) {
        return 0;
    }
    note(self, "memory unplug", change);
    return now_or_later(self);
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

static void memory_cancel(void *self)
{
    Fake *fake = self;

    fake->cancelled++;
}

static const VirtIOMEMPart fake_memory = {
    .name = "memory",
    .plug = memory_plug,
    .undo_plug = memory_undo_plug,
    .unplug = memory_unplug,
    .plug_fails = VIRTIO_MEM_PROGRESS_HOST_MEMORY,
    .unplug_fails = VIRTIO_MEM_PROGRESS_HOST_DISCARD,
    .may_refuse = memory_may_refuse,
    .wait = memory_wait,
    .cancel = memory_cancel,
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

/* --- a device ---------------------------------------------------------------- */

/* At 4 GiB, so that an address does not pass for an offset. */
static void fake_init(Fake *fake, VirtIOMEMRange plugged, const int *returns)
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

static void fake_cleanup(Fake *fake)
{
    virtio_mem_engine_close(fake->engine);
    virtio_mem_blocks_cleanup(&fake->blocks);
    g_string_free(fake->log, TRUE);
}

/* --- plug and unplug --------------------------------------------------------- */

typedef struct Case {
    const char *name;
    bool plug;
    VirtIOMEMRange plugged;     /* before */
    VirtIOMEMRange range;
    int returns[MAX_CALLS];     /* of the parts, as they are called */
    int ret;
    const char *log;
} Case;

static const Case cases[] = {
    { "plug/populates-announces-commits", true,
      { 0, 10 }, { 10, 4 }, { 0 }, 0,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: 0, 10 plugged\n"
      "listeners plug 0x1400000+0x800000 unplugged\n"
      "  listeners plug: 0, 10 plugged\n"
      "  state plug: 0, 14 plugged\n" },
    { "plug/last-block", true, { 0, 99 }, { 99, 1 }, { 0 }, 0,
      "memory plug 0xc600000+0x200000 unplugged\n"
      "  memory plug: 0, 99 plugged\n"
      "listeners plug 0xc600000+0x200000 unplugged\n"
      "  listeners plug: 0, 99 plugged\n"
      "  state plug: 0, 100 plugged\n" },
    { "plug/whole-region", true, { 0, 0 }, { 0, 100 }, { 0 }, 0,
      "memory plug 0x0+0xc800000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x0+0xc800000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 100 plugged\n" },
    { "plug/populate-fails", true,
      { 0, 10 }, { 10, 4 }, { -ENOMEM }, -ENOMEM,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: -12, 10 plugged\n" },
    { "plug/announce-fails-and-populate-is-undone", true,
      { 0, 10 }, { 10, 4 }, { 0, -EBUSY }, -EBUSY,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: 0, 10 plugged\n"
      "listeners plug 0x1400000+0x800000 unplugged\n"
      "  listeners plug: -16, 10 plugged\n"
      "memory undo 0x1400000+0x800000 unplugged\n"
      "  memory undo: 0, 10 plugged\n" },
    { "plug/failing-undo-hides-not-why", true,
      { 0, 10 }, { 10, 4 }, { 0, -EBUSY, -EIO }, -EBUSY,
      "memory plug 0x1400000+0x800000 unplugged\n"
      "  memory plug: 0, 10 plugged\n"
      "listeners plug 0x1400000+0x800000 unplugged\n"
      "  listeners plug: -16, 10 plugged\n"
      "memory undo 0x1400000+0x800000 unplugged\n"
      "  memory undo: -5, 10 plugged\n" },

    { "unplug/discards-retracts-commits", false,
      { 0, 10 }, { 6, 4 }, { 0 }, 0,
      "memory unplug 0xc00000+0x800000 plugged\n"
      "  memory unplug: 0, 10 plugged\n"
      "listeners unplug 0xc00000+0x800000 plugged\n"
      "  listeners unplug: 0, 10 plugged\n"
      "  state unplug: 0, 6 plugged\n" },
    { "unplug/discard-fails", false,
      { 0, 10 }, { 6, 4 }, { -EIO }, -EIO,
      "memory unplug 0xc00000+0x800000 plugged\n"
      "  memory unplug: -5, 10 plugged\n" },
    { "unplug/everything-with-one-discard", false,
      { 20, 30 }, { 0, 100 }, { 0 }, 0,
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: 0, 30 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 30 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "unplug/everything-when-discard-fails", false,
      { 20, 30 }, { 0, 100 }, { -EBUSY }, -EBUSY,
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: -16, 30 plugged\n" },
    { "unplug/everything-of-nothing", false,
      { 0, 0 }, { 0, 100 }, { 0 }, 0,
      "memory unplug 0x0+0xc800000 unplugged\n"
      "  memory unplug: 0, 0 plugged\n"
      "listeners unplug 0x0+0xc800000 unplugged\n"
      "  listeners unplug: 0, 0 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
};

static void assert_same_blocks(const VirtIOMEMBlocks *a,
                               const VirtIOMEMBlocks *b)
{
    g_assert_cmpuint(a->plugged, ==, b->plugged);
    g_assert_cmpmem(a->bitmap, WORDS * sizeof(long), b->bitmap,
                    WORDS * sizeof(long));
}

/* The blocks that a case must end with: those of @range changed, or none. */
static void assert_blocks(const Fake *fake, const Case *c)
{
    Fake expected;

    fake_init(&expected, c->plugged, NULL);
    if (!c->ret) {
        virtio_mem_blocks_set(&expected.blocks, c->range, c->plug);
    }
    assert_same_blocks(&fake->blocks, &expected.blocks);
    fake_cleanup(&expected);
}

/* Why it failed is known. */
static void assert_reason(const VirtIOMEMChange *change, const Case *c)
{
    VirtIOMEMProgressReason reason = VIRTIO_MEM_PROGRESS_NO_REASON;

    if (c->ret && !c->plug) {
        reason = VIRTIO_MEM_PROGRESS_HOST_DISCARD;
    } else if (c->ret) {
        reason = c->returns[0] ? VIRTIO_MEM_PROGRESS_HOST_MEMORY
                               : VIRTIO_MEM_PROGRESS_LISTENER;
    }
    g_assert_cmpint(change->reason, ==, reason);
}

typedef struct Asked {
    VirtIOMEMChange change;
    Fake *fake;
} Asked;

static void asked_done(VirtIOMEMChange *change)
{
    Asked *asked = (Asked *)change;

    g_assert_false(virtio_mem_change_is_pending(asked->fake->engine));
    asked->fake->done++;
}

static Asked ask(Fake *fake, const Case *c)
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

typedef enum When { NOW, LATER, LATER_AND_WAITED_FOR } When;

static void check_case(const Case *c, When when)
{
    Fake fake;
    Asked asked;
    int ret;

    fake_init(&fake, c->plugged, c->returns);
    fake.later = when != NOW;
    asked = ask(&fake, c);
    asked.change.at_once = when == LATER_AND_WAITED_FOR;
    ret = virtio_mem_change_begin(fake.engine, &asked.change);
    if (when == LATER) {
        g_assert_cmpint(ret, ==, VIRTIO_MEM_PENDING);
        g_assert_true(virtio_mem_change_is_pending(fake.engine));
        g_assert_true(virtio_mem_change_drain(fake.engine));
        ret = asked.change.ret;
    }
    g_assert_cmpuint(fake.done, ==, when == LATER);
    g_assert_cmpuint(fake.ended, ==, 1);
    g_assert_cmpstr(fake.log->str, ==, c->log);
    g_assert_cmpint(ret, ==, c->ret);
    g_assert_cmpint(asked.change.ret, ==, c->ret);
    assert_reason(&asked.change, c);
    assert_blocks(&fake, c);
    fake_cleanup(&fake);
}

/* The same happens, in the same order, when host memory takes its time. */
static void test_case(gconstpointer data)
{
    check_case(data, NOW);
    check_case(data, LATER);
    check_case(data, LATER_AND_WAITED_FOR);
}

/*
 * Whatever set of calls fails: the first failure is what is returned, and the
 * blocks have changed when and only when nothing is.
 */
static void fail_any(bool plug, VirtIOMEMRange plugged, VirtIOMEMRange range)
{
    for (unsigned failing = 0; failing < 1 << MAX_CALLS; failing++) {
        int returns[MAX_CALLS];
        Case c = { .plug = plug, .plugged = plugged, .range = range };
        Fake fake;
        Asked asked;
        int ret;

        for (int i = 0; i < MAX_CALLS; i++) {
            returns[i] = failing >> i & 1 ? -(100 + i) : 0;
        }
        fake_init(&fake, plugged, returns);
        asked = ask(&fake, &c);
        ret = virtio_mem_change_begin(fake.engine, &asked.change);
        for (unsigned i = 0; i < fake.calls && !c.ret; i++) {
            c.ret = returns[i];
        }
        g_assert_cmpint(ret, ==, c.ret);
        assert_blocks(&fake, &c);
        fake_cleanup(&fake);
    }
}

static void test_plug_any_failure(void)
{
    fail_any(true, (VirtIOMEMRange) { 0, 60 }, (VirtIOMEMRange) { 60, 8 });
}

static void test_unplug_any_failure(void)
{
    fail_any(false, (VirtIOMEMRange) { 0, 70 }, (VirtIOMEMRange) { 60, 8 });
}

/* UNPLUG ALL of nothing: no part works, all hear of the end. */
static void test_empty(void)
{
    const Case c = { .range = { 0, 0 } };
    Fake fake;
    Asked asked;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
    asked = ask(&fake, &c);
    asked.change.action = VIRTIO_MEM_ACTION_UNPLUG_ALL;
    g_assert_cmpint(virtio_mem_change_begin(fake.engine, &asked.change), ==, 0);
    g_assert_cmpstr(fake.log->str, ==, "");
    g_assert_cmpuint(fake.ended, ==, 1);
    fake_cleanup(&fake);
}

/* --- cancel ------------------------------------------------------------------ */

static void cancel(bool plug, const int *returns, int ret, const char *log)
{
    const Case c = {
        .plug = plug,
        .plugged = { 0, 10 },
        .range = { plug ? 10 : 8, 2 },
        .ret = ret,
    };
    Fake fake;
    Asked asked;

    fake_init(&fake, c.plugged, returns);
    fake.later = true;
    asked = ask(&fake, &c);
    g_assert_cmpint(virtio_mem_change_begin(fake.engine, &asked.change), ==,
                    VIRTIO_MEM_PENDING);
    virtio_mem_change_cancel(fake.engine);
    g_assert_true(virtio_mem_change_drain(fake.engine));
    g_assert_cmpuint(fake.cancelled, ==, plug);
    g_assert_cmpint(asked.change.ret, ==, ret);
    g_assert_cmpstr(fake.log->str, ==, log);
    assert_blocks(&fake, &c);
    virtio_mem_change_cancel(fake.engine);      /* of nothing */
    fake_cleanup(&fake);
}

static void test_cancel_plug(void)
{
    const int returns[MAX_CALLS] = { 0 };

    cancel(true, returns, -ECANCELED,
           "memory plug 0x1400000+0x400000 unplugged\n"
           "  memory plug: 0, 10 plugged\n"
           "memory undo 0x1400000+0x400000 unplugged\n"
           "  memory undo: 0, 10 plugged\n");
}

static void test_cancel_fails(void)
{
    const int returns[MAX_CALLS] = { -ENOMEM };

    cancel(true, returns, -ENOMEM,
           "memory plug 0x1400000+0x400000 unplugged\n"
           "  memory plug: -12, 10 plugged\n");
}

static void test_cancel_unplug(void)
{
    const int returns[MAX_CALLS] = { 0 };

    cancel(false, returns, 0,
           "memory unplug 0x1000000+0x400000 plugged\n"
           "  memory unplug: 0, 10 plugged\n"
           "listeners unplug 0x1000000+0x400000 plugged\n"
           "  listeners unplug: 0, 10 plugged\n"
           "  state unplug: 0, 8 plugged\n");
}

/* --- the device goes away ---------------------------------------------------- */

static void close_when_done(VirtIOMEMChange *change)
{
    Asked *asked = (Asked *)change;

    virtio_mem_engine_close(asked->fake->engine);
    asked->fake->done++;
}

/* What done() causes may take the device away, while somebody waits for it. */
static void test_drain_to_the_end(void)
{
    const int returns[MAX_CALLS] = { 0 };
    const Case c = { .plug = true, .range = { 0, 4 } };
    Fake fake;
    Asked asked;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, returns);
    fake.later = true;
    asked = ask(&fake, &c);
    asked.change.done = close_when_done;
    virtio_mem_change_begin(fake.engine, &asked.change);
    g_assert_false(virtio_mem_change_drain(fake.engine));
    g_assert_cmpuint(fake.done, ==, 1);
    virtio_mem_blocks_cleanup(&fake.blocks);
    g_string_free(fake.log, TRUE);
}

/* --- joining ----------------------------------------------------------------- */

static void test_join(void)
{
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
    for (int refuses = 0; refuses < 2; refuses++) {
        fake.refuses = refuses;
        g_assert_cmpint(virtio_mem_change_may_join(
                            fake.engine, VIRTIO_MEM_ACTION_PLUG), ==, !refuses);
        g_assert_true(virtio_mem_change_may_join(
                          fake.engine, VIRTIO_MEM_ACTION_UNPLUG));
        g_assert_false(virtio_mem_change_may_join(
                           fake.engine, VIRTIO_MEM_ACTION_UNPLUG_ALL));
    }
    fake_cleanup(&fake);
}

/* --- a new part -------------------------------------------------------------- */

/*
 * What a part costs: a table of its own, and a line in the list. This one
 * counts the blocks that are plugged.
 */
static int counter_plug(void *self, const VirtIOMEMChange *change)
{
    *(uint64_t *)self += change->range.count;
    return 0;
}

static int counter_undo_plug(void *self, const VirtIOMEMChange *change)
{
    *(uint64_t *)self -= change->range.count;
    return 0;
}

static int counter_unplug(void *self, const VirtIOMEMChange *change)
{
    *(uint64_t *)self -= change->range.count;
    return 0;
}

static const VirtIOMEMPart counter_part = {
    .name = "counter",
    .plug = counter_plug,
    .undo_plug = counter_undo_plug,
    .unplug = counter_unplug,
};

static void count(Fake *fake, uint64_t *counter, const Case *c,
                  uint64_t expected)
{
    Asked asked = ask(fake, c);

    fake->returns = c->returns;
    fake->calls = 0;
    g_assert_cmpint(virtio_mem_change_begin(fake->engine, &asked.change), ==,
                    c->ret);
    g_assert_cmpuint(*counter, ==, expected);
    g_assert_cmpuint(fake->blocks.plugged, ==, expected);
}

static void test_new_part(void)
{
    const Case plug = { .plug = true, .range = { 0, 9 } };
    const Case veto = {
        .plug = true, .range = { 9, 3 }, .returns = { 0, -EBUSY },
        .ret = -EBUSY,
    };
    const Case unplug = { .range = { 2, 4 } };
    const Case failing = {
        .range = { 0, 2 }, .returns = { -EIO }, .ret = -EIO,
    };
    uint64_t counter = 0;
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
    virtio_mem_engine_close(fake.engine);
    fake.parts[3] = fake.parts[2];
    fake.parts[2] = fake.parts[1];
    fake.parts[1] = (VirtIOMEMPartOfDevice) { &counter_part, &counter };
    fake.engine = virtio_mem_engine_new(&fake, &fake.geo, &fake.blocks,
                                        fake.parts, 4);

    count(&fake, &counter, &plug, 9);
    count(&fake, &counter, &veto, 9);
    count(&fake, &counter, &unplug, 5);
    count(&fake, &counter, &failing, 5);
    fake_cleanup(&fake);
}

/* A list in which something may fail behind what cannot be undone is refused.
 */
static void test_wrong_order(void)
{
    Fake fake;

    if (g_test_subprocess()) {
        fake_init(&fake, (VirtIOMEMRange) { 0, 0 }, NULL);
        fake.parts[0] = fake.parts[2];
        fake.parts[2] = (VirtIOMEMPartOfDevice) { &fake_memory, &fake };
        virtio_mem_engine_new(&fake, &fake.geo, &fake.blocks, fake.parts, 3);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*plug_is_final*");
}

/* --- restore -------------------------------------------------------------- */

typedef struct RestoreCase {
    const char *name;
    VirtIOMEMRange plugged;     /* before */
    VirtIOMEMRange wanted[2];
    bool with_memory;
    int returns[MAX_CALLS];
    int ret;
    const char *log;
} RestoreCase;

static const RestoreCase restore_cases[] = {
    { "announces-each-run-and-no-hole", { 0, 0 }, { { 3, 2 }, { 98, 2 } },
      false, { 0 }, 0,
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "listeners plug 0xc400000+0x400000 unplugged\n"
      "  listeners plug: 0, 2 plugged\n"
      "  state plug: 0, 4 plugged\n" },
    { "gets-memory-first-when-asked", { 0, 0 }, { { 3, 2 } }, true, { 0 }, 0,
      "memory plug 0x600000+0x400000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n" },
    { "retracts-what-was-plugged", { 0, 100 }, { { 0, 1 } }, false, { 0 }, 0,
      "listeners unplug 0x0+0xc800000 plugged\n"
      "  listeners unplug: 0, 100 plugged\n"
      "  state unplug: 0, 0 plugged\n"
      "listeners plug 0x0+0x200000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 1 plugged\n" },
    { "nothing-from-something", { 7, 1 }, { { 0, 0 } }, true, { 0 }, 0,
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 1 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "veto-leaves-nothing-plugged-and-no-content-lost",
      { 0, 0 }, { { 3, 2 }, { 98, 2 } }, false, { 0, -EBUSY }, -EBUSY,
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "listeners plug 0xc400000+0x400000 unplugged\n"
      "  listeners plug: -16, 2 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 2 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "shortage-gives-back-what-was-got",
      { 0, 0 }, { { 3, 2 }, { 98, 2 } }, true, { 0, 0, -ENOMEM }, -ENOMEM,
      "memory plug 0x600000+0x400000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "memory plug 0xc400000+0x400000 unplugged\n"
      "  memory plug: -12, 2 plugged\n"
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: 0, 2 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 2 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
    { "shortage-when-discard-fails-too", { 0, 0 }, { { 3, 2 }, { 98, 2 } },
      true, { 0, 0, -ENOMEM, -EIO }, -ENOMEM,
      "memory plug 0x600000+0x400000 unplugged\n"
      "  memory plug: 0, 0 plugged\n"
      "listeners plug 0x600000+0x400000 unplugged\n"
      "  listeners plug: 0, 0 plugged\n"
      "  state plug: 0, 2 plugged\n"
      "memory plug 0xc400000+0x400000 unplugged\n"
      "  memory plug: -12, 2 plugged\n"
      "memory unplug 0x0+0xc800000 mixed\n"
      "  memory unplug: -5, 2 plugged\n"
      "listeners unplug 0x0+0xc800000 mixed\n"
      "  listeners unplug: 0, 2 plugged\n"
      "  state unplug: 0, 0 plugged\n" },
};

static void check_restore(const RestoreCase *c, bool later)
{
    VirtIOMEMBlocks wanted, none;
    Fake fake;

    fake_init(&fake, c->plugged, c->returns);
    fake.later = later;
    virtio_mem_blocks_init(&wanted, BLOCKS);
    virtio_mem_blocks_init(&none, BLOCKS);
    virtio_mem_blocks_set(&wanted, c->wanted[0], true);
    virtio_mem_blocks_set(&wanted, c->wanted[1], true);
    g_assert_cmpint(virtio_mem_change_restore(fake.engine, &wanted,
                                              c->with_memory), ==, c->ret);
    g_assert_cmpstr(fake.log->str, ==, c->log);
    assert_same_blocks(&fake.blocks, c->ret ? &none : &wanted);
    virtio_mem_blocks_cleanup(&none);
    virtio_mem_blocks_cleanup(&wanted);
    fake_cleanup(&fake);
}

static void test_restore(gconstpointer data)
{
    check_restore(data, false);
    check_restore(data, true);
}

/* The memory of the region is given back, whatever is plugged. */
static void test_clear(void)
{
    const int returns[MAX_CALLS] = { 0 };
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 5, 5 }, returns);
    g_assert_cmpint(virtio_mem_change_clear(fake.engine, false), ==, 0);
    g_assert_cmpstr(fake.log->str, ==,
                    "memory unplug 0x0+0xc800000 mixed\n"
                    "  memory unplug: 0, 5 plugged\n"
                    "listeners unplug 0x0+0xc800000 mixed\n"
                    "  listeners unplug: 0, 5 plugged\n"
                    "  state unplug: 0, 0 plugged\n");
    fake_cleanup(&fake);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_CASES("/virtio-mem/change", cases, test_case);
    g_test_add_func("/virtio-mem/change/plug/any-failure-changes-nothing",
                    test_plug_any_failure);
    g_test_add_func("/virtio-mem/change/unplug/any-failure-changes-nothing",
                    test_unplug_any_failure);
    g_test_add_func("/virtio-mem/change/unplug/all-of-nothing", test_empty);
    g_test_add_func("/virtio-mem/change/cancel/undoes-a-plug",
                    test_cancel_plug);
    g_test_add_func("/virtio-mem/change/cancel/hides-no-failure",
                    test_cancel_fails);
    g_test_add_func("/virtio-mem/change/cancel/leaves-an-unplug",
                    test_cancel_unplug);
    g_test_add_func("/virtio-mem/change/drain/takes-the-device-away",
                    test_drain_to_the_end);
    g_test_add_func("/virtio-mem/change/join", test_join);
    g_test_add_func("/virtio-mem/change/parts/a-new-one-counts", test_new_part);
    g_test_add_func("/virtio-mem/change/parts/wrong-order", test_wrong_order);
    ADD_CASES("/virtio-mem/change/restore", restore_cases, test_restore);
    g_test_add_func("/virtio-mem/change/clear/gives-back-all", test_clear);
    return g_test_run();
}
