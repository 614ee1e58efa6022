/*
 * virtio-mem: the kernel's userfaultfd for the memory of a backend
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/userfaultfd.h"
#include <sys/ioctl.h>
#include "userfault.h"

/* From linux/userfaultfd.h of 5.11, which a distribution may not have yet. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static void *userfault_host(const VirtIOMEMUserfault *userfault,
                            uint64_t offset)
{
    return userfault->host + offset;
}

int virtio_mem_userfault_fd(const VirtIOMEMUserfault *userfault)
{
    return userfault->fd;
}

int virtio_mem_userfault_register(const VirtIOMEMUserfault *userfault,
                                  VirtIOMEMSpan span)
{
    uint64_t ioctls;

    return uffd_register_memory(userfault->fd,
                                userfault_host(userfault, span.offset),
                                span.size, UFFDIO_REGISTER_MODE_MISSING,
                                &ioctls) ? -errno : 0;
}

int virtio_mem_userfault_unregister(const VirtIOMEMUserfault *userfault,
                                    VirtIOMEMSpan span)
{
    return uffd_unregister_memory(userfault->fd,
                                  userfault_host(userfault, span.offset),
                                  span.size) ? -errno : 0;
}

/* QEMU's own functions complain when another access was quicker. */
static int userfault_put_zeroes(const VirtIOMEMUserfault *userfault, void *host)
{
    const uint64_t size = userfault->page_size;
    struct uffdio_copy copy = {
        .dst = (uintptr_t)host,
        .src = (uintptr_t)userfault->zeroes,
        .len = size,
    };
    struct uffdio_zeropage zero = {
        .range = { .start = (uintptr_t)host, .len = size },
    };

    return userfault->zeroes ? ioctl(userfault->fd, UFFDIO_COPY, &copy)
                             : ioctl(userfault->fd, UFFDIO_ZEROPAGE, &zero);
}

bool virtio_mem_userfault_fill(const VirtIOMEMUserfault *userfault,
                               uint64_t offset)
{
    void *host = userfault_host(userfault, offset);

    if (userfault_put_zeroes(userfault, host)) {
        uffd_wakeup(userfault->fd, host, userfault->page_size);
        return false;
    }
    return true;
}

unsigned virtio_mem_userfault_read(
    const VirtIOMEMUserfault *userfault,
    uint64_t offsets[VIRTIO_MEM_USERFAULT_AT_ONCE])
{
    struct uffd_msg messages[VIRTIO_MEM_USERFAULT_AT_ONCE];
    const int nb = uffd_read_events(userfault->fd, messages,
                                    VIRTIO_MEM_USERFAULT_AT_ONCE);
    unsigned found = 0;

    for (int i = 0; i < nb; i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            offsets[found++] = QEMU_ALIGN_DOWN(
                messages[i].arg.pagefault.address - (uintptr_t)userfault->host,
                userfault->page_size);
        }
    }
    return found;
}

static int userfault_user_mode(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    const int fd = uffd_open(UFFD_USER_MODE_ONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
        const int failed = errno;

        close(fd);
        errno = failed;
        return -1;
    }
    return fd;
}

int virtio_mem_userfault_open(VirtIOMEMUserfault *userfault, void *host,
                              uint64_t page_size, bool kernel)
{
    const int fd = kernel ? uffd_create_fd(0, true) : userfault_user_mode();

    if (fd < 0) {
        return -errno;
    }
    *userfault = (VirtIOMEMUserfault) {
        .fd = fd,
        .host = host,
        .page_size = page_size,
        .zeroes = page_size == qemu_real_host_page_size() ? NULL
                                                          : g_malloc0(page_size),
    };
    return 0;
}

void virtio_mem_userfault_close(VirtIOMEMUserfault *userfault)
{
    close(userfault->fd);
    g_free(userfault->zeroes);
}
