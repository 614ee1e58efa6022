/*
 * virtio-mem: unplugged memory that is used all the same
 *
 * The guest writes where it should not, or somebody does who has the file open.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/syscall.h>
#include "qobject/qdict.h"
#include "virtio-mem-driver.h"
#include "virtio-mem-sides.h"

#define EVENT "MEMORY_DEVICE_UNPLUGGED_ACCESS"
#define DISCARD ",unplugged-protection=discard,unplugged-protection-interval=10"
#define GUARD ",unplugged-protection=userfaultfd"
#define EVENT_NS (1000 * 1000 * 1000ULL)
#define PLUGGED 3           /* a block; its neighbours are not */
#define WRONG (9 * BLOCK + 12345)
/* Many looks. */
#define LONG_ENOUGH_US (300 * 1000)

/* --- what is told --------------------------------------------------------- */

static uint64_t accesses(void)
{
    QDict *data = device_info();
    const uint64_t count = qdict_get_int(data, "unplugged-accesses");

    qobject_unref(data);
    return count;
}

static char *protection(void)
{
    QDict *data = device_info();
    char *name = g_strdup(qdict_get_str(data, "unplugged-protection"));

    qobject_unref(data);
    return name;
}

static void wait_for_more(uint64_t before)
{
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;

    while (accesses() == before) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* An event comes; returns its count. */
static uint64_t assert_told(uint64_t offset)
{
    QDict *event = qtest_qmp_eventwait_ref(global_qtest, EVENT);
    QDict *data = qdict_get_qdict(event, "data");
    const uint64_t told = qdict_get_int(data, "offset");
    const uint64_t count = qdict_get_int(data, "count");

    g_assert_cmpstr(qdict_get_str(data, "id"), ==, QVIRTIO_MEM_ID);
    g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==,
                    "/machine/peripheral/" QVIRTIO_MEM_ID);
    /* The page with it, of whatever size. */
    g_assert_cmpuint(told, <=, offset);
    g_assert_cmpuint(told / BLOCK, ==, offset / BLOCK);
    g_assert_cmpuint(count, >, 0);
    qobject_unref(event);
    return count;
}

static void assert_not_told(void)
{
    g_assert_null(qtest_qmp_event_ref(global_qtest, EVENT));
}

static uint64_t address(QVirtioMEM *mem, uint64_t offset)
{
    return block_addr(mem, 0) + offset;
}

/* --- each kind of memory -------------------------------------------------- */

typedef struct Memory {
    const char *name;
    const char *type;       /* of the backend, with its options */
    const char *directory;  /* of a file, or NULL */
    bool unguarded;         /* userfaultfd does not know it */
} Memory;

static const Memory memories[] = {
    { "anonymous", "memory-backend-ram" },
    { "anonymous-shared", "memory-backend-ram,share=on" },
    { "memfd", "memory-backend-memfd" },
    { "memfd-private", "memory-backend-memfd,share=off" },
    { "memfd-huge-pages", "memory-backend-memfd,hugetlb=on,hugetlbsize=2M" },
    { "file", "memory-backend-file,share=on", "/dev/shm" },
    { "file-on-disk", "memory-backend-file,share=on", ".", true },
    { "template", "memory-backend-file,share=off", "/dev/shm", true },
};

typedef struct Bed {
    char *path;             /* of the file, or NULL */
    int fd;
    Side *side;
} Bed;

static Bed *start(const Memory *memory, const char *mode, const char *options)
{
    Bed *bed = g_new0(Bed, 1);
    g_autofree char *place = NULL, *object = NULL;
    g_autofree char *all = g_strconcat(mode, ",requested-size=1G", options,
                                       NULL);

    if (memory->directory) {
        bed->path = g_strdup_printf("%s/virtio-mem-protection-XXXXXX",
                                    memory->directory);
        bed->fd = g_mkstemp(bed->path);
        g_assert_cmpint(ftruncate(bed->fd, GiB), ==, 0);
        place = g_strdup_printf(",mem-path=%s", bed->path);
    }
    object = g_strdup_printf(" -object %s,id=mem0,size=1G,reserve=off%s",
                             memory->type, place ?: "");
    bed->side = boot_driver(NEW, object, all, "");
    plug_blocks(&bed->side->mem, PLUGGED, 1);
    return bed;
}

