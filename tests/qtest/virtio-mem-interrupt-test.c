/*
 * virtio-mem: interrupts that do something, and a device that goes
 *
 * The message of an interrupt is a write: the guest chooses what and where. It
 * may reset the device or turn off the power of its slot, in the middle of what
 * the device does. QEMU lives, and the device works after a reset if it is still
 * there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "virtio-mem-aim.h"
#include "virtio-mem-hold.h"
#include "virtio-mem-sides.h"

#define HELD_MS 20

/*
 * The message of an interrupt is a write, too: the guest chooses what and
 * where. These are the ones that do something.
 */
static const struct {
    const char *target;
    uint32_t data;
} messages[] = {
    { "own-notify", 0 },
    { "own-device_status", 0 },
    { "own-device_status", WORLD_DRIVER_OK },
    { "own-queue_enable", 1 },
    { "own-queue_select", 0 },
    { "own-msix_config", 0xffff },
    { "own-isr", 0 },
    { "own-vectors", 0 },
    { "own-vector-control", 1 },
    { "own-command", 0 },
    { "own-bar", 0 },
    { "own-window-to-notify", 0 },
    { "own-window-to-status", 0 },
    { "port-command", 0 },
    { "port-buses", 0 },
    { "port-interrupt", PCI_BRIDGE_CTL_BUS_RESET << 16 },
    { "port-slot-control", WORLD_POWER_OFF },
    { "mmconfig", 0 },
    { "other-notify", 0 },
    { "other-status", 0 },
    { "unplugged-block", 1 },
    { "hole", 1 },
};

typedef void Interrupt(World *world, const Kind *kind, uint64_t buffers);

static void by_answers(World *world, const Kind *kind, uint64_t buffers)
{
    await_answers(&world->vm[0].mem, send_aimed(&world->vm[0], kind, NOTHING,
                                                0, false, buffers));
}

/* A request that is too short stops the device, of which the driver hears. */
static void by_an_error(World *world, const Kind *kind, uint64_t buffers)
{
    const QVirtQueue *vq = world->vm[0].mem.vq;

    put_table(vq->desc, buffers, 0);
    writel(vq->desc + offsetof(struct vring_desc, len), 1);
    offer(&world->vm[0].mem, 0);
}

/* QEMU's virtio core finds it, in the middle of what the device does. */
static void by_a_bad_chain(World *world, const Kind *kind, uint64_t buffers)
{
    send_aimed(&world->vm[0], kind, SPOILED, 0, false, buffers);
}

/* The device may be gone when QEMU wants to answer. */
static void by_a_resize(World *world, const Kind *kind, uint64_t buffers)
{
    qobject_unref(qtest_qmp(global_qtest,
                            "{ 'execute': 'memory-device-resize',"
                            "  'arguments': { 'id': %s, 'size': 4194304 } }",
                            QVIRTIO_MEM_ID));
}

/*
 * What has to wait for a request causes its interrupt in the middle of that. The
 * request is held up, so that it is there to be waited for; where that is not
 * permitted (ptrace), it may have been answered before.
 */
static void start(World *world, const Kind *kind, uint64_t buffers)
{
    const uint16_t used = used_index(&world->vm[0].mem);
    Hold *hold = hold_is_permitted() ? hold_work(global_qtest) : NULL;

    send_aimed(&world->vm[0], kind, NOTHING, 0, false, buffers);
    settle();
    if (hold) {
        g_assert_cmpuint(used_index(&world->vm[0].mem), ==, used);
        hold_let_go_after(hold, HELD_MS);
    }
}

static void by_a_device_reset(World *world, const Kind *kind, uint64_t buffers)
{
    QVirtioDevice *vdev = world->vm[0].mem.vdev;

    start(world, kind, buffers);
    vdev->bus->set_status(vdev, 0);
}

static void by_a_queue_reset(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    writew(target_addr(world, target_named("own-queue_reset")), 1);
}

static void by_no_bus_master(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    writew(target_addr(world, target_named("own-command")), 0);
}

static void by_a_system_reset(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    qtest_system_reset(global_qtest);
}

static void by_a_stop(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
}

static void by_a_removal(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    world_power_off(world);
}

static void by_a_device_del(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    qobject_unref(qtest_qmp(global_qtest, "{ 'execute': 'device_del',"
                            "  'arguments': { 'id': %s } }", QVIRTIO_MEM_ID));
}

static bool migration_has_ended(void)
{
    QDict *answer = qtest_qmp(global_qtest, "{ 'execute': 'query-migrate' }");
    const char *status = qdict_get_try_str(qdict_get_qdict(answer, "return"),
                                           "status");
    /* Whether it is cancelled or has failed, depends on where it was. */
    const bool ended = !g_strcmp0(status, "cancelled") ||
                       !g_strcmp0(status, "failed");

    qobject_unref(answer);
    return ended;
}

/*
 * RAM is not asked for: the device comes to rest before. Requests are answered
 * BUSY until the migration has ended, for which it is too slow by itself.
 */
static void by_a_migration(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-set-parameters',"
                             "  'arguments': { 'max-bandwidth': 4096 } }");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate',"
                             "  'arguments': { 'uri': 'exec:cat >/dev/null' } }");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate_cancel' }");
    while (!migration_has_ended()) {
        g_usleep(1000);
    }
}

