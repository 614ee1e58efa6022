/*
 * vmemctl: what monitors tell, as text for Prometheus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMEMCTL_METRICS_H
#define VMEMCTL_METRICS_H

#include "device.h"

/* What a monitor has answered, or why it has not. */
typedef struct Monitor {
    char *address;
    char *vm;               /* the VM's name; never NULL if there are devices */
    GPtrArray *devices;     /* of Device; NULL if it has not answered */
    GError *error;          /* only then */
    double seconds;         /* that it took */
} Monitor;

typedef enum MetricsFormat {
    METRICS_PROMETHEUS,     /* the text format 0.0.4 */
    METRICS_OPENMETRICS,    /* OpenMetrics 1.0.0 */
} MetricsFormat;

/* The content type that HTTP has for it. */
const char *metrics_type(MetricsFormat format);

/*
 * All metrics of all monitors (of Monitor), which have different addresses.
 * No two devices of a monitor may have the same metrics_name().
 */
char *metrics_text(GPtrArray *monitors, MetricsFormat format);

/* What tells a device from the others of its VM: its id, or its address. */
char *metrics_name(const Device *device);

#endif
