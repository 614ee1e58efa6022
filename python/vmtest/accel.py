# SPDX-License-Identifier: GPL-2.0-or-later
"""Which accelerator the guests run with: KVM where it can run one, else TCG.

That /dev/kvm opens does not say that a Linux guest runs (nested machines lack
64-bit mode or paging). So the guest is booted once; the answer is kept until
the machine, its kernel or QEMU's binary is another. ACCEL=tcg or ACCEL=kvm in
the environment decides without a look.
"""

import fcntl
import os
import platform
import subprocess
import sys
from pathlib import Path

from driver import paths
from vmtest.target import TARGET

OPTIONS = {"tcg": "tcg,thread=multi", "kvm": "kvm"}
BOOTED = "guest ready"      # what tests/guest/init.sh says on the console
SECONDS = 20                # with KVM a boot takes two
CACHE = paths.BUILD / "accelerator"
GUEST = paths.GUESTS / "x86_64"


def name() -> str:
    """tcg or kvm, which is not there for another processor than this machine's."""
    asked = os.environ.get("ACCEL", "")
    if asked and asked not in OPTIONS:
        sys.exit(f"error: ACCEL={asked} is not one of {', '.join(OPTIONS)}")
    if TARGET.arch != platform.machine():
        return "tcg"
    return asked or found()


def option() -> str:
    """The argument of QEMU's -accel."""
    return OPTIONS[name()]


def found(device: Path = Path("/dev/kvm"), cache: Path = CACHE) -> str:
    """What this machine can do, from the cache if it knows this machine."""
    if not os.access(device, os.R_OK | os.W_OK):
        return "tcg"
    cache.parent.mkdir(parents=True, exist_ok=True)
    with open(cache, "a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)    # tests start side by side
        file.seek(0)
        key, _, answer = file.read().rpartition(" ")
        if key != machine() or answer not in OPTIONS:
            answer = "kvm" if boots("kvm") else "tcg"
            print(f"guests run with {answer.upper()} on this machine",
                  file=sys.stderr, flush=True)
            file.truncate(0)
            file.write(f"{machine()} {answer}")
    return answer


def machine() -> str:
    """What the answer depends on."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{platform.release()} {boot} {paths.QEMU.stat().st_mtime_ns}"


def boots(kind: str) -> bool:
    """Whether the guest starts with this accelerator."""
    try:
        done = subprocess.run(
            ["timeout", "-s", "KILL", str(SECONDS), paths.QEMU,
             "-accel", OPTIONS[kind], "-nodefaults", "-no-user-config",
             "-display", "none", "-no-reboot", "-m", "512M",
             "-kernel", GUEST / "vmlinuz",
             "-initrd", GUEST / "initrd.img",
             "-append", "console=ttyS0 panic=-1 vm.probe", "-serial", "stdio"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False)
    except OSError:
        return False
    return BOOTED in done.stdout
