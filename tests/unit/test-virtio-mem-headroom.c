/*
 * virtio-mem, headroom: the limits of hosts, as their kernels tell of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "virtio-mem/headroom.h"
#include "unit.h"

#define GiB (1024 * MiB)

#define MEMINFO "MemTotal: 16777216 kB\nMemFree: 1 kB\n" \
                "MemAvailable:   8388608 kB\n"
#define V2 "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n"
#define V1 "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" \
           "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" \
           "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

#define HOST(own, mounts)                   \
    { "proc/meminfo", MEMINFO },            \
    { "proc/self/cgroup", own },            \
    { "proc/self/mountinfo", mounts }
/* Of version 2: what it may have, and has. */
#define LIMITED(path, max, current)                                 \
    { "sys/fs/cgroup/" path "/memory.max", max "\n" },              \
    { "sys/fs/cgroup/" path "/memory.current", current "\n" }

typedef struct File {
    const char *path, *text;
} File;

typedef struct Case {
    const char *name;
    File files[12];
    uint64_t headroom;
    unsigned cgroups;           /* with a limit */
    const char *first;
} Case;

static const Case cases[] = {
    {
        .name = "nothing-is-known",
        .headroom = UINT64_MAX,
    }, {
        .name = "host/alone",
        .files = { { "proc/meminfo", MEMINFO } },
        .headroom = 8 * GiB,
    }, {
        .name = "host/swap",
        .files = { { "proc/meminfo", MEMINFO "SwapFree: 1048576 kB\n" } },
        .headroom = 9 * GiB,
    }, {
        .name = "version-2/no-limit",
        .files = {
            HOST("0::/vm.slice/one\n", V2),
            LIMITED("vm.slice/one", "max", "12345678"),
        },
        .headroom = 8 * GiB,
    }, {
        .name = "version-2/own",
        .files = {
            HOST("0::/vm.slice/one\n", V2),
            LIMITED("vm.slice/one", "1073741824", "805306368"),
        },
        .headroom = 256 * MiB,
        .cgroups = 1,
        .first = "/sys/fs/cgroup/vm.slice/one",
    }, {
        .name = "version-2/above",
        .files = {
            HOST("0::/vm.slice/one\n", V2),
            LIMITED("vm.slice/one", "1073741824", "805306368"),
            LIMITED("vm.slice", "4294967296", "4227858432"),
        },
        .headroom = 64 * MiB,
        .cgroups = 2,
        .first = "/sys/fs/cgroup/vm.slice/one",
    }, {
        .name = "version-2/caches",
        .files = {
            HOST("0::/one\n", V2),
            LIMITED("one", "1073741824", "1073741824"),
            { "sys/fs/cgroup/one/memory.stat",
              "anon 900000000\nfile 5242880\nworkingset_active_file 7\n"
              "inactive_file 1048576\nactive_file 2097152\n"
              "slab_reclaimable 4194304\n" },
        },
        .headroom = 7 * MiB,
        .cgroups = 1,
        .first = "/sys/fs/cgroup/one",
    }, {
        .name = "version-2/swap",
        .files = {
            { "proc/meminfo", MEMINFO "SwapFree: 1048576 kB\n" },
            { "proc/self/cgroup", "0::/one\n" },
            { "proc/self/mountinfo", V2 },
            LIMITED("one", "1073741824", "1073741824"),
            { "sys/fs/cgroup/one/memory.swap.max", "16777216\n" },
            { "sys/fs/cgroup/one/memory.swap.current", "4194304\n" },
        },
        .headroom = 12 * MiB,
        .cgroups = 1,
        .first = "/sys/fs/cgroup/one",
    }, {
        .name = "version-2/more-than-its-limit",
        .files = {
            HOST("0::/one\n", V2),
            LIMITED("one", "1048576", "1073741824"),
        },
        .headroom = 0,
        .cgroups = 1,
        .first = "/sys/fs/cgroup/one",
    }, {
        .name = "version-2/container",     /* its cgroup is mounted as the root */
        .files = {
            HOST("0::/\n", V2),
            { "sys/fs/cgroup/memory.max", "1073741824\n" },
            { "sys/fs/cgroup/memory.current", "0\n" },
        },
        .headroom = GiB,
        .cgroups = 1,
        .first = "/sys/fs/cgroup",
    }, {
        .name = "version-1/own",
        .files = {
            HOST("5:devices:/\n4:memory:/vm/one\n1:cpu:/\n0::/\n", V1),
            { "sys/fs/cgroup/memory/memory.limit_in_bytes",
              "9223372036854771712\n" },
            { "sys/fs/cgroup/memory/memory.usage_in_bytes", "805306368\n" },
            { "sys/fs/cgroup/memory/vm/one/memory.limit_in_bytes",
              "1073741824\n" },
            { "sys/fs/cgroup/memory/vm/one/memory.usage_in_bytes",
              "1073741824\n" },
            { "sys/fs/cgroup/memory/vm/one/memory.stat",
              "inactive_file 1\ntotal_inactive_file 1048576\n" },
        },
        .headroom = MiB,
        .cgroups = 1,
        .first = "/sys/fs/cgroup/memory/vm/one",
    }, {
        .name = "version-1/container",
        .files = {
            { "proc/meminfo", MEMINFO },
            { "proc/self/cgroup", "4:cpu,memory:/docker/0123\n0::/\n" },
            { "proc/self/mountinfo",
              "35 31 0:32 /docker/0123 /sys/fs/cgroup/cpu,memory rw - cgroup"
              " cgroup rw,cpu,memory\n" },
            { "sys/fs/cgroup/cpu,memory/memory.limit_in_bytes",
              "2097152\n" },
            { "sys/fs/cgroup/cpu,memory/memory.usage_in_bytes", "1048576\n" },
        },
        .headroom = MiB,
        .cgroups = 1,
        .first = "/sys/fs/cgroup/cpu,memory",
    },
};

static void remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *inner = g_build_filename(path, name, NULL);

        remove_tree(inner);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void test_case(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *dir = g_dir_make_tmp("headroom-XXXXXX", NULL);
    GArray *cgroups;

    for (const File *file = c->files; file->path; file++) {
        g_autofree char *path = g_build_filename(dir, file->path, NULL);
        g_autofree char *parent = g_path_get_dirname(path);

        g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, file->text, -1, NULL));
    }
    g_assert_cmpuint(virtio_mem_headroom(dir), ==, c->headroom);
    cgroups = virtio_mem_headroom_cgroups(dir);
    g_assert_cmpuint(cgroups->len, ==, c->cgroups);
    if (c->first) {
        g_autofree char *path = g_strconcat(dir, c->first, NULL);

        g_assert_cmpstr(g_array_index(cgroups, VirtIOMEMCgroup, 0).path, ==,
                        path);
    }
    g_array_unref(cgroups);
    remove_tree(dir);
}

/* Whatever this host says, something is known, and it is believable. */
static void test_this_host(void)
{
    const uint64_t headroom = virtio_mem_headroom("");

    g_assert_cmpuint(virtio_mem_headroom_available(""), >, 0);
    g_assert_cmpuint(headroom, <, 1ULL << 56);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/virtio-mem/headroom/",
                                            cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/virtio-mem/headroom/this-host", test_this_host);
    return g_test_run();
}
