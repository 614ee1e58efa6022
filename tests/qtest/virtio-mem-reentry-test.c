/*
 * virtio-mem: every address that a guest chooses, aimed at everything
 *
 * A request, a response, a descriptor table or a ring may lie in a register of
 * the device itself, of another one, in configuration space, in memory that
 * the request unplugs, or nowhere; interrupts can be aimed at the same places.
 * What a guest writes there in this way runs code of QEMU in the middle of an
 * answer. Whatever that is, QEMU lives, and the device works after a reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "virtio-mem-hold.h"
#include "virtio-mem-world.h"

#define MAX_REQUESTS 8
#define SLOT 256                /* of the buffers of a request */
#define ANSWERS_MS 100
#define HELD_MS 20

/* --- what is asked for ---------------------------------------------------- */

/* A kick calls the device, in the middle of the write, or is an event. */
typedef enum How {
    CALLED = 1,
    BY_EVENT = 2,
} How;

typedef struct Kind {
    const char *name;
    int how;                    /* is it tried at every place */
    bool reads;                 /* also where the device only reads */
    Request requests[3];        /* addr: the first block */
    unsigned nb;
    unsigned before;            /* blocks that are plugged, from 0 on */
    bool at_once;               /* when nothing is to be populated */
} Kind;

/* With prealloc=on, eight blocks are left to a thread. */
static const Kind kinds[] = {
    { "state", CALLED, true, { { VIRTIO_MEM_REQ_STATE, 0, 8 } }, 1 },
    { "small-plug", BY_EVENT, false, { { VIRTIO_MEM_REQ_PLUG, 0, 1 } }, 1 },
    { "big-plug", CALLED | BY_EVENT, true, { { VIRTIO_MEM_REQ_PLUG, 0, 8 } }, 1 },
    { "big-unplug", BY_EVENT, false, { { VIRTIO_MEM_REQ_UNPLUG, 0, 8 } }, 1, 8 },
    { "unplugs-together", CALLED, false,
      { { VIRTIO_MEM_REQ_UNPLUG, 0, 3 }, { VIRTIO_MEM_REQ_UNPLUG, 3, 3 },
        { VIRTIO_MEM_REQ_UNPLUG, 6, 2 } }, 3, 8 },
    { "unplug-all", BY_EVENT, false, { { VIRTIO_MEM_REQ_UNPLUG_ALL } }, 1, 8 },
    { "plugs-together", CALLED | BY_EVENT, false,
      { { VIRTIO_MEM_REQ_PLUG, 0, 1 }, { VIRTIO_MEM_REQ_PLUG, 1, 1 },
        { VIRTIO_MEM_REQ_PLUG, 2, 1 } }, 3, .at_once = true },
};

#define BIG_PLUG 2

static const char *options_of(How how, bool at_once)
{
    if (at_once) {
        return how == CALLED ? ",ioeventfd=off" : "";
    }
    return how == CALLED ? ",prealloc=on,ioeventfd=off" : ",prealloc=on";
}

static const char *const how_names[] = {
    [CALLED] = "called", [BY_EVENT] = "by-event",
};

/* Behind them in the ring, so that there is something to begin with. */
static const Request behind[] = {
    { VIRTIO_MEM_REQ_PLUG, 20, 1 }, { VIRTIO_MEM_REQ_PLUG, 22, 1 },
};

/* --- what is aimed -------------------------------------------------------- */

typedef enum Place {
    NOTHING,
    SPOILED,                /* a chain behind the requests is malformed */
    RESPONSE,               /* of the first request */
    RESPONSES,
    REQUEST,
    INDIRECT_TABLE,
    TABLE,
    AVAIL,
    USED_INDEX,
    USED_ELEMENT,
    NB_PLACES,
} Place;

static const char *const places[NB_PLACES] = {
    "nothing", "spoiled", "response", "responses", "request", "indirect-table",
    "table", "avail", "used-index", "used-element",
};

/* Does the device write there? */
static bool is_written(Place place)
{
    return place == RESPONSE || place == RESPONSES || place == USED_INDEX ||
           place == USED_ELEMENT;
}

/* The case that was under way when QEMU died. */
static struct {
    const char *kind, *place, *target, *options;
} now;

static void tell_case(void *data)
{
    fprintf(stderr, "the case was: %s, %s at %s, with '%s'\n", now.kind,
            now.place, now.target, now.options);
}

static void put_request(uint64_t addr, const Request *request, uint64_t region)
{
    struct virtio_mem_req req;

    memset(&req, 0xff, sizeof(req));
    req.type = cpu_to_le16(request->type);
    req.u.plug.addr = cpu_to_le64(region + request->addr * BLOCK);
    req.u.plug.nb_blocks = cpu_to_le16(request->nb_blocks);
    qtest_memwrite(global_qtest, addr, &req, sizeof(req));
}

/* A table with the one request at @slot. */
static void put_table(uint64_t table, uint64_t slot, uint16_t head)
{
    put_desc(table, head, slot, sizeof(struct virtio_mem_req),
             VRING_DESC_F_NEXT, head + 1);
    put_desc(table, head + 1, slot + RAW_RESPONSE / 8,
             sizeof(struct virtio_mem_resp), VRING_DESC_F_WRITE, head + 2);
}

