/*
 * virtio-mem, transition: which effects happen in which order, and that after
 * a failure of any of them the steps before are undone, in reverse, and no
 * block has changed.
 *
 * The effects are a fake that writes down each call, with the state in which
 * it finds the blocks, and fails where it is told to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-transition.h"
#include "unit.h"

#define BLOCK (2 * MiB)
#define BLOCKS 100
#define WORDS ((BLOCKS + 8 * sizeof(long) - 1) / (8 * sizeof(long)))
/* Most calls of one transition that may fail: restoring two runs of blocks. */
#define MAX_CALLS 6

typedef struct Fake {
    GString *log;
    const int *returns;         /* of the calls that may fail, in order */
    unsigned calls;             /* of them so far */
    bool later;                 /* populate and discard are pending first */
    VirtIOMEMGeometry geo;
    VirtIOMEMBlocks blocks;
    VirtIOMEMTransition transition;
} Fake;

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

static void note(Fake *fake, const char *call, VirtIOMEMSpan span)
{
    g_string_append_printf(fake->log, "%s 0x%" PRIx64 "+0x%" PRIx64 " %s\n",
                           call, span.offset, span.size,
                           state_text(fake, span));
}

static int next_return(Fake *fake)
{
    g_assert_cmpuint(fake->calls, <, MAX_CALLS);
    return fake->returns[fake->calls++];
}

static int now_or_later(Fake *fake)
{
    return fake->later ? VIRTIO_MEM_PENDING : next_return(fake);
}

static int fake_populate(void *opaque, VirtIOMEMSpan span)
{
    note(opaque, "populate", span);
    return now_or_later(opaque);
}

static int fake_discard(void *opaque, VirtIOMEMSpan span)
{
    note(opaque, "discard", span);
    return now_or_later(opaque);
}

static int fake_announce(void *opaque, VirtIOMEMSpan span)
{
    note(opaque, "announce", span);
    return next_return(opaque);
}

static void fake_retract(void *opaque, VirtIOMEMSpan span)
{
    note(opaque, "retract", span);
}

static void fake_observe(void *opaque, const char *step, bool undo, int ret)
{
    Fake *fake = opaque;

    g_string_append_printf(fake->log, "  %s%s: %d, %u plugged\n",
                           undo ? "undo " : "", step, ret,
                           (unsigned)fake->blocks.plugged);
}

static const VirtIOMEMEffects fake_effects = {
    .populate = fake_populate,
    .discard = fake_discard,
    .announce = fake_announce,
    .retract = fake_retract,
    .observe = fake_observe,
};

typedef int Transition(const VirtIOMEMTransition *t, VirtIOMEMRange range);

typedef struct Case {
    const char *name;
    Transition *run;
    VirtIOMEMRange plugged;     /* before */
    VirtIOMEMRange range;
    int returns[MAX_CALLS];     /* of the effects, as they are called */
    int ret;
    const char *log;
} Case;

