/*
 * virtio-mem: what differs between targets, as data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/core/cpu.h"
#include "target.h"
#include CONFIG_DEVICES

#ifdef CONFIG_ACPI
#define TARGET_HAS_ACPI true
#else
#define TARGET_HAS_ACPI false
#endif

static const VirtIOMEMTarget targets[] = {
    { "x86_64", .usable_extent = 256 * MiB, .has_legacy_guests = true,
      .has_acpi = TARGET_HAS_ACPI },
    { "i386", .usable_extent = 256 * MiB, .has_legacy_guests = true,
      .has_acpi = TARGET_HAS_ACPI },
    { "aarch64", .usable_extent = 1 * GiB, .has_acpi = TARGET_HAS_ACPI },
    { "arm", .usable_extent = 1 * GiB, .has_acpi = TARGET_HAS_ACPI },
    { "s390x", .usable_extent = 256 * MiB },
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
