/*
 * The serving guest: firmware that drives the device as it is told.
 *
 * It needs no more of a processor than 32-bit code without paging, so that it
 * runs also with a KVM that can do no more, unless it is told to turn it on. A
 * command is a line:
 *
 *   config              -> addr, block, region, usable, plugged, requested
 *   request TYPE FIRST COUNT    a request for so many blocks
 *                       -> type of the answer, and its state
 *   rounds N STRIDE     N times PLUG and UNPLUG of 64 blocks, a request each,
 *                       so many blocks (or 1) from one to the next
 *                       -> answers in all, and those that were no ACK; cycles
 *                       from kick to last answer, of all PLUG and all UNPLUG
 *   stripe TYPE FIRST   64 requests of a block each, for every second block
 *                       -> how many were no ACK
 *   cycles              -> the counter of cycles
 *   messages            have the device send interrupts from now on; requests
 *                       then wait for one
 *   interrupts          -> how many came from the queue, and the configuration
 *   store ADDR LENGTH   have QEMU copy the file opt/pattern to guest-physical
 *                       memory: without paging, a processor reaches 4 GiB
 *   window              turn paging on: the device's memory is at 1 GiB, too
 *   poke ADDR VALUE     write a word
 *   peek ADDR           -> a word
 *   load ADDR           from now on, write to some of 1024 pages there each
 *                       millisecond, and look whether what was written is there
 *   loaded              -> how many pages were written, and how many were found
 *                       to be damaged
 *   start               drive the device that was added since the guest began
 *   eject               have the i440FX's ACPI remove the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "console.h"
#include "fw_cfg.h"
#include "interrupts.h"
#include "window.h"

#define BARS        0xc0000000u     /* from here on; nobody else has this */
#define LOAD_PAGES  1024u
#define WORDS       (PAGE / sizeof(uint32_t))
#define AT_ONCE     16              /* pages a millisecond */

static bool with_messages;
static volatile uint32_t *load; /* NULL: there is none */
static uint32_t written, damaged;

/* --- what firmware does ------------------------------------------------- */

static void assign_addresses(unsigned devfn)
{
    uint32_t next = BARS;

    for (unsigned bar = PCI_BASE_ADDRESS_0; bar <= PCI_BASE_ADDRESS_5;
         bar += 4) {
        uint32_t kind = pci_read(devfn, bar), size;

        pci_write(devfn, bar, ~0u);
        size = -(pci_read(devfn, bar) & ~0xfu);
        if (!size || kind & PCI_BASE_ADDRESS_SPACE_IO) {
            continue;
        }
        next = (next + size - 1) & -size;
        pci_write(devfn, bar, next);
        next += size;
        if (kind & PCI_BASE_ADDRESS_MEM_TYPE_64) {
            bar += 4;
            pci_write(devfn, bar, 0);
        }
    }
}

/* --- commands ------------------------------------------------------------ */

static void store(char *address)
{
    char *length = next_word(address);

    copy(find_file("opt/pattern"), number(address), number(length));
}

static void show_config(char *unused)
{
    (void)unused;
    say_number(config->addr);
    say_number(config->block_size);
    say_number(config->region_size);
    say_number(config->usable_region_size);
    say_number(config->plugged_size);
    say_number(config->requested_size);
}

static void await_message(uint32_t before)
{
    while (interrupts[QUEUE] == before) {
        rest();
    }
}

static void one_request(char *type)
{
    char *first = next_word(type);
    char *count = next_word(first);
    const uint32_t before = interrupts[QUEUE];
    unsigned slot;

    fill(0, number(type), config->addr + number(first) * config->block_size,
         number(count) * config->block_size);
    submit(0);
    *doorbell = 0;
    if (with_messages) {
        await_message(before);
    }
    slot = take();
    say_number(response[slot].type);
    say_number(response[slot].u.state.state);
}

static uint64_t cycles(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void show_cycles(char *unused)
{
    (void)unused;
    say_number(cycles());
}

/* All slots at one kick. Returns how long it took. */
static uint64_t all_slots(uint16_t type)
{
    const uint16_t end = used.idx + SLOTS;
    uint64_t ticks;

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        request[slot].type = type;
        submit(slot);
    }
    ticks = cycles();
    *doorbell = 0;
    while (used.idx != end) {
    }
    ticks = cycles() - ticks;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        take();
    }
    return ticks;
}

