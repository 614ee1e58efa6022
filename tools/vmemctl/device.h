/*
 * vmemctl: what QEMU says of its virtio-mem devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_DEVICE_H
#define VMEMCTL_DEVICE_H

#include "qmp.h"

/* Sizes are in bytes. What may be NULL is not said by every QEMU. */
typedef struct Device {
    char *id;           /* NULL if the user gave it none */
    int64_t node;
    uint64_t size;
    uint64_t requested;
    uint64_t max;
    uint64_t block;
    char *status;       /* may be NULL */
    char *reason;       /* may be NULL */
    uint64_t accesses;  /* to unplugged memory, as far as they are noticed */
    JsonObject *data;   /* all of it, as it came */
} Device;

/* All virtio-mem devices (of Device); NULL on failure. */
GPtrArray *devices_query(Qmp *qmp, GError **errp);

/* The device of that name; if there is none, the error names all. */
Device *devices_find(GPtrArray *devices, const char *id, GError **errp);

/* Ask for another size, with whatever command this QEMU has. */
bool device_resize(Qmp *qmp, const char *id, uint64_t size, GError **errp);

/* Whether a table would show both alike. */
bool device_equal(const Device *a, const Device *b);

/* Whether both are the same device, as far as an id tells. */
bool device_same_id(const Device *a, const Device *b);

/*
 * What QEMU says of the resize ("blocked: guest"), and of the use of unplugged
 * memory (", 3 unplugged accesses"); or NULL.
 */
char *device_state(const Device *device);

/*
 * In words, why the device has not the requested size.
 *
 * @paused: set if that is so because the VM does not run, whatever else is so
 */
char *device_why(Qmp *qmp, const Device *device, bool *paused);

#endif
