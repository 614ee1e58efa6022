/*
 * virtio-mem: the resize command on targets without resizable memory devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-machine.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

void qmp_memory_device_resize(const char *id, uint64_t size, Error **errp)
{
    error_setg(errp, "this target has no resizable memory devices");
}

void hmp_memory_device_resize(Monitor *mon, const QDict *qdict)
{
    Error *err = NULL;

    qmp_memory_device_resize(NULL, 0, &err);
    hmp_handle_error(mon, err);
}

void memory_device_resize_completion(ReadLineState *rs, int nb_args,
                                     const char *str)
{
}