static void stop(Bed *bed)
{
    leave(bed->side);
    if (bed->path) {
        close(bed->fd);
        unlink(bed->path);
        g_free(bed->path);
    }
    g_free(bed);
}

static bool can_have(const Memory *memory)
{
    g_autofree char *free_pages = NULL;

    if (!strstr(memory->type, "hugetlb")) {
        return true;
    }
    g_file_get_contents("/sys/kernel/mm/hugepages/hugepages-2048kB/"
                        "free_hugepages", &free_pages, NULL, NULL);
    if (free_pages && atoi(free_pages) >= 4) {
        return true;
    }
    g_test_skip("fewer than 4 huge pages of 2 MiB are free");
    return false;
}

static void found(const void *opaque)
{
    const Memory *memory = opaque;
    Bed *bed;
    QVirtioMEM *mem;
    uint64_t count;

    if (!can_have(memory)) {
        return;
    }
    bed = start(memory, DISCARD, "");
    mem = &bed->side->mem;
    qtest_writeb(global_qtest, address(mem, PLUGGED * BLOCK), 0xab);
    g_usleep(LONG_ENOUGH_US / 3);
    g_assert_cmpuint(accesses(), ==, 0);
    assert_not_told();

    qtest_writeb(global_qtest, address(mem, WRONG), 0xcd);
    count = assert_told(WRONG);
    g_assert_cmpuint(accesses(), ==, count);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, WRONG)), ==, 0);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, PLUGGED * BLOCK)),
                    ==, 0xab);
    stop(bed);
}

/* A process that has the file open, as back ends of vhost-user have. */
static void found_of_others(const void *opaque)
{
    Bed *bed = start(opaque, DISCARD, ",dynamic-memslots=on");
    struct stat st;
    gint64 end;

    g_assert_cmpint(pwrite(bed->fd, "x", 1, WRONG), ==, 1);
    g_assert_cmpuint(assert_told(WRONG), ==, 1);
    end = g_get_monotonic_time() + TIMEOUT_US;
    do {
        g_assert_cmpint(fstat(bed->fd, &st), ==, 0);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    } while (st.st_blocks);
    stop(bed);
}

/* --- userfaultfd ---------------------------------------------------------- */

/* Who may not have userfaultfd has no guard. */
static bool can_guard(void)
{
    const int fd = syscall(__NR_userfaultfd, O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
    } else if (access("/dev/userfaultfd", R_OK | W_OK)) {
        g_test_skip("this user may not use userfaultfd");
        return false;
    }
    return true;
}

/*
 * An access that gets no processor for a millisecond finds its page taken away
 * again, and is counted once more.
 */
static void assert_accesses(uint64_t wanted)
{
    const uint64_t seen = accesses();

    g_assert_cmpuint(seen, >=, wanted);
    /* On a busy machine that happens to one in five. */
    g_assert_cmpuint(seen, <=, 2 * wanted + 3);
}

static uint64_t zeroes_in(QVirtioMEM *mem, uint64_t offset)
{
    return qtest_readq(global_qtest, address(mem, offset));
}

