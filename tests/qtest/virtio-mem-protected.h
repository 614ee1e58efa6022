/*
 * virtio-mem: a device whose unplugged memory is protected
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_PROTECTED_H
#define TESTS_VIRTIO_MEM_PROTECTED_H

#include "virtio-mem-sides.h"

#define DISCARD ",unplugged-protection=discard,unplugged-protection-interval=10"
#define EVENT_NS (1000 * 1000 * 1000ULL)
#define PLUGGED 3           /* a block; its neighbours are not */
#define WRONG (9 * BLOCK + 12345)
/* Many looks. */
#define LONG_ENOUGH_US (300 * 1000)

typedef struct Memory {
    const char *name;
    const char *type;       /* of the backend, with its options */
    const char *directory;  /* of a file, or NULL */
    bool unguarded;         /* userfaultfd does not know it */
} Memory;

#define MEMORIES 8

extern const Memory memories[MEMORIES];

typedef struct Bed {
    char *path;             /* of the file, or NULL */
    int fd;
    Side *side;
} Bed;

/*
 * A device of 1 GiB that may plug all, and has PLUGGED.
 *
 * @mode, @options: properties of the device
 */
Bed *start(const Memory *memory, const char *mode, const char *options);
void stop(Bed *bed);

/* If not, the test is skipped. */
bool can_have(const Memory *memory);

/* Of the device's memory. */
uint64_t address(QVirtioMEM *mem, uint64_t offset);

/* --- what is told --------------------------------------------------------- */

/* How often unplugged memory was used. */
uint64_t accesses(void);

/* Wait until they are more. */
void wait_for_more(uint64_t before);

/* How it is protected. */
char *protection(void);

/* An event comes, whose first access was there; returns its count. */
uint64_t assert_told(uint64_t offset);
void assert_not_told(void);

/* With a change that is on its way for long, and one that is not. */
void assert_no_false_alarm(const void *memory, const char *mode);

#endif
