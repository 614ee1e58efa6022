/*
 * virtio-mem: the host refuses what a request needs
 *
 * Each call that the device makes for a request fails in turn, with each error
 * that is possible and some that are not. A request is answered ACK or BUSY;
 * what is plugged, what the monitor says and what the configuration says agree;
 * and when the host gives again, the same request succeeds.
 *
 * A limit of processes (RLIMIT_NPROC) is not among the ways to refuse threads,
 * because it does not hold for root, who runs these tests; a cgroup's does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <sys/mman.h>
#include "qemu/atomic.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-mem-faults.h"
#include "virtio-mem-sides.h"

#define LIBRARY "libvirtio-mem-faults.so"

/* Enough for the worker, and for two threads that populate. */
#define NB 16
#define SIZE (NB * BLOCK)

static const int errors[] = {
    EAGAIN, ENOMEM, ENOSPC, EINVAL, EPERM, EFAULT, EINTR, EIO, EBADF, EHWPOISON,
};

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

static char *library;

/* --- faults --------------------------------------------------------------- */

typedef struct Host {
    char *path;
    Faults *faults;
} Host;

/* What QEMU is started between these two asks this host. */
static Host *host_new(void)
{
    const char *options = getenv("ASAN_OPTIONS");
    Host *host = g_new0(Host, 1);
    int fd;

    host->path = temporary_file();
    g_assert_cmpint(truncate(host->path, sizeof(Faults)), ==, 0);
    fd = open(host->path, O_RDWR);
    host->faults = mmap(NULL, sizeof(Faults), PROT_READ | PROT_WRITE,
                        MAP_SHARED, fd, 0);
    g_assert_true(host->faults != MAP_FAILED);
    close(fd);
    g_setenv(FAULTS_VARIABLE, host->path, true);
    g_setenv("LD_PRELOAD", library, true);
    if (options && !strstr(options, "verify_asan_link_order")) {
        g_autofree char *more = g_strconcat(options,
                                            ":verify_asan_link_order=0", NULL);

        g_setenv("ASAN_OPTIONS", more, true);
    }
    return host;
}

static void host_started(Host *host)
{
    g_unsetenv("LD_PRELOAD");
    g_unsetenv(FAULTS_VARIABLE);
    unlink(host->path);
}

static void host_free(Host *host)
{
    munmap(host->faults, sizeof(Faults));
    g_free(host->path);
    g_free(host);
}

static void refuse(Host *host, FaultCall call, int error, int skip)
{
    Fault *fault = &host->faults->fault[call];

    fault->skip = skip;
    fault->seen = 0;
    fault->failed = 0;
    qatomic_set_mb(&fault->error, error);
}

static void give_again(Host *host)
{
    for (unsigned i = 0; i < FAULT_CALLS; i++) {
        qatomic_set_mb(&host->faults->fault[i].error, 0);
    }
}

static bool was_refused(Host *host, FaultCall call)
{
    return qatomic_read(&host->faults->fault[call].failed);
}

/* --- what is true afterwards ---------------------------------------------- */

static uint64_t device_size(void)
{
    QDict *rsp = qtest_qmp(global_qtest, "{ 'execute': 'qom-get', 'arguments':"
                           " { 'path': '/machine/peripheral/" QVIRTIO_MEM_ID
                           "', 'property': 'size' } }");
    const uint64_t size = qdict_get_int(rsp, "return");

    qobject_unref(rsp);
    return size;
}

static void assert_all_agree(QVirtioMEM *mem, uint64_t nb_plugged)
{
    g_assert_cmpuint(plugged_size(mem), ==, nb_plugged * BLOCK);
    g_assert_cmpuint(device_size(), ==, nb_plugged * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, NB), ==,
                     nb_plugged == NB ? VIRTIO_MEM_STATE_PLUGGED :
                     nb_plugged ? VIRTIO_MEM_STATE_MIXED :
                     VIRTIO_MEM_STATE_UNPLUGGED);
}

/* Plugged memory can be used, all of it. */
static void use(QVirtioMEM *mem)
{
    qtest_memset(global_qtest, block_addr(mem, 0), 0xa5, SIZE);
    g_assert_cmphex(readb(block_addr(mem, NB) - 1), ==, 0xa5);
}

/* --- actions -------------------------------------------------------------- */

typedef struct Action {
    const char *name;
    void (*prepare)(QVirtioMEM *mem);   /* while the host gives */
    uint16_t type;                      /* the request, for NB blocks */
    uint16_t before, after;             /* blocks plugged, of NB */
} Action;

#define NEEDS(call) (1u << FAULT_##call)

static void nothing(QVirtioMEM *mem)
{
}

static void plug(QVirtioMEM *mem)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, NB), ==,
                     VIRTIO_MEM_RESP_ACK);
    use(mem);
}

