/*
 * What start.S and a guest that QEMU's -kernel starts know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef FLOOD_MULTIBOOT_H
#define FLOOD_MULTIBOOT_H

#include <stdint.h>

extern uint32_t multiboot_info;
void first_processor(void);     /* from here on, start.S runs these */
void second_processor(void);

/* The last word of the command line, which QEMU's -append has. */
static const char *mode(void)
{
    const char *text = (char *)(uintptr_t)
        ((uint32_t *)(uintptr_t)multiboot_info)[4];
    const char *word = text;

    for (; *text; text++) {
        if (*text == ' ') {
            word = text + 1;
        }
    }
    return word;
}

#endif