static const Case cases[] = {
    { "plug/populates-announces-commits", virtio_mem_plug,
      { 0, 10 }, { 10, 4 }, { 0 }, 0,
      "populate 0x1400000+0x800000 unplugged\n"
      "  populate: 0, 10 plugged\n"
      "announce 0x1400000+0x800000 unplugged\n"
      "  announce: 0, 10 plugged\n"
      "  commit-plug: 0, 14 plugged\n" },
    { "plug/last-block", virtio_mem_plug, { 0, 99 }, { 99, 1 }, { 0 }, 0,
      "populate 0xc600000+0x200000 unplugged\n"
      "  populate: 0, 99 plugged\n"
      "announce 0xc600000+0x200000 unplugged\n"
      "  announce: 0, 99 plugged\n"
      "  commit-plug: 0, 100 plugged\n" },
    { "plug/whole-region", virtio_mem_plug, { 0, 0 }, { 0, 100 }, { 0 }, 0,
      "populate 0x0+0xc800000 unplugged\n"
      "  populate: 0, 0 plugged\n"
      "announce 0x0+0xc800000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 100 plugged\n" },
    { "plug/populate-fails", virtio_mem_plug,
      { 0, 10 }, { 10, 4 }, { -ENOMEM }, -ENOMEM,
      "populate 0x1400000+0x800000 unplugged\n"
      "  populate: -12, 10 plugged\n" },
    { "plug/announce-fails-and-populate-is-undone", virtio_mem_plug,
      { 0, 10 }, { 10, 4 }, { 0, -EBUSY }, -EBUSY,
      "populate 0x1400000+0x800000 unplugged\n"
      "  populate: 0, 10 plugged\n"
      "announce 0x1400000+0x800000 unplugged\n"
      "  announce: -16, 10 plugged\n"
      "discard 0x1400000+0x800000 unplugged\n"
      "  undo populate: 0, 10 plugged\n" },
    { "plug/failing-undo-hides-not-why", virtio_mem_plug,
      { 0, 10 }, { 10, 4 }, { 0, -EBUSY, -EIO }, -EBUSY,
      "populate 0x1400000+0x800000 unplugged\n"
      "  populate: 0, 10 plugged\n"
      "announce 0x1400000+0x800000 unplugged\n"
      "  announce: -16, 10 plugged\n"
      "discard 0x1400000+0x800000 unplugged\n"
      "  undo populate: -5, 10 plugged\n" },

    { "unplug/discards-retracts-commits", virtio_mem_unplug,
      { 0, 10 }, { 6, 4 }, { 0 }, 0,
      "discard 0xc00000+0x800000 plugged\n"
      "  discard: 0, 10 plugged\n"
      "retract 0xc00000+0x800000 plugged\n"
      "  retract: 0, 10 plugged\n"
      "  commit-unplug: 0, 6 plugged\n" },
    { "unplug/discard-fails", virtio_mem_unplug,
      { 0, 10 }, { 6, 4 }, { -EIO }, -EIO,
      "discard 0xc00000+0x800000 plugged\n"
      "  discard: -5, 10 plugged\n" },
    { "unplug/everything-with-one-discard", virtio_mem_unplug,
      { 20, 30 }, { 0, 100 }, { 0 }, 0,
      "discard 0x0+0xc800000 mixed\n"
      "  discard: 0, 30 plugged\n"
      "retract 0x0+0xc800000 mixed\n"
      "  retract: 0, 30 plugged\n"
      "  commit-unplug: 0, 0 plugged\n" },
    { "unplug/everything-when-discard-fails", virtio_mem_unplug,
      { 20, 30 }, { 0, 100 }, { -EBUSY }, -EBUSY,
      "discard 0x0+0xc800000 mixed\n"
      "  discard: -16, 30 plugged\n" },
    { "unplug/everything-of-nothing", virtio_mem_unplug,
      { 0, 0 }, { 0, 100 }, { 0 }, 0,
      "discard 0x0+0xc800000 unplugged\n"
      "  discard: 0, 0 plugged\n"
      "retract 0x0+0xc800000 unplugged\n"
      "  retract: 0, 0 plugged\n"
      "  commit-unplug: 0, 0 plugged\n" },
};

/* A device at 4 GiB, so that an address does not pass for an offset. */
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
    };
    virtio_mem_blocks_init(&fake->blocks, BLOCKS);
    virtio_mem_blocks_set(&fake->blocks, plugged, true);
}

static void fake_cleanup(Fake *fake)
{
    virtio_mem_blocks_cleanup(&fake->blocks);
    g_string_free(fake->log, TRUE);
}

static const VirtIOMEMTransition *fake_transition(Fake *fake)
{
    fake->transition = (VirtIOMEMTransition) {
        .effects = &fake_effects,
        .opaque = fake,
        .geo = &fake->geo,
        .blocks = &fake->blocks,
    };
    return &fake->transition;
}

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
        virtio_mem_blocks_set(&expected.blocks, c->range,
                              c->run == virtio_mem_plug);
    }
    assert_same_blocks(&fake->blocks, &expected.blocks);
    fake_cleanup(&expected);
}

/* What failed is known: @at is the call, of a plug or an unplug. */
static VirtIOMEMFailure failure_of(bool plug, int at)
{
    if (!plug) {
        return VIRTIO_MEM_FAILURE_DISCARD;
    }
    return at == 0 ? VIRTIO_MEM_FAILURE_POPULATE : VIRTIO_MEM_FAILURE_ANNOUNCE;
}

