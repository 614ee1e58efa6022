/*
 * virtio-mem: memory that is there before a guest plugs it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-mem-hold.h"
#include "virtio-mem-sides.h"

#define RESERVE (64 * MiB)
#define RESERVE_BLOCKS (RESERVE / BLOCK)
#define STAYS_US (1500 * 1000)      /* the device looks once a second */

typedef void ReserveTest(QVirtioMEM *mem, int fd);

static uint64_t reserved(void)
{
    QDict *info = queried_device();
    const uint64_t size = qdict_get_int(info, "prealloc-reserve");

    qobject_unref(info);
    return size;
}

static bool is_so(int fd, uint64_t reserve, uint64_t memory)
{
    return reserved() == reserve && memory_of_file(fd) == memory;
}

/*
 * So much is in reserve, and so much memory is there, soon, and stays: while other
 * blocks take the place of some, the sums may be right for a moment.
 */
static void await(int fd, uint64_t reserve, uint64_t memory)
{
    const gint64 until = g_get_monotonic_time() + TIMEOUT_US;
    gint64 since = 0;

    while (!since || g_get_monotonic_time() - since < STAYS_US) {
        const gint64 now = g_get_monotonic_time();

        since = is_so(fd, reserve, memory) ? since ?: now : 0;
        g_assert_cmpint(now, <, until);
        g_usleep(1000);
    }
}

static void plug(QVirtioMEM *mem, uint64_t first, uint16_t nb_blocks)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, first, nb_blocks), ==,
                     VIRTIO_MEM_RESP_ACK);
}

static void unplug(QVirtioMEM *mem, uint64_t first, uint16_t nb_blocks)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, first, nb_blocks), ==,
                     VIRTIO_MEM_RESP_ACK);
}

/* Nobody populates anything for such a plug. */
static void is_there_at_once(QVirtioMEM *mem, int fd)
{
    Hold *hold;

    await(fd, RESERVE, RESERVE);
    hold = hold_work(global_qtest);
    plug(mem, 0, RESERVE_BLOCKS);
    g_assert_cmpuint(memory_of_file(fd), ==, RESERVE);
    g_assert_cmpuint(reserved(), ==, 0);
    hold_let_go_after(hold, 0);
    await(fd, RESERVE, 2 * RESERVE);
}

static void follows_the_guest(QVirtioMEM *mem, int fd)
{
    await(fd, RESERVE, RESERVE);
    plug(mem, 3, 2);
    await(fd, RESERVE, RESERVE + 2 * BLOCK);
    plug(mem, 0, 3);
    plug(mem, 1000, 50);
    await(fd, RESERVE, RESERVE + 55 * BLOCK);
    unplug(mem, 0, 5);
    await(fd, RESERVE, RESERVE + 50 * BLOCK);
    /* Those in reserve are the first ones again. */
    unplug(mem, 1000, 50);
    await(fd, RESERVE, RESERVE);
    plug(mem, 0, RESERVE_BLOCKS);
    g_assert_cmpuint(memory_of_file(fd), >=, RESERVE);
    await(fd, RESERVE, 2 * RESERVE);
}

static void goes_at_a_stop(QVirtioMEM *mem, int fd)
{
    await(fd, RESERVE, RESERVE);
    plug(mem, 0, 1);
    await(fd, RESERVE, RESERVE + BLOCK);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    await(fd, 0, BLOCK);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    await(fd, RESERVE, RESERVE + BLOCK);
}

/* It comes again when there is a driver that may plug it. */
static void goes_at_a_system_reset(QVirtioMEM *mem, int fd)
{
    await(fd, RESERVE, RESERVE);
    for (int i = 0; i < 2; i++) {
        qtest_system_reset(global_qtest);
        await(fd, 0, 0);
        reset_system(mem);          /* and starts a driver */
        restart_as_usual(mem);
        await(fd, RESERVE, RESERVE);
        plug(mem, 7, 5);            /* the second reset has something to unplug */
        await(fd, RESERVE, RESERVE + 5 * BLOCK);
    }
}

static void goes_when_a_migration_begins(QVirtioMEM *mem, int fd)
{
    g_autofree char *path = temporary_file();

    await(fd, RESERVE, RESERVE);
    migrate_slowly(path);
    await(fd, 0, 0);
    cancel();
    await(fd, RESERVE, RESERVE);
    unlink(path);
}

/* In the middle of it, and with nothing populated twice or lost. */
static void goes_and_comes_all_the_time(QVirtioMEM *mem, int fd)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(16);
    bool plugged[40] = { false };
    uint64_t size = 0;

    for (int i = 0; i < 400; i++) {
        const int b = g_rand_int_range(rand, 0, ARRAY_SIZE(plugged));

        (plugged[b] ? unplug : plug)(mem, b, 1);
        plugged[b] = !plugged[b];
        size += plugged[b] ? BLOCK : -BLOCK;
        if (g_rand_int_range(rand, 0, 20) == 0) {
            qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
            qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
        }
        g_usleep(g_rand_int_range(rand, 0, 3000));
    }
    await(fd, RESERVE, RESERVE + size);
}

/* The content of what is plugged stays, and what was in reserve has none. */
static void has_no_content(QVirtioMEM *mem, int fd)
{
    await(fd, RESERVE, RESERVE);
    plug(mem, 0, 4);
    for (int b = 0; b < 4; b++) {
        g_assert_cmpuint(qtest_readq(global_qtest, block_addr(mem, b)), ==, 0);
        qtest_writeq(global_qtest, block_addr(mem, b), 0x1234 + b);
    }
    await(fd, RESERVE, RESERVE + 4 * BLOCK);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    await(fd, 0, 4 * BLOCK);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    for (int b = 0; b < 4; b++) {
        g_assert_cmpuint(qtest_readq(global_qtest, block_addr(mem, b)), ==,
                         0x1234 + b);
    }
    unplug(mem, 0, 4);
    await(fd, RESERVE, RESERVE);
    plug(mem, 0, 4);
    g_assert_cmpuint(qtest_readq(global_qtest, block_addr(mem, 2)), ==, 0);
}

static void run(const void *test)
{
    const int fd = memfd_create("virtio-mem-test", 0);
    g_autofree char *memory = g_strdup_printf(
        " -object memory-backend-file,id=mem0,share=on,size=%llu,"
        "mem-path=/proc/%d/fd/%d", REGION, getpid(), fd);
    Side *side;

    if (!hold_is_permitted()) {
        g_test_skip("ptrace is not permitted");
        return;
    }
    side = boot_driver(NEW, memory, ",prealloc=on,prealloc-reserve=64M", "");
    resize(REGION);
    ((ReserveTest *)test)(&side->mem, fd);
    leave(side);
    close(fd);
}

static void add(const char *name, ReserveTest *test)
{
    g_autofree char *path = g_strconcat("virtio-mem/reserve/", name, NULL);

    qtest_add_data_func(path, test, run);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("is-there-at-once", is_there_at_once);
    add("follows-the-guest", follows_the_guest);
    add("goes-at-a-stop", goes_at_a_stop);
    add("goes-at-a-system-reset", goes_at_a_system_reset);
    add("goes-when-a-migration-begins", goes_when_a_migration_begins);
    add("goes-and-comes-all-the-time", goes_and_comes_all_the_time);
    add("has-no-content", has_no_content);
    return g_test_run();
}
