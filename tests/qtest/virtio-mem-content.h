/*
 * virtio-mem: what is in a file and in the guest's memory of it
 *
 * The region has eight blocks. What each has is one letter:
 *
 *   f  what the file had before QEMU came
 *   g  what the guest wrote, n what it wrote later
 *   0  zeroes, which the file really has
 *   -  a hole of the file
 *   .  an unplugged block of the guest
 *   ?  anything else, such as a mixture or what belongs to another block
 *
 * In what a test expects,
 *
 *   ~  zeroes, whether the file has a hole there or not
 *   u  a plugged block that nobody wrote to: what the file had where it is
 *      mapped privately, as nothing changes the file, and zeroes elsewhere
 *   *  does not matter
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_CONTENT_H
#define TESTS_VIRTIO_MEM_CONTENT_H

#include "virtio-mem-sides.h"

#define CONTENT_BLOCKS 8
#define CONTENT_SIZE (CONTENT_BLOCKS * BLOCK)
#define CONTENT_SIZE_TEXT "16M"
#define CONTENT_OF_FILE "ffffffff"

/* Who may miss what is discarded? */
typedef enum Owner {
    /* A named file, mapped privately: it is never changed. */
    OWNER_FILE = 1 << 0,
    /* A named file, shared: others may look at what is plugged. */
    OWNER_SHARED = 1 << 1,
    /* Nobody else can see it ... */
    OWNER_QEMU = 1 << 2,
    /* ... unless QEMU hands it over to another QEMU. */
    OWNER_QEMU_SHARED = 1 << 3,
    OWNER_NAMED = OWNER_FILE | OWNER_SHARED,
    OWNER_ANY = OWNER_NAMED | OWNER_QEMU | OWNER_QEMU_SHARED,
} Owner;

typedef struct ContentMemory {
    const char *name;
    Owner owner;
    const char *type;           /* of the backend, with its options */
} ContentMemory;

typedef struct Bed {
    const ContentMemory *memory;
    const char *machine;
    char *dir;
    char *file;                 /* full of 'f' at first */
    char *object;               /* argument: the backend mem0 */
    char *shared;               /* argument: mem0 over @file, shared */
    char *stream;               /* where a migration can be kept */
    char *uri;                  /* for a migration between two that live */
    const char *kept;           /* what a private mapping has to leave alone */
} Bed;

typedef void ContentTest(Bed *bed);

/* Add a test for each kind of memory whose owner is among @owners. */
void content_add(const char *name, unsigned owners, ContentTest *test);

/* ... and on a machine on which blocks come late in the stream, too. */
void content_add_both(const char *name, unsigned owners, ContentTest *test);

/* --- the file ------------------------------------------------------------- */

/* Let the file have @kind ('f', 'n') in @block. */
void content_write_file(Bed *bed, unsigned block, char kind);

/*
 * What is in the file: @shared where it is shared, what it always had where it
 * is mapped privately. Memory without a name is not looked at.
 */
void content_assert_file(Bed *bed, const char *shared);

/* --- the guest ------------------------------------------------------------ */

/* Plug all that is in use below: blocks 1, 2, 5, 6; g to 1 and 5, 0 to 2. */
#define CONTENT_GUEST ".g0..gu."
#define CONTENT_IN_FILE "-g~--g~-"
void content_live(QVirtioMEM *mem);

void content_plug(QVirtioMEM *mem, unsigned block);
void content_unplug(QVirtioMEM *mem, unsigned block);

/* Let the guest write @kind to @block. */
void content_write(QVirtioMEM *mem, unsigned block, char kind);

void content_assert_guest(Bed *bed, QVirtioMEM *mem, const char *wanted);

/* --- migration ------------------------------------------------------------ */

void set_capability(const char *name);
void set_mode(const char *mode);

/* Live with anonymous memory, set @capability if not NULL, and be saved. */
void content_send(Bed *bed, const char *capability);

#endif
