/*
 * QEMU's fw_cfg, which writes a file to any address that it is told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BARE_FW_CFG_H
#define BARE_FW_CFG_H

#include "console.h"
#include "driver.h"

#define SELECT_AND_READ(key)    ((uint32_t)(key) << 16 | 8 | 2)
#define DIRECTORY   0x19
#define FILES       64

struct file {
    uint32_t size;
    uint16_t key, reserved;
    char name[56];
};

static struct { uint32_t count; struct file file[FILES]; } directory;

/* Have QEMU copy it to guest-physical memory, wherever that is. */
static void copy(uint16_t key, uint64_t address, uint32_t length)
{
    static volatile struct {
        uint32_t control, length, high, low;
    } order;

    order.length = __builtin_bswap32(length);
    order.high = __builtin_bswap32(address >> 32);
    order.low = __builtin_bswap32(address);
    order.control = __builtin_bswap32(SELECT_AND_READ(key));
    barrier();
    __asm__ volatile("outl %0, %w1" : : "a"(0), "d"(0x514));
    __asm__ volatile("outl %0, %w1" : :
                     "a"(__builtin_bswap32((uintptr_t)&order)), "d"(0x518));
    while (order.control) {
    }
}

/* The key of a file; 0 if there is none of that name. */
static uint16_t find_file(const char *name)
{
    copy(DIRECTORY, (uintptr_t)&directory, sizeof(directory));
    for (unsigned i = 0; i < __builtin_bswap32(directory.count); i++) {
        if (same(directory.file[i].name, name)) {
            return __builtin_bswap16(directory.file[i].key);
        }
    }
    return 0;
}

#endif
