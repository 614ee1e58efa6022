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
#include "headroom.h"
#include "shortage.h"

#define SHORTAGE_HUGE_PAGES \
    "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s"

static uint64_t shortage_huge_pages(uint64_t page_size, const char *what)
{
    g_autofree char *path =
        g_strdup_printf(SHORTAGE_HUGE_PAGES, page_size / KiB, what);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ?
           g_ascii_strtoull(text, NULL, 10) : 0;
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

static void shortage_describe_cgroups(GString *text)
{
    g_autoptr(GArray) cgroups = virtio_mem_headroom_cgroups("");

    for (guint i = 0; i < cgroups->len; i++) {
        const VirtIOMEMCgroup *cgroup =
            &g_array_index(cgroups, VirtIOMEMCgroup, i);
        g_autofree char *limit = size_to_str(cgroup->limit);
        g_autofree char *used = size_to_str(cgroup->used);

        g_string_append_printf(text, "; the cgroup '%s' uses %s of %s",
                               cgroup->path, used, limit);
    }
}

static void shortage_describe_memory(GString *text)
{
    const uint64_t available = virtio_mem_headroom_available("");

    if (available) {
        g_autofree char *left = size_to_str(available);

        g_string_append_printf(text, "%sthe host has %s of memory available",
                               text->len ? "; " : "", left);
    }
    shortage_describe_cgroups(text);
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
    /* A file system has room for more than there is memory. */
    if (!huge && (!path || ret == -ENOMEM)) {
        shortage_describe_memory(text);
    }
    error_setg(errp, "%s", text->str);
}
