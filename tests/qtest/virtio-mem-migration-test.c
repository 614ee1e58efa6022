/*
 * virtio-mem: migration, as far as it can be seen without a guest
 *
 * Two QEMUs, mostly with a file between them: what is in the stream, what is
 * done when it is loaded, and what is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "libqos/libqos-pc.h"
#include "virtio-mem-snapshot.h"

#define DEVFN QPCI_DEVFN(4, 0)
#define EARLY "0000:00:04.0/virtio-mem-device-early"
#define NEW "pc"                    /* blocks come early */
#define OLD "pc-i440fx-7.2"         /* blocks come with the rest */
#define MEMORY " -object memory-backend-ram,id=mem0,size=16G,reserve=off"
#define LOAD_TIMEOUT_US (60 * 1000 * 1000)

/* --- the two sides -------------------------------------------------------- */

typedef struct Side {
    QOSState *qs;
    QVirtioPCIDevice *pci;
    QVirtioMEM mem;
} Side;

static char *command_line(const char *machine, const char *memory,
                          const char *options, const char *more)
{
    return g_strdup_printf("-machine %s -nodefaults -m 256M,maxmem=64G"
                           " -object memory-backend-ram,id=boot,size=256M"
                           " -numa node,nodeid=0,memdev=boot"
                           " -numa node,nodeid=1%s"
                           " -device virtio-mem-pci,id=" QVIRTIO_MEM_ID
                           ",memdev=mem0,node=1,block-size=2M,addr=04.0%s %s",
                           machine, memory, options, more);
}

/* The helpers of a driver's view speak to one QEMU at a time. */
static QVirtioMEM *turn_to(Side *side)
{
    global_qtest = side->qs->qts;
    return &side->mem;
}

static void look_at_device(Side *side)
{
    side->pci = virtio_pci_new(side->qs->pcibus, &(QPCIAddress) {
        .devfn = DEVFN,
    });
    side->mem.vdev = &side->pci->vdev;
    side->mem.alloc = &side->qs->alloc;
    qvirtio_pci_device_enable(side->pci);
}

static Side *boot(const char *machine, const char *memory, const char *options,
                  const char *more)
{
    g_autofree char *line = command_line(machine, memory, options, more);
    Side *side = g_new0(Side, 1);

    side->qs = qtest_pc_boot("%s", line);
    turn_to(side);
    return side;
}

/* One that runs, with a driver. */
static Side *source(const char *machine)
{
    Side *side = boot(machine, MEMORY, "", "");

    look_at_device(side);
    qvirtio_start_device(side->mem.vdev);
    qvirtio_mem_start(&side->mem, qvirtio_mem_usable_features(&side->mem));
    return side;
}

static Side *destination(const char *machine, const char *options,
                         const char *more)
{
    g_autofree char *incoming = g_strdup_printf("-incoming defer %s", more);

    return boot(machine, MEMORY, options, incoming);
}

static void leave(Side *side)
{
    turn_to(side);
    if (side->mem.vq) {
        qvirtqueue_cleanup(side->mem.vdev->bus, side->mem.vq, side->mem.alloc);
    }
    if (side->pci) {
        qvirtio_pci_device_disable(side->pci);
        g_free(side->pci->pdev);
        g_free(side->pci);
    }
    qtest_shutdown(side->qs);
    g_free(side);
}

/* --- migrating ------------------------------------------------------------ */

static char *status_of(const char *command)
{
    g_autofree char *text = g_strdup_printf("{ 'execute': '%s' }", command);
    QDict *rsp = qtest_qmp(global_qtest, "%p", qobject_from_json(text, NULL));
    char *status = g_strdup(
        qdict_get_try_str(qdict_get_qdict(rsp, "return"), "status"));

    qobject_unref(rsp);
    return status;
}