static uint16_t ask(QVirtioMEM *mem, uint16_t type)
{
    return type == VIRTIO_MEM_REQ_UNPLUG_ALL ? request(mem, type, 0, 0)
                                             : request(mem, type, 0, NB);
}

static void unplug_all(QVirtioMEM *mem)
{
    g_assert_cmpuint(ask(mem, VIRTIO_MEM_REQ_UNPLUG_ALL), ==,
                     VIRTIO_MEM_RESP_ACK);
    assert_all_agree(mem, 0);
}

static const Action actions[] = {
    { "plug", nothing, VIRTIO_MEM_REQ_PLUG, .after = NB },
    { "unplug", plug, VIRTIO_MEM_REQ_UNPLUG, .before = NB },
    { "unplug-all", plug, VIRTIO_MEM_REQ_UNPLUG_ALL, .before = NB },
};

/* --- kinds of memory ------------------------------------------------------ */

/* In memory where there is such a place: a disk would take most of the time. */
static char *memory_file(void)
{
    char *path = g_strdup("/dev/shm/virtio-mem-XXXXXX");
    const int fd = g_mkstemp(path);

    if (fd < 0) {
        g_free(path);
        return temporary_file();
    }
    close(fd);
    return path;
}

typedef struct Memory {
    const char *name;
    const char *type;           /* %s: a file */
    unsigned discards_by;       /* what UNPLUG needs */
    unsigned looks_by;          /* what tells whether that takes long */
} Memory;

static const Memory memories[] = {
    { "anonymous", "memory-backend-ram", NEEDS(DONTNEED), NEEDS(MINCORE) },
    { "memfd", "memory-backend-memfd", NEEDS(FALLOCATE) | NEEDS(DONTNEED),
      NEEDS(SEEK_DATA) },
    { "shared-file", "memory-backend-file,share=on,mem-path=%s",
      NEEDS(FALLOCATE) | NEEDS(DONTNEED), NEEDS(SEEK_DATA) },
    { "file", "memory-backend-file,share=off,mem-path=%s", NEEDS(DONTNEED),
      NEEDS(MINCORE) },
};

typedef struct Case {
    const Memory *memory;
    const Action *action;
    bool prealloc;
} Case;

static char *memory_object(const Memory *memory, const char *file)
{
    g_autofree char *type = NULL;
    g_auto(GStrv) parts = g_strsplit(memory->type, "%s", -1);

    type = g_strjoinv(file, parts);
    return g_strdup_printf(" -object %s,id=mem0,size=64M", type);
}

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

/* --- a VM on such a host -------------------------------------------------- */

typedef struct Bed {
    char *file;
    Host *host;
    Side *side;
} Bed;

static Bed bed_make(const Memory *memory, const char *options)
{
    Bed bed = { .file = memory_file(), .host = host_new() };
    g_autofree char *object = memory_object(memory, bed.file);

    bed.side = boot_driver(NEW, object, options, "");
    host_started(bed.host);
    return bed;
}

static void bed_unmake(Bed *bed)
{
    leave(bed->side);
    host_free(bed->host);
    unlink(bed->file);
    g_free(bed->file);
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

/* QEMU that is started between these two prints to the file. */
static int print_to(const char *file)
{
    const int before = dup(STDERR_FILENO);
    const int fd = open(file, O_WRONLY | O_APPEND);

    g_assert_cmpint(before, >=, 0);
    g_assert_cmpint(dup2(fd, STDERR_FILENO), ==, STDERR_FILENO);
    close(fd);
    return before;
}

static void print_as(int before)
{
    g_assert_cmpint(dup2(before, STDERR_FILENO), ==, STDERR_FILENO);
    close(before);
}

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

/* --- migration ------------------------------------------------------------ */

/*
 * The device's own part needs nothing but to come to rest. Threads and memory
 * are what QEMU itself migrates with, and ends without.
 */
static const FaultCall migration_calls[] = {
    FAULT_DONTNEED, FAULT_REMOVE, FAULT_POPULATE, FAULT_FALLOCATE,
    FAULT_SEEK_DATA, FAULT_MINCORE,
};

static void run_source(const void *data)
{
    g_autofree char *stream = temporary_file();
    Bed bed = bed_make(data, ",prealloc=on");
    QVirtioMEM *mem = &bed.side->mem;

    for (unsigned i = 0; i < ARRAY_SIZE(migration_calls); i++) {
        const Request both[] = {
            { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0), NB },
            { VIRTIO_MEM_REQ_UNPLUG, block_addr(mem, 0), NB },
        };
        Answer answers[ARRAY_SIZE(both)];
        uint64_t buffers, plugged;

        resize(SIZE);
        refuse(bed.host, migration_calls[i], ENOMEM, 0);
        buffers = batch_send(mem, both, ARRAY_SIZE(both));
        migrate_slowly(stream);
        cancel();
        batch_wait(mem, buffers, answers, ARRAY_SIZE(both));
        for (unsigned j = 0; j < ARRAY_SIZE(both); j++) {
            /* ERROR: what was not plugged, as the host did not give, is not
             * unplugged either. */
            g_assert_true(answers[j].type == VIRTIO_MEM_RESP_ACK ||
                          answers[j].type == VIRTIO_MEM_RESP_BUSY ||
                          (j == 1 && answers[j].type == VIRTIO_MEM_RESP_ERROR &&
                           answers[0].type == VIRTIO_MEM_RESP_BUSY));
        }
        give_again(bed.host);
        plugged = plugged_size(mem) / BLOCK;
        g_assert_true(plugged == NB || plugged == 0);
        assert_all_agree(mem, plugged);
        unplug_all(mem);
    }
    bed_unmake(&bed);
    unlink(stream);
}

