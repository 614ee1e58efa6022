/*
 * virtio-mem, explore: interrupts and answers, and what they do
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "explore-world.h"

/* --- interrupts ----------------------------------------------------------- */

/*
 * The message of an interrupt is a write: the guest chooses what and where. It
 * happens in the middle of what the device does.
 */
typedef enum Message {
    MESSAGE_NOTHING,
    MESSAGE_REMOVAL,            /* turns off the power of the slot */
    MESSAGE_KICK,
    MESSAGE_RESET,
    MESSAGE_QUEUE_RESET,
    MESSAGE_SYSTEM_RESET,
    MESSAGE_STATE,              /* another processor has added one */
    MESSAGE_PLUG_BIG,
    MESSAGES,
} Message;

#define MESSAGE_NAMES {                             \
        NULL,                                       \
        "an interrupt removes the device",          \
        "an interrupt kicks",                       \
        "an interrupt resets the device",           \
        "an interrupt resets the queue",            \
        "an interrupt resets the system",           \
        "STATE is added, and an interrupt kicks",   \
        "PLUG is added, and an interrupt kicks",    \
    }

/* All messages, or those before the one that is named. */
static const Choice messages = { MESSAGES, MESSAGE_NAMES };
/* A ring would otherwise never be empty. */
static const Choice messages_but_requests = { MESSAGE_STATE, MESSAGE_NAMES };
/* QEMU's guard keeps a device from accesses of its own registers. */
static const Choice messages_but_registers = { MESSAGE_KICK, MESSAGE_NAMES };

static const Choice *possible_messages(void)
{
    if (world.nested == WORLD_NESTED) {
        return &messages_but_registers;
    }
    return world_may_add(1) && !world.added ? &messages
                                            : &messages_but_requests;
}

static void add_and_kick(RequestKind kind)
{
    world.added = true;
    ring_add(kind);
    core_kick();
}

static void write_message(Message message)
{
    switch (message) {
    case MESSAGE_REMOVAL:
        core_remove();
        break;
    case MESSAGE_KICK:
        core_kick();
        break;
    case MESSAGE_RESET:
        core_driver_reset();
        break;
    case MESSAGE_QUEUE_RESET:
        core_queue_reset();
        break;
    case MESSAGE_SYSTEM_RESET:
        core_system_reset();
        break;
    case MESSAGE_STATE:
        add_and_kick(STATE);
        break;
    case MESSAGE_PLUG_BIG:
        add_and_kick(PLUG_BIG);
        break;
    default:
        break;
    }
}

static void write_nested(Message message)
{
    world.nested++;
    write_message(message);
    world.nested--;
}

static void notify_vector(VirtIODevice *vdev)
{
    world_needs_bus(vdev, "the guest is interrupted");
    if (!vdev->broken) {
        MUST(!world.quiet, "an interrupt while QEMU takes the driver away");
        write_nested(world_choose(possible_messages()));
    }
}

void virtio_notify(VirtIODevice *vdev, VirtQueue *vq)
{
    world_touch(vdev);
    MUST(vq->handle_output, "an interrupt by a queue that was deleted");
    world.untold = false;
    notify_vector(vdev);
}

void virtio_notify_config(VirtIODevice *vdev)
{
    world_touch(vdev);
    world.unseen = false;
    if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
        notify_vector(vdev);
    }
}

void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
{
    world_touch(vdev);
    vdev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    virtio_notify_config(vdev);
    world_touch(vdev);
    vdev->broken = true;
}

/* --- answers -------------------------------------------------------------- */

static const Message answers[] = {
    MESSAGE_NOTHING, MESSAGE_KICK, MESSAGE_RESET, MESSAGE_QUEUE_RESET,
};

static const Choice answer_choice = {
    G_N_ELEMENTS(answers), {
        NULL,
        "an answer kicks",
        "an answer resets the device",
        "an answer resets the queue",
    },
};

void qemu_answer_is_written(void)
{
    if (world.nested < WORLD_NESTED) {
        write_nested(answers[world_choose(&answer_choice)]);
    }
}
