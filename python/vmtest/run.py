# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration's VM for the user to play with, on this terminal."""

import os
import sys

from vmtest.demo import ARGUMENTS
from vmtest.target import TARGET
from vmtest.vm import base_arguments, default_binary

HELP = """\
The guest's console comes up on this terminal; a shell starts in a few seconds.
  Ctrl-a x    leave (ends the VM)
  Ctrl-a c    go to QEMU's monitor, and back to the guest's console
In the monitor, for example:
  info memory-devices
  memory-device-resize vm0 40G
In the guest, to see what came of it:
  free -m
  grep MemTotal /sys/devices/system/node/node*/meminfo
"""


def main() -> int:
    """Become QEMU."""
    binary = default_binary()
    if not os.access(binary, os.X_OK):
        print(f"error: there is no program {binary}: run make first",
              file=sys.stderr)
        return 1
    print(HELP, flush=True)
    os.execv(binary, [binary, "-machine", TARGET.machine, "-display", "none",
                      *base_arguments(),
                      "-chardev", "stdio,id=console,mux=on,signal=off",
                      "-mon", "console", "-chardev", "null,id=agent",
                      *TARGET.options, *ARGUMENTS])


if __name__ == "__main__":
    sys.exit(main())
