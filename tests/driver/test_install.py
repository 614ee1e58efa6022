# SPDX-License-Identifier: GPL-2.0-or-later
"""make install: the emulator and the tool, as they are used from there."""

import os
import subprocess
from pathlib import Path

from driver import paths


def test_installed_programs_run_and_find_what_they_need(tmp_path):
    top = tmp_path / "opt/vm"
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "-s", "-C", paths.ROOT, "install", "PREFIX=/opt/vm",
                    f"DESTDIR={tmp_path}"], check=True, env=env, capture_output=True)
    qemu = top / "bin/qemu-system-x86_64"
    told = subprocess.run([qemu, "-L", "help"], check=True, text=True,
                          capture_output=True).stdout
    assert top / "share/qemu" in map(Path, map(os.path.realpath, told.split()))
    assert (top / "share/qemu/bios-256k.bin").is_file()
    said = subprocess.run(
        [qemu, "-machine", "q35", "-display", "none", "-S", "-nic", "user",
         "-m", "256M,maxmem=2G", "-qmp", "stdio",
         "-object", "memory-backend-ram,id=mem0,size=1G,reserve=off",
         "-device", "virtio-mem-pci,id=vm0,memdev=mem0"],
        input='{"execute":"qmp_capabilities"}{"execute":"quit"}', check=True,
        text=True, capture_output=True, cwd=tmp_path)
    assert not said.stderr
    subprocess.run([top / "bin/vmemctl", "--help"], check=True, capture_output=True)
    for name in ("man/man1/vmemctl.1", "bash-completion/completions/vmemctl"):
        assert (top / "share" / name).is_file()
