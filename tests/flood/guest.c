/*
 * The flooding guest: a hostile driver without a kernel around it.
 *
 * One processor writes the device's doorbell in a loop, the other refills the
 * ring as fast as requests are answered, so that the device never finds it
 * empty for long. Which requests, the command line says. How many were
 * answered stands in memory, where the host reads it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

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
#define POPULATED   (64 << 20)

extern uint32_t multiboot_info;
void first_processor(void);
void second_processor(void);

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
static char what;               /* what to do: first letter of the case */

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

    pci_write(devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    config = (void *)find_structure(devfn, VIRTIO_PCI_CAP_DEVICE_CFG, &at);
    common = (void *)find_structure(devfn, VIRTIO_PCI_CAP_COMMON_CFG, &at);
    doorbell = (void *)find_structure(devfn, VIRTIO_PCI_CAP_NOTIFY_CFG, &at);
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

static void fill(unsigned slot, uint16_t type, uint64_t addr, uint64_t size)
{
    request[slot].type = type;
    request[slot].u.plug.addr = addr;
    request[slot].u.plug.nb_blocks = size / config->block_size;
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

/* Keep as many requests in the ring as it has room for. */
static _Noreturn void keep_full(void)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        submit(slot);
    }
    for (;;) {
        submit(take());
    }
}

/* Plug, write to every page, unplug: each unplug has memory to discard. */
static _Noreturn void populate(void)
{
    volatile uint8_t *memory = (void *)config->addr;

    fill(0, VIRTIO_MEM_REQ_PLUG, config->addr, POPULATED);
    fill(1, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
    for (;;) {
        submit(0);
        take();
        for (uint64_t offset = 0; offset < POPULATED; offset += PAGE) {
            memory[offset] = 1;
        }
        submit(1);
        take();
    }
}

/* Plug every second block of the region, and that is all. */
static _Noreturn void plug_board(void)
{
    const uint64_t block = config->block_size;

    for (uint64_t offset = 0; offset < config->region_size;
         offset += 2 * block) {
        fill(0, VIRTIO_MEM_REQ_PLUG, config->addr + offset, block);
        submit(0);
        *doorbell = 0;
        take();
    }
    stop(1);
}

/* --- the two processors ------------------------------------------------ */

static void start_second_processor(void)
{
    volatile uint32_t *command = (void *)0xfee00300;    /* local APIC */

    *command = 0x000c4500;      /* INIT to all others */
    for (volatile unsigned i = 0; i < 1000000; i++) {
    }
    *command = 0x000c4608;      /* start at 0x8000 */
}

void second_processor(void)
{
    while (what == 'c') {
        pci_read(0, PCI_VENDOR_ID);
    }
    for (;;) {
        *doorbell = 0;
    }
}

/* The first letter of the command line's last word. */
static char mode(void)
{
    const char *text = (char *)(uintptr_t)
        ((uint32_t *)(uintptr_t)multiboot_info)[4];
    char letter = 0;

    for (bool begins = true; *text; text++) {
        if (begins) {
            letter = *text;
        }
        begins = *text == ' ';
    }
    return letter;
}

void first_processor(void)
{
    what = mode();
    start_device();
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        switch (what) {
        case 'i':               /* idle */
        case 'c':               /* control: another device's register */
        case 'd':               /* doorbell: kicks, but no requests */
        case 'm':               /* memory */
        case 'b':               /* board */
            break;
        case 'u':               /* unplug-all */
            fill(slot, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
            break;
        case 's':               /* state */
            fill(slot, VIRTIO_MEM_REQ_STATE, config->addr, POPULATED);
            break;
        case 'p':               /* plug, and unplug all, in turn */
            fill(slot, slot % 2 ? VIRTIO_MEM_REQ_UNPLUG_ALL :
                 VIRTIO_MEM_REQ_PLUG, config->addr, POPULATED);
            break;
        default:
            stop(NO_MODE);
        }
    }
    if (what == 'b') {
        plug_board();
    }
    COUNTERS->stage = 1;
    if (what == 'i') {
        stop(1);
    }
    start_second_processor();
    if (what == 'd' || what == 'c') {
        stop(1);
    }
    if (what == 'm') {
        populate();
    }
    keep_full();
}
