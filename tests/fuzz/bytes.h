/*
 * virtio-mem, fuzzers: the input as a sequence of numbers
 *
 * When the input is used up, all further numbers are 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_FUZZ_BYTES_H
#define TESTS_FUZZ_BYTES_H

typedef struct Bytes {
    const uint8_t *next;
    size_t left;
} Bytes;

static inline uint64_t take(Bytes *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size && bytes->left; i++, bytes->left--) {
        value |= (uint64_t)*bytes->next++ << (8 * i);
    }
    return value;
}

/* A number in [@low, @high]; not all are equally likely. */
static inline uint64_t take_range(Bytes *bytes, uint64_t low, uint64_t high)
{
    const size_t size = high - low < UINT8_MAX ? 1
                        : high - low < UINT16_MAX ? 2 : 8;
    const uint64_t value = take(bytes, size);

    return high - low == UINT64_MAX ? value : low + value % (high - low + 1);
}

/* libFuzzer calls this with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