/* What is written is lost, what is read is zero; plugged memory is as ever. */
static void caught(const void *opaque)
{
    const Memory *memory = opaque;
    Bed *bed;
    QVirtioMEM *mem;
    g_autofree char *name = NULL;

    if (!can_have(memory)) {
        return;
    }
    bed = start(memory, GUARD, ",unplugged-protection-interval=10");
    mem = &bed->side->mem;
    name = protection();
    g_assert_cmpstr(name, ==, "userfaultfd");
    qtest_writeb(global_qtest, address(mem, PLUGGED * BLOCK), 0xab);
    qtest_writeb(global_qtest, address(mem, (PLUGGED + 1) * BLOCK - 1), 0xab);
    g_usleep(LONG_ENOUGH_US / 3);
    g_assert_cmpuint(accesses(), ==, 0);

    for (unsigned i = 1; i <= 5; i++) {
        const uint64_t before = accesses();

        qtest_writeb(global_qtest, address(mem, WRONG), 0xcd);
        wait_for_more(before);
        g_usleep(5000);         /* a page is there for 1 ms */
        assert_accesses(i);
    }
    assert_told(WRONG);
    g_assert_cmphex(zeroes_in(mem, WRONG), ==, 0);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, PLUGGED * BLOCK)),
                    ==, 0xab);
    g_assert_cmphex(qtest_readb(global_qtest,
                                address(mem, (PLUGGED + 1) * BLOCK - 1)), ==,
                    0xab);
    stop(bed);
}

/* A block that is plugged right after somebody has written to it. */
static void plugged_at_once(const void *opaque)
{
    Bed *bed;
    QVirtioMEM *mem;

    if (!can_have(opaque)) {
        return;
    }
    bed = start(opaque, GUARD, "");
    mem = &bed->side->mem;
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t block = 10 + i;

        qtest_writeq(global_qtest, address(mem, block * BLOCK), 0xcdcd);
        plug_blocks(mem, block, 1);
        g_assert_cmphex(zeroes_in(mem, block * BLOCK), ==, 0);
        qtest_writeq(global_qtest, address(mem, block * BLOCK), 0xabab);
        g_usleep(2000);
        g_assert_cmphex(zeroes_in(mem, block * BLOCK), ==, 0xabab);
        unplug_blocks(mem, block, 1);
        g_assert_cmphex(zeroes_in(mem, block * BLOCK), ==, 0);
    }
    g_usleep(5000);
    assert_accesses(100);
    stop(bed);
}

#define MODEL_BLOCKS 64
#define MODEL_DEEDS 3000

/*
 * Plug, unplug, write and read at random: a model knows what is there, and how
 * often unplugged memory was used. No page is used twice in a millisecond.
 */
static void as_a_model_says(const void *opaque)
{
    Bed *bed = start(opaque, GUARD, "");
    QVirtioMEM *mem = &bed->side->mem;
    uint64_t content[MODEL_BLOCKS] = { 0 };
    bool plugged[MODEL_BLOCKS] = { [PLUGGED] = true };
    uint64_t wanted = 0;

    for (uint64_t i = 1; i <= MODEL_DEEDS; i++) {
        const unsigned block = g_test_rand_int_range(0, MODEL_BLOCKS);
        const uint64_t in_unplugged = block * BLOCK + 4096 * (1 + i % 500);

        switch (g_test_rand_int_range(0, 4)) {
        case 0:
            if (plugged[block]) {
                unplug_blocks(mem, block, 1);
            } else {
                plug_blocks(mem, block, 1);
            }
            plugged[block] = !plugged[block];
            content[block] = 0;
            break;
        case 1:
            if (plugged[block]) {
                qtest_writeq(global_qtest, address(mem, block * BLOCK), i);
                content[block] = i;
            } else {
                qtest_writeq(global_qtest, address(mem, in_unplugged), i);
                wanted++;
            }
            break;
        default:
            if (plugged[block]) {
                g_assert_cmphex(zeroes_in(mem, block * BLOCK), ==,
                                content[block]);
            } else {
                g_assert_cmphex(zeroes_in(mem, in_unplugged), ==, 0);
                wanted++;
            }
        }
    }
    g_usleep(20000);
    assert_accesses(wanted);
    stop(bed);
}

