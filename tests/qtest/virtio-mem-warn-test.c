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

/* QEMU printed one warning that has @message in it, or nothing at all. */
static void assert_warning(const char *warnings, const char *message)
{
    g_auto(GStrv) lines = g_strsplit(warnings, "\n", -1);
    int count = 0;

    for (int i = 0; lines[i]; i++) {
        /* A sanitizer may add a note of its own, "==PID==WARNING: ...". */
        if (*lines[i] && !g_str_has_prefix(lines[i], "==")) {
            g_assert_nonnull(strstr(lines[i], "warning: virtio-mem: "));
            count++;
        }
    }
    g_assert_cmpint(count, ==, message ? 1 : 0);
    if (message) {
        g_assert_nonnull(strstr(warnings, message));
    }
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
    { "unreadable", NULL, true, VM, 0, "'block-size' is the usual 0x" },
    { "odd", "3145728\n", false, VM, 0, "'block-size' is the usual 0x" },
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
    const uint64_t page_size = getpagesize();
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

    for (int i = 0; i < ARRAY_SIZE(huge_page_sizes); i++) {
        const HugePageSize *test = &huge_page_sizes[i];
        g_autofree char *path = g_strdup_printf("virtio-mem/huge-page-size/%s",
                                                test->path);

        qtest_add_data_func(path, test, huge_page_size);
    }
    return g_test_run();
}
