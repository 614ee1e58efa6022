/*
 * virtio-mem, explore: a small world around the request queue
 *
 * The queue, the engine of changes, the blocks and the protocol are the real
 * ones. What is above them (QEMU's virtio core, its main loop, the callbacks of
 * the device) and below (parts that change host memory and tell listeners) are
 * fakes, which do what the real ones do as far as it matters here, and complain
 * about what the real ones would not survive.
 *
 * There is one world at a time. What happens in it is up to the events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_EXPLORE_WORLD_H
#define TESTS_UNIT_EXPLORE_WORLD_H

#include "virtio-mem/queue.h"
#include "system/replay.h"
#include "unit.h"

/* --- requests ------------------------------------------------------------- */

/* The blocks: 0 and 1 are little, and the three behind are big. */
#define WORLD_BLOCKS 5
#define WORLD_LITTLE 2          /* as many blocks are changed at once */

#define WORLD_REQUESTS 64       /* in the life of a world */
#define WORLD_WAITING 3         /* in the ring */

/*
 * So often an access of the device's registers may happen in the middle of
 * another one. QEMU's guard of the transport permits it once, in the middle of
 * what is no access.
 */
#define WORLD_NESTED 1

typedef enum RequestKind {
    PLUG_0,
    PLUG_1,
    PLUG_BIG,
    UNPLUG_1,
    UNPLUG_BIG,
    UNPLUG_ALL,
    STATE,
    TOO_SHORT,                  /* the device stops */
    BAD_CHAIN,                  /* the virtio core does */
    REQUEST_KINDS,
} RequestKind;

typedef enum Fate {
    WAITS,                      /* in the ring */
    TAKEN,                      /* by the device */
    ANSWERED,
    FORGOTTEN,                  /* by the device, which stops */
    GONE,                       /* with its ring */
} Fate;

/* Of the change that a request is part of. */
typedef enum Outcome {
    NOT_ENDED,
    CARRIED_OUT,
    FAILED,
} Outcome;

typedef struct Request {
    RequestKind kind;
    Fate fate;
    bool busy;                  /* a migration ran when it was taken */
    Outcome outcome;
    uint8_t wire[VIRTIO_MEM_REQUEST_SIZE];
    uint8_t response[VIRTIO_MEM_RESPONSE_SIZE];
} Request;

/* --- the device ----------------------------------------------------------- */

/* An address below is one of memory, and none above. */
#define WORLD_REGISTERS 0xfe000000

/* Of all requests of the world, the ring holds those from first on. */
struct VirtQueue {
    VirtIODevice *vdev;
    VirtIOHandleOutput handle_output;   /* NULL: deleted */
    hwaddr desc;                        /* 0: the driver has set up none */
    unsigned first;
    unsigned taken;             /* those before this one are */
    unsigned kicked;            /* the driver has kicked for those before */
    unsigned in_use;
};

#define WORLD_ALIVE 0x11feu     /* magic of what was not freed */

/* The device is part of it. Freed with the last reference. */
typedef struct Transport {
    DeviceState parent_obj;
    BusState bus;
    bool engaged_in_io;         /* as QEMU guards a transport */
    VirtIODevice vdev;
    VirtQueue vq;
} Transport;

struct QEMUBH {
    QEMUBHFunc *run;
    void *opaque;
    Transport *guard;           /* NULL: none */
    bool scheduled;
    bool deleted;
};

/* The part that takes its time. */
typedef enum Work {
    NO_WORK,
    WORK_PLUG,
    WORK_UNDO,
    WORK_UNPLUG,
} Work;

/* Is there one that may object? It is chosen when somebody wants to know. */
typedef enum Listener {
    LISTENER_UNKNOWN,
    LISTENER_NONE,
    LISTENER_THERE,
} Listener;

#define WORLD_PARTS 5

/* What is there while the device is realized. */
typedef struct Live {
    VirtIOMEMState state;
    VirtIOMEMPartOfDevice parts[WORLD_PARTS];
    VirtIOMEMEngine *engine;
    VirtIOMEMQueue *queue;
    VirtIOMEMRetry retry;
    VirtIOMEMReport report;
    VirtIOMEMChange reset_change;

    /* What the parts know of each block. */
    bool held[WORLD_BLOCKS];    /* by host memory */
    bool mapped[WORLD_BLOCKS];
    bool told[WORLD_BLOCKS];    /* to listeners */
    Work work;                  /* on its way */
    VirtIOMEMRange work_range;
} Live;

/* --- the world ------------------------------------------------------------ */

/* How a world is made. */
typedef struct WorldKind {
    unsigned waiting;           /* most requests in the ring */
    bool packed;                /* rings */
    bool recorded;              /* the VM */
    bool slow;                  /* the host: each request takes its slice */
    bool aimed;                 /* answers may go into the device's registers */
} WorldKind;