/* QEMU itself, with the BQL, which the guard must not need. */
static void caught_of_the_monitor(const void *unused)
{
    Bed *bed = start(&memories[0], GUARD, "");
    QVirtioMEM *mem = &bed->side->mem;
    g_autofree char *path = temporary_file();

    for (unsigned i = 0; i < 2; i++) {
        const uint64_t before = accesses();

        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'pmemsave',"
            " 'arguments': { 'val': %" PRIu64 ", 'size': %" PRIu64 ","
            " 'filename': %s } }", address(mem, 10 * BLOCK),
            (uint64_t)(20 * BLOCK), path);
        wait_for_more(before);
    }
    g_usleep(20000);
    assert_accesses(2 * 20 * BLOCK / 4096);
    stop(bed);
    unlink(path);
}

/* A dump asks what is plugged. */
static void dumped(const void *unused)
{
    Bed *bed = start(&memories[0], GUARD, "");
    g_autofree char *path = temporary_file();
    g_autofree char *where = g_strconcat("file:", path, NULL);

    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'dump-guest-memory',"
        " 'arguments': { 'paging': false, 'protocol': %s } }", where);
    g_assert_cmpuint(accesses(), ==, 0);
    stop(bed);
    unlink(path);
}

static void guard_stops_the_vm(const void *unused)
{
    Bed *bed = start(&memories[2], GUARD, ",unplugged-violation=stop");
    QVirtioMEM *mem = &bed->side->mem;

    for (unsigned i = 0; i < 3; i++) {
        wait_for("query-status", "running");
        qtest_writeb(global_qtest, address(mem, WRONG), 1);
        wait_for("query-status", "paused");
        assert_told(WRONG);
        qtest_clock_step(global_qtest, EVENT_NS);
        g_usleep(5000);
        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    }
    plug_blocks(mem, 100, 1);
    stop(bed);
}

/* It is off while a migration may use userfaultfd itself, and back after it. */
static void guard_stands_aside(const void *capability)
{
    Bed *bed = start(&memories[0], GUARD, "");
    QVirtioMEM *mem = &bed->side->mem;
    g_autofree char *path = temporary_file();
    gint64 end;

    if (capability) {
        qtest_qmp_assert_success(global_qtest,
            "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
            " 'capabilities': [ { 'capability': %s, 'state': true } ] } }",
            (const char *)capability);
        save(bed->side, path);
    } else {
        migrate_slowly(path);
        qtest_writeb(global_qtest, address(mem, WRONG), 0xcd);
        g_usleep(LONG_ENOUGH_US);
        g_assert_cmpuint(accesses(), ==, 0);
        g_assert_cmphex(qtest_readb(global_qtest, address(mem, WRONG)), ==,
                        0xcd);
        cancel();
    }
    end = g_get_monotonic_time() + TIMEOUT_US;
    while (!accesses()) {
        qtest_writeb(global_qtest, address(mem, WRONG + BLOCK), 0xcd);
        g_usleep(1000);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    /* What came meanwhile is found, by and by. */
    while (qtest_readb(global_qtest, address(mem, WRONG))) {
        g_usleep(1000);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    stop(bed);
    unlink(path);
}

static void guard_at_a_destination(const void *unused)
{
    g_autofree char *path = temporary_file();
    Side *side = boot_driver(NEW, MEMORY, ",requested-size=16G" GUARD, "");
    Side *other = destination(NEW, ",requested-size=16G" GUARD, "");
    QVirtioMEM *mem = turn_to(side);
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;

    plug_blocks(mem, PLUGGED, 1);
    qtest_writeb(global_qtest, address(mem, PLUGGED * BLOCK), 0xab);
    save(side, path);
    turn_to(other);
    load(other, path);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, PLUGGED * BLOCK)),
                    ==, 0xab);
    while (!accesses()) {
        qtest_writeb(global_qtest, address(mem, WRONG), 1);
        g_usleep(1000);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, PLUGGED * BLOCK)),
                    ==, 0xab);
    leave(other);
    leave(side);
    unlink(path);
}

