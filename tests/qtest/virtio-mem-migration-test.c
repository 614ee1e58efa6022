/*
 * virtio-mem: migration, as far as it can be seen without a guest
 *
 * Two QEMUs, mostly with a file between them: what is in the stream, what is
 * done when it is loaded, and what is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-sides.h"

#define LOAD_TIMEOUT_US (60 * 1000 * 1000)

/* --- what arrives --------------------------------------------------------- */

/* Every second one of @nb blocks. */
static void plug_checkerboard(QVirtioMEM *mem, unsigned nb)
{
    const unsigned at_once = batch_max(mem);
    g_autofree Request *requests = g_new0(Request, at_once);
    g_autofree Answer *answers = g_new0(Answer, at_once);
    unsigned n = 0;

    for (unsigned block = 0; block < nb; block += 2) {
        requests[n++] = (Request) {
            VIRTIO_MEM_REQ_PLUG, block_addr(mem, block), 1,
        };
        if (n == at_once || block + 2 >= nb) {
            batch(mem, requests, answers, n);
            while (n) {
                g_assert_cmpuint(answers[--n].type, ==, VIRTIO_MEM_RESP_ACK);
            }
        }
    }
}

static void round_trip(const void *machine)
{
    g_autofree char *path = temporary_file();
    Side *from = source(machine), *to;
    QVirtioMEM *mem = &from->mem;
    Snapshot *before;
    struct stat file;

    resize(1 * GiB);
    plug_checkerboard(mem, 200);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 300, 100), ==,
                     VIRTIO_MEM_RESP_ACK);
    resize(512 * MiB);              /* the usable region stays */
    qtest_memset(global_qtest, block_addr(mem, 198), 0xa5, BLOCK);
    qtest_memset(global_qtest, block_addr(mem, 399), 0x5a, BLOCK);
    before = snapshot(mem);
    save(from, path);

    to = destination(machine, "", "");
    load(to, path);
    g_assert_cmpuint(queried_size(), ==, before->plugged_size);
    mem = restart_driver(to);
    g_assert_cmphex(readb(block_addr(mem, 198) + BLOCK - 1), ==, 0xa5);
    g_assert_cmphex(readb(block_addr(mem, 399)), ==, 0x5a);
    g_assert_cmphex(readb(block_addr(mem, 300)), ==, 0);
    assert_unchanged(mem, before);
    /* Two blocks have content; zero pages take a few bytes. */
    g_assert_cmpint(stat(path, &file), ==, 0);
    g_assert_cmpint(file.st_size, <, 8 * MiB);

    leave(to);
    leave(from);
    unlink(path);
}

/* The size that is requested last counts, on the side that runs. */
static void resize_while_migrating(void)
{
    g_autofree char *path = temporary_file();
    Side *from = source(NEW), *to;

    resize(256 * MiB);
    migrate_slowly(path);
    resize(1 * GiB);
    g_assert_cmpuint(request(&from->mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_BUSY);
    resize(512 * MiB);
    set_bandwidth(1 * GiB);
    wait_for("query-migrate", "completed");

    to = destination(NEW, ",requested-size=64M", "");
    load(to, path);
    restart_driver(to);
    g_assert_cmpuint(requested_size(&to->mem), ==, 512 * MiB);
    g_assert_cmpuint(usable_size(&to->mem), ==, 1 * GiB + EXTENT);
    g_assert_cmpuint(request(&to->mem, VIRTIO_MEM_REQ_PLUG, 0, 256), ==,
                     VIRTIO_MEM_RESP_ACK);
    leave(to);
    leave(from);
    unlink(path);
}

/* However many holes there are: none at start, and one before RAM comes. */
static void discards_at_load(const void *machine)
{
    g_autofree char *path = temporary_file(), *log = temporary_file();
    g_autofree char *trace = trace_discards(log);
    Side *from = source(machine), *to;

    resize(8 * GiB);
    plug_checkerboard(&from->mem, 4096);
    save(from, path);
    to = destination(machine, "", trace);
    g_assert_cmpuint(count_discards(log), ==, 0);
    load(to, path);
    g_assert_cmpuint(queried_size(), ==, 4 * GiB);
    g_assert_cmpuint(count_discards(log), ==, 1);
    leave(to);
    leave(from);
    unlink(log);
    unlink(path);
}

/* --- while it runs -------------------------------------------------------- */

static void busy_until_cancelled(void)
{
    g_autofree char *path = temporary_file();
    Side *side = source(NEW);
    QVirtioMEM *mem = &side->mem;

    resize(256 * MiB);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    migrate_slowly(path);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 8, 1), ==,
                     VIRTIO_MEM_RESP_BUSY);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_BUSY);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_BUSY);
    g_assert_cmpuint(state_of(mem, 0, 8), ==, VIRTIO_MEM_STATE_PLUGGED);
    /* What is an error or a no is so now, too. */
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ERROR);
    config_notified(mem);
    g_assert_false(notified_within(mem, 300));

    cancel();
    g_assert_true(notified_within(mem, 1000));
    g_assert_false(notified_within(mem, 300));
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 8, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    leave(side);
    unlink(path);
}

