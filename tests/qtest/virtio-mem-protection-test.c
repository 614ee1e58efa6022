/*
 * virtio-mem: unplugged memory that is used all the same
 *
 * The guest writes where it should not, or somebody does who has the file open.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-mem-driver.h"
#include "virtio-mem-protected.h"

#define EVENT "MEMORY_DEVICE_UNPLUGGED_ACCESS"

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

static void no_false_alarm(const void *opaque)
{
    assert_no_false_alarm(opaque, DISCARD);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(memories); i++) {
        add_for("found", &memories[i], found);
        add_for("no-false-alarm", &memories[i], no_false_alarm);
    }
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
