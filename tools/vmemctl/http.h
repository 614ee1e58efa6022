/*
 * vmemctl: metrics by HTTP
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_HTTP_H
#define VMEMCTL_HTTP_H

#include "metrics.h"

/* The metrics as they are now; called by one thread at a time. */
typedef char *HttpMetrics(void *opaque, MetricsFormat format);

/*
 * Serve them as /metrics at @address, a path or host:port, until the current
 * GCancellable is cancelled. Who listens at port 0 is told which one it is.
 */
bool http_serve(const char *address, HttpMetrics *metrics, void *opaque,
                GError **errp);

#endif
