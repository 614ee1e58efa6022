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

#include "driver.h"
#include "multiboot.h"

#define POPULATED   (64 << 20)

static char what;               /* what to do: first letter of the case */

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

void first_processor(void)
{
    what = *mode();
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
