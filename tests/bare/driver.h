/*
 * A driver of the device for guests without a kernel: it starts the device,
 * puts requests into the ring and takes the answers. It is compiled for guests
 * of 64 bits and of 32, so it divides nothing that has 64 bits: there is no
 * library that could.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef FLOOD_DRIVER_H
#define FLOOD_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mem.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include "pci.h"

#define SLOTS       64          /* two descriptors each: the ring has 128 */
#define RING_SIZE   (2 * SLOTS)
#define PAGE        4096

static volatile struct virtio_pci_common_cfg *common;
static volatile struct virtio_mem_config *config;
static volatile uint16_t *volatile doorbell;

static struct vring_desc desc[RING_SIZE] __attribute__((aligned(PAGE)));
static struct {
    volatile uint16_t flags, idx;
    volatile uint16_t ring[RING_SIZE];
} avail __attribute__((aligned(PAGE)));
static struct {
    volatile uint16_t flags, idx;
    volatile struct vring_used_elem ring[RING_SIZE];
} used __attribute__((aligned(PAGE)));
static struct virtio_mem_req request[SLOTS];
static volatile struct virtio_mem_resp response[SLOTS];
static uint16_t seen;           /* answers taken from the used ring */

static void barrier(void)
{
    __sync_synchronize();
}

/* --- starting the device ----------------------------------------------- */

static void write_address(volatile uint32_t *low, volatile void *address)
{
    low[0] = (uint32_t)(uintptr_t)address;
    low[1] = 0;
}

static void start_device(void)
{
    unsigned devfn = find_device(), at;
    uint32_t multiplier;

    if (devfn == NOWHERE) {
        stop(NO_DEVICE);
    }
    pci_write(devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    config = find_structure(devfn, VIRTIO_PCI_CAP_DEVICE_CFG, &at);
    common = find_structure(devfn, VIRTIO_PCI_CAP_COMMON_CFG, &at);
    doorbell = find_structure(devfn, VIRTIO_PCI_CAP_NOTIFY_CFG, &at);
    multiplier = pci_read(devfn, at + sizeof(struct virtio_pci_cap));

    common->device_status = 0;
    common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE |
                            VIRTIO_CONFIG_S_DRIVER;
    common->device_feature_select = 0;
    common->guest_feature_select = 0;
    common->guest_feature = common->device_feature &
                            (1 << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE);
    common->guest_feature_select = 1;
    common->guest_feature = 1 << (VIRTIO_F_VERSION_1 - 32);
    common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
    if (!(common->device_status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        stop(NO_FEATURES);
    }
    common->queue_select = 0;
    common->queue_size = RING_SIZE;
    write_address(&common->queue_desc_lo, desc);
    write_address(&common->queue_avail_lo, &avail);
    write_address(&common->queue_used_lo, &used);
    avail.flags = VRING_AVAIL_F_NO_INTERRUPT;
    common->queue_enable = 1;
    common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
    doorbell += common->queue_notify_off * multiplier / sizeof(*doorbell);
}

/* --- requests ---------------------------------------------------------- */

/* How many blocks that is. */
static uint16_t blocks_of(uint64_t size)
{
    for (uint64_t block = config->block_size; block > 1; block >>= 1) {
        size >>= 1;
    }
    return size;
}

static void fill(unsigned slot, uint16_t type, uint64_t addr, uint64_t size)
{
    request[slot].type = type;
    request[slot].u.plug.addr = addr;
    request[slot].u.plug.nb_blocks = blocks_of(size);
    desc[2 * slot] = (struct vring_desc) {
        .addr = (uintptr_t)&request[slot],
        .len = sizeof(request[slot]),
        .flags = VRING_DESC_F_NEXT,
        .next = 2 * slot + 1,
    };
    desc[2 * slot + 1] = (struct vring_desc) {
        .addr = (uintptr_t)&response[slot],
        .len = sizeof(response[slot]),
        .flags = VRING_DESC_F_WRITE,
    };
}

static void submit(unsigned slot)
{
    avail.ring[avail.idx % RING_SIZE] = 2 * slot;
    barrier();
    avail.idx++;
}

/* Wait for the next answer; return its slot. */
static unsigned take(void)
{
    unsigned slot;

    while (used.idx == seen) {
        __asm__ volatile("pause");
    }
    barrier();
    slot = used.ring[seen++ % RING_SIZE].id / 2;
    COUNTERS->answered++;
    if (response[slot].type != VIRTIO_MEM_RESP_ACK) {
        COUNTERS->unexpected++;
    }
    return slot;
}

#endif
