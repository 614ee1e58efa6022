/*
 * virtio-mem: how much memory may be taken without the OOM killer
 *
 * Faulting in memory beyond what the host has, or a cgroup of this process may
 * have, is no error for Linux: it kills a process, and likely this one. So look
 * first. Reads files; any thread.
 *
 * This module is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_HEADROOM_H
#define HW_VIRTIO_MEM_HEADROOM_H

/* A cgroup that limits the memory of this process. All in bytes. */
typedef struct VirtIOMEMCgroup {
    char *path;             /* of its directory */
    uint64_t limit;
    uint64_t used;
    uint64_t reclaimable;   /* of that, without loss: caches; and free swap */
} VirtIOMEMCgroup;

/*
 * virtio_mem_headroom_cgroups: the cgroups with a limit, of version 1 or 2, from
 * the process's own upwards.
 *
 * @root: "", or a directory that has proc/ and what that names, for tests
 *
 * Returns an array of VirtIOMEMCgroup, which may be empty. Free it with
 * g_array_unref().
 */
GArray *virtio_mem_headroom_cgroups(const char *root);

/* Bytes; what the host has available, without its swap. 0: it does not say. */
uint64_t virtio_mem_headroom_available(const char *root);

/*
 * Bytes that may be taken, by the host's memory and swap and all cgroups, the
 * least of them. UINT64_MAX: nothing is known.
 */
uint64_t virtio_mem_headroom(const char *root);

#endif