/* The queue with one of its parts elsewhere. */
static QVirtQueue placed_ring(const QVirtioMEM *mem, Place place, uint64_t addr)
{
    QVirtQueue ring = *mem->vq;

    if (place == TABLE) {
        ring.desc = addr;
    } else if (place == AVAIL) {
        ring.avail = addr;
    } else if (place == USED_INDEX) {
        ring.used = addr - offsetof(struct vring_used, idx);
    } else if (place == USED_ELEMENT) {
        ring.used = addr - offsetof(struct vring_used, ring);
    }
    return ring;
}

/*
 * Make the requests available at one kick, with what @place says at @addr.
 * Where that keeps what is written, it is given what belongs there. Returns the
 * used index when all is answered.
 */
static uint16_t send_aimed(WorldDevice *vm, const Kind *kind, Place place,
                           uint64_t addr, bool keeps, uint64_t buffers)
{
    QVirtioMEM *mem = &vm->mem;
    const QVirtQueue *vq = mem->vq;
    const uint64_t region = vm->region;
    const unsigned nb = kind->nb + ARRAY_SIZE(behind);
    const uint16_t index = readw(vq->avail + 2);
    const uint16_t used = used_index(mem);

    for (unsigned i = 0; i < nb; i++) {
        const Request *request = i < kind->nb ? &kind->requests[i] :
                                 &behind[i - kind->nb];
        const uint64_t slot = buffers + i * SLOT;
        uint16_t head = 2 * i;

        put_request(slot, request, region);
        put_table(vq->desc, slot, head);
        if (i == 0 && place == REQUEST) {
            if (keeps) {
                put_request(addr, request, region);
            }
            writeq(vq->desc, addr);
        } else if (i == 0 && place == INDIRECT_TABLE) {
            if (keeps) {
                put_table(addr, slot, 0);
            }
            put_desc(vq->desc, head, addr, 2 * sizeof(struct vring_desc),
                     VRING_DESC_F_INDIRECT, 1);
        } else if (place == RESPONSES || (i == 0 && place == RESPONSE)) {
            writeq(vq->desc + (head + 1) * sizeof(struct vring_desc), addr);
        } else if (i == 0 && place == TABLE && keeps) {
            put_table(addr, slot, 0);
        } else if (i == kind->nb && place == SPOILED) {
            writel(vq->desc + head * sizeof(struct vring_desc) +
                   offsetof(struct vring_desc, len), 0);
        }
        writew(vq->avail + 4 + 2 * ((index + i) % vq->size), head);
    }
    writew(vq->avail + 2, index + nb);
    if (place == AVAIL && keeps) {
        const uint16_t ring[] = { 0, cpu_to_le16(1), 0 };

        qtest_memwrite(global_qtest, addr, ring, sizeof(ring));
    }
    mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
    return used + nb;
}

/*
 * Wait until all is answered, the device has stopped, or some time. Kicks go
 * on, so that one may be waiting while an answer is written.
 */
static void await_answers(QVirtioMEM *mem, uint16_t wanted)
{
    const gint64 end = g_get_monotonic_time() + ANSWERS_MS * 1000;

    while (used_index(mem) != wanted && !needs_reset(mem) &&
           g_get_monotonic_time() < end) {
        mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
        settle();
    }
}

/* --- all of it ------------------------------------------------------------ */

static void prepare(World *world, const Kind *kind)
{
    QVirtioMEM *mem = &world->vm[0].mem;

    world_restart_vm0(world);
    if (kind->before) {
        g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, kind->before),
                         ==, VIRTIO_MEM_RESP_ACK);
    }
}

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

/* --- interrupts ----------------------------------------------------------- */

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

/* RAM is not asked for: the device comes to rest before. */
static void by_a_migration(World *world, const Kind *kind, uint64_t buffers)
{
    start(world, kind, buffers);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate',"
                             "  'arguments': { 'uri': 'exec:cat >/dev/null' } }");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate_cancel' }");
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
    const Case *c = data;
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

static void add_removal(How how, const Kind *kind)
{
    g_autofree char *path = g_strdup_printf("virtio-mem/aim/%s/%s/removal",
                                            how_names[how], kind->name);
    Case *c = g_new(Case, 1);

    *c = (Case) { options_of(how, kind->at_once), kind, NOTHING };
    qtest_add_data_func_full(path, c, remove_meanwhile, g_free);
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

        now.kind = kinds[i / 6].name;
        now.target = at[0];
        aim_at_each_other(world, (uint64_t *)buffers, &kinds[i / 6], how & 1,
                          how & 2, (const Target *[2]) { target_named(at[0]),
                                                         target_named(at[1]) });
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
        add_interrupt(how, &kinds[i], by_answers, kinds[i].name);
        add_removal(how, &kinds[i]);
        if (kinds[i].how & how) {
            add_targets(how, &kinds[i]);
        }
    }
    for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
        g_autofree char *by = g_strdup_printf("a-bad-chain/%s", kinds[i].name);

        add_interrupt(how, &kinds[i], by_a_bad_chain, by);
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
    qtest_add_func("virtio-mem/aim/found/notify", found_at_notify);
    qtest_add_func("virtio-mem/aim/found/status", found_at_status);
    add_all(CALLED);
    add_all(BY_EVENT);
    return g_test_run();
}
