/*
 * Lines from and to the second serial port, as vmtest/agent.py has them on the
 * other side: "NUMBER COMMAND" in, text and "@done NUMBER 0" out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BARE_CONSOLE_H
#define BARE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#define PORT        0x2f8
#define HAS_INPUT   1           /* of the line's status */
#define CAN_SEND    0x20

static uint8_t in(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %w1, %b0" : "=a"(value) : "d"(port));
    return value;
}

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port));
}

static bool has_input(void)
{
    return in(PORT + 5) & HAS_INPUT;
}

static void say(const char *text)
{
    for (; *text; text++) {
        while (!(in(PORT + 5) & CAN_SEND)) {
        }
        out(PORT, *text);
    }
}

/* Numbers are hexadecimal, in both directions. */
static void say_number(uint64_t value)
{
    char text[18] = "";
    char *at = text + sizeof(text) - 1;

    do {
        *--at = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    say(" ");
    say(at);
}

/* Move to the next word of a line, and end the one that is left. */
static char *next_word(char *text)
{
    while (*text && *text != ' ') {
        text++;
    }
    if (*text) {
        *text++ = 0;
    }
    return text;
}

static bool same(const char *one, const char *other)
{
    for (; *one && *one == *other; one++, other++) {
    }
    return *one == *other;
}

static uint64_t number(const char *digits)
{
    uint64_t value = 0;

    for (; *digits && *digits != ' '; digits++) {
        value = value << 4 | (*digits <= '9' ? *digits - '0' :
                              *digits - 'a' + 10);
    }
    return value;
}

#endif
