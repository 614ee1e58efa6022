/*
 * virtio-mem: a QEMU that is kept in a sandbox, to a node of the host, or in a cgroup
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-sides.h"

/* As libvirt starts QEMU. */
#define SANDBOX " -sandbox on,obsolete=deny,elevateprivileges=deny," \
                "spawn=deny,resourcecontrol=deny"
#define ANONYMOUS " -object memory-backend-ram,id=mem0,size=16G,reserve=off"
#define MEMFD " -object memory-backend-memfd,id=mem0,size=16G,reserve=off"
#define PLUGGED (256 * MiB)     /* enough for several threads */

/* Was QEMU built without what @args need, as it then says? Skip. */
static bool built_without(const char *args, const char *without)
{
    g_autofree char *command = g_strdup_printf(
        "sh -c 'echo quit | timeout 60 %s -nodefaults -no-user-config"
        " -display none -machine none -accel qtest -monitor stdio %s 2>&1'",
        getenv("QTEST_QEMU_BINARY"), args);
    g_autofree char *output = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(command, &output, NULL, &status,
                                            NULL));
    if (strstr(output, without)) {
        g_test_skip(without);
        return true;
    }
    return false;
}

/* Plug a large range, and unplug it, each by one request. */
static void plug_and_unplug(Side *side, void (*look)(void))
{
    QVirtioMEM *mem = &side->mem;
    const uint16_t nb_blocks = PLUGGED / BLOCK;

    resize(PLUGGED);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, nb_blocks), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(queried_size(), ==, PLUGGED);
    look();
    resize(0);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, 0, nb_blocks), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(queried_size(), ==, 0);
}

static char *file_of_qemu(const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s",
                                            (int)qtest_pid(global_qtest), name);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* In bytes. */
static uint64_t resident(void)
{
    g_autofree char *status = file_of_qemu("status");
    const char *rss = strstr(status, "VmRSS:");

    g_assert_nonnull(rss);
    return g_ascii_strtoull(rss + strlen("VmRSS:"), NULL, 10) * 1024;
}

static void assert_populated(void)
{
    g_assert_cmpuint(resident(), >=, PLUGGED);
}

/* A filter is at work, and everything was populated nevertheless. */
static void assert_confined(void)
{
    g_autofree char *status = file_of_qemu("status");

    g_assert_nonnull(strstr(status, "\nSeccomp:\t2\n"));
    assert_populated();
}

/* A sanitizer looks for leaks from a new process, which the sandbox denies. */
static void forgo_leaks(void)
{
    const char *options = getenv("ASAN_OPTIONS");

    if (options) {
        g_autofree char *more = g_strconcat(options, ":detect_leaks=0", NULL);

        g_setenv("ASAN_OPTIONS", more, true);
    }
}

/*
 * The filter ends QEMU at some system calls and makes others fail, in threads
 * that are made later too.
 */
static void sandbox(const void *data)
{
    g_autofree char *asan = g_strdup(getenv("ASAN_OPTIONS"));
    g_autofree char *context = g_strdup_printf(
        MEMFD ",prealloc-context=tc -object thread-context,id=tc,"
        "cpu-affinity=%u", first_cpu());
    const char *const memory[] = {
        ANONYMOUS, MEMFD, MEMFD ",share=off", context,
    };

    if (built_without(SANDBOX, "-sandbox support is not enabled")) {
        return;
    }
    forgo_leaks();
    for (int i = 0; i < ARRAY_SIZE(memory); i++) {
        Side *side = boot_driver(NEW, memory[i],
                                 ",prealloc=on,prealloc-threads=4", SANDBOX);

        plug_and_unplug(side, assert_confined);
        leave(side);
    }
    if (asan) {
        g_setenv("ASAN_OPTIONS", asan, true);
    }
}

/* Some mapping is bound to the node and has pages, which are there. */
static void assert_bound(void)
{
    g_autofree char *maps = file_of_qemu("numa_maps");
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    unsigned bound = 0;

    for (char **line = lines; *line; line++) {
        bound += strstr(*line, " bind:0 ") && strstr(*line, " N0=");
    }
    g_assert_cmpuint(bound, >, 0);
    assert_populated();
}

static void host_nodes(const void *data)
{
    static const char *const memory[] = { ANONYMOUS, MEMFD };
    static const char bind[] = ",host-nodes=0,policy=bind";

    if (built_without(ANONYMOUS ",host-nodes=0,policy=bind",
                      "NUMA node binding are not supported by this QEMU")) {
        return;
    }
    for (int i = 0; i < ARRAY_SIZE(memory); i++) {
        g_autofree char *bound = g_strconcat(memory[i], bind, NULL);
        Side *side = boot_driver(NEW, bound, ",prealloc=on", "");

        plug_and_unplug(side, assert_bound);
        leave(side);
    }
}

static uint64_t resident_with(const char *memory)
{
    Side *side = boot(NEW, memory, "", " -m maxmem=600G");
    const uint64_t size = resident();

    leave(side);
    return size;
}

/*
 * What may never be plugged takes next to nothing: 3 bits a page were 48 MiB. With
 * MALLOC_PERTURB_, which meson sets, glibc writes to memory that is zero already.
 */
