/*
 * virtio-mem: the host refuses what a request needs
 *
 * Each call that the device makes for a request fails in turn, with each error
 * that is possible and some that are not. A request is answered ACK or BUSY;
 * what is plugged, what the monitor says and what the configuration says agree;
 * and when the host gives again, the same request succeeds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-mem-faults-host.h"

static const char *const names[] = {
    [FAULT_THREAD] = "pthread_create",
    [FAULT_DONTNEED] = "MADV_DONTNEED",
    [FAULT_REMOVE] = "MADV_REMOVE",
    [FAULT_POPULATE] = "MADV_POPULATE_WRITE",
    [FAULT_FALLOCATE] = "fallocate",
    [FAULT_SEEK_DATA] = "SEEK_DATA",
    [FAULT_MINCORE] = "mincore",
    [FAULT_MMAP] = "mmap",
    [FAULT_EVENTFD] = "eventfd",
};

/* Without these a request can do, and so it does not fail. */
static const bool dispensable[FAULT_CALLS] = {
    [FAULT_THREAD] = true,
    [FAULT_SEEK_DATA] = true,
    [FAULT_MINCORE] = true,
    [FAULT_MMAP] = true,
    [FAULT_EVENTFD] = true,
};

/* --- actions -------------------------------------------------------------- */

typedef struct Action {
    const char *name;
    void (*prepare)(QVirtioMEM *mem);   /* while the host gives */
    uint16_t type;                      /* the request, for NB blocks */
    uint16_t before, after;             /* blocks plugged, of NB */
} Action;

static void nothing(QVirtioMEM *mem)
{
}

static const Action actions[] = {
    { "plug", nothing, VIRTIO_MEM_REQ_PLUG, .after = NB },
    { "unplug", plug, VIRTIO_MEM_REQ_UNPLUG, .before = NB },
    { "unplug-all", plug, VIRTIO_MEM_REQ_UNPLUG_ALL, .before = NB },
};

typedef struct Case {
    const Memory *memory;
    const Action *action;
    bool prealloc;
} Case;

/* What the request certainly asked the host for, and so was refused. */
static unsigned needed(const Case *c)
{
    if (c->action->type == VIRTIO_MEM_REQ_PLUG) {
        return !c->prealloc ? 0 :
               NEEDS(POPULATE) |
               (g_get_num_processors() > 1 ? NEEDS(THREAD) : 0);
    }
    return c->memory->discards_by | c->memory->looks_by;
}

/* --- one request, one fault ----------------------------------------------- */

/* A user is told why the guest had to wait. */
static void assert_told_why(const Action *action)
{
    QDict *rsp, *info;

    resize(action->after * BLOCK);
    rsp = qtest_qmp(global_qtest, "{ 'execute': 'query-memory-devices' }");
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    info = qdict_get_qdict(qdict_get_qdict(info, "data"), "resize");
    g_assert_cmpstr(qdict_get_str(info, "status"), ==, "blocked");
    g_assert_cmpstr(qdict_get_str(info, "reason"), ==,
                    action->after ? "host-memory" : "host-discard");
    qobject_unref(rsp);
    resize(SIZE);
}

/*
 * The request is answered while the host refuses; and again when it gives. The
 * device, whose memory is unplugged before, ends so.
 */
static uint16_t ask_refused(Host *host, QVirtioMEM *mem, const Action *action)
{
    const uint16_t answer = ask(mem, action->type);

    give_again(host);
    g_assert_true(answer == VIRTIO_MEM_RESP_ACK ||
                  answer == VIRTIO_MEM_RESP_BUSY);
    if (answer == VIRTIO_MEM_RESP_BUSY) {
        assert_all_agree(mem, action->before);
        assert_told_why(action);
        g_assert_cmpuint(ask(mem, action->type), ==, VIRTIO_MEM_RESP_ACK);
    }
    assert_all_agree(mem, action->after);
    if (action->after) {
        use(mem);
    }
    return answer;
}

