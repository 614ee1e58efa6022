/*
 * virtio-mem: what QEMU asks of it, on targets without it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-machine.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "system/guarded-memory.h"

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

bool guarded_memory_let_in(void)
{
    return false;
}
