/*
 * Stand-in for what QEMU generates from hw/virtio/trace-events. A program with
 * something that traces says what comes of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_TRACE_H
#define HW_VIRTIO_TRACE_H

void trace_virtio_mem_step(void *dev, const char *part, const char *step,
                           int ret);
void trace_virtio_mem_verdict(void *dev, uint16_t type, uint64_t addr,
                              uint16_t nb_blocks, uint16_t response,
                              uint16_t state);

#endif
