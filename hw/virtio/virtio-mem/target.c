/*
 * virtio-mem: what differs between targets, as data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qemu/target-info.h"
#include "target.h"

static const VirtIOMEMTarget targets[] = {
    { "x86_64", .usable_extent = 256 * MiB, .has_legacy_guests = true,
      .has_acpi = true },
    { "i386", .usable_extent = 256 * MiB, .has_legacy_guests = true,
      .has_acpi = true },
    { "aarch64", .usable_extent = 1 * GiB, .has_acpi = true },
    { "arm", .usable_extent = 1 * GiB, .has_acpi = true },
    { "s390x", .usable_extent = 256 * MiB },
    { "riscv64", .usable_extent = 256 * MiB },
};

const VirtIOMEMTarget *virtio_mem_target(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        if (g_str_equal(targets[i].name, target_name())) {
            return &targets[i];
        }
    }
    /* Kconfig offers the device on no other. */
    g_assert_not_reached();
}
