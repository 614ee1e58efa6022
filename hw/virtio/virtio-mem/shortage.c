/*
 * virtio-mem: what a host is short of
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/statvfs.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "shortage.h"

#define SHORTAGE_HUGE_PAGES \
    "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s"
#define CGROUP_OF_QEMU "/proc/self/cgroup"
#define CGROUPS "/sys/fs/cgroup"
#define MEMINFO "/proc/meminfo"

/* The number at the start of the file @path, or behind @key in it. */
static bool shortage_read_number(const char *path, const char *key,
                                 uint64_t *number)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    at = key ? strstr(text, key) : text;
    return at && !qemu_strtou64(at + (key ? strlen(key) : 0), &at, 10, number);
}

static uint64_t shortage_huge_pages(uint64_t page_size, const char *what)
{
    g_autofree char *path =
        g_strdup_printf(SHORTAGE_HUGE_PAGES, page_size / KiB, what);
    uint64_t number;

    return shortage_read_number(path, NULL, &number) ? number : 0;
}

static void shortage_describe_pool(GString *text, uint64_t page_size)
{
    g_autofree char *size = size_to_str(page_size);

    g_string_append_printf(text, "the host's pool of huge pages of %s has %"
                           PRIu64 " free pages, of which %" PRIu64
                           " are reserved for others", size,
                           shortage_huge_pages(page_size, "free_hugepages"),
                           shortage_huge_pages(page_size, "resv_hugepages"));
}

static void shortage_describe_file_system(GString *text, const char *path,
                                          int fd)
{
    struct statvfs fs;

    if (!fstatvfs(fd, &fs)) {
        g_autofree char *left = size_to_str((uint64_t)fs.f_bavail *
                                            fs.f_frsize);

        g_string_append_printf(text, "%sthe file system of '%s' has %s free",
                               text->len ? "; " : "", path, left);
    }
}

/* The directory of QEMU's own cgroup (version 2), or NULL. */
static char *shortage_own_cgroup(void)
{
    g_autofree char *text = NULL;
    char *at;

    if (!g_file_get_contents(CGROUP_OF_QEMU, &text, NULL, NULL)) {
        return NULL;
    }
    at = strstr(text, "0::/");
    return at ? g_strconcat(CGROUPS, g_strchomp(at + strlen("0::")), NULL)
              : NULL;
}

/* The closest limit is that of the cgroup or of one above it. */
static void shortage_describe_cgroup(GString *text)
{
    g_autofree char *dir = shortage_own_cgroup();

    while (dir && g_str_has_prefix(dir, CGROUPS)) {
        g_autofree char *max = g_build_filename(dir, "memory.max", NULL);
        g_autofree char *current = g_build_filename(dir, "memory.current",
                                                    NULL);
        uint64_t limit, used;
        char *above;

        /* "max" is no number: no limit. */
        if (shortage_read_number(max, NULL, &limit) &&
            shortage_read_number(current, NULL, &used)) {
            g_autofree char *limit_text = size_to_str(limit);
            g_autofree char *used_text = size_to_str(used);

            g_string_append_printf(text, "; the cgroup '%s' uses %s of %s",
                                   dir, used_text, limit_text);
        }
        above = g_path_get_dirname(dir);
        g_free(dir);
        dir = above;
    }
}

static void shortage_describe_memory(GString *text)
{
    uint64_t available;

    if (shortage_read_number(MEMINFO, "MemAvailable:", &available)) {
        g_autofree char *left = size_to_str(available * KiB);

        g_string_append_printf(text, "the host has %s of memory available",
                               left);
    }
    shortage_describe_cgroup(text);
}

static bool shortage_is_one(int ret)
{
    return ret == -ENOMEM || ret == -EFAULT || ret == -ENOSPC;
}

void virtio_mem_shortage_describe(int ret, uint64_t page_size, const char *path,
                                  int fd, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const bool huge = page_size > qemu_real_host_page_size();

    if (!shortage_is_one(ret)) {
        error_setg(errp, "%s", strerror(-ret));
        return;
    }
    if (huge) {
        shortage_describe_pool(text, page_size);
    }
    if (path) {
        shortage_describe_file_system(text, path, fd);
    }
    if (!huge && !path) {
        shortage_describe_memory(text);
    }
    error_setg(errp, "%s", text->str);
}