static const struct {
    const char *name;
    Interrupt *interrupt;
} waits[] = {
    { "a-device-reset", by_a_device_reset },
    { "a-queue-reset", by_a_queue_reset },
    { "no-bus-master", by_no_bus_master },
    { "a-system-reset", by_a_system_reset },
    { "a-stop", by_a_stop },
    { "a-removal", by_a_removal },
    { "a-device-del", by_a_device_del },
    { "a-migration", by_a_migration },
};

typedef struct InterruptCase {
    const char *options;
    const Kind *kind;
    Interrupt *interrupt;
} InterruptCase;

static void aim_interrupts(const void *data)
{
    const InterruptCase *c = data;
    World *world = world_boot(c->options);
    const uint64_t buffers = guest_alloc(&world->qs->alloc,
                                         MAX_REQUESTS * SLOT);

    now.options = c->options;
    qtest_add_abrt_handler(tell_case, c);
    for (int i = 0; i < ARRAY_SIZE(messages); i++) {
        const Target *target = target_named(messages[i].target);

        now.kind = c->kind->name;
        now.place = "message";
        now.target = target->name;
        prepare(world, c->kind);
        world_aim_vectors(&world->vm[0], target_addr(world, target),
                          messages[i].data);
        c->interrupt(world, c->kind, buffers);
        settle();
        if (!world_has_device(world)) {
            world_leave(world);
            world = world_boot(c->options);
        }
    }
    world_restart(world);
    qtest_remove_abrt_handler((void *)c);
    world_leave(world);
}

static void add_interrupt(How how, const Kind *kind, Interrupt *interrupt,
                          const char *by)
{
    g_autofree char *path = g_strdup_printf("virtio-mem/aim/%s/%s/interrupt",
                                            how_names[how], by);
    InterruptCase *c = g_new(InterruptCase, 1);

    *c = (InterruptCase) { options_of(how, kind->at_once), kind, interrupt };
    qtest_add_data_func_full(path, c, aim_interrupts, g_free);
}

/* --- the device goes ------------------------------------------------------ */

/* A guest that turns the power off has no device any more, and QEMU lives. */
static void remove_meanwhile(const void *data)
{
    const InterruptCase *c = data;
    World *world = world_boot(c->options);
    const uint64_t buffers = guest_alloc(&world->qs->alloc,
                                         MAX_REQUESTS * SLOT);

    now.kind = c->kind->name;
    now.place = "power off";
    now.target = "port-slot-control";
    now.options = c->options;
    qtest_add_abrt_handler(tell_case, c);
    prepare(world, c->kind);
    send_aimed(&world->vm[0], c->kind, NOTHING, 0, false, buffers);
    world_power_off(world);
    settle();
    g_assert_false(world_has_device(world));
    qtest_system_reset(global_qtest);
    settle();
    qtest_remove_abrt_handler((void *)c);
    world_leave(world);
}

/* Nobody needs the memory of a device that goes: QEMU does not wait for it. */
static void removal_cancels_a_plug(void)
{
    g_autofree char *log = temporary_file();
    g_autofree char *options = g_strdup_printf(
        ",prealloc=on,ioeventfd=off -trace virtio_mem_step -D %s", log);
    World *world;
    g_autofree char *text = NULL;

    if (!hold_is_permitted()) {
        g_test_skip("ptrace is not permitted");
        return;
    }
    world = world_boot(options);
    prepare(world, &kinds[BIG_PLUG]);
    start(world, &kinds[BIG_PLUG], guest_alloc(&world->qs->alloc,
                                               MAX_REQUESTS * SLOT));
    world_power_off(world);
    settle();
    g_assert_false(world_has_device(world));
    world_leave(world);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "memory: plug, ret=-125"));   /* ECANCELED */
    unlink(log);
}

static void add_removal(How how, const Kind *kind)
{
    g_autofree char *path = g_strdup_printf("virtio-mem/aim/%s/%s/removal",
                                            how_names[how], kind->name);
    InterruptCase *c = g_new(InterruptCase, 1);

    *c = (InterruptCase) { options_of(how, kind->at_once), kind };
    qtest_add_data_func_full(path, c, remove_meanwhile, g_free);
}

static void add_all(How how)
{
    for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
        g_autofree char *by = g_strdup_printf("a-bad-chain/%s", kinds[i].name);

        add_interrupt(how, &kinds[i], by_answers, kinds[i].name);
        add_interrupt(how, &kinds[i], by_a_bad_chain, by);
        add_removal(how, &kinds[i]);
    }
    add_interrupt(how, &kinds[0], by_an_error, "an-error");
    add_interrupt(how, &kinds[0], by_a_resize, "a-resize");
    for (int i = 0; i < ARRAY_SIZE(waits); i++) {
        add_interrupt(how, &kinds[BIG_PLUG], waits[i].interrupt, waits[i].name);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_all(CALLED);
    add_all(BY_EVENT);
    qtest_add_func("virtio-mem/aim/removal-cancels-a-plug",
                   removal_cancels_a_plug);
    return g_test_run();
}
