/*
 * virtio-mem: command lines that QEMU starts with, and what it warns of
 *
 * Also the default block size, as the kernel tells or hides the size of a huge
 * page: a directory is mounted over the one in sysfs, for QEMU alone. That
 * takes root; without it those tests are skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "libqtest.h"

#define MEMORY " -m 256M,maxmem=8G"
#define BACKEND " -object memory-backend-ram,id=mem0,size=1G,reserve=off"
#define DEVICE " -device virtio-mem-pci,id=vm0,memdev=mem0"
#define VM MEMORY BACKEND DEVICE

#define THP_DIR "/sys/kernel/mm/transparent_hugepage"
#define THP_FILE "hpage_pmd_size"

/*
 * Start QEMU, look at its memory devices and quit. Returns what the monitor
 * says; @warnings is what QEMU prints.
 *
 * @mount: directory that is mounted over THP_DIR for it, or NULL
 */
static char *look(const char *mount, const char *args, char **warnings)
{
    g_autofree char *before = mount ?
        g_strdup_printf("mount --bind %s " THP_DIR " &&", mount) :
        g_strdup("");
    g_autofree char *command =
        g_strdup_printf("%s printf '{\"execute\":\"qmp_capabilities\"}"
                        "{\"execute\":\"query-memory-devices\"}"
                        "{\"execute\":\"quit\"}' | timeout 60"
                        " %s -nodefaults -no-user-config -display none -S"
                        " -qmp stdio %s", before,
                        getenv("QTEST_QEMU_BINARY"), args);
    const char *argv[] = { "unshare", "-m", "sh", "-c", command, NULL };
    char *output;
    int status;

    g_test_message("%s", command);
    g_assert_true(g_spawn_sync(NULL, (char **)(mount ? argv : argv + 2), NULL,
                               G_SPAWN_SEARCH_PATH, NULL, NULL, &output,
                               warnings, &status, NULL));
    g_test_message("%s%s", output, *warnings);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    return output;
}

static uint64_t block_size_in(const char *output)
{
    static const char name[] = "\"block-size\": ";
    const char *member = strstr(output, name);

    g_assert_nonnull(member);
    return g_ascii_strtoull(member + strlen(name), NULL, 10);
}

/*
 * The device printed one warning that has @message in it, or none at all. (QEMU
 * itself may print others, for example of a deprecated machine type.)
 */
static void assert_warning(const char *warnings, const char *message)
{
    g_auto(GStrv) lines = g_strsplit(warnings, "\n", -1);
    int count = 0;

    for (int i = 0; lines[i]; i++) {
        if (strstr(lines[i], "warning: virtio-mem: ")) {
            g_assert_nonnull(message);
            g_assert_nonnull(strstr(lines[i], message));
            count++;
        }
    }
    g_assert_cmpint(count, ==, message ? 1 : 0);
}

/* --- what is warned of --------------------------------------------------- */

#define MEMFD(options) \
    MEMORY " -object memory-backend-memfd,id=mem0,size=64M,reserve=off"  \
    options DEVICE
#define RAM_SHARED \
    MEMORY " -object memory-backend-ram,id=mem0,size=64M,share=on" DEVICE
#define READS_COST                                                      \
    "'unplugged-inaccessible' is off, and memory backend 'mem0' has no"  \
    " shared zero page"
#define NOT_EARLY "'prealloc' is on and 'x-early-migration' is off"

typedef struct Warning {
    const char *path;
    const char *args;
    const char *warning;    /* NULL: none */
} Warning;

static const Warning warnings[] = {
    { "none/default", VM, NULL },
    { "none/memfd", MEMFD(""), NULL },
    { "none/prealloc", VM ",prealloc=on", NULL },
    { "none/late-migration", VM ",x-early-migration=off", NULL },
    { "none/old-machine", "-machine pc-q35-7.2" VM, NULL },
    { "none/old-machine-and-memfd", "-machine pc-q35-7.2" MEMFD(""), NULL },
    { "unplugged-inaccessible/off-and-zero-page",
      VM ",unplugged-inaccessible=off", NULL },
    { "unplugged-inaccessible/auto-and-memfd",
      MEMFD("") ",unplugged-inaccessible=auto", NULL },
    { "unplugged-inaccessible/off-and-memfd",
      MEMFD("") ",unplugged-inaccessible=off", READS_COST },
    { "unplugged-inaccessible/off-and-huge-pages",
      MEMFD(",hugetlb=on,hugetlbsize=2M") ",unplugged-inaccessible=off",
      READS_COST },
    { "unplugged-inaccessible/off-and-shared",
      RAM_SHARED ",unplugged-inaccessible=off", READS_COST },
    { "unplugged-inaccessible/off-by-machine-type",
      "-machine pc-q35-6.2" MEMFD(""), READS_COST },
    { "prealloc/late-migration", VM ",prealloc=on,x-early-migration=off",
      NOT_EARLY },
    { "prealloc/late-migration-by-machine-type",
      "-machine pc-q35-7.2" VM ",prealloc=on", NOT_EARLY },
};

