/*
 * Stand-in for QEMU's qemu/iov.h, for queue.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_IOV_H
#define QEMU_IOV_H

#include <sys/uio.h>

size_t iov_to_buf(const struct iovec *iov, unsigned count, size_t offset,
                  void *buf, size_t bytes);
size_t iov_from_buf(const struct iovec *iov, unsigned count, size_t offset,
                    const void *buf, size_t bytes);
size_t iov_size(const struct iovec *iov, unsigned count);

#endif
