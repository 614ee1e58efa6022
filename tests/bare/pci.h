/*
 * How a guest without a kernel finds the device, and what it tells the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef FLOOD_PCI_H
#define FLOOD_PCI_H

#include <stdint.h>
#include <linux/pci_regs.h>

#define NOWHERE     256
#define MEM_DEVICE  ((0x1040 + 24) << 16 | 0x1af4)

/* Read by python/vmtest/bare.py, which knows this address and this layout. */
struct counters {
    uint64_t answered;
    uint64_t unexpected;        /* answers other than ACK */
    uint64_t stage;             /* 1: set up; above 0x100: what went wrong */
};
#define COUNTERS ((volatile struct counters *)0x200000)

enum { NO_DEVICE = 0x101, NO_CAPABILITY, NO_FEATURES, NO_MODE };

static _Noreturn void stop(uint64_t stage)
{
    COUNTERS->stage = stage;
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static uint32_t pci_read(unsigned devfn, unsigned offset)
{
    uint32_t address = 0x80000000u | devfn << 8 | (offset & 0xfc), value;

    __asm__ volatile("outl %0, %w1" : : "a"(address), "d"(0xcf8));
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "d"(0xcfc));
    return value >> (offset & 3) * 8;
}

static void pci_write(unsigned devfn, unsigned offset, uint32_t value)
{
    uint32_t address = 0x80000000u | devfn << 8 | offset;

    __asm__ volatile("outl %0, %w1" : : "a"(address), "d"(0xcf8));
    __asm__ volatile("outl %0, %w1" : : "a"(value), "d"(0xcfc));
}

/* Where it is on the bus; NOWHERE if there is none. */
static unsigned find_device(void)
{
    unsigned devfn = 0;

    while (devfn < NOWHERE && pci_read(devfn, 0) != MEM_DEVICE) {
        devfn++;
    }
    return devfn;
}

/* Where a memory BAR, named by its offset in configuration space, lies. */
static uint64_t bar_address(unsigned devfn, unsigned bar)
{
    uint64_t base = pci_read(devfn, bar) & ~0xfu;

    if (pci_read(devfn, bar) & PCI_BASE_ADDRESS_MEM_TYPE_64) {
        base |= (uint64_t)pci_read(devfn, bar + 4) << 32;
    }
    return base;
}

/* The structure of that type; the capability's own offset goes to @found. */
static void *find_structure(unsigned devfn, unsigned type, unsigned *found)
{
    unsigned at = pci_read(devfn, PCI_CAPABILITY_LIST) & 0xfc;

    for (; at; at = pci_read(devfn, at + 1) & 0xfc) {
        unsigned bar;

        if ((pci_read(devfn, at) & 0xff) != PCI_CAP_ID_VNDR ||
            (pci_read(devfn, at + 3) & 0xff) != type) {
            continue;
        }
        bar = PCI_BASE_ADDRESS_0 + 4 * (pci_read(devfn, at + 4) & 0xff);
        *found = at;
        return (void *)(uintptr_t)(bar_address(devfn, bar) +
                                   pci_read(devfn, at + 8));
    }
    stop(NO_CAPABILITY);
}

#endif