static unsigned mappings(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps",
                                            qtest_pid(global_qtest));
    g_autofree char *text = NULL;
    unsigned lines = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
    }
    return lines;
}

/* More runs than there are mappings for: some blocks are not guarded. */
static void checkerboard(const void *unused)
{
    g_autofree char *said = temporary_file();
    const int before_it = print_to(said);
    Side *side = boot_driver(NEW, " -object memory-backend-ram,id=mem0,size=32G,"
                             "reserve=off", ",requested-size=32G" GUARD, "");
    QVirtioMEM *mem = &side->mem;
    const unsigned before = mappings();

    print_as(before_it);
    for (uint64_t block = 0; block < 32 * GiB / BLOCK; block += 2) {
        plug_blocks(mem, block, 1);
    }
    g_assert_cmpuint(mappings() - before, <=, 65530 / 8 + 4);
    g_assert_cmpuint(mappings() - before, >=, 65530 / 8 - 4);
    for (uint64_t block = 0; block < 32 * GiB / BLOCK; block += 2) {
        qtest_writeb(global_qtest, address(mem, block * BLOCK), 1);
    }
    g_usleep(5000);
    g_assert_cmpuint(accesses(), ==, 0);
    g_assert_cmpuint(count_in(said, "some unplugged memory is not guarded"), ==,
                     1);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(mappings(), <=, before + 4);
    qtest_writeb(global_qtest, address(mem, 31 * GiB), 1);
    wait_for_more(0);
    leave(side);
    unlink(said);
}

/* What cannot be guarded is refused; auto takes what works. */
static void not_guarded(const void *opaque)
{
    Bed *bed = start(opaque, ",unplugged-protection=auto", "");
    g_autofree char *name = protection();
    g_autofree char *line = g_strdup_printf(
        "exec %s -machine q35 -nodefaults -display none -m 256M,maxmem=4G"
        " -object %s,id=mem0,size=1G,reserve=off,mem-path=%s"
        " -device virtio-mem-pci,id=vm0,memdev=mem0" GUARD " 2>&1",
        getenv("QTEST_QEMU_BINARY"), ((const Memory *)opaque)->type, bed->path);

    g_assert_cmpstr(name, ==, "discard");
    assert_does_not_start(line, "'unplugged-protection' cannot be userfaultfd:"
                          " the kernel cannot guard the memory backend 'mem0';"
                          " use discard");
    stop(bed);
}

/* Where the device node is another one, nothing helps. */
static void not_allowed(const void *unused)
{
    static const char hide[] = "mount --bind /dev/null /dev/userfaultfd";
    g_autofree char *line = g_strdup_printf(
        "exec unshare -m sh -c '%s && exec %s -machine q35 -nodefaults"
        " -display none -m 256M,maxmem=4G"
        " -object memory-backend-ram,id=mem0,size=1G,reserve=off"
        " -device virtio-mem-pci,id=vm0,memdev=mem0" GUARD "' 2>&1",
        hide, getenv("QTEST_QEMU_BINARY"));
    g_autofree char *probe = g_strdup_printf("unshare -m sh -c '%s'", hide);

    if (system(probe)) {
        g_test_skip("it takes root, and /dev/userfaultfd, to hide that");
        return;
    }
    assert_does_not_start(line, "'unplugged-protection' cannot be userfaultfd:"
                          " the kernel does not let this process handle faults of"
                          " KVM and of devices; it needs access to"
                          " /dev/userfaultfd");
}

/* --- what is told and when ------------------------------------------------ */

