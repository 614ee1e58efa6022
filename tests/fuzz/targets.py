# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzzers: how each is built and what it is given.

The modules are built stand-alone by the top meson.build; the whole device is in
a QEMU that is built with libFuzzer and ASan from the overlaid tree.
"""

import shutil
from pathlib import Path

import deps
import paths
import private
import qemu
import seeds
import stamp
import standalone
from flavours import Flavour
from libfuzzer import Fuzzer

HERE = Path(__file__).resolve().parent
BUILD = paths.BUILD / "fuzz"
MODULES = BUILD / "modules"
OBJ = BUILD / "obj"
SEEDS = BUILD / "seeds"
FOUND = BUILD / "found"
PACKAGES = ("clang", "libclang-rt-dev", "llvm")  # llvm: names in reports
SUBJECTS = ("blocks", "change", "geometry", "protocol")

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


def fuzzed() -> Flavour:
    """How both are built: by clang, through ccache where that is installed."""
    return Flavour(
        "fuzz", OBJ, BUILD / "qemu-fuzz-x86_64", MODULES,
        ("--enable-fuzzing", "--enable-asan"), ("-Dfuzzers=enabled",),
        compiler="ccache clang" if shutil.which("ccache") else "clang")


def modules() -> list[Fuzzer]:
    """Build the fuzzers of the pure modules."""
    deps.ensure(deps.PACKAGES + PACKAGES)
    build_modules(private.tools(), fuzzed())
    return [Fuzzer(f"fuzz-{subject}",
                   [MODULES / "tests" / "fuzz" / f"fuzz-{subject}"],
                   [HERE / "corpus" / subject], ["-max_len=512"])
            for subject in SUBJECTS]


def build_modules(env: dict, flavour: Flavour) -> None:
    """Set the stand-alone build up, if need be, and build the fuzzers."""
    standalone.build(env, flavour, *(f"tests/fuzz/fuzz-{subject}"
                                     for subject in SUBJECTS))


def device() -> list[Fuzzer]:
    """Build QEMU with libFuzzer and ASan; aim its generic fuzzer at ours."""
    identity, env = qemu.prepare()
    deps.ensure(PACKAGES)
    if not stamp.matches(SEEDS, identity):  # objects of another QEMU
        qemu.remove(OBJ)
    qemu.overlay_tree(paths.ROOT, paths.QEMU_TREE, identity)
    qemu.configure(paths.QEMU_TREE, OBJ, env, fuzzed())
    seeds.save(SEEDS / "device", seeds.SEEDS)
    seeds.save(SEEDS / "aim", {**seeds.SEEDS, **seeds.AIMED})
    stamp.write(SEEDS, identity)
    qemu.ninja(OBJ, ["qemu-fuzz-x86_64"], env)
    private.link_firmware(private.firmware(), OBJ)
    return [generic("device", MACHINE, "virtio*", ()),
            generic("aim", TWO_DEVICES, "virtio* mch",
                    ("virtio_mem_worker_start", "queue_change_done"))]


def generic(name: str, machine: str, objects: str, reach: tuple) -> Fuzzer:
    """QEMU's generic fuzzer, with a machine and the objects to aim at."""
    return Fuzzer(
        f"fuzz-{name}",
        [OBJ / "qemu-fuzz-x86_64", "--fuzz-target=generic-fuzz"],
        [SEEDS / name],
        ["-max_len=4096", "-rss_limit_mb=4096", "-detect_leaks=0"], cwd=OBJ,
        env={"QEMU_FUZZ_ARGS": machine, "QEMU_FUZZ_OBJECTS": objects,
             "ASAN_OPTIONS": "detect_leaks=0"},
        files="virtio-mem",
        reach=("state_plug", "state_unplug", "virtio_mem_decide",
               "virtio_mem_get_config", *reach))