/* A load that is refused memory fails or does without, and QEMU lives. */
static void try_load(const Memory *memory, const char *stream, FaultCall call,
                     int error)
{
    g_autofree char *file = memory_file();
    g_autofree char *object = memory_object(memory, file);
    Host *host = host_new();
    Side *side = boot(NEW, object, ",prealloc=on", "-incoming defer");
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;
    g_autofree char *uri = g_strconcat("file:", stream, NULL);
    bool ended = false;
    uint64_t size;

    host_started(host);
    refuse(host, call, error, 1);
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-incoming', 'arguments':"
                             "  { 'uri': %s, 'exit-on-error': false } }", uri);
    while (!ended) {
        QDict *rsp = qtest_qmp(global_qtest, "{ 'execute': 'query-migrate' }");
        const char *status = qdict_get_try_str(qdict_get_qdict(rsp, "return"),
                                               "status");

        ended = !g_strcmp0(status, "completed") ||
                !g_strcmp0(status, "failed");
        size = device_size();
        if (!g_strcmp0(status, "completed")) {
            g_assert_cmpuint(size, ==, SIZE);
        } else if (!g_strcmp0(status, "failed")) {
            g_assert_true(size == 0 || size == SIZE);
            g_assert_true(was_refused(host, call));
        }
        qobject_unref(rsp);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    give_again(host);
    leave(side);
    host_free(host);
    unlink(file);
}

static void run_destination(const void *data)
{
    const Memory *memory = data;
    g_autofree char *stream = temporary_file();
    Side *from = boot_driver(NEW, " -object memory-backend-ram,id=mem0,"
                             "size=64M", "", "");

    resize(SIZE);
    plug(&from->mem);
    save(from, stream);
    leave(from);
    for (unsigned i = 0; i < ARRAY_SIZE(migration_calls); i++) {
        try_load(memory, stream, migration_calls[i], ENOMEM);
    }
    unlink(stream);
}

/*
 * Both sides are over one file, and there is not enough for the second one to
 * populate: what the first one has is not given back for that.
 */
static void destination_leaves_the_source_alone(const void *data)
{
    g_autofree char *file = memory_file(), *stream = temporary_file();
    g_autofree char *object = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=64M,mem-path=%s",
        file);
    Side *from = boot_driver(NEW, object, "", ""), *to;
    QVirtioMEM *mem = &from->mem;
    Host *host;

    resize(SIZE);
    plug(mem);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    save(from, stream);

    host = host_new();
    to = boot(NEW, object, ",prealloc=on", "-incoming defer");
    host_started(host);
    refuse(host, FAULT_POPULATE, EFAULT, 3);
    load_fails(stream);
    g_assert_true(was_refused(host, FAULT_POPULATE));
    leave(to);
    host_free(host);

    turn_to(from);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    for (unsigned i = 0; i < NB; i++) {
        g_assert_cmphex(readb(block_addr(mem, i)), ==, 0xa5);
        g_assert_cmphex(readb(block_addr(mem, i + 1) - 1), ==, 0xa5);
    }
    unplug_all(mem);
    leave(from);
    unlink(file);
    unlink(stream);
}

/* --- the device comes ----------------------------------------------------- */

static bool add_device(QTestState *qts, const char *prealloc)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments': {"
                           " 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                           " 'memdev': 'mem0', 'prealloc': %i } }",
                           (int)!!*prealloc);
    const bool added = qdict_haskey(rsp, "return");

    qobject_unref(rsp);
    return added;
}

