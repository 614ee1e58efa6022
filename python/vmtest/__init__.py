# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests, demonstration and benchmark share: VMs, guests, their monitors.

It stands on QEMU's own Python library (build/qemu/src/python), which has to be
importable beside it: pyproject.toml and the Makefile see to that.
"""
