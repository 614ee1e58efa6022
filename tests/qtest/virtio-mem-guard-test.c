/*
 * virtio-mem: unplugged memory is out of reach
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/syscall.h>
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_blk.h"
#include "virtio-mem-driver.h"
#include "virtio-mem-protected.h"

#define GUARD ",unplugged-protection=userfaultfd"
/* What every process may have; QEMU's own accesses are caught as well. */
#define USER_GUARD GUARD "-user-mode"

static const char *guard;

static bool can_guard(void)
{
    const int fd = syscall(__NR_userfaultfd, O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
    } else if (g_str_equal(guard, GUARD) &&
               access("/dev/userfaultfd", R_OK | W_OK)) {
        g_test_skip("this user may not use userfaultfd");
        return false;
    }
    return true;
}

/*
 * An access that gets no processor for 20 ms finds its page taken away again, and
 * is counted once more.
 */
static void assert_accesses(uint64_t wanted)
{
    const uint64_t seen = accesses();

    g_assert_cmpuint(seen, >=, wanted);
    g_assert_cmpuint(seen, <=, wanted + wanted / 10 + 3);
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
    bed = start(memory, guard, ",unplugged-protection-interval=10");
    mem = &bed->side->mem;
    name = protection();
    g_assert_true(g_str_has_suffix(guard, name));
    qtest_writeb(global_qtest, address(mem, PLUGGED * BLOCK), 0xab);
    qtest_writeb(global_qtest, address(mem, (PLUGGED + 1) * BLOCK - 1), 0xab);
    g_usleep(LONG_ENOUGH_US / 3);
    g_assert_cmpuint(accesses(), ==, 0);

    for (unsigned i = 1; i <= 5; i++) {
        const uint64_t before = accesses();

        qtest_writeb(global_qtest, address(mem, WRONG), 0xcd);
        wait_for_more(before);
        g_usleep(25000);        /* a page counts once in 20 ms */
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
    bed = start(opaque, guard, "");
    mem = &bed->side->mem;
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t block = 10 + i;
        const uint64_t other = block * BLOCK + BLOCK / 2;   /* another page */

        qtest_writeq(global_qtest, address(mem, block * BLOCK), 0xcdcd);
        plug_blocks(mem, block, 1);
        g_assert_cmphex(zeroes_in(mem, block * BLOCK), ==, 0);
        qtest_writeq(global_qtest, address(mem, other), 0xabab);
        g_usleep(2000);
        g_assert_cmphex(zeroes_in(mem, other), ==, 0xabab);
        unplug_blocks(mem, block, 1);
        g_assert_cmphex(zeroes_in(mem, other), ==, 0);
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
    Bed *bed = start(opaque, guard, "");
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
    Bed *bed = start(&memories[0], guard, "");
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

#define SECTOR 512

/* Read the first sector into @address; returns the disk's status. */
static uint8_t read_disk(Side *side, uint64_t address)
{
    const QPCIAddress place = { .devfn = QPCI_DEVFN(6, 0) };
    const struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN };
    QVirtioPCIDevice *pci = virtio_pci_new(side->qs->pcibus,
                                           (QPCIAddress *)&place);
    QVirtioDevice *disk = &pci->vdev;
    QGuestAllocator *alloc = &side->qs->alloc;
    const uint64_t at = guest_alloc(alloc, sizeof(header) + 1);
    QVirtQueue *vq;
    uint32_t head;
    uint8_t status;

    qvirtio_pci_device_enable(pci);
    qvirtio_start_device(disk);
    qvirtio_set_features(disk, 1ull << VIRTIO_F_VERSION_1);
    vq = qvirtqueue_setup(disk, alloc, 0);
    qvirtio_set_driver_ok(disk);
    qtest_memwrite(global_qtest, at, &header, sizeof(header));
    head = qvirtqueue_add(global_qtest, vq, at, sizeof(header), false, true);
    qvirtqueue_add(global_qtest, vq, address, SECTOR, true, true);
    qvirtqueue_add(global_qtest, vq, at + sizeof(header), 1, true, false);
    qvirtqueue_kick(global_qtest, disk, vq, head);
    qvirtio_wait_used_elem(global_qtest, disk, vq, head, NULL, TIMEOUT_US);
    status = qtest_readb(global_qtest, at + sizeof(header));
    qvirtqueue_cleanup(disk->bus, vq, alloc);
    guest_free(alloc, at);
    qvirtio_pci_device_disable(pci);
    g_free(pci->pdev);
    g_free(pci);
    return status;
}

/* A system call of QEMU has the kernel write: it waits, or it fails. */
static void caught_of_a_disk(const void *unused)
{
    g_autofree char *path = temporary_file();
    g_autofree char *options = g_strconcat(",requested-size=1G", guard, NULL);
    g_autofree char *more = g_strdup_printf(
        "-blockdev driver=file,node-name=disk,filename=%s"
        " -device virtio-blk-pci,drive=disk,addr=06.0", path);
    char content[SECTOR];
    Side *side;
    QVirtioMEM *mem;

    memset(content, 0xab, sizeof(content));
    g_assert_true(g_file_set_contents(path, content, sizeof(content), NULL));
    side = boot_driver(NEW, MEMORY, options, more);
    mem = &side->mem;
    plug_blocks(mem, PLUGGED, 1);
    g_assert_cmpuint(read_disk(side, address(mem, PLUGGED * BLOCK)), ==,
                     VIRTIO_BLK_S_OK);
    g_assert_cmphex(qtest_readb(global_qtest, address(mem, PLUGGED * BLOCK)), ==,
                    0xab);
    g_assert_cmpuint(accesses(), ==, 0);
    g_assert_cmpuint(read_disk(side, address(mem, 50 * BLOCK)), ==,
                     g_str_equal(guard, GUARD) ? VIRTIO_BLK_S_OK
                                               : VIRTIO_BLK_S_IOERR);
    g_usleep(25000);
    g_assert_true(accesses() == g_str_equal(guard, GUARD));
    g_assert_cmphex(zeroes_in(mem, 50 * BLOCK), ==, 0);
    leave(side);
    unlink(path);
}

/* A dump asks what is plugged. */
static void dumped(const void *unused)
{
    Bed *bed = start(&memories[0], guard, "");
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
    Bed *bed = start(&memories[2], guard, ",unplugged-violation=stop");
    QVirtioMEM *mem = &bed->side->mem;

    for (unsigned i = 0; i < 3; i++) {
        wait_for("query-status", "running");
        qtest_writeb(global_qtest, address(mem, WRONG + i * 4096), 1);
        wait_for("query-status", "paused");
        assert_told(WRONG + i * 4096);
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
    Bed *bed = start(&memories[0], guard, "");
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
    g_autofree char *options = g_strconcat(",requested-size=16G", guard, NULL);
    Side *side = boot_driver(NEW, MEMORY, options, "");
    Side *other = destination(NEW, options, "");
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

static void no_false_alarm(const void *opaque)
{
    assert_no_false_alarm(opaque, guard);
}

/* The strongest. */
static void guarded_by_auto(const void *opaque)
{
    g_autofree char *name = NULL;
    Bed *bed;

    if (!can_have(opaque)) {
        return;
    }
    bed = start(opaque, ",unplugged-protection=auto", "");
    name = protection();
    g_assert_cmpstr(name, ==, "userfaultfd");
    stop(bed);
}

/* What cannot be guarded is refused; auto takes what works. */
static void not_guarded(const void *opaque)
{
    Bed *bed = start(opaque, ",unplugged-protection=auto", "");
    g_autofree char *name = protection();
    g_autofree char *line = g_strdup_printf(
        "exec %s -machine q35 -nodefaults -display none -m 256M,maxmem=4G"
        " -object %s,id=mem0,size=1G,reserve=off,mem-path=%s"
        " -device virtio-mem-pci,id=vm0,memdev=mem0%s 2>&1",
        getenv("QTEST_QEMU_BINARY"), ((const Memory *)opaque)->type, bed->path,
        guard);

    g_assert_cmpstr(name, ==, "discard");
    assert_does_not_start(line, "'unplugged-protection' cannot be userfaultfd:"
                          " the kernel cannot guard the memory backend 'mem0';"
                          " use discard");
    stop(bed);
}

/* A kernel that has no userfaultfd at all for this process. */
static void not_allowed(const void *unused)
{
    static const char hide[] = "mount --bind /dev/null /dev/userfaultfd";
    g_autofree char *start = g_strdup_printf(
        "unshare -m sh -c '%s && exec %s -machine q35 -nodefaults"
        " -display none -monitor stdio -m 256M,maxmem=4G"
        " -object memory-backend-ram,id=mem0,size=1G,reserve=off"
        " -device virtio-mem-pci,id=vm0,memdev=mem0,unplugged-protection=\"$0\"'",
        hide, getenv("QTEST_QEMU_BINARY"));
    g_autofree char *refused = g_strdup_printf("exec %s userfaultfd 2>&1", start);
    g_autofree char *taken = g_strdup_printf(
        "(echo info memory-devices; echo quit) | %s auto |"
        " grep -q 'protection discard:'", start);
    g_autofree char *probe = g_strdup_printf("unshare -m sh -c '%s'", hide);

    if (system(probe)) {
        g_test_skip("it takes root, and /dev/userfaultfd, to hide that");
        return;
    }
    assert_does_not_start(refused, "'unplugged-protection' cannot be userfaultfd:"
                          " the kernel has no userfaultfd, or forbids it to this"
                          " process; use discard");
    g_assert_cmpint(system(taken), ==, 0);
}

typedef struct GuardTest {
    const char *mode;
    void (*test)(const void *data);
    const void *data;
} GuardTest;

static void run(const void *opaque)
{
    const GuardTest *one = opaque;

    guard = one->mode;
    if (can_guard()) {
        one->test(one->data);
    }
}

static void add(const char *mode, const char *name, const char *kind,
                void (*test)(const void *data), const void *data)
{
    GuardTest *one = g_new(GuardTest, 1);
    g_autofree char *path = g_strdup_printf(
        "virtio-mem/%s/%s/%s", g_str_equal(mode, GUARD) ? "guard" : "user-guard",
        name, kind);

    *one = (GuardTest) { mode, test, data };
    qtest_add_data_func_full(path, one, run, g_free);
}

static void add_for_both(const char *name, const char *kind,
                         void (*test)(const void *data), const void *data)
{
    add(GUARD, name, kind, test, data);
    add(USER_GUARD, name, kind, test, data);
}

static void add_for(const Memory *memory)
{
    if (memory->unguarded) {
        add_for_both("not-guarded", memory->name, not_guarded, memory);
        return;
    }
    add_for_both("caught", memory->name, caught, memory);
    add(GUARD, "auto", memory->name, guarded_by_auto, memory);
    add(GUARD, "plugged-at-once", memory->name, plugged_at_once, memory);
    /* A huge page is there for all who use its block meanwhile. */
    if (!strstr(memory->type, "hugetlb")) {
        add(GUARD, "model", memory->name, as_a_model_says, memory);
    }
    add(GUARD, "no-false-alarm", memory->name, no_false_alarm, memory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < MEMORIES; i++) {
        add_for(&memories[i]);
    }
    add_for_both("used-by", "monitor", caught_of_the_monitor, NULL);
    add_for_both("used-by", "disk", caught_of_a_disk, NULL);
    add(GUARD, "used-by", "dump", dumped, NULL);
    add_for_both("violation", "stop", guard_stops_the_vm, NULL);
    add_for_both("migration", "cancelled", guard_stands_aside, NULL);
    add(GUARD, "migration", "background-snapshot", guard_stands_aside,
        "background-snapshot");
    add(GUARD, "migration", "destination", guard_at_a_destination, NULL);
    add(GUARD, "mappings", "checkerboard", checkerboard, NULL);
    add(GUARD, "refused", "not-allowed", not_allowed, NULL);
    return g_test_run();
}
