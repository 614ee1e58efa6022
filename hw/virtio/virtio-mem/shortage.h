/*
 * virtio-mem: what a host is short of
 *
 * Linux says "Bad address" when a file system or a pool of huge pages is full.
 * An operator has to know which, and how much is left.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_SHORTAGE_H
#define HW_VIRTIO_MEM_SHORTAGE_H


/*
 * virtio_mem_shortage_describe: why could memory not be had?
 *
 * @ret: the negative errno value of populating
 * @page_size: bytes
 * @path: of its file, or of the directory that this lies in; NULL: none
 * @fd: of the file at @path
 *
 * Sets @errp to a clause that names what is short, and what is left of it: the
 * pool of huge pages, the file system by path, or the host's memory and the
 * cgroup's. Reads files; any thread.
 */
void virtio_mem_shortage_describe(int ret, uint64_t page_size, const char *path,
                                  int fd, Error **errp);

#endif
