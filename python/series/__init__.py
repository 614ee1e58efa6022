# SPDX-License-Identifier: GPL-2.0-or-later
"""The project as a series of patches against an unmodified QEMU."""