static void not_told_when_not_refused(void)
{
    g_autofree char *path = temporary_file();
    Side *side = source(NEW);

    resize(256 * MiB);
    migrate_slowly(path);
    config_notified(&side->mem);
    cancel();
    g_assert_false(notified_within(&side->mem, 500));
    leave(side);
    unlink(path);
}

/* Memory stays plugged; the next driver unplugs it as soon as it can. */
static void system_reset_while_migrating(void)
{
    g_autofree char *path = temporary_file();
    Side *side = source(NEW);
    QVirtioMEM *mem = &side->mem;

    resize(256 * MiB);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    migrate_slowly(path);
    reset_system(mem);
    g_assert_cmpuint(plugged_size(mem), ==, 8 * BLOCK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_BUSY);
    cancel();
    g_assert_true(notified_within(mem, 1000));
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    leave(side);
    unlink(path);
}

/* The guest may have been told to wait where it came from. */
static void told_when_arrived(const void *machine)
{
    g_autofree char *path = temporary_file();
    Side *from = source(machine), *to;

    resize(256 * MiB);
    g_assert_true(config_notified(&from->mem));     /* of that */
    save(from, path);
    to = boot(machine, MEMORY, "", "-S -incoming defer");
    load(to, path);
    g_assert_false(notified_within(&to->mem, 300));
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    g_assert_true(notified_within(&to->mem, 1000));
    g_assert_false(notified_within(&to->mem, 300));
    leave(to);
    leave(from);
    unlink(path);
}

