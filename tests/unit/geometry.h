/*
 * virtio-mem, geometry: the device that its tests share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_GEOMETRY_H
#define TESTS_UNIT_GEOMETRY_H

#include "virtio-mem/geometry.h"
#include "unit.h"

#define BLOCK (2 * MiB)
#define BLOCKS 16
#define REGION (BLOCKS * BLOCK)
#define BASE (4096 * MiB)
/* Where the topmost region that is accepted starts. */
#define TOP (0 - REGION - BLOCK)

static const VirtIOMEMGeometry plain = {
    .addr.gpa = BASE,
    .region_size = REGION,
    .block_size = BLOCK,
};

void add_range_tests(void);

#endif
