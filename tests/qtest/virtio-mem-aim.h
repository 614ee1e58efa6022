/*
 * virtio-mem: requests of which an address is aimed at something
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MEM_AIM_H
#define TESTS_VIRTIO_MEM_AIM_H

#include "virtio-mem-world.h"

#define MAX_REQUESTS 8
#define SLOT 256                /* of the buffers of a request */

/* A kick calls the device, in the middle of the write, or is an event. */
typedef enum How {
    CALLED = 1,
    BY_EVENT = 2,
} How;

typedef struct Kind {
    const char *name;
    int how;                    /* is it tried at every place */
    bool reads;                 /* also where the device only reads */
    Request requests[3];        /* addr: the first block */
    unsigned nb;
    unsigned before;            /* blocks that are plugged, from 0 on */
    bool at_once;               /* when nothing is to be populated */
} Kind;

/* With prealloc=on, eight blocks are left to a thread. */
#define NB_KINDS 7
extern const Kind kinds[NB_KINDS];
#define BIG_PLUG 2              /* one that is left to a thread */

/* The properties of vm0 for that. */
const char *options_of(How how, bool at_once);
extern const char *const how_names[];

typedef enum Place {
    NOTHING,
    SPOILED,                /* a chain behind the requests is malformed */
    RESPONSE,               /* of the first request */
    RESPONSES,
    REQUEST,
    INDIRECT_TABLE,
    TABLE,
    AVAIL,
    USED_INDEX,
    USED_ELEMENT,
    NB_PLACES,
} Place;

extern const char *const places[NB_PLACES];

/* Does the device write there? */
bool is_written(Place place);

/* The case that is under way, and what tells of it when QEMU dies. */
typedef struct Now {
    const char *kind, *place, *target, *options;
} Now;
extern Now now;
void tell_case(void *data);

/* A table with the one request at @slot. */
void put_table(uint64_t table, uint64_t slot, uint16_t head);

/* The queue with one of its parts elsewhere. */
QVirtQueue placed_ring(const QVirtioMEM *mem, Place place, uint64_t addr);

/* Bring vm0 up, with the blocks plugged that @kind needs. */
void prepare(World *world, const Kind *kind);

/*
 * Make the requests available at one kick, with what @place says at @addr.
 * Where that keeps what is written, it is given what belongs there. Returns the
 * used index when all is answered.
 */
uint16_t send_aimed(WorldDevice *vm, const Kind *kind, Place place,
                    uint64_t addr, bool keeps, uint64_t buffers);

/*
 * Wait until all is answered, the device has stopped, or some time. Kicks go
 * on, so that one may be waiting while an answer is written.
 */
void await_answers(QVirtioMEM *mem, uint16_t wanted);

#endif