static void assert_failure(const VirtIOMEMProgress *progress, const Case *c,
                           int ret)
{
    int at = 0;

    if (!ret) {
        g_assert_cmpint(progress->failure, ==, VIRTIO_MEM_FAILURE_NONE);
        return;
    }
    while (c->returns[at] != ret) {
        at++;
    }
    g_assert_cmpint(progress->failure, ==,
                    failure_of(c->run == virtio_mem_plug, at));
}

static int run_case(Fake *fake, const Case *c)
{
    const VirtIOMEMTransition *t = fake_transition(fake);
    VirtIOMEMProgress progress;
    int ret;

    if (!fake->later) {
        return c->run(t, c->range);
    }
    ret = c->run == virtio_mem_plug ?
          virtio_mem_begin_plug(t, c->range, &progress) :
          virtio_mem_begin_unplug(t, c->range, &progress);
    g_assert_cmpint(ret, ==, VIRTIO_MEM_PENDING);
    while (ret == VIRTIO_MEM_PENDING) {
        ret = virtio_mem_resume(t, &progress, next_return(fake));
    }
    assert_failure(&progress, c, ret);
    return ret;
}

static void check_case(const Case *c, bool later)
{
    Fake fake;
    int ret;

    fake_init(&fake, c->plugged, c->returns);
    fake.later = later;
    ret = run_case(&fake, c);
    g_assert_cmpstr(fake.log->str, ==, c->log);
    g_assert_cmpint(ret, ==, c->ret);
    assert_blocks(&fake, c);
    fake_cleanup(&fake);
}

/* The same happens, in the same order, when host memory takes its time. */
static void test_case(gconstpointer data)
{
    check_case(data, false);
    check_case(data, true);
}

/*
 * Whatever set of calls fails: the first failure is what is returned, and the
 * blocks have changed when and only when nothing is.
 */
static void fail_any(Transition *run, VirtIOMEMRange plugged,
                     VirtIOMEMRange range)
{
    for (unsigned failing = 0; failing < 1 << MAX_CALLS; failing++) {
        int returns[MAX_CALLS];
        Case c = { .run = run, .plugged = plugged, .range = range };
        Fake fake;
        int ret;

        for (int i = 0; i < MAX_CALLS; i++) {
            returns[i] = failing >> i & 1 ? -(100 + i) : 0;
        }
        fake_init(&fake, plugged, returns);
        ret = run(fake_transition(&fake), range);
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
    fail_any(virtio_mem_plug, (VirtIOMEMRange) { 0, 60 },
             (VirtIOMEMRange) { 60, 8 });
}

static void test_unplug_any_failure(void)
{
    fail_any(virtio_mem_unplug, (VirtIOMEMRange) { 0, 70 },
             (VirtIOMEMRange) { 60, 8 });
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
      "announce 0x600000+0x400000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 2 plugged\n"
      "announce 0xc400000+0x400000 unplugged\n"
      "  announce: 0, 2 plugged\n"
      "  commit-plug: 0, 4 plugged\n" },
    { "gets-memory-first-when-asked", { 0, 0 }, { { 3, 2 } }, true, { 0 }, 0,
      "populate 0x600000+0x400000 unplugged\n"
      "  populate: 0, 0 plugged\n"
      "announce 0x600000+0x400000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 2 plugged\n" },
    { "retracts-what-was-plugged", { 0, 100 }, { { 0, 1 } }, false, { 0 }, 0,
      "retract 0x0+0xc800000 plugged\n"
      "  retract: 0, 100 plugged\n"
      "  commit-unplug: 0, 0 plugged\n"
      "announce 0x0+0x200000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 1 plugged\n" },
    { "nothing-from-something", { 7, 1 }, { { 0, 0 } }, true, { 0 }, 0,
      "retract 0x0+0xc800000 mixed\n"
      "  retract: 0, 1 plugged\n"
      "  commit-unplug: 0, 0 plugged\n" },
    { "veto-leaves-nothing-plugged-and-no-content-lost",
      { 0, 0 }, { { 3, 2 }, { 98, 2 } }, false, { 0, -EBUSY }, -EBUSY,
      "announce 0x600000+0x400000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 2 plugged\n"
      "announce 0xc400000+0x400000 unplugged\n"
      "  announce: -16, 2 plugged\n"
      "retract 0x0+0xc800000 mixed\n"
      "  retract: 0, 2 plugged\n"
      "  commit-unplug: 0, 0 plugged\n" },
    { "shortage-gives-back-what-was-got",
      { 0, 0 }, { { 3, 2 }, { 98, 2 } }, true, { 0, 0, -ENOMEM }, -ENOMEM,
      "populate 0x600000+0x400000 unplugged\n"
      "  populate: 0, 0 plugged\n"
      "announce 0x600000+0x400000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 2 plugged\n"
      "populate 0xc400000+0x400000 unplugged\n"
      "  populate: -12, 2 plugged\n"
      "discard 0x0+0xc800000 mixed\n"
      "  discard: 0, 2 plugged\n"
      "retract 0x0+0xc800000 mixed\n"
      "  retract: 0, 2 plugged\n"
      "  commit-unplug: 0, 0 plugged\n" },
    { "shortage-when-discard-fails-too", { 0, 0 }, { { 3, 2 }, { 98, 2 } },
      true, { 0, 0, -ENOMEM, -EIO }, -ENOMEM,
      "populate 0x600000+0x400000 unplugged\n"
      "  populate: 0, 0 plugged\n"
      "announce 0x600000+0x400000 unplugged\n"
      "  announce: 0, 0 plugged\n"
      "  commit-plug: 0, 2 plugged\n"
      "populate 0xc400000+0x400000 unplugged\n"
      "  populate: -12, 2 plugged\n"
      "discard 0x0+0xc800000 mixed\n"
      "  discard: -5, 2 plugged\n"
      "retract 0x0+0xc800000 mixed\n"
      "  retract: 0, 2 plugged\n"
      "  commit-unplug: 0, 0 plugged\n" },
};