static void not_told_too_often(void)
{
    Bed *bed = start(&memories[2], DISCARD, "");
    QVirtioMEM *mem = &bed->side->mem;
    uint64_t all = 0;

    for (unsigned i = 0; i < 5; i++) {
        const uint64_t before = accesses();

        qtest_writeb(global_qtest, address(mem, (20 + i) * BLOCK), 1);
        wait_for_more(before);
    }
    all += assert_told(20 * BLOCK);
    assert_not_told();
    qtest_clock_step(global_qtest, EVENT_NS);
    all += assert_told(21 * BLOCK);
    g_assert_cmpuint(all, ==, accesses());
    g_assert_cmpuint(all, ==, 5);
    qtest_clock_step(global_qtest, EVENT_NS);
    assert_not_told();
    stop(bed);
}

static void hmp_tells(void)
{
    Bed *bed = start(&memories[2], DISCARD, "");
    g_autofree char *text = NULL;

    qtest_writeb(global_qtest, address(&bed->side->mem, WRONG), 1);
    assert_told(WRONG);
    text = qtest_hmp(global_qtest, "info memory-devices");
    g_assert_nonnull(strstr(text, ", protection discard: 1 unplugged access"));
    stop(bed);
}

static void none_tells_nothing(void)
{
    Side *side = boot_driver(NEW, MEMORY, ",requested-size=1G", "");
    g_autofree char *text = qtest_hmp(global_qtest, "info memory-devices");
    QDict *data = device_info();

    g_assert_false(qdict_haskey(data, "unplugged-protection"));
    g_assert_false(qdict_haskey(data, "unplugged-accesses"));
    g_assert_null(strstr(text, "protection"));
    qobject_unref(data);
    qtest_writeb(global_qtest, address(&side->mem, WRONG), 0xcd);
    g_usleep(LONG_ENOUGH_US);
    g_assert_cmphex(qtest_readb(global_qtest, address(&side->mem, WRONG)), ==,
                    0xcd);
    leave(side);
}

static void stops_the_vm(void)
{
    Bed *bed = start(&memories[0], DISCARD, ",unplugged-violation=stop");
    QVirtioMEM *mem = &bed->side->mem;

    for (unsigned i = 0; i < 3; i++) {
        wait_for("query-status", "running");
        qtest_writeb(global_qtest, address(mem, WRONG), 1);
        wait_for("query-status", "paused");
        assert_told(WRONG);
        qtest_clock_step(global_qtest, EVENT_NS);
        qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    }
    plug_blocks(mem, 100, 1);
    stop(bed);
}

/* --- what is no violation ------------------------------------------------- */

/* With a change that is on its way for long, and one that is not. */
static void assert_no_false_alarm(const void *opaque, const char *mode)
{
    Bed *bed;
    QVirtioMEM *mem;
    gint64 end;

    if (!can_have(opaque)) {
        return;
    }
    bed = start(opaque, mode, ",prealloc=on,unplugged-protection-interval=1");
    mem = &bed->side->mem;
    end = g_get_monotonic_time() + 2 * LONG_ENOUGH_US;
    while (g_get_monotonic_time() < end) {
        const uint64_t block = g_test_rand_int_range(PLUGGED + 1, 100);
        const uint16_t few = strstr(((const Memory *)opaque)->type, "hugetlb") ?
                             2 : g_test_rand_int_range(1, 60);

        plug_blocks(mem, block, few);
        qtest_writeb(global_qtest, address(mem, block * BLOCK), 1);
        if (g_test_rand_bit()) {
            unplug_blocks(mem, block, few);
        } else {
            g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                             VIRTIO_MEM_RESP_ACK);
        }
    }
    g_assert_cmpuint(accesses(), ==, 0);
    assert_not_told();
    stop(bed);
}

static void no_false_alarm(const void *opaque)
{
    assert_no_false_alarm(opaque, DISCARD);
}

static void no_false_alarm_with_guard(const void *opaque)
{
    assert_no_false_alarm(opaque, GUARD);
}

