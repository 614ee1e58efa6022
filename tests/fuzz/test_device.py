# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's generic fuzzer aimed at the whole device, built with libFuzzer and ASan.

What it finds stays in build/fuzz/found and is tried first in the next run: it
fails again until it is repaired.
"""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest

from driver import paths

SPEC = importlib.util.spec_from_file_location(
    "seeds", Path(__file__).with_name("seeds.py"))
seeds = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(seeds)

OBJ = paths.HERE / "fuzz" / "obj"
FOUND = paths.BUILD / "fuzz" / "found"
GRACE = 120     # seconds to start, to load what was found before, and to end
MACHINE = (
    "-machine q35 -nodefaults -m 512M,maxmem=2G "
    "-object memory-backend-ram,id=mem,size=256M "
    "-device virtio-mem-pci,memdev=mem,requested-size=64M")
# Requests are pending, kicks are calls, and there is another one to aim at.
TWO_DEVICES = (
    "-machine q35 -nodefaults -m 512M,maxmem=2G "
    "-object memory-backend-memfd,id=mem,size=256M "
    "-object memory-backend-memfd,id=other,size=256M "
    "-device virtio-mem-pci,memdev=mem,requested-size=64M,prealloc=on,"
    "ioeventfd=off "
    "-device virtio-mem-pci,memdev=other,requested-size=64M,prealloc=on,"
    "ioeventfd=off")
FUNCTION = re.compile(r"(?m)^(?:UN)?COVERED_FUNC: hits: \d+ edges: (\d+)/(\d+) "
                      r"(\S+) \S*/virtio-mem\S*$")
# Functions that a run which is of any use gets into.
REACH = {"state_plug", "state_unplug", "virtio_mem_decide",
         "virtio_mem_get_config"}


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name, machine, objects, inputs, reach", [
    ("device", MACHINE, "virtio*", seeds.SEEDS, REACH),
    ("aim", TWO_DEVICES, "virtio* mch", {**seeds.SEEDS, **seeds.AIMED},
     {*REACH, "virtio_mem_worker_start", "queue_change_done"})])
def test_the_fuzzer_finds_nothing(name, machine, objects, inputs, reach,
                                  tmp_path, request):
    """It reaches the device, and neither crashes nor hangs it."""
    seconds = request.config.getoption("--seconds")
    seeds.save(tmp_path, inputs)
    for part in ("grown", "bad"):
        (FOUND / name / part).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [OBJ / "qemu-fuzz-x86_64", "--fuzz-target=generic-fuzz",
         f"-max_total_time={seconds}", "-timeout=60", "-report_slow_units=60",
         "-max_len=4096", "-rss_limit_mb=4096", "-detect_leaks=0",
         "-print_final_stats=1", "-print_coverage=1",
         f"-artifact_prefix={FOUND / name / 'bad'}/",
         FOUND / name / "grown", tmp_path, FOUND / name / "bad"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", cwd=OBJ,
        check=False, timeout=seconds + GRACE, env={
            **os.environ, "QEMU_FUZZ_ARGS": machine,
            "QEMU_FUZZ_OBJECTS": objects, "ASAN_OPTIONS": "detect_leaks=0"})
    assert not done.returncode, done.stdout[-5000:]
    functions = FUNCTION.findall(done.stdout)
    reached = {function for edges, _, function in functions if int(edges)}
    print("\n".join(re.findall(r"stat::number_of_executed_units.*", done.stdout)),
          f"{len(reached)} of {len(functions)} functions and "
          f"{sum(int(edges) for edges, _, _ in functions)} of "
          f"{sum(int(edges) for _, edges, _ in functions)} edges reached")
    assert reach <= reached, "it is not aimed at the device any more"
