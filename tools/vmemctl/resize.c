/*
 * vmemctl: the command resize
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>

#include "vmemctl.h"
#include "size.h"

int command_resize(const Options *options, GError **errp)
{
    g_autoptr(Qmp) qmp = qmp_open(options->socket, options->reply_timeout,
                                  errp);
    g_autoptr(GPtrArray) devices = qmp ? devices_query(qmp, errp) : NULL;
    Device *device = devices ? devices_find(devices, options->id, errp) : NULL;
    uint64_t target;
    SizeLimits limits;

    if (!device) {
        return EXIT_REFUSED;
    }
    limits = (SizeLimits) {
        .requested = device->requested,
        .max = device->max,
        .block = device->block,
    };
    if (!size_resolve(&options->size, &limits, &target, errp) ||
        !device_resize(qmp, options->id, target, errp)) {
        return EXIT_REFUSED;
    }
    if (!options->wait) {
        g_autofree char *asked = size_text(target);
        g_autofree char *size = size_text(device->size);

        printf("%s: %s requested, has %s\n", options->id, asked, size);
        return EXIT_SETTLED;
    }
    return follow(qmp, options, device->size, target, errp);
}