static void stands_aside_for_a_migration(void)
{
    Bed *bed = start(&memories[2], DISCARD, "");
    QVirtioMEM *mem = &bed->side->mem;
    g_autofree char *path = temporary_file();

    migrate_slowly(path);
    qtest_writeb(global_qtest, address(mem, WRONG), 0xcd);
    g_usleep(LONG_ENOUGH_US);
    g_assert_cmpuint(accesses(), ==, 0);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, WRONG)), ==, 0xcd);
    cancel();
    assert_told(WRONG);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, WRONG)), ==, 0);
    stop(bed);
    unlink(path);
}

/* What came is as it was; from then on it is looked at. */
static void at_a_destination(void)
{
    g_autofree char *path = temporary_file();
    Side *side = boot_driver(NEW, MEMORY, ",requested-size=16G", "");
    Side *other = destination(NEW, ",requested-size=16G" DISCARD, "");
    QVirtioMEM *mem = turn_to(side);

    plug_blocks(mem, PLUGGED, 1);
    qtest_writeb(global_qtest, address(mem, PLUGGED * BLOCK), 0xab);
    save(side, path);
    turn_to(other);
    load(other, path);
    mem = &other->mem;
    g_usleep(LONG_ENOUGH_US);
    g_assert_cmphex(qtest_readb(global_qtest,
                                address(&side->mem, PLUGGED * BLOCK)), ==,
                    0xab);
    g_assert_cmpuint(accesses(), ==, 0);
    qtest_writeb(global_qtest, address(&side->mem, WRONG), 1);
    assert_told(WRONG);
    leave(other);
    leave(side);
    unlink(path);
}

/* --- refusals ------------------------------------------------------------- */

typedef struct Refusal {
    const char *name;
    const char *options;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    { "inaccessible-off",
      ",unplugged-protection=discard,unplugged-inaccessible=off",
      "'unplugged-protection' needs 'unplugged-inaccessible' to be on: a driver"
      " that may read unplugged memory does nothing wrong" },
    { "small-blocks", ",unplugged-protection=discard,block-size=1M",
      "'unplugged-protection' needs 'block-size' (1 MiB) to be at least 2 MiB:"
      " the kernel may put a huge page where a block is plugged and its"
      " neighbour is not" },
    { "stop-without-protection", ",unplugged-violation=stop",
      "'unplugged-violation=stop' needs 'unplugged-protection' to be other than"
      " none" },
    { "interval-without-protection", ",unplugged-protection-interval=5",
      "'unplugged-protection-interval' needs 'unplugged-protection' to be other"
      " than none" },
    { "interval-too-long",
      ",unplugged-protection=discard,unplugged-protection-interval=3600001",
      "'unplugged-protection-interval' (3600001) must be from 1 to 3600000"
      " milliseconds, or 0 for the default (1000)" },
    { "unknown-protection", ",unplugged-protection=strong",
      "'unplugged-protection'" },
    { "unknown-violation", ",unplugged-violation=kill",
      "'unplugged-violation'" },
};

static void refuse(const void *opaque)
{
    const Refusal *refusal = opaque;
    g_autofree char *line = g_strdup_printf(
        "exec %s -machine q35 -nodefaults -display none -m 256M,maxmem=2G"
        " -object memory-backend-ram,id=mem0,size=1G,reserve=off"
        " -device virtio-mem-pci,id=vm0,memdev=mem0%s 2>&1",
        getenv("QTEST_QEMU_BINARY"), refusal->options);

    assert_does_not_start(line, refusal->message);
}

static void fixed_at_realize(void)
{
    Bed *bed = start(&memories[0], DISCARD, "");
    static const char *const changes[] = {
        "qom-set vm0 unplugged-protection none",
        "qom-set vm0 unplugged-violation stop",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *said = qtest_hmp(global_qtest, "%s", changes[i]);

        g_assert_nonnull(strstr(said, "cannot be changed once the device"));
    }
    stop(bed);
}

