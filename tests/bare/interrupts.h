/*
 * Interrupts for the guest of 32 bits: a clock that wakes it, and the device's
 * messages (MSI-X), one for the queue and one for the configuration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BARE_INTERRUPTS_H
#define BARE_INTERRUPTS_H

#include "driver.h"

#define APIC        0xfee00000u
#define CODE        0x08        /* the segment that rom.S makes */

enum { CLOCK = 32, QUEUE, CONFIG, SPURIOUS, VECTORS };

static volatile uint32_t interrupts[VECTORS];

static volatile uint32_t *apic(unsigned offset)
{
    return (void *)(uintptr_t)(APIC + offset);
}

/*
 * Only rest() lets interrupts in. So a handler may end with a jump and leave
 * them off: KVM's emulator, which is all that some KVMs run such code with, has
 * no iret for protected mode.
 */
#define HANDLER(name, vector) \
    __attribute__((naked)) static void name(void) \
    { \
        __asm__ volatile("incl %0; movl $0, %1; popl %%eax; addl $8, %%esp; " \
                         "jmp *%%eax" \
                         : : "m"(interrupts[vector]), \
                             "m"(*(volatile uint32_t *)(APIC + 0xb0))); \
    }

HANDLER(on_clock, CLOCK)
HANDLER(on_queue, QUEUE)
HANDLER(on_config, CONFIG)
HANDLER(on_nothing, SPURIOUS)

static struct { uint16_t low, segment, flags, high; } gates[VECTORS];

static void set_gate(unsigned vector, void (*handler)(void))
{
    gates[vector].low = (uintptr_t)handler;
    gates[vector].segment = CODE;
    gates[vector].flags = 0x8e00;       /* an interrupt gate that is present */
    gates[vector].high = (uintptr_t)handler >> 16;
}

/* Wake the processor each millisecond. */
static void start_clock(void)
{
    const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) table = { sizeof(gates) - 1, (uintptr_t)gates };

    set_gate(CLOCK, on_clock);
    set_gate(QUEUE, on_queue);
    set_gate(CONFIG, on_config);
    set_gate(SPURIOUS, on_nothing);
    __asm__ volatile("lidt %0" : : "m"(table));
    __asm__ volatile("outb %b0, $0x21; outb %b0, $0xa1" : : "a"(0xff));
    *apic(0xf0) = 0x100 | SPURIOUS;     /* on */
    *apic(0x3e0) = 0xb;                 /* not divided: 1 GHz */
    *apic(0x320) = CLOCK | 1 << 17;     /* again and again */
    *apic(0x380) = 1000000;
}

/* Wait for an interrupt, and take it. */
static void rest(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "eax", "cc", "memory");
}

static void set_message(volatile uint32_t *entry, unsigned vector)
{
    entry[0] = APIC;
    entry[1] = 0;
    entry[2] = vector;
    entry[3] = 0;                       /* not masked */
}

/* Have the device send its interrupts. */
static void start_messages(void)
{
    const unsigned devfn = find_device();
    unsigned at = pci_read(devfn, PCI_CAPABILITY_LIST) & 0xfc;
    uint32_t where;
    volatile uint32_t *table;

    while (at && (pci_read(devfn, at) & 0xff) != PCI_CAP_ID_MSIX) {
        at = pci_read(devfn, at + 1) & 0xfc;
    }
    if (!at) {
        stop(NO_CAPABILITY);
    }
    where = pci_read(devfn, at + PCI_MSIX_TABLE);
    table = (void *)(uintptr_t)
        (bar_address(devfn, PCI_BASE_ADDRESS_0 + 4 * (where & 7)) +
         (where & ~7u));
    set_message(table, CONFIG);
    set_message(table + 4, QUEUE);
    pci_write(devfn, at, pci_read(devfn, at) |
              (uint32_t)PCI_MSIX_FLAGS_ENABLE << 16);
    common->msix_config = 0;
    common->queue_select = 0;
    common->queue_msix_vector = 1;
    avail.flags = 0;
}

#endif
