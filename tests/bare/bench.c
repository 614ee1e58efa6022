/*
 * The measured guest: a driver without a kernel that times its own requests.
 *
 * The last word of the command line is a letter and a number N:
 *   r   when the requested size is no longer 0: N times PLUG and UNPLUG of 64
 *       adjacent blocks, 64 requests a kick; times of both
 *   f   the same, when all behind these blocks is plugged
 *   p   N times PLUG of the next 64 blocks, 64 requests a kick
 *   s   N times 64 requests of STATE a kick
 *   l   follow the requested size, each change in one request; times of all
 * Between requests it rests, woken once a millisecond, so that the processor
 * is free for whoever is measured.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "driver.h"
#include "multiboot.h"

#define APIC        0xfee00000u
#define VECTOR      32
#define LONG_CODE   0x18        /* the segment that start.S makes */

/* Read by machine.py, which knows this address and this layout. */
static struct samples {
    volatile uint64_t now;      /* the counter of cycles, when all is done */
    volatile uint64_t number;
    volatile uint64_t ticks[];
} *const samples = (void *)0x210000;

static uint64_t cycles(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void sample(uint64_t began)
{
    samples->ticks[samples->number] = cycles() - began;
    barrier();
    samples->number++;
}

/* --- resting ------------------------------------------------------------- */

struct interrupt_gate {
    uint16_t low, segment, flags, middle;
    uint32_t high, reserved;
};

static struct interrupt_gate gates[VECTOR + 1] __attribute__((aligned(16)));

static volatile uint32_t *apic(unsigned offset)
{
    return (void *)(uintptr_t)(APIC + offset);
}

__attribute__((interrupt)) static void wake(void *frame)
{
    (void)frame;
    *apic(0xb0) = 0;            /* end of interrupt */
}

static void start_clock(void)
{
    const uintptr_t handler = (uintptr_t)wake;
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table = { sizeof(gates) - 1, (uintptr_t)gates };

    gates[VECTOR] = (struct interrupt_gate) {
        .low = handler,
        .segment = LONG_CODE,
        .flags = 0x8e00,        /* an interrupt gate that is present */
        .middle = handler >> 16,
    };
    __asm__ volatile("lidt %0" : : "m"(table));
    __asm__ volatile("outb %b0, $0x21; outb %b0, $0xa1" : : "a"(0xff));
    *apic(0xf0) = 0x1ff;        /* on */
    *apic(0x3e0) = 0xb;         /* not divided: 1 GHz */
    *apic(0x320) = VECTOR | 1 << 17;    /* again and again */
    *apic(0x380) = 1000000;     /* each millisecond */
}

static void rest(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* --- requests ------------------------------------------------------------ */

static void fill_all(uint16_t type, uint64_t first)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        fill(slot, type,
             config->addr + (first + slot) * config->block_size,
             config->block_size);
    }
}

/* All slots at one kick. Returns when it was. */
static uint64_t kick_all(void)
{
    const uint16_t end = used.idx + SLOTS;
    uint64_t began;

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        submit(slot);
    }
    began = cycles();
    *doorbell = 0;
    while (used.idx != end) {
        __asm__ volatile("pause");
    }
    return began;
}

static void take_all(void)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        take();
    }
}

static void timed(uint16_t type)
{
    fill_all(type, 0);
    sample(kick_all());
    take_all();
}

static void plug_and_unplug(unsigned times)
{
    while (!config->requested_size) {
        rest();
    }
    while (times--) {
        timed(VIRTIO_MEM_REQ_PLUG);
        timed(VIRTIO_MEM_REQ_UNPLUG);
    }
}

/* Plug all that is requested but the first blocks. */
static void plug_rest(void)
{
    const uint64_t end = config->requested_size / config->block_size;
    uint64_t count;

    for (uint64_t first = SLOTS; first < end; first += count) {
        count = end - first < 0x8000 ? end - first : 0x8000;
        fill(0, VIRTIO_MEM_REQ_PLUG, config->addr + first * config->block_size,
             count * config->block_size);
        submit(0);
        *doorbell = 0;
        take();
    }
}

static void only(uint16_t type, unsigned times, unsigned step)
{
    for (unsigned i = 0; i < times; i++) {
        fill_all(type, i * step);
        kick_all();
        take_all();
    }
}

static _Noreturn void follow(void)
{
    uint64_t plugged = 0;

    for (;;) {
        const uint64_t wanted = config->requested_size;
        uint64_t began;

        if (wanted == plugged) {
            rest();
            continue;
        }
        if (wanted > plugged) {
            fill(0, VIRTIO_MEM_REQ_PLUG, config->addr + plugged,
                 wanted - plugged);
        } else {
            fill(0, VIRTIO_MEM_REQ_UNPLUG, config->addr + wanted,
                 plugged - wanted);
        }
        submit(0);
        began = cycles();
        *doorbell = 0;
        while (used.idx == seen) {
            rest();
        }
        sample(began);
        take();
        plugged = wanted;
    }
}

static unsigned number(const char *digits)
{
    unsigned value = 0;

    while (*digits >= '0' && *digits <= '9') {
        value = 10 * value + *digits++ - '0';
    }
    return value;
}

void second_processor(void)
{
    stop(NO_MODE);              /* there is only one */
}

void first_processor(void)
{
    const char *what = mode();
    const unsigned times = number(what + 1);

    start_device();
    start_clock();
    COUNTERS->stage = 1;
    switch (*what) {
    case 'f':
        plug_rest();
        /* fall through */
    case 'r':
        plug_and_unplug(times);
        break;
    case 'p':
        only(VIRTIO_MEM_REQ_PLUG, times, SLOTS);
        break;
    case 's':
        only(VIRTIO_MEM_REQ_STATE, times, 0);
        break;
    case 'l':
        follow();
    default:
        stop(NO_MODE);
    }
    COUNTERS->stage = 2;
    for (;;) {
        samples->now = cycles();
    }
}