/* Returns whether the host was asked at all. */
static bool try_fault(const Case *c, Host *host, QVirtioMEM *mem,
                      FaultCall call, int error, int skip)
{
    uint16_t answer;
    bool asked;

    resize(SIZE);
    c->action->prepare(mem);
    refuse(host, call, error, skip);
    answer = ask_refused(host, mem, c->action);
    if (answer != VIRTIO_MEM_RESP_ACK && dispensable[call]) {
        g_test_message("%s: %s: BUSY", names[call], strerror(error));
    }
    g_assert_true(answer == VIRTIO_MEM_RESP_ACK || !dispensable[call]);
    asked = was_refused(host, call);
    g_assert_true(answer == VIRTIO_MEM_RESP_ACK || asked);
    if (!skip && needed(c) & 1u << call && !asked) {
        g_test_message("%s was not called", names[call]);
        g_assert_not_reached();
    }
    unplug_all(mem);
    return asked;
}

static void run(const void *data)
{
    const Case *c = data;
    Bed bed = bed_make(c->memory, c->prealloc ? ",prealloc=on" : "");
    QVirtioMEM *mem = &bed.side->mem;

    for (unsigned call = 0; call < FAULT_CALLS; call++) {
        bool asked = true;

        for (unsigned i = 0; asked && i < ARRAY_SIZE(errors); i++) {
            asked = try_fault(c, bed.host, mem, call, errors[i], 0);
        }
        /* Some of it was done before. */
        if (asked) {
            try_fault(c, bed.host, mem, call, EAGAIN, 1);
            try_fault(c, bed.host, mem, call, ENOMEM, 5);
        }
    }
    bed_unmake(&bed);
}

/* --- two at a time -------------------------------------------------------- */

/* What is short at one time, and what a plug or an unplug is worth then. */
static const struct {
    FaultCall first;
    int error;
    FaultCall second;
    int error_of_second;
} pairs[] = {
    /* Populating fails, and so does giving back what there is. */
    { FAULT_POPULATE, ENOMEM, FAULT_FALLOCATE, EPERM },
    { FAULT_POPULATE, EFAULT, FAULT_DONTNEED, EINVAL },
    /* An old kernel, where the pages are touched one by one. */
    { FAULT_POPULATE, EINVAL, FAULT_THREAD, EAGAIN },
    { FAULT_POPULATE, ENOMEM, FAULT_THREAD, EAGAIN },
    /* Nothing tells what is there, and the thread for it cannot be had. */
    { FAULT_SEEK_DATA, EIO, FAULT_THREAD, EAGAIN },
    { FAULT_MINCORE, ENOMEM, FAULT_THREAD, EAGAIN },
    { FAULT_FALLOCATE, EIO, FAULT_DONTNEED, ENOMEM },
};

static void run_pairs(const void *data)
{
    Bed bed = bed_make(data, ",prealloc=on");
    QVirtioMEM *mem = &bed.side->mem;

    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(actions); j++) {
            resize(SIZE);
            actions[j].prepare(mem);
            refuse(bed.host, pairs[i].first, pairs[i].error, 0);
            refuse(bed.host, pairs[i].second, pairs[i].error_of_second, 0);
            ask_refused(bed.host, mem, &actions[j]);
            unplug_all(mem);
        }
    }
    bed_unmake(&bed);
}

/* --- what is told --------------------------------------------------------- */

static void refused(Host *host, QVirtioMEM *mem, FaultCall call, uint16_t type)
{
    refuse(host, call, ENOMEM, 0);
    g_assert_cmpuint(ask(mem, type), ==, VIRTIO_MEM_RESP_BUSY);
    give_again(host);
}

/* Each shortage is told once, whatever else was refused before. */
static void a_shortage_is_told_once(const void *data)
{
    g_autofree char *said = temporary_file();
    const char *told = "ran out of memory";
    Host *host = host_new();
    const int before = print_to(said);
    Side *side = boot_driver(NEW, " -object memory-backend-memfd,id=mem0,"
                             "size=64M", ",prealloc=on", "");
    QVirtioMEM *mem = &side->mem;

    print_as(before);
    host_started(host);
    resize(SIZE);
    refused(host, mem, FAULT_POPULATE, VIRTIO_MEM_REQ_PLUG);
    refused(host, mem, FAULT_POPULATE, VIRTIO_MEM_REQ_PLUG);
    g_assert_cmpuint(count_in(said, told), ==, 1);
    plug(mem);
    refused(host, mem, FAULT_FALLOCATE, VIRTIO_MEM_REQ_UNPLUG);
    g_assert_cmpuint(count_in(said, told), ==, 1);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 8, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    refuse(host, FAULT_FALLOCATE, ENOMEM, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_BUSY);
    give_again(host);
    refuse(host, FAULT_POPULATE, ENOMEM, 0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 8, 8), ==,
                     VIRTIO_MEM_RESP_BUSY);
    give_again(host);
    g_assert_cmpuint(count_in(said, told), ==, 2);
    leave(side);
    host_free(host);
    unlink(said);
}

