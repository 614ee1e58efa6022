/*
 * virtio-mem: every address that a guest chooses, aimed at everything
 *
 * A request, a response, a descriptor table or a ring may lie in a register of
 * the device itself, of another one, in configuration space, in memory that
 * the request unplugs, or nowhere. (virtio-mem-interrupt-test.c aims interrupts
 * at the same places.) What a guest writes there in this way runs code of QEMU
 * in the middle of an answer. Whatever that is, QEMU lives, and the device
 * works after a reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-aim.h"

/*
 * What does not lie in memory stops the device, and nothing is done there. An
 * indirect table is only read, by QEMU's virtio core.
 */
static void assert_stopped(World *world, Place place, const Target *target)
{
    if ((target->kind == TARGET_OTHER &&
         !(place == INDIRECT_TABLE && target->keeps)) ||
        (target->kind == TARGET_ROM && is_written(place))) {
        g_assert_true(needs_reset(&world->vm[0].mem));
    }
}

static void try_target(World *world, const Kind *kind, Place place,
                       const Target *target, uint64_t buffers)
{
    WorldDevice *vm = &world->vm[0];
    QVirtQueue ring;
    uint64_t addr;

    now.kind = kind->name;
    now.place = places[place];
    now.target = target->name;
    prepare(world, kind);
    addr = target_addr(world, target);
    ring = placed_ring(&vm->mem, place, addr);
    if (place >= INDIRECT_TABLE) {
        world_start_queue(vm, &ring, vm->features |
                                     FEATURE(RING_F_INDIRECT_DESC));
    }
    await_answers(&vm->mem, send_aimed(vm, kind, place, addr, target->keeps,
                                       buffers));
    assert_stopped(world, place, target);
}

typedef struct Case {
    const char *options;
    const Kind *kind;
    Place place;
} Case;

static void aim_at_everything(const void *data)
{
    const Case *c = data;
    World *world = world_boot(c->options);
    const uint64_t buffers = guest_alloc(&world->qs->alloc,
                                         MAX_REQUESTS * SLOT);

    now.options = c->options;
    qtest_add_abrt_handler(tell_case, c);
    for (unsigned i = 0; i < nb_targets; i++) {
        if (targets[i].like_others && !is_written(c->place)) {
            continue;
        }
        try_target(world, c->kind, c->place, &targets[i], buffers);
        if (!world_has_device(world)) {
            g_test_message("%s: the guest removed the device",
                           targets[i].name);
            world_leave(world);
            world = world_boot(c->options);
        }
    }
    world_restart(world);
    guest_free(&world->qs->alloc, buffers);
    qtest_remove_abrt_handler((void *)c);
    world_leave(world);
}

/* What a kind does differs where it is answered. */
static bool is_of_use(const Kind *kind, Place place)
{
    if (place == RESPONSES) {
        return kind->nb > 1;
    }
    if (place == USED_ELEMENT) {
        return kind == &kinds[0];
    }
    return is_written(place) || kind->reads;
}

static void add_targets(How how, const Kind *kind)
{
    for (Place place = RESPONSE; place < NB_PLACES; place++) {
        g_autofree char *path = g_strdup_printf(
            "virtio-mem/aim/%s/%s/%s", how_names[how], kind->name,
            places[place]);
        Case *c;

        if (is_of_use(kind, place)) {
            c = g_new(Case, 1);
            *c = (Case) { options_of(how, kind->at_once), kind, place };
            qtest_add_data_func_full(path, c, aim_at_everything, g_free);
        }
    }
}

/* --- two devices ---------------------------------------------------------- */

/*
 * Each is aimed at the same register of the other, by its responses, by its
 * interrupts, or by both.
 */
static void aim_at_each_other(World *world, uint64_t buffers[2],
                              const Kind *kind, bool responses, bool interrupts,
                              const Target *at[2])
{
    uint16_t wanted[2];

    world_restart(world);
    prepare(world, kind);
    for (int i = 0; i < 2; i++) {
        if (interrupts) {
            world_aim_vectors(&world->vm[i], target_addr(world, at[i]), 0);
        }
    }
    for (int i = 1; i >= 0; i--) {
        wanted[i] = send_aimed(&world->vm[i], kind,
                               responses ? RESPONSES : NOTHING,
                               target_addr(world, at[i]), false, buffers[i]);
    }
    for (int i = 0; i < 2; i++) {
        await_answers(&world->vm[i].mem, wanted[i]);
    }
}

static void each_other(const void *options)
{
    const char *const registers[2][2] = {
        { "other-notify", "own-notify" },
        { "other-status", "own-device_status" },
    };
    World *world = world_boot(options);
    const uint64_t buffers[2] = {
        guest_alloc(&world->qs->alloc, MAX_REQUESTS * SLOT),
        guest_alloc(&world->qs->alloc, MAX_REQUESTS * SLOT),
    };

    now.options = options;
    now.place = "both";
    qtest_add_abrt_handler(tell_case, options);
    for (int i = 0; i < ARRAY_SIZE(kinds) * 3 * 2; i++) {
        const unsigned how = i % 3 + 1;
        const char *const *at = registers[i / 3 % 2];
        const Target *targets_of[] = {
            target_named(at[0]), target_named(at[1]),
        };

        now.kind = kinds[i / 6].name;
        now.target = at[0];
        aim_at_each_other(world, (uint64_t *)buffers, &kinds[i / 6], how & 1,
                          how & 2, targets_of);
    }
    world_restart(world);
    qtest_remove_abrt_handler((void *)options);
    world_leave(world);
}

/* --- as it was found ------------------------------------------------------ */

/*
 * One request that is left to a thread, its response in a register, and two
 * behind it. When it was answered, the write began the others, which answered
 * it again: "double free". The status register did the same when it was
 * written by an event of the queue.
 */
static void found_at(const char *target, const char *options, uint16_t blocks)
{
    static const Kind small = {
        "two plugs", 0, false, { { VIRTIO_MEM_REQ_PLUG, 0, 1 },
                       { VIRTIO_MEM_REQ_PLUG, 2, 1 } }, 2,
    };
    Kind kind = {
        "one big plug", 0, false, { { VIRTIO_MEM_REQ_PLUG, 0, blocks } }, 1,
    };
    World *world = world_boot(options);
    const uint64_t buffers = guest_alloc(&world->qs->alloc,
                                         MAX_REQUESTS * SLOT);
    const Target *to = target_named(target);

    now.options = options;
    qtest_add_abrt_handler(tell_case, now.options);
    for (int i = 0; i < 20; i++) {
        try_target(world, i % 2 ? &small : &kind, RESPONSE, to, buffers);
        kind.requests[0].nb_blocks = 8;
    }
    world_restart(world);
    guest_free(&world->qs->alloc, buffers);
    qtest_remove_abrt_handler((void *)now.options);
    world_leave(world);
}

static void found_at_notify(void)
{
    found_at("own-notify", options_of(CALLED, false), 256);
}

static void found_at_status(void)
{
    found_at("own-device_status", options_of(BY_EVENT, false), 256);
}

static void add_all(How how)
{
    g_autofree char *path = g_strdup_printf("virtio-mem/aim/%s/each-other",
                                            how_names[how]);

    qtest_add_data_func(path, options_of(how, false), each_other);
    for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].how & how) {
            add_targets(how, &kinds[i]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-mem/aim/found/notify", found_at_notify);
    qtest_add_func("virtio-mem/aim/found/status", found_at_status);
    add_all(CALLED);
    add_all(BY_EVENT);
    return g_test_run();
}
