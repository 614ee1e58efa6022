/*
 * virtio-mem: many requests at one kick, and the whole state of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_SNAPSHOT_H
#define TESTS_VIRTIO_MEM_SNAPSHOT_H

#include "virtio-mem-driver.h"

typedef struct Request {
    uint16_t type;
    uint64_t addr;
    uint16_t nb_blocks;
} Request;

typedef struct Answer {
    uint16_t type;
    uint16_t state;
} Answer;

/* All that a driver can see but the generation of the configuration. */
typedef struct Snapshot {
    uint64_t usable_size;
    uint64_t plugged_size;
    uint64_t requested_size;
    uint8_t state[REGION / BLOCK];
} Snapshot;

/* What fits in one kick: two descriptors each, or one that is indirect. */
unsigned batch_max(QVirtioMEM *mem);

/* Make @nb requests available; the buffers are at what it returns. */
uint64_t batch_send(QVirtioMEM *mem, const Request *requests, unsigned nb);

/* Wait for as many answers, which have to come in the order of requests. */
void batch_wait(QVirtioMEM *mem, uint64_t buffers, Answer *answers,
                unsigned nb);

void batch(QVirtioMEM *mem, const Request *requests, Answer *answers,
           unsigned nb);

/* One request, answered without a look at interrupts. */
uint16_t quiet_request(QVirtioMEM *mem, uint16_t type, uint64_t addr,
                       uint16_t nb_blocks);

/* Ask for the state of every usable block, one by one. */
Snapshot *snapshot(QVirtioMEM *mem);

/* Nothing of that has changed since; frees @before. */
void assert_unchanged(QVirtioMEM *mem, Snapshot *before);

/* After whatever a driver did wrong: reset the device, plug and unplug. */
void assert_recovers(QVirtioMEM *mem);

/* Bytes that the file has of the host. */
uint64_t memory_of_file(int fd);

/* What query-memory-devices says of the first device. */
QDict *queried_device(void);

/* The size that query-memory-devices has, with all else it says checked. */
uint64_t queried_size(void);

/* Wait until that is 0, which a system reset only begins. */
void await_unplugged(void);

/*
 * Let two seconds pass and count the news of the size that were sent until
 * now; @last, which may be NULL, is the size in the last of them.
 */
unsigned count_size_events(uint64_t *last);

/* What the environment says about a random test, or @otherwise. */
uint64_t number_from_env(const char *name, uint64_t otherwise);

#endif