static void warning(const void *data)
{
    const Warning *test = data;
    g_autofree char *printed = NULL;
    g_autofree char *output = look(NULL, test->args, &printed);

    assert_warning(printed, test->warning);
}

/* --- the default block size ---------------------------------------------- */

typedef struct HugePageSize {
    const char *path;
    const char *text;       /* of the kernel's file */
    bool unreadable;        /* it is a directory */
    const char *args;
    uint64_t block_size;    /* 0: what is usual on this host */
    const char *warning;
} HugePageSize;

static const HugePageSize huge_page_sizes[] = {
    { "told", "4194304\n", false, VM, 4 << 20 },
    { "absent", NULL, false, VM, 1 << 20 },
    { "told-and-block-size-equal", "4194304\n", false, VM ",block-size=4M",
      4 << 20 },
    { "told-and-block-size-above", "4194304\n", false, VM ",block-size=8M",
      8 << 20 },
    { "told-and-block-size-below", "4194304\n", false, VM ",block-size=2M",
      2 << 20, "'block-size' (2 MiB) is below the default (4 MiB)" },
    { "absent-and-smallest-block-size", NULL, false, VM ",block-size=1M",
      1 << 20 },
    { "unreadable", NULL, true, VM, 0, "'block-size' is the usual " },
    { "odd", "3145728\n", false, VM, 0, "'block-size' is the usual " },
    { "odd-and-set-by-user", "3145728\n", false, VM ",block-size=4M",
      4 << 20 },
    { "odd-and-two-devices", "lots\n", false, VM ",block-size=4M"
      " -object memory-backend-ram,id=mem1,size=1G,reserve=off"
      " -device virtio-mem-pci,id=vm1,memdev=mem1", 4 << 20,
      THP_DIR "/" THP_FILE " does not tell" },
    { "odd-and-huge-pages-of-the-backend", "lots\n", false, MEMORY
      " -object memory-backend-memfd,id=mem0,hugetlb=on,hugetlbsize=2M,"
      "size=64M,reserve=off" DEVICE, 2 << 20 },
};

/* Returns false when nobody may mount here. */
static bool can_mount(const char *dir)
{
    g_autofree char *command =
        g_strdup_printf("unshare -m mount --bind %s " THP_DIR, dir);
    int status;

    return g_spawn_command_line_sync(command, NULL, NULL, &status, NULL) &&
           !status;
}

static void huge_page_size(const void *data)
{
    const HugePageSize *test = data;
    const uint64_t page_size = qemu_real_host_page_size();
    const uint64_t usual = page_size * (page_size / sizeof(uint64_t));
    g_autofree char *dir = g_dir_make_tmp("virtio-mem-warn-test-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, THP_FILE, NULL);
    g_autofree char *warnings = NULL, *output = NULL;

    if (test->text) {
        g_assert_true(g_file_set_contents(file, test->text, -1, NULL));
    } else if (test->unreadable) {
        g_assert_cmpint(g_mkdir(file, 0700), ==, 0);
    }
    if (can_mount(dir)) {
        output = look(dir, test->args, &warnings);
        g_assert_cmphex(block_size_in(output), ==, test->block_size ?: usual);
        assert_warning(warnings, test->warning);
    } else {
        g_test_skip("a directory cannot be mounted over " THP_DIR);
    }
    g_remove(file);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (int i = 0; i < ARRAY_SIZE(warnings); i++) {
        const Warning *test = &warnings[i];
        g_autofree char *path = g_strdup_printf("virtio-mem/warning/%s",
                                                test->path);

        qtest_add_data_func(path, test, warning);
    }
    for (int i = 0; i < ARRAY_SIZE(huge_page_sizes); i++) {
        const HugePageSize *test = &huge_page_sizes[i];
        g_autofree char *path = g_strdup_printf("virtio-mem/huge-page-size/%s",
                                                test->path);

        qtest_add_data_func(path, test, huge_page_size);
    }
    return g_test_run();
}