static void price_of_the_maximum(const void *unused)
{
    g_autofree char *perturb = g_strdup(getenv("MALLOC_PERTURB_"));
    uint64_t little, much;

#ifdef __SANITIZE_ADDRESS__
    g_test_skip("the memory of AddressSanitizer grows with that of QEMU");
    return;
#endif
    g_unsetenv("MALLOC_PERTURB_");
    little = resident_with(
        " -object memory-backend-ram,id=mem0,size=8G,reserve=off");
    much = resident_with(
        " -object memory-backend-ram,id=mem0,size=512G,reserve=off");
    if (perturb) {
        g_setenv("MALLOC_PERTURB_", perturb, true);
    }
    g_assert_cmpuint(much, <, little + 5 * MiB);
}

/* Else Linux maps no huge pages of it, with shmem_enabled=advise either. */
static void aligned(const void *unused)
{
    Side *side = boot(NEW, MEMFD, "", "");
    g_autofree char *maps = file_of_qemu("maps");
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    unsigned found = 0;

    for (char **line = lines; *line; line++) {
        if (strstr(*line, "memfd:memory-backend-memfd")) {
            g_assert_cmpuint(g_ascii_strtoull(*line, NULL, 16) % (2 * MiB), ==,
                             0);
            found++;
        }
    }
    g_assert_cmpuint(found, ==, 1);
    leave(side);
}

/* --- a cgroup ------------------------------------------------------------- */

#define LIMIT (512 * MiB)

typedef struct Cgroup {
    char *path;
    const char *limit;          /* file */
} Cgroup;

static bool cgroup_write(const Cgroup *cgroup, const char *name, uint64_t value)
{
    g_autofree char *path = g_build_filename(cgroup->path, name, NULL);
    g_autofree char *text = g_strdup_printf("%" PRIu64, value);
    const int fd = open(path, O_WRONLY);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) > 0;

    if (fd >= 0) {
        close(fd);
    }
    return written;
}

/* With a limit; of version 1 or 2, where its memory is controlled. */
static bool cgroup_make(Cgroup *cgroup)
{
    static const char *const versions[][2] = {
        { "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
        { "/sys/fs/cgroup", "memory.max" },
    };

    for (int i = 0; i < ARRAY_SIZE(versions); i++) {
        cgroup->path = g_strdup_printf("%s/virtio-mem-test-%d", versions[i][0],
                                       (int)getpid());
        cgroup->limit = versions[i][1];
        if (!mkdir(cgroup->path, 0700)) {
            if (cgroup_write(cgroup, cgroup->limit, LIMIT)) {
                return true;
            }
            rmdir(cgroup->path);
        }
        g_free(cgroup->path);
    }
    g_test_skip("no cgroup that limits memory can be made here");
    return false;
}

/* Linux takes a moment to see that nobody is in it any more. */
static void cgroup_remove(Cgroup *cgroup)
{
    const gint64 until = g_get_monotonic_time() + TIMEOUT_US;

    while (rmdir(cgroup->path)) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        g_usleep(10000);
    }
    g_free(cgroup->path);
}

/*
 * A guest asks for more than QEMU's cgroup may have. Faulted in, Linux would kill
 * QEMU for it. It is a shortage as any other: the guest is told to wait, and to try
 * again, and the memory comes when the limit is raised.
 */
static void cgroup_limit(const void *memory)
{
    const uint16_t nb_blocks = GiB / BLOCK;
    QVirtioMEM *mem;
    Cgroup cgroup;
    QDict *info;
    Side *side;

    if (!cgroup_make(&cgroup)) {
        return;
    }
    side = boot_driver(NEW, memory, ",prealloc=on", "");
    mem = &side->mem;
    g_assert_true(cgroup_write(&cgroup, "cgroup.procs",
                               qtest_pid(global_qtest)));
    resize(2 * GiB);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, nb_blocks), ==,
                     VIRTIO_MEM_RESP_BUSY);
    info = queried_device();
    g_assert_cmpstr(qdict_get_str(qdict_get_qdict(info, "resize"), "reason"),
                    ==, "host-memory");
    qobject_unref(info);
    /* What had been there went back: else there would be no room for this. */
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, nb_blocks / 4), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, nb_blocks, nb_blocks),
                     ==, VIRTIO_MEM_RESP_BUSY);
    g_assert_true(cgroup_write(&cgroup, cgroup.limit, 4 * LIMIT));
    qvirtio_wait_config_isr(mem->vdev, TIMEOUT_US);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, nb_blocks, nb_blocks),
                     ==, VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(queried_size(), ==, GiB + GiB / 4);
    g_assert_cmpuint(resident(), >=, GiB + GiB / 4);
    leave(side);
    cgroup_remove(&cgroup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("virtio-mem/host/sandbox", NULL, sandbox);
    qtest_add_data_func("virtio-mem/host/nodes", NULL, host_nodes);
    qtest_add_data_func("virtio-mem/host/price-of-the-maximum", NULL,
                        price_of_the_maximum);
    qtest_add_data_func("virtio-mem/host/aligned", NULL, aligned);
    qtest_add_data_func("virtio-mem/host/cgroup/anonymous", ANONYMOUS,
                        cgroup_limit);
    qtest_add_data_func("virtio-mem/host/cgroup/memfd", MEMFD, cgroup_limit);
    return g_test_run();
}
