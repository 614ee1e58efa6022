/*
 * virtio-mem: where things are in a stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_STREAM_H
#define TESTS_VIRTIO_MEM_STREAM_H

#include "virtio-mem-sides.h"

/* Bytes, in the order of a stream. */
typedef struct Stream {
    char *path;
    char *data;
    gsize size;
    gsize early;            /* where the section of that name starts, or 0 */
    gsize identity;         /* addr, region, block: u64 each; node: u32 */
    gsize sizes;            /* requested size; the usable one is before it */
} Stream;

typedef enum Field { ADDR, REGION_SIZE, BLOCK_SIZE, NODE, PLUGGED, BITMAP,
                     BITMAP_END, USABLE, REQUESTED } Field;

/* A VM of which blocks 0 and 2 to 65 are plugged, of 256 MiB requested. */
Side *sender(const char *machine);

/* Find the parts of what @side, a sender(), has sent: @s has data and size. */
void dissect(Stream *s, Side *side, const char *machine);

/* What a sender() of this machine type saves to a file. */
Stream *stream(const char *machine);

void stream_free(Stream *s);

/* Where it is, in both forms of the stream. */
gsize offset_of(const Stream *s, Field field);

#endif
