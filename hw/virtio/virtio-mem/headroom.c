/*
 * virtio-mem: how much memory may be taken without the OOM killer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "headroom.h"

/* What a version of cgroups calls things. */
typedef struct HeadroomVersion {
    const char *controllers;        /* in /proc/self/cgroup; version 2: none */
    const char *file_system;        /* in mountinfo */
    const char *option;             /* of that file system */
    const char *limit, *used;       /* files */
    const char *caches[3];          /* in memory.stat; NULL: no more */
    const char *swap_limit, *swap_used;
} HeadroomVersion;

static const HeadroomVersion versions[] = {
    {
        .controllers = "",
        .file_system = "cgroup2",
        .option = "",
        .limit = "memory.max",
        .used = "memory.current",
        .caches = { "inactive_file ", "active_file ", "slab_reclaimable " },
        .swap_limit = "memory.swap.max",
        .swap_used = "memory.swap.current",
    }, {
        .controllers = "memory",
        .file_system = "cgroup",
        .option = "memory",
        .limit = "memory.limit_in_bytes",
        .used = "memory.usage_in_bytes",
        .caches = { "total_inactive_file ", "total_active_file " },
    },
};

/* --- files ---------------------------------------------------------------- */

static char *headroom_read(const char *dir, const char *name)
{
    g_autofree char *path = g_strconcat(dir, "/", name, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

/* The number behind @key at the start of a line; 0: there is none. */
static uint64_t headroom_find(const char *text, const char *key)
{
    const char *line = text;

    while (line && !g_str_has_prefix(line, key)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return line ? g_ascii_strtoull(line + strlen(key), NULL, 10) : 0;
}

/* Without a limit it is "max", or a number beyond all memory. */
static uint64_t headroom_number(const char *dir, const char *name)
{
    g_autofree char *text = headroom_read(dir, name);

    return text && g_ascii_isdigit(*text) ? g_ascii_strtoull(text, NULL, 10)
                                          : UINT64_MAX;
}

static uint64_t headroom_minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* --- where cgroups are ---------------------------------------------------- */

static bool headroom_has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    return !*word || g_strv_contains((const char *const *)words, word);
}

/*
 * The path of the process, by a line as "4:memory:/path" or "0::/path"; NULL:
 * there is none.
 */
static char *headroom_own_path(const char *root, const HeadroomVersion *version)
{
    g_autofree char *text = headroom_read(root, "proc/self/cgroup");
    g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, ":", 3);

        if (g_strv_length(fields) == 3 &&
            !*version->controllers == !*fields[1] &&
            headroom_has_word(fields[1], version->controllers)) {
            return g_strdup(fields[2]);
        }
    }
    return NULL;
}

/*
 * Where the file system of @version is mounted. A line of mountinfo is "32 31
 * 0:29 /root /where options - type source options", see proc(5). In a container
 * the root may be the cgroup of the process.
 */
static char *headroom_mount_point(const char *root,
                                  const HeadroomVersion *version,
                                  char **mounted)
{
    g_autofree char *text = headroom_read(root, "proc/self/mountinfo");
    g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *behind = strstr(*line, " - ");
        g_auto(GStrv) front = g_strsplit(*line, " ", 6);
        g_auto(GStrv) type = g_strsplit(behind ? behind + 3 : "", " ", 3);

        if (g_strv_length(front) == 6 && g_strv_length(type) == 3 &&
            g_str_equal(type[0], version->file_system) &&
            headroom_has_word(type[2], version->option)) {
            *mounted = g_strdup(front[3]);
            return g_strconcat(root, front[4], NULL);
        }
    }
    return NULL;
}

/* --- cgroups -------------------------------------------------------------- */

static uint64_t headroom_swap(const char *root)
{
    g_autofree char *text = headroom_read(root, "proc/meminfo");

    return headroom_find(text, "SwapFree:") * 1024;
}

static uint64_t headroom_reclaimable(const char *root, const char *dir,
                                     const HeadroomVersion *version)
{
    g_autofree char *stat = headroom_read(dir, "memory.stat");
    uint64_t bytes = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(version->caches) && version->caches[i];
         i++) {
        bytes += headroom_find(stat, version->caches[i]);
    }
    if (version->swap_limit) {
        const uint64_t limit = headroom_number(dir, version->swap_limit);
        const uint64_t used = headroom_number(dir, version->swap_used);

        bytes += MIN(headroom_swap(root), headroom_minus(limit, used));
    }
    return bytes;
}

static void headroom_add(GArray *cgroups, const char *root, const char *dir,
                         const HeadroomVersion *version)
{
    const VirtIOMEMCgroup cgroup = {
        .path = g_strdup(dir),
        .limit = headroom_number(dir, version->limit),
        .used = headroom_number(dir, version->used),
        .reclaimable = headroom_reclaimable(root, dir, version),
    };

    g_array_append_val(cgroups, cgroup);
}

/* Of one version, from @path below @mount up to that. */
static void headroom_add_all(GArray *cgroups, const char *root,
                             const HeadroomVersion *version, const char *mount,
                             const char *path)
{
    g_autofree char *dir = g_strconcat(mount, path, NULL);

    if (g_str_has_suffix(dir, "/")) {
        dir[strlen(dir) - 1] = '\0';
    }
    while (g_str_has_prefix(dir, mount)) {
        char *above = g_path_get_dirname(dir);

        if (headroom_number(dir, version->limit) < INT64_MAX / 2) {
            headroom_add(cgroups, root, dir, version);
        }
        g_free(dir);
        dir = above;
    }
}

static void headroom_clear(void *cgroup)
{
    g_free(((VirtIOMEMCgroup *)cgroup)->path);
}

GArray *virtio_mem_headroom_cgroups(const char *root)
{
    GArray *cgroups = g_array_new(FALSE, FALSE, sizeof(VirtIOMEMCgroup));

    g_array_set_clear_func(cgroups, headroom_clear);
    for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *mounted = NULL;
        g_autofree char *mount = headroom_mount_point(root, &versions[i],
                                                      &mounted);
        g_autofree char *own = headroom_own_path(root, &versions[i]);

        if (mount && own) {
            const char *path = own;

            if (!g_str_equal(mounted, "/") && g_str_has_prefix(own, mounted)) {
                path += strlen(mounted);
            }
            headroom_add_all(cgroups, root, &versions[i], mount, path);
        }
    }
    return cgroups;
}

/* --- all ------------------------------------------------------------------ */

uint64_t virtio_mem_headroom_available(const char *root)
{
    g_autofree char *text = headroom_read(root, "proc/meminfo");

    return headroom_find(text, "MemAvailable:") * 1024;
}

uint64_t virtio_mem_headroom(const char *root)
{
    g_autoptr(GArray) cgroups = virtio_mem_headroom_cgroups(root);
    const uint64_t available = virtio_mem_headroom_available(root);
    uint64_t bytes = available ? available + headroom_swap(root) : UINT64_MAX;

    for (guint i = 0; i < cgroups->len; i++) {
        const VirtIOMEMCgroup *cgroup =
            &g_array_index(cgroups, VirtIOMEMCgroup, i);

        bytes = MIN(bytes, headroom_minus(cgroup->limit + cgroup->reclaimable,
                                          cgroup->used));
    }
    return bytes;
}