static void wait_for(const char *command, const char *wanted)
{
    const gint64 end = g_get_monotonic_time() + LOAD_TIMEOUT_US;

    for (;;) {
        g_autofree char *status = status_of(command);

        if (!g_strcmp0(status, wanted)) {
            return;
        }
        g_assert_cmpstr(status, !=, "failed");
        g_assert_cmpstr(status, !=, "completed");
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static void set_bandwidth(uint64_t bytes)
{
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-set-parameters',"
                             "  'arguments': { 'max-bandwidth': %" PRIu64
                             " } }", bytes);
}

static void start_migration(const char *command, const char *path)
{
    g_autofree char *uri = g_strconcat("file:", path, NULL);

    qtest_qmp_assert_success(global_qtest, "{ 'execute': %s,"
                             "  'arguments': { 'uri': %s } }", command, uri);
}

/* Save a VM that goes on to run. */
static void save(Side *side, const char *path)
{
    turn_to(side);
    set_bandwidth(1 * GiB);
    start_migration("migrate", path);
    wait_for("query-migrate", "completed");
}

/* Load it, look at the device and do not run it yet. */
static void load(Side *side, const char *path)
{
    turn_to(side);
    start_migration("migrate-incoming", path);
    wait_for("query-migrate", "completed");
    look_at_device(side);
}

/* Try to, with a QEMU that goes on to run when it cannot. */
static void load_fails(const char *path)
{
    g_autofree char *uri = g_strconcat("file:", path, NULL);

    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'migrate-incoming', 'arguments':"
                             "  { 'uri': %s, 'exit-on-error': false } }", uri);
    wait_for("query-migrate", "failed");
}

/* The driver of the source is not known here: start another one. */
static QVirtioMEM *restart_driver(Side *side)
{
    qvirtio_start_device(side->mem.vdev);
    qvirtio_mem_start(&side->mem, qvirtio_mem_usable_features(&side->mem));
    return turn_to(side);
}

/* A migration that is still on its way when this returns. */
static void migrate_slowly(const char *path)
{
    set_bandwidth(1000);
    start_migration("migrate", path);
    wait_for("query-migrate", "active");
}

static void cancel(void)
{
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate_cancel' }");
    wait_for("query-migrate", "cancelled");
}

static char *temporary_file(void)
{
    char *path = NULL;
    const int fd = g_file_open_tmp("virtio-mem-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return path;
}

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

static unsigned count_discards(const char *log)
{
    g_autofree char *text = NULL;
    unsigned discards = 0;

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    for (const char *s = text; (s = strstr(s, "ram_block_discard_range "));
         s++) {
        discards++;
    }
    return discards;
}

/* However many holes there are: one at start, and one before RAM comes. */
static void discards_at_load(const void *machine)
{
    g_autofree char *path = temporary_file(), *log = temporary_file();
    g_autofree char *trace = g_strdup_printf(
        "-trace ram_block_discard_range -D %s", log);
    Side *from = source(machine), *to;

    resize(8 * GiB);
    plug_checkerboard(&from->mem, 4096);
    save(from, path);
    to = destination(machine, "", trace);
    g_assert_cmpuint(count_discards(log), ==, 1);
    load(to, path);
    g_assert_cmpuint(queried_size(), ==, 4 * GiB);
    g_assert_cmpuint(count_discards(log), ==, 2);
    leave(to);
    leave(from);
    unlink(log);
    unlink(path);
}

/* --- while it runs -------------------------------------------------------- */

static bool notified_within(QVirtioMEM *mem, unsigned ms)
{
    while (!config_notified(mem)) {
        if (!ms--) {
            return false;
        }
        g_usleep(1000);
    }
    return true;
}

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

/* --- snapshots ------------------------------------------------------------ */

static void add_snapshot_disk(const char *path)
{
    QDict *job;
    const gint64 end = g_get_monotonic_time() + LOAD_TIMEOUT_US;

    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'file',"
        "  'node-name': 'file', 'filename': %s } }", path);
    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'blockdev-create', 'arguments': { 'job-id': 'format',"
        "  'options': { 'driver': 'qcow2', 'file': 'file',"
        "               'size': 1048576 } } }");
    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        job = qtest_qmp(global_qtest, "{ 'execute': 'job-dismiss',"
                        "  'arguments': { 'id': 'format' } }");
        if (!qdict_haskey(job, "return")) {
            qobject_unref(job);
            job = NULL;
            g_usleep(1000);
        }
    } while (!job);
    qobject_unref(job);
    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'qcow2',"
        "  'node-name': 'disk', 'file': 'file' } }");
}

static void hmp(const char *line)
{
    g_autofree char *answer = qtest_hmp(global_qtest, "%s", line);

    g_assert_cmpstr(answer, ==, "");
}

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

/* Bytes, in the order of a stream. */
typedef struct Stream {
    char *path;
    char *data;
    gsize size;
    gsize early;            /* where the section of that name starts, or 0 */
    gsize identity;         /* addr, region, block: u64 each; node: u32 */
    gsize sizes;            /* requested size; the usable one is before it */
} Stream;

