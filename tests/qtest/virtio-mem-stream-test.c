/*
 * virtio-mem: streams that no device of ours has written
 *
 * A migration comes from another host, a snapshot from a file: neither may
 * harm QEMU, whatever is in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "virtio-mem-stream.h"

#define LOADS 200           /* unless VIRTIO_MEM_LOADS says otherwise */

/* A QEMU that loads it ends by itself, with status 1 and one of the messages. */
static void assert_refused_by(const Stream *s, const char *line,
                              const char *message, const char *or)
{
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
    g_assert_true(strstr(output, message) || (or && strstr(output, or)));
}

static void assert_refused(const Stream *s, const char *machine,
                           const char *message)
{
    g_autofree char *line = command_line(machine, MEMORY, "", "");

    assert_refused_by(s, line, message, NULL);
}

typedef struct Difference {
    const char *memory;
    const char *options;
    const char *message;
    const char *or;
} Difference;

/* Where RAM is loaded first, a smaller or larger backend is refused with it. */
static const Difference differences[] = {
    { MEMORY, ",memaddr=0x180000000", "'memaddr' differs:"
      " 0x100000000 in the stream, 0x180000000 here" },
    { MEMORY, ",block-size=4M", "'block-size' differs:"
      " 0x200000 in the stream, 0x400000 here" },
    { MEMORY, ",node=0", "'node' differs: 0x1 in the stream, 0x0 here" },
    { " -object memory-backend-ram,id=mem0,size=8G", "",
      "the size of 'memdev' differs: 0x400000000 in the stream, 0x200000000 here",
      "Size mismatch: " PLACE "mem0: 0x400000000 != 0x200000000" },
};

static void configured_differently(const void *machine)
{
    Stream *s = stream(machine);

    for (unsigned i = 0; i < ARRAY_SIZE(differences); i++) {
        const Difference *d = &differences[i];
        g_autofree char *line = command_line(machine, d->memory, d->options,
                                             "");

        assert_refused_by(s, line, d->message, d->or);
    }
    stream_free(s);
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

/* --- random damage -------------------------------------------------------- */

typedef struct Window {
    gsize start;
    gsize size;
} Window;

/*
 * What is ours of the section of the virtio device. The rest, PCI and virtio
 * state, is left alone: QEMU 10.0 aborts on some of what can be made of it
 * (interrupt counts, a ring of size 0).
 */
static Window device_part(const Stream *s)
{
    const gsize start = offset_of(s, s->early ? USABLE : ADDR);
    const gsize end = offset_of(s, s->early ? REQUESTED : BITMAP_END) + 8;

    return (Window) { start, end - start };
}

/*
 * All of the section that comes early but its name: with another, QEMU 10.0
 * takes it for the state of another device, and remembers a wrong version.
 */
static Window early_section(const Stream *s)
{
    const gsize start = offset_of(s, ADDR);

    return (Window) { start, offset_of(s, BITMAP_END) + 8 - start };
}

static uint64_t interesting(GRand *rand)
{
    static const uint64_t values[] = {
        0, 1, BLOCK, REGION, REGION + BLOCK, UINT64_MAX, INT64_MIN, BLOCK - 1,
        0x100000000, 0x7fffffff,
    };

    return values[g_rand_int_range(rand, 0, ARRAY_SIZE(values))];
}

/* Change something inside @data. */
static void damage(GRand *rand, char *data, gsize size)
{
    const gsize at = g_rand_int_range(rand, 0, size);
    const gsize n = MIN((gsize)g_rand_int_range(rand, 1, 16), size - at);

    switch (g_rand_int_range(rand, 0, 8)) {
    case 0:
        memset(data + at, 0, size - at);                    /* cut off */
        break;
    case 1:
        memmove(data + at, data + at + n, size - at - n);   /* left out */
        break;
    case 2:
        memmove(data + at + n, data + at, size - at - n);   /* repeated */
        break;
    case 3:
    case 4:
        if (size - at >= 8) {
            stq_be_p(data + at, interesting(rand));
        }
        break;
    default:
        data[at] ^= 1 << g_rand_int_range(rand, 0, 8);
    }
}

/* Have the file in memory; what is written there is in the file at once. */
static void map_file(Stream *s, const char *path)
{
    const int fd = open(path, O_RDWR);
    struct stat file;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fstat(fd, &file), ==, 0);
    s->size = file.st_size;
    s->data = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(s->data != MAP_FAILED);
    close(fd);
}

static bool try_load(void)
{
    g_autofree char *answer = qtest_hmp(global_qtest, "loadvm one");

    return !*answer;
}

/*
 * One QEMU loads them all: a snapshot, which the test changes on disk. What a
 * load leaves behind must be a device that works.
 */
static void random_damage(const void *machine)
{
    const uint32_t seed = number_from_env("VIRTIO_MEM_SEED", g_random_int());
    const uint64_t loads = number_from_env("VIRTIO_MEM_LOADS", LOADS);
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autofree char *path = temporary_file();
    Side *side = sender(machine);
    Stream disk = { 0 };
    Window windows[2];
    uint64_t loaded = 0;

    g_test_message("VIRTIO_MEM_SEED=%" PRIu32 " VIRTIO_MEM_LOADS=%" PRIu64,
                   seed, loads);
    add_snapshot_disk(path);
    hmp("savevm one");
    map_file(&disk, path);
    dissect(&disk, side, machine);
    windows[0] = device_part(&disk);
    windows[1] = disk.early ? early_section(&disk) : windows[0];

    for (uint64_t i = 0; i < loads; i++) {
        /* One of them: QEMU may write to the rest of the file. */
        const Window where = windows[g_rand_int_range(rand, 0, 2)];
        g_autofree char *right = g_memdup2(disk.data + where.start, where.size);

        for (int n = g_rand_int_range(rand, 1, 4); n; n--) {
            damage(rand, disk.data + where.start, where.size);
        }
        loaded += try_load();
        g_assert_cmpuint(queried_size() % BLOCK, ==, 0);
        memcpy(disk.data + where.start, right, where.size);
        if (i % 16 == 15 || i == loads - 1) {
            hmp("loadvm one");
            g_assert_cmpuint(queried_size(), ==, 65 * BLOCK);
        }
    }
    g_test_message("%" PRIu64 " of %" PRIu64 " loaded", loaded, loads);
    g_assert_cmpuint(loaded, <, loads);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    restart_driver(side);
    g_assert_cmpuint(state_of(&side->mem, 2, 64), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    leave(side);
    munmap(disk.data, disk.size);
    unlink(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*function)(const void *);
    } tests[] = {
        { "configured-differently", configured_differently },
        { "corrupted", corrupted },
        { "truncated", truncated },
        { "random-damage", random_damage },
    };

    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *early = g_strdup_printf("virtio-mem/stream/%s/early",
                                                 tests[i].name);
        g_autofree char *late = g_strdup_printf("virtio-mem/stream/%s/late",
                                                tests[i].name);

        qtest_add_data_func(early, NEW, tests[i].function);
        qtest_add_data_func(late, OLD, tests[i].function);
    }
    qtest_add_func("virtio-mem/stream/no-early-section", no_early_section);
    qtest_add_func("virtio-mem/stream/made-up-section", made_up_section);
    return g_test_run();
}