static void test_restore(gconstpointer data)
{
    const RestoreCase *c = data;
    VirtIOMEMBlocks wanted, none;
    Fake fake;

    fake_init(&fake, c->plugged, c->returns);
    virtio_mem_blocks_init(&wanted, BLOCKS);
    virtio_mem_blocks_init(&none, BLOCKS);
    virtio_mem_blocks_set(&wanted, c->wanted[0], true);
    virtio_mem_blocks_set(&wanted, c->wanted[1], true);
    g_assert_cmpint(virtio_mem_restore(fake_transition(&fake), &wanted,
                                       c->with_memory), ==, c->ret);
    g_assert_cmpstr(fake.log->str, ==, c->log);
    assert_same_blocks(&fake.blocks, c->ret ? &none : &wanted);
    virtio_mem_blocks_cleanup(&none);
    virtio_mem_blocks_cleanup(&wanted);
    fake_cleanup(&fake);
}

static void test_release(void)
{
    const int returns[MAX_CALLS] = { 0, -EIO };
    Fake fake;

    fake_init(&fake, (VirtIOMEMRange) { 5, 5 }, returns);
    g_assert_cmpint(virtio_mem_release(fake_transition(&fake)), ==, 0);
    g_assert_cmpint(virtio_mem_release(fake_transition(&fake)), ==, -EIO);
    g_assert_cmpstr(fake.log->str, ==, "discard 0x0+0xc800000 mixed\n"
                                       "discard 0x0+0xc800000 mixed\n");
    g_assert_cmpuint(fake.blocks.plugged, ==, 5);
    fake_cleanup(&fake);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_CASES("/virtio-mem/transition", cases, test_case);
    g_test_add_func("/virtio-mem/transition/plug/any-failure-changes-nothing",
                    test_plug_any_failure);
    g_test_add_func("/virtio-mem/transition/unplug/any-failure-changes-nothing",
                    test_unplug_any_failure);
    ADD_CASES("/virtio-mem/transition/restore", restore_cases, test_restore);
    g_test_add_func("/virtio-mem/transition/release/changes-no-block",
                    test_release);
    return g_test_run();
}
