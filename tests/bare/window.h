/*
 * Paging for the guest of 32 bits: the second GiB of its addresses shows the
 * device's memory, and all others are what they were.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BARE_WINDOW_H
#define BARE_WINDOW_H

#include "driver.h"

#define GIB         (1ull << 30)
#define LARGE       0x83        /* present, writable, of 2 MiB */
#define LARGE_SIZE  (2ull << 20)
#define ENTRIES     512u

static uint64_t tables[4][ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t roots[4] __attribute__((aligned(PAGE)));

static void open_window(void)
{
    uint32_t value;

    for (unsigned i = 0; i < 4; i++) {
        const uint64_t shown = i == 1 ? config->addr : i * GIB;

        roots[i] = (uintptr_t)tables[i] | 1;
        for (unsigned j = 0; j < ENTRIES; j++) {
            tables[i][j] = (shown + j * LARGE_SIZE) | LARGE;
        }
    }
    __asm__ volatile("movl %%cr4, %0; orl $0x20, %0; movl %0, %%cr4; "
                     "movl %1, %%cr3; "
                     "movl %%cr0, %0; orl $0x80000000, %0; movl %0, %%cr0"
                     : "=&r"(value) : "r"(roots) : "memory");
}

#endif