static gsize find(const Stream *s, const uint64_t *values, unsigned nb)
{
    g_autofree uint64_t *wanted = g_new(uint64_t, nb);
    const char *found;

    for (unsigned i = 0; i < nb; i++) {
        wanted[i] = cpu_to_be64(values[i]);
    }
    found = memmem(s->data, s->size, wanted, nb * sizeof(uint64_t));
    g_assert_nonnull(found);
    return found - s->data;
}

/* Blocks 0 and 2 to 65 are plugged, of a requested size of 256 MiB. */
static Stream *stream(const char *machine)
{
    Stream *s = g_new0(Stream, 1);
    Side *side = source(machine);
    QVirtioMEM *mem = &side->mem;
    const uint64_t identity[] = { block_addr(mem, 0), REGION, BLOCK };
    const uint64_t sizes_early[] = { 512 * MiB, 256 * MiB };
    const uint64_t sizes_late[] = { 512 * MiB, 65 * BLOCK, 256 * MiB };
    const bool late = !strcmp(machine, OLD);

    resize(256 * MiB);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 2, 64), ==,
                     VIRTIO_MEM_RESP_ACK);
    s->path = temporary_file();
    save(side, s->path);
    leave(side);

    g_assert_true(g_file_get_contents(s->path, &s->data, &s->size, NULL));
    s->identity = find(s, identity, 3);
    s->sizes = late ? find(s, sizes_late, 3) + 16 : find(s, sizes_early, 2) + 8;
    if (!late) {
        const char *name = memmem(s->data, s->size, EARLY, strlen(EARLY));

        g_assert_nonnull(name);
        s->early = name - s->data - 1 - 5;   /* length; type and section id */
    }
    return s;
}

static void stream_free(Stream *s)
{
    unlink(s->path);
    g_free(s->path);
    g_free(s->data);
    g_free(s);
}

/* A QEMU that loads it ends by itself, with status 1 and this message. */
static void assert_refused(const Stream *s, const char *machine,
                           const char *message)
{
    g_autofree char *line = command_line(machine, MEMORY, "", "");
    g_autofree char *command = NULL, *output = NULL;
    int status;

    g_assert_true(g_file_set_contents(s->path, s->data, s->size, NULL));
    command = g_strdup_printf("timeout 60 %s %s -accel qtest -display none -S"
                              " -incoming file:%s",
                              getenv("QTEST_QEMU_BINARY"), line, s->path);
    g_assert_true(g_spawn_command_line_sync(command, NULL, &output, &status,
                                            NULL));
    g_test_message("%s", output);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(output, message));
}

typedef enum Field { ADDR, REGION_SIZE, BLOCK_SIZE, NODE, PLUGGED, BITMAP,
                     BITMAP_END, USABLE, REQUESTED } Field;

/* Where it is, in both forms of the stream. */
static gsize offset_of(const Stream *s, Field field)
{
    const gsize identity_end = s->identity + 28;
    const gsize bitmap = s->early ? identity_end + 8 : s->sizes + 8;

    switch (field) {
    case ADDR:
        return s->identity;
    case REGION_SIZE:
        return s->identity + 8;
    case BLOCK_SIZE:
        return s->identity + 16;
    case NODE:
        return s->identity + 20;    /* low half of an u64 is the node */
    case PLUGGED:
        return s->early ? identity_end : s->sizes - 8;
    case BITMAP:
        return bitmap;
    case BITMAP_END:
        return bitmap + REGION / BLOCK / 8 - 8;
    case USABLE:
        return s->early ? s->sizes - 8 : s->sizes - 16;
    case REQUESTED:
        return s->sizes;
    }
    g_assert_not_reached();
}

typedef struct Corruption {
    const char *name;
    Field field;
    uint64_t value;
    const char *message;
} Corruption;

static const Corruption corruptions[] = {
    { "memaddr", ADDR, 0x180000000,
      "'memaddr' differs: 0x180000000 in the stream, 0x1" },
    { "region", REGION_SIZE, 8 * GiB, "the size of 'memdev' differs:"
      " 0x200000000 in the stream, 0x400000000 here" },
    { "block-size", BLOCK_SIZE, 4 * MiB, "'block-size' differs:"
      " 0x400000 in the stream, 0x200000 here" },
    { "node", NODE, (BLOCK << 32) | 7,
      "'node' differs: 0x7 in the stream, 0x1 here" },
    { "size-is-not-that-of-the-blocks", PLUGGED, 66 * BLOCK,
      "'size' is 0x8400000, but its blocks are 0x8200000" },
    { "size-is-huge", PLUGGED, UINT64_MAX, "but its blocks are 0x8200000" },
    { "blocks-are-not-those-of-the-size", BITMAP, UINT64_MAX,
      "'size' is 0x8200000, but its blocks are 0x8400000" },
    { "one-block-more", BITMAP_END, 1, "but its blocks are" },
    { "requested-beyond-the-region", REQUESTED, REGION + BLOCK,
      "'requested-size' cannot exceed the memory backend size" },
    { "requested-unaligned", REQUESTED, 1 * MiB,
      "'requested-size' must be a multiple of the block size" },
    { "usable-beyond-the-region", USABLE, REGION + BLOCK,
      "the usable region of the stream (0x400200000) must be" },
    { "usable-unaligned", USABLE, 513 * MiB,
      "the usable region of the stream (0x20100000) must be" },
    { "usable-below-requested", USABLE, 128 * MiB,
      "the usable region of the stream (0x8000000) must be" },
};

