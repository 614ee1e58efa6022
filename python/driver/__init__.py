# SPDX-License-Identifier: GPL-2.0-or-later
"""The build driver: fetch QEMU, lay the project over it, build, make a guest."""
