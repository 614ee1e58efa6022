/*
 * virtio-mem: the kernel's userfaultfd for the memory of a backend
 *
 * Registered memory that has no page: whoever accesses it waits until somebody
 * fills or unregisters it. Linux lets a process without privilege have this for
 * accesses in user mode only; then an access by the kernel (of KVM, of vhost, in
 * a system call) fails at once with EFAULT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MEM_USERFAULT_H
#define HW_VIRTIO_MEM_USERFAULT_H

#include "geometry.h"

/* Private to userfault.c. */
typedef struct VirtIOMEMUserfault {
    int fd;
    char *host;                 /* where offset 0 is */
    uint64_t page_size;         /* of the memory */
    void *zeroes;               /* a page, where the kernel has none */
} VirtIOMEMUserfault;

/*
 * virtio_mem_userfault_open: memory at @host, in pages of @page_size bytes.
 *
 * @kernel: accesses by the kernel wait, too
 *
 * Returns 0, or a negative errno value: the kernel does not allow it.
 */
int virtio_mem_userfault_open(VirtIOMEMUserfault *userfault, void *host,
                              uint64_t page_size, bool kernel);

/* Unregisters all; whoever waits goes on. */
void virtio_mem_userfault_close(VirtIOMEMUserfault *userfault);

/* A file descriptor that can be read when somebody waits. */
int virtio_mem_userfault_fd(const VirtIOMEMUserfault *userfault);

/* Both return 0, or a negative errno value, and may be repeated. */
int virtio_mem_userfault_register(const VirtIOMEMUserfault *userfault,
                                  VirtIOMEMSpan span);
int virtio_mem_userfault_unregister(const VirtIOMEMUserfault *userfault,
                                    VirtIOMEMSpan span);

/*
 * virtio_mem_userfault_fill: have a page of zeroes at @offset, and whoever waits
 * for it go on.
 *
 * Returns whether there is a page now that was not there before. If not, there
 * was one, or @offset is not registered, or there is no memory: whoever waits
 * tries again.
 */
bool virtio_mem_userfault_fill(const VirtIOMEMUserfault *userfault,
                               uint64_t offset);

#define VIRTIO_MEM_USERFAULT_AT_ONCE 64

/*
 * virtio_mem_userfault_read: the pages that somebody waits for; each is told once.
 *
 * Returns how many are in @offsets.
 */
unsigned virtio_mem_userfault_read(
    const VirtIOMEMUserfault *userfault,
    uint64_t offsets[VIRTIO_MEM_USERFAULT_AT_ONCE]);

#endif