/* Nobody answers while the VM is stopped; the other side does. */
static void requests_are_answered_on_the_other_side(void)
{
    const Request requests[] = {
        { VIRTIO_MEM_REQ_PLUG, 4 * GiB, 8 },
        { VIRTIO_MEM_REQ_UNPLUG, 4 * GiB + 2 * BLOCK, 3 },
        { VIRTIO_MEM_REQ_STATE, 4 * GiB + 2 * BLOCK, 3 },
    };
    g_autofree char *path = temporary_file();
    Side *from = source(NEW), *to;
    Answer answers[ARRAY_SIZE(requests)];
    uint64_t buffers;

    resize(256 * MiB);
    g_assert_cmphex(block_addr(&from->mem, 0), ==, requests[0].addr);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    buffers = batch_send(&from->mem, requests, ARRAY_SIZE(requests));
    settle();
    g_assert_cmpuint(queried_size(), ==, 0);
    save(from, path);

    to = destination(NEW, "", "");
    load(to, path);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    /* The driver has moved as well. */
    to->mem.vq = from->mem.vq;
    to->mem.alloc = from->mem.alloc;
    batch_wait(&to->mem, buffers, answers, ARRAY_SIZE(requests));
    g_assert_cmpuint(answers[0].type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(answers[1].type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(answers[2].type, ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(answers[2].state, ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmpuint(queried_size(), ==, 5 * BLOCK);
    to->mem.vq = NULL;
    leave(to);
    leave(from);
    unlink(path);
}

/* --- snapshots ------------------------------------------------------------ */

static void snapshot_and_back(const void *machine)
{
    g_autofree char *path = temporary_file();
    Side *side = source(machine);
    QVirtioMEM *mem = &side->mem;
    Snapshot *before;

    add_snapshot_disk(path);
    resize(256 * MiB);
    plug_checkerboard(mem, 20);
    qtest_memset(global_qtest, block_addr(mem, 4), 0xa5, BLOCK);
    before = snapshot(mem);
    hmp("savevm one");

    /* Another life, in which nearly everything is different. */
    resize(1 * GiB);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 4, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 300, 50), ==,
                     VIRTIO_MEM_RESP_ACK);
    qtest_memset(global_qtest, block_addr(mem, 0), 0x11, BLOCK);
    qtest_memset(global_qtest, block_addr(mem, 300), 0x22, BLOCK);

    hmp("loadvm one");
    restart_driver(side);
    g_assert_cmphex(readb(block_addr(mem, 0)), ==, 0);
    g_assert_cmphex(readb(block_addr(mem, 4)), ==, 0xa5);
    g_assert_cmphex(readb(block_addr(mem, 300)), ==, 0);
    assert_unchanged(mem, before);
    leave(side);
    unlink(path);
}

/* --- what is refused ------------------------------------------------------ */

/* The source sent all it had, and lives. */
static void refused_source_goes_on(void)
{
    g_autofree char *path = temporary_file();
    Side *from = source(NEW), *to;

    resize(256 * MiB);
    save(from, path);
    to = destination(NEW, ",x-early-migration=off", "");
    load_fails(path);
    leave(to);
    turn_to(from);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    g_assert_cmpuint(request(&from->mem, VIRTIO_MEM_REQ_PLUG, 0, 8), ==,
                     VIRTIO_MEM_RESP_ACK);
    leave(from);
    unlink(path);
}

/* --- memory at load ------------------------------------------------------- */

/*
 * The backend is a file of this test, which is too small when the stream comes.
 */
static void prealloc_without_memory(void)
{
    g_autofree char *path = temporary_file(), *memory = NULL;
    const int fd = memfd_create("virtio-mem-test", 0);
    Side *from = source(NEW), *to;

    resize(256 * MiB);
    g_assert_cmpuint(request(&from->mem, VIRTIO_MEM_REQ_PLUG, 0, 128), ==,
                     VIRTIO_MEM_RESP_ACK);
    save(from, path);
    memory = g_strdup_printf(" -object memory-backend-file,id=mem0,share=on,"
                             "size=%llu,mem-path=/proc/%d/fd/%d,"
                             "x-use-canonical-path-for-ramblock-id=off",
                             REGION, getpid(), fd);
    to = boot(NEW, memory, ",prealloc=on", "-incoming defer");
    g_assert_cmpint(ftruncate(fd, 64 * MiB), ==, 0);
    load_fails(path);
    g_assert_cmpuint(queried_size(), ==, 0);
    leave(to);
    leave(from);
    close(fd);
    unlink(path);
}

static void prealloc_at_load(void)
{
    g_autofree char *path = temporary_file(), *memory = NULL;
    const int fd = memfd_create("virtio-mem-test", 0);
    Side *from = source(NEW), *to;
    struct stat file;

    resize(256 * MiB);
    g_assert_cmpuint(request(&from->mem, VIRTIO_MEM_REQ_PLUG, 0, 32), ==,
                     VIRTIO_MEM_RESP_ACK);
    save(from, path);
    memory = g_strdup_printf(" -object memory-backend-file,id=mem0,share=on,"
                             "size=%llu,mem-path=/proc/%d/fd/%d,"
                             "x-use-canonical-path-for-ramblock-id=off",
                             REGION, getpid(), fd);
    to = boot(NEW, memory, ",prealloc=on", "-incoming defer");
    load(to, path);
    g_assert_cmpint(fstat(fd, &file), ==, 0);
    g_assert_cmpuint(file.st_blocks * 512, ==, 32 * BLOCK);
    leave(to);
    leave(from);
    close(fd);
    unlink(path);
}

/* -------------------------------------------------------------------------- */

static void add_both(const char *name, void (*function)(const void *))
{
    g_autofree char *early = g_strdup_printf("virtio-mem/migration/%s/early",
                                             name);
    g_autofree char *late = g_strdup_printf("virtio-mem/migration/%s/late",
                                            name);

    qtest_add_data_func(early, NEW, function);
    qtest_add_data_func(late, OLD, function);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add_both("round-trip", round_trip);
    add_both("discards-do-not-grow-with-holes", discards_at_load);
    add_both("guest-is-told-when-it-has-arrived", told_when_arrived);
    add_both("snapshot-and-back", snapshot_and_back);
    qtest_add_func("virtio-mem/migration/waiting-requests-move-too",
                   requests_are_answered_on_the_other_side);
    qtest_add_func("virtio-mem/migration/last-size-wins",
                   resize_while_migrating);
    qtest_add_func("virtio-mem/migration/busy-until-cancelled",
                   busy_until_cancelled);
    qtest_add_func("virtio-mem/migration/not-told-when-not-refused",
                   not_told_when_not_refused);
    qtest_add_func("virtio-mem/migration/system-reset-meanwhile",
                   system_reset_while_migrating);
    qtest_add_func("virtio-mem/migration/refused-source-goes-on",
                   refused_source_goes_on);
    qtest_add_func("virtio-mem/migration/prealloc-at-load", prealloc_at_load);
    qtest_add_func("virtio-mem/migration/prealloc-without-memory",
                   prealloc_without_memory);
    return g_test_run();
}