static void hot_plugged(void)
{
    QDict *event;

    global_qtest = qtest_init("-machine q35 -m 256M,maxmem=8G"
        " -object memory-backend-memfd,id=mem0,size=1G,reserve=off"
        " -device pcie-root-port,id=rp");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'device_add',"
        " 'arguments': { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
        " 'bus': 'rp', 'memdev': 'mem0', 'unplugged-protection': 'discard',"
        " 'unplugged-protection-interval': 10 } }");
    qtest_writeb(global_qtest, 4 * GiB + 5, 1);
    event = qtest_qmp_eventwait_ref(global_qtest, EVENT);
    qobject_unref(event);
    qtest_quit(global_qtest);
}

static void add_for(const char *name, const Memory *memory,
                    void (*test)(const void *))
{
    g_autofree char *path = g_strdup_printf("virtio-mem/protection/%s/%s", name,
                                            memory->name);

    qtest_add_data_func(path, memory, test);
}

typedef struct GuardTest {
    void (*test)(const void *data);
    const void *data;
} GuardTest;

static void run_guard_test(const void *opaque)
{
    const GuardTest *guard = opaque;

    if (can_guard()) {
        guard->test(guard->data);
    }
}

static void add_guard_test(const char *group, const char *name,
                           void (*test)(const void *data), const void *data)
{
    GuardTest *guard = g_new(GuardTest, 1);
    g_autofree char *path = g_strdup_printf("virtio-mem/protection/%s/%s",
                                            group, name);

    *guard = (GuardTest) { test, data };
    qtest_add_data_func_full(path, guard, run_guard_test, g_free);
}

static void add_guard_tests(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(memories); i++) {
        const Memory *memory = &memories[i];

        if (memory->unguarded) {
            add_guard_test("not-guarded", memory->name, not_guarded, memory);
        } else {
            add_guard_test("caught", memory->name, caught, memory);
            add_guard_test("plugged-at-once", memory->name, plugged_at_once,
                           memory);
            /* A huge page is there for all who use its block meanwhile. */
            if (!strstr(memory->type, "hugetlb")) {
                add_guard_test("model", memory->name, as_a_model_says, memory);
            }
            add_guard_test("no-false-alarm-with-guard", memory->name,
                           no_false_alarm_with_guard, memory);
        }
    }
    add_guard_test("guard", "monitor", caught_of_the_monitor, NULL);
    add_guard_test("guard", "dump", dumped, NULL);
    add_guard_test("guard", "stop", guard_stops_the_vm, NULL);
    add_guard_test("guard", "migration", guard_stands_aside, NULL);
    add_guard_test("guard", "background-snapshot", guard_stands_aside,
                   "background-snapshot");
    add_guard_test("guard", "destination", guard_at_a_destination, NULL);
    add_guard_test("guard", "checkerboard", checkerboard, NULL);
    add_guard_test("guard", "not-allowed", not_allowed, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(memories); i++) {
        add_for("found", &memories[i], found);
        add_for("no-false-alarm", &memories[i], no_false_alarm);
    }
    add_guard_tests();
    add_for("found-of-others", &memories[5], found_of_others);
    add_for("found-of-others", &memories[6], found_of_others);
    qtest_add_func("virtio-mem/protection/not-told-too-often",
                   not_told_too_often);
    qtest_add_func("virtio-mem/protection/hmp", hmp_tells);
    qtest_add_func("virtio-mem/protection/none", none_tells_nothing);
    qtest_add_func("virtio-mem/protection/stop", stops_the_vm);
    qtest_add_func("virtio-mem/protection/migration",
                   stands_aside_for_a_migration);
    qtest_add_func("virtio-mem/protection/destination", at_a_destination);
    qtest_add_func("virtio-mem/protection/fixed-at-realize", fixed_at_realize);
    qtest_add_func("virtio-mem/protection/hot-plugged", hot_plugged);
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf(
            "virtio-mem/protection/refused/%s", refusals[i].name);

        qtest_add_data_func(path, &refusals[i], refuse);
    }
    return g_test_run();
}
