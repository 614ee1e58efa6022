# SPDX-License-Identifier: GPL-2.0-or-later
"""What the runners of the tests have found, all together."""