typedef struct World {
    WorldKind kind;
    Transport *transport;       /* NULL: freed */
    Live *live;                 /* NULL: not realized */
    QEMUBH *more;               /* of the queue */
    QEMUBHFunc *drop;           /* drops a reference of the transport */
    unsigned drops;             /* scheduled so many times */
    int64_t clock;              /* ns */

    bool migrating;

    Request requests[WORLD_REQUESTS];
    unsigned nb_requests;
    bool plugged[WORLD_BLOCKS];     /* by what was answered */

    unsigned quiet;             /* no interrupt may come */
    bool popping;               /* and what follows is the guest's fault */
    bool answering;             /* the same, in a world with aimed answers */
    bool removing;
    bool untold;                /* an answer, without an interrupt since */
    bool unseen;                /* a system reset has ended, the same */
    bool told_to_wait;          /* a migration is heard of */
    bool reported;              /* an answer that is about to come */
    uint16_t reported_type;
    uint16_t reported_response;

    /* Since the last event: */
    unsigned busy;              /* calls */
    bool added;                 /* a request, in the middle of it */
    unsigned nested;            /* interrupts */
    bool troubled;              /* something has gone wrong in the host */
    Listener listener;
} World;

extern World world;

void world_begin(const WorldKind *kind);
void world_end(void);

/*
 * What is up to the world in the middle of an event. All that is possible is
 * tried. The first is what usually happens, and is not told.
 */
typedef struct Choice {
    unsigned count;
    const char *names[8];
} Choice;

unsigned world_choose(const Choice *choice);

/* Tell what is wrong, and how it came to that, and end the program. */
void world_fail(const char *fmt, ...) G_GNUC_NORETURN G_GNUC_PRINTF(1, 2);

#define MUST(condition_, ...)           \
    do {                                \
        if (!(condition_)) {            \
            world_fail(__VA_ARGS__);    \
        }                               \
    } while (0)

/* The memory of @vdev was not freed. Also ends a world that is too busy. */
void world_touch(const VirtIODevice *vdev);
/* And @vdev has its bus, which @who would use. */
void world_needs_bus(const VirtIODevice *vdev, const char *who);

static inline VirtIODevice *world_vdev(void)
{
    return &world.transport->vdev;
}

static inline VirtQueue *world_vq(void)
{
    return &world.transport->vq;
}

/* A driver has set up device and ring. */
static inline bool world_is_up(void)
{
    return world.live && world_vdev()->status & VIRTIO_CONFIG_S_DRIVER_OK &&
           world_vq()->desc;
}

/* The guest runs, and has room in its ring for @count requests. */
static inline bool world_may_add(unsigned count)
{
    return world.live && world_vdev()->vm_running && world_vq()->desc &&
           world.nb_requests - world_vq()->taken + count <= world.kind.waiting;
}

/* --- what QEMU's virtio core does (explore-core.c) ------------------------ */

void core_kick(void);
void core_driver_starts(void);
void core_driver_is_ok(void);
void core_driver_errs(void);
void core_driver_reset(void);
void core_queue_reset(void);
void core_set_up_queue(void);
void core_move_ring(void);      /* to where there is no memory */
void core_system_reset(void);
void core_vm_runs(bool runs);
void core_migration(bool runs);
void core_remove(void);         /* by the guest */
void core_device_del(void);     /* by the user */

/* --- the ring (explore-ring.c) -------------------------------------------- */

void ring_add(RequestKind kind);
/* The ring is gone, and what was in there. */
void ring_reset(VirtQueue *vq, hwaddr desc);
unsigned ring_count(Fate fate);

/* --- the rest of QEMU (explore-interrupt.c, explore-qemu.c) --------------- */

/* The device writes to where the guest has aimed it. */
void qemu_answer_is_written(void);
void qemu_run_bottom_halves(void);
bool qemu_has_bottom_halves(void);

/* --- below (explore-parts.c) ---------------------------------------------- */

void parts_list(Live *live);
void parts_work_ends(void);

/* --- what must be so (explore-check.c) ------------------------------------ */

extern const struct RequestText {
    const char *name;
    uint16_t type;
    uint64_t first;
    uint16_t count;
} request_texts[REQUEST_KINDS];

/* @change has ended. */
void check_ended(const VirtIOMEMChange *change);
/* @request is answered by what is in its response. */
void check_answer(Request *request);
/* @request gets no answer. */
void check_forgotten(Request *request);
/* After an event. */
void check_world(void);
/* All that what happens next depends on. */
GBytes *check_digest(void);

/* --- what happens (explore-events.c) -------------------------------------- */

/* What a driver adds to its ring before it kicks. */
typedef struct Batch {
    unsigned count;
    RequestKind kinds[WORLD_WAITING];
} Batch;

typedef struct Event {
    const char *name;
    bool (*makes_sense)(const Batch *batch);
    void (*happens)(const Batch *batch);
    Batch batch;
} Event;

extern const Event events[];
extern const unsigned nb_events;

bool event_makes_sense(const Event *event);
void event_happens(const Event *event);

/*
 * Whatever was, a driver that behaves is served in the end, and a device that
 * goes leaves nothing behind. Ends the world.
 */
void world_comes_to_rest(void);

#endif