/* What is unplugged is guarded also after an unplug of all that failed. */
static void guarded_again(const void *data)
{
    Host *host = host_new();
    Side *side = boot_driver(NEW, " -object memory-backend-memfd,id=mem0,"
                             "size=32M", ",unplugged-protection=auto", "");
    QVirtioMEM *mem = &side->mem;
    QDict *before, *after;

    host_started(host);
    resize(SIZE);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    refused(host, mem, FAULT_FALLOCATE, VIRTIO_MEM_REQ_UNPLUG_ALL);
    qtest_writeb(global_qtest, block_addr(mem, 3), 1);
    before = device_info();
    qtest_writeb(global_qtest, block_addr(mem, 12), 1);
    g_usleep(20000);
    after = device_info();
    g_assert_cmpuint(qdict_get_int(before, "unplugged-accesses"), ==, 0);
    if (g_str_equal(qdict_get_str(after, "unplugged-protection"),
                    "userfaultfd")) {
        g_assert_cmpuint(qdict_get_int(after, "unplugged-accesses"), >, 0);
    }
    qobject_unref(before);
    qobject_unref(after);
    leave(side);
    host_free(host);
}

/* --- a system reset ------------------------------------------------------- */

/* It unplugs all or nothing, and the next driver can do what it could not. */
static void try_reset(Host *host, QVirtioMEM *mem, FaultCall call, int error)
{
    uint64_t plugged;

    resize(SIZE);
    plug(mem);
    refuse(host, call, error, 0);
    qtest_system_reset(global_qtest);
    qtest_system_reset(global_qtest);
    reset_system(mem);
    /* Waits for what goes on. */
    state_of(mem, 0, NB);
    plugged = plugged_size(mem) / BLOCK;
    g_assert_true(plugged == NB || plugged == 0);
    g_assert_true(plugged == 0 || was_refused(host, call));
    give_again(host);
    /* What the reset could not do may have been done meanwhile. */
    unplug_all(mem);
}

static void run_reset(const void *data)
{
    Bed bed = bed_make(data, ",prealloc=on");

    for (unsigned call = 0; call < FAULT_CALLS; call++) {
        /* Without stacks for coroutines QEMU itself has no monitor. */
        if (call != FAULT_MMAP) {
            try_reset(bed.host, &bed.side->mem, call, EAGAIN);
            try_reset(bed.host, &bed.side->mem, call, ENOMEM);
            try_reset(bed.host, &bed.side->mem, call, EINVAL);
        }
    }
    bed_unmake(&bed);
}

/* -------------------------------------------------------------------------- */

static void add_action(const Memory *memory, const Action *action,
                       bool prealloc)
{
    g_autofree char *path = g_strdup_printf("virtio-mem/faults/%s/%s%s",
                                            action->name, memory->name,
                                            prealloc ? "/prealloc" : "");
    Case *c = g_new(Case, 1);

    *c = (Case) { memory, action, prealloc };
    qtest_add_data_func_full(path, c, run, g_free);
}

static void add(const char *name, const Memory *memory,
                void (*test)(const void *))
{
    g_autofree char *path = g_strdup_printf("virtio-mem/faults/%s/%s", name,
                                            memory->name);

    qtest_add_data_func(path, memory, test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    faults_init(argv[0]);
    for (unsigned i = 0; i < ARRAY_SIZE(memories); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(actions); j++) {
            add_action(&memories[i], &actions[j], false);
            if (actions[j].type != VIRTIO_MEM_REQ_UNPLUG_ALL) {
                add_action(&memories[i], &actions[j], true);
            }
        }
        add("two-at-a-time", &memories[i], run_pairs);
        add("system-reset", &memories[i], run_reset);
    }
    qtest_add_data_func("virtio-mem/faults/a-shortage-is-told-once", NULL,
                        a_shortage_is_told_once);
    qtest_add_data_func("virtio-mem/faults/guarded-again", NULL, guarded_again);
    return g_test_run();
}