static void rounds(char *times)
{
    char *stride = next_word(times);
    const uint64_t block = config->block_size;
    const uint64_t step = block * (*stride ? number(stride) : 1);
    const uint64_t answered = COUNTERS->answered;
    const uint64_t unexpected = COUNTERS->unexpected;
    uint64_t addr = config->addr, plug = 0, unplug = 0;

    for (unsigned slot = 0; slot < SLOTS; slot++, addr += step) {
        fill(slot, VIRTIO_MEM_REQ_PLUG, addr, block);
    }
    for (uint32_t left = number(times); left; left--) {
        plug += all_slots(VIRTIO_MEM_REQ_PLUG);
        unplug += all_slots(VIRTIO_MEM_REQ_UNPLUG);
    }
    say_number(COUNTERS->answered - answered);
    say_number(COUNTERS->unexpected - unexpected);
    say_number(plug);
    say_number(unplug);
}

static void stripe(char *type)
{
    const uint64_t block = config->block_size;
    const uint64_t unexpected = COUNTERS->unexpected;
    uint64_t addr = config->addr + number(next_word(type)) * block;

    for (unsigned slot = 0; slot < SLOTS; slot++, addr += 2 * block) {
        fill(slot, number(type), addr, block);
    }
    all_slots(number(type));
    say_number(COUNTERS->unexpected - unexpected);
}

static void turn_messages_on(char *unused)
{
    (void)unused;
    start_messages();
    with_messages = true;
}

static void show_interrupts(char *unused)
{
    (void)unused;
    say_number(interrupts[QUEUE]);
    say_number(interrupts[CONFIG]);
}

static void show_window(char *unused)
{
    (void)unused;
    open_window();
}

static volatile uint32_t *word_at(char *address)
{
    return (void *)(uintptr_t)number(address);
}

static void poke(char *address)
{
    char *value = next_word(address);

    *word_at(address) = number(value);
}

static void peek(char *address)
{
    say_number(*word_at(address));
}

/* Page by page, again and again: what each has is the number of the round. */
static void load_some(void)
{
    for (unsigned i = 0; i < AT_ONCE; i++, written++) {
        volatile uint32_t *page = load + written % LOAD_PAGES * WORDS;
        const uint32_t round = written / LOAD_PAGES;

        damaged += page[0] != round || page[WORDS - 1] != round;
        page[0] = page[WORDS - 1] = round + 1;
    }
}

static void start_load(char *address)
{
    load = word_at(address);
    for (unsigned page = 0; page < LOAD_PAGES; page++) {
        load[page * WORDS] = load[page * WORDS + WORDS - 1] = 0;
    }
    written = damaged = 0;
}

static void show_load(char *unused)
{
    (void)unused;
    say_number(written);
    say_number(damaged);
}

static void start(char *unused)
{
    (void)unused;
    seen = used.idx = avail.idx = 0;
    assign_addresses(find_device());
    start_device();
}

static void eject(char *unused)
{
    const uint32_t slot = find_device() / 8;

    (void)unused;
    __asm__ volatile("outl %0, %w1" : : "a"(0), "d"(0xae10));   /* the bus */
    __asm__ volatile("outl %0, %w1" : : "a"(1u << slot), "d"(0xae08));
}

static const struct {
    const char *name;
    void (*run)(char *arguments);
} commands[] = {
    { "config", show_config },
    { "request", one_request },
    { "rounds", rounds },
    { "stripe", stripe },
    { "cycles", show_cycles },
    { "messages", turn_messages_on },
    { "interrupts", show_interrupts },
    { "store", store },
    { "window", show_window },
    { "peek", peek },
    { "poke", poke },
    { "load", start_load },
    { "loaded", show_load },
    { "start", start },
    { "eject", eject },
};

static void run(char *line)
{
    char *name = next_word(line);
    char *arguments = next_word(name);
    const char *status = " 1\n";

    for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (same(name, commands[i].name)) {
            commands[i].run(arguments);
            say("\n");
            status = " 0\n";
        }
    }
    say("@done ");
    say(line);
    say(status);
}

static void read_line(char *line, unsigned size)
{
    unsigned length = 0;

    for (;;) {
        if (!has_input()) {
            if (load) {
                load_some();
            }
            rest();
            continue;
        }
        line[length] = in(PORT);
        if (line[length] == '\n') {
            break;
        }
        length += length < size - 1;
    }
    line[length] = 0;
}

_Noreturn void serve(void)
{
    static char line[256];

    start_clock();
    if (find_device() != NOWHERE) {
        start("");
    }
    COUNTERS->stage = 1;
    say("@ready\n");
    for (;;) {
        read_line(line, sizeof(line));
        run(line);
    }
}