static void write_be64(Stream *s, Field field, uint64_t value)
{
    stq_be_p(s->data + offset_of(s, field), value);
}

static uint64_t read_be64(const Stream *s, Field field)
{
    return ldq_be_p(s->data + offset_of(s, field));
}

static void corrupted(const void *machine)
{
    Stream *s = stream(machine);

    g_assert_cmphex(read_be64(s, PLUGGED), ==, 65 * BLOCK);
    g_assert_cmphex(read_be64(s, BITMAP), ==, UINT64_MAX & ~2ULL);
    for (unsigned i = 0; i < ARRAY_SIZE(corruptions); i++) {
        const Corruption *c = &corruptions[i];
        const uint64_t right = read_be64(s, c->field);

        g_test_message("%s", c->name);
        write_be64(s, c->field, c->value);
        assert_refused(s, machine, c->message);
        write_be64(s, c->field, right);
    }
    /* Two wrongs that agree with each other. */
    write_be64(s, BITMAP, UINT64_MAX & ~6ULL);
    write_be64(s, BITMAP_END, 1ull << 63);
    assert_refused(s, machine, "blocks plugged outside its usable region"
                   " (0x20000000)");
    stream_free(s);
}

static void truncated(const void *machine)
{
    Stream *s = stream(machine);
    const gsize cuts[] = {
        offset_of(s, ADDR) + 4, offset_of(s, NODE) + 5, offset_of(s, PLUGGED),
        offset_of(s, BITMAP) + 3, offset_of(s, BITMAP_END) + 1,
        offset_of(s, USABLE) + 1, offset_of(s, REQUESTED),
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
        s->size = cuts[i];
        assert_refused(s, machine, "load of migration failed");
    }
    stream_free(s);
}

/* Blocks that were to come early and do not. */
static void no_early_section(void)
{
    Stream *s = stream(NEW);
    const gsize name = s->early + 6;
    const gsize end = offset_of(s, BITMAP_END) + 8 + 5;     /* its footer */

    g_assert_cmphex(s->data[end - 5], ==, 0x7e);
    memmove(s->data + s->early, s->data + end, s->size - end);
    s->size -= end - s->early;
    g_assert_cmpint(name, <, s->size);
    assert_refused(s, NEW, "'x-early-migration' must be the same");
    stream_free(s);
}

/* A name that QEMU knows, but no stream has. */
static void made_up_section(void)
{
    static const char section[] = "\4\0\0\1\0\17virtio-mem-load\0\0\0\0\0\0\0\1";
    Stream *s = stream(NEW);

    memcpy(s->data + s->early, section, sizeof(section) - 1);
    assert_refused(s, NEW, "of device 'virtio-mem-load'");
    stream_free(s);
}

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
    add_both("corrupted-stream", corrupted);
    add_both("truncated-stream", truncated);
    qtest_add_func("virtio-mem/migration/last-size-wins",
                   resize_while_migrating);
    qtest_add_func("virtio-mem/migration/busy-until-cancelled",
                   busy_until_cancelled);
    qtest_add_func("virtio-mem/migration/not-told-when-not-refused",
                   not_told_when_not_refused);
    qtest_add_func("virtio-mem/migration/system-reset-meanwhile",
                   system_reset_while_migrating);
    qtest_add_func("virtio-mem/migration/no-early-section", no_early_section);
    qtest_add_func("virtio-mem/migration/made-up-section", made_up_section);
    qtest_add_func("virtio-mem/migration/refused-source-goes-on",
                   refused_source_goes_on);
    qtest_add_func("virtio-mem/migration/prealloc-at-load", prealloc_at_load);
    qtest_add_func("virtio-mem/migration/prealloc-without-memory",
                   prealloc_without_memory);
    return g_test_run();
}