/* It does without, or says that it cannot, and comes when it can. */
static void run_hot_plug(const void *data)
{
    const Memory *memory = data;

    for (unsigned call = 0; call < FAULT_CALLS; call++) {
        g_autofree char *file = NULL, *object = NULL;
        Host *host;
        QTestState *qts;

        if (call == FAULT_MMAP) {
            continue;           /* as above: QEMU itself */
        }
        file = memory_file();
        object = memory_object(memory, file);
        host = host_new();
        qts = qtest_initf("-nodefaults -m 32M,maxmem=1G %s", object);
        host_started(host);
        refuse(host, call, EAGAIN, 0);
        if (!add_device(qts, "prealloc")) {
            g_assert_true(was_refused(host, call));
            give_again(host);
            g_assert_true(add_device(qts, "prealloc"));
        }
        give_again(host);
        qtest_quit(qts);
        host_free(host);
        unlink(file);
    }
}

/* A driver comes, while QEMU cannot have what kicks become quick by. */
static void run_driver_start(const void *data)
{
    Host *host = host_new();
    Side *side = boot_driver(NEW, " -object memory-backend-memfd,id=mem0,"
                             "size=64M", ",prealloc=on", "");

    host_started(host);
    resize(SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
        refuse(host, FAULT_EVENTFD, errors[i], 0);
        restart_as_usual(&side->mem);
        plug(&side->mem);
        give_again(host);
        g_assert_cmpuint(ask(&side->mem, VIRTIO_MEM_REQ_UNPLUG), ==,
                         VIRTIO_MEM_RESP_ACK);
    }
    leave(side);
    host_free(host);
}

/* --- a real limit --------------------------------------------------------- */

static bool write_to(const char *dir, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    const int fd = open(path, O_WRONLY);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) >= 0;

    if (fd >= 0) {
        close(fd);
    }
    return written;
}

/* A cgroup that can limit processes, of version 1 or 2, or NULL. */
static char *pids_cgroup(void)
{
    static const char *const roots[] = {
        "/sys/fs/cgroup/pids", "/sys/fs/cgroup",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
        g_autofree char *dir = g_strdup_printf("%s/virtio-mem-%d", roots[i],
                                               getpid());

        write_to(roots[i], "cgroup.subtree_control", "+pids");
        if (!g_mkdir(dir, 0700)) {
            if (write_to(dir, "pids.max", "max")) {
                return g_steal_pointer(&dir);
            }
            g_rmdir(dir);
        }
    }
    return NULL;
}

/* Let QEMU have no more threads than it has now. */
static void limit_threads(const char *dir)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)qtest_pid(global_qtest));
    g_autofree char *path = g_build_filename(dir, "pids.current", NULL);
    g_autofree char *now = NULL;

    g_assert_true(write_to(dir, "cgroup.procs", pid));
    g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
    g_test_message("%s threads", g_strchomp(now));
    g_assert_true(write_to(dir, "pids.max", now));
}

static void no_more_threads(const void *data)
{
    g_autofree char *dir = pids_cgroup();
    Side *side;
    QVirtioMEM *mem;

    if (!dir) {
        g_test_skip("no cgroup can be made here that limits processes");
        return;
    }
    side = boot_driver(NEW, " -object memory-backend-memfd,id=mem0,size=64M",
                       ",prealloc=on", "");
    mem = &side->mem;
    resize(SIZE);
    limit_threads(dir);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 16 * MiB / BLOCK), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 16 * MiB);
    unplug_all(mem);
    plug(mem);
    reset_system(mem);
    unplug_all(mem);
    g_assert_true(write_to(dir, "pids.max", "max"));
    plug(mem);
    leave(side);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
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
    g_autofree char *dir = g_path_get_dirname(argv[0]);
    g_autofree char *path = g_build_filename(dir, LIBRARY, NULL);
    int ret;

    g_test_init(&argc, &argv, NULL);
    library = g_canonicalize_filename(path, NULL);
    g_assert_true(g_file_test(library, G_FILE_TEST_EXISTS));

    for (unsigned i = 0; i < ARRAY_SIZE(memories); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(actions); j++) {
            add_action(&memories[i], &actions[j], false);
            if (actions[j].type != VIRTIO_MEM_REQ_UNPLUG_ALL) {
                add_action(&memories[i], &actions[j], true);
            }
        }
        add("two-at-a-time", &memories[i], run_pairs);
        add("system-reset", &memories[i], run_reset);
        add("migration-source", &memories[i], run_source);
        add("migration-destination", &memories[i], run_destination);
        add("hot-plug", &memories[i], run_hot_plug);
    }
    qtest_add_data_func("virtio-mem/faults/migration-over-one-file", NULL,
                        destination_leaves_the_source_alone);
    qtest_add_data_func("virtio-mem/faults/a-shortage-is-told-once", NULL,
                        a_shortage_is_told_once);
    qtest_add_data_func("virtio-mem/faults/driver-start", NULL,
                        run_driver_start);
    qtest_add_data_func("virtio-mem/faults/no-more-threads", NULL,
                        no_more_threads);
    ret = g_test_run();
    g_free(library);
    return ret;
}
