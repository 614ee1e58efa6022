# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzzers: how each is built and what it is given.

The rooms are built stand-alone by the top meson.build; the whole device is in
a QEMU that is built with libFuzzer and ASan from the overlaid tree.
"""

import os
import shutil
from pathlib import Path

import deps
import paths
import private
import qemu
import stamp
import suites
import ui
import seeds
from libfuzzer import Fuzzer

HERE = Path(__file__).resolve().parent
BUILD = paths.BUILD / "fuzz"
ROOMS = BUILD / "rooms"
OBJ = BUILD / "obj"
PACKAGES = ("clang", "libclang-rt-dev", "llvm")  # llvm: names in reports
SUBJECTS = ("blocks", "geometry", "protocol", "transition")

MACHINE = (
    "-machine q35 -nodefaults -m 512M,maxmem=2G "
    "-object memory-backend-ram,id=mem,size=256M "
    "-device virtio-mem-pci,memdev=mem,requested-size=64M")


def compiler() -> str:
    """Clang, through ccache where that is installed."""
    return "ccache clang" if shutil.which("ccache") else "clang"


def rooms() -> list[Fuzzer]:
    """Build the fuzzers of the pure rooms."""
    deps.ensure(deps.PACKAGES + PACKAGES)
    env = private.tools()
    log = paths.LOGS / "fuzz-rooms-build.log"
    log.unlink(missing_ok=True)
    meson = suites.meson_command()
    identity = " ".join([*map(str, meson), compiler(), *sorted(env.values())])
    if not (ROOMS / "build.ninja").exists() or \
            not stamp.matches(ROOMS, identity):
        ui.run([*meson, "setup", *(["--wipe"] if ROOMS.exists() else []),
                "-Dfuzzers=enabled", ROOMS, paths.ROOT], log=log,
               what="setting up the fuzzers",
               env={**env, "CC": compiler()})
        stamp.write(ROOMS, identity)
    ui.run(["ninja", "-C", ROOMS, *(f"tests/fuzz/fuzz-{subject}"
                                    for subject in SUBJECTS)],
           log=log, env=env, what="building the fuzzers")
    return [Fuzzer(f"fuzz-{subject}", [ROOMS / "tests/fuzz" / f"fuzz-{subject}"],
                   [HERE / "corpus" / subject], ["-max_len=512"])
            for subject in SUBJECTS]


def device() -> list[Fuzzer]:
    """Build QEMU with libFuzzer and ASan; aim its generic fuzzer at us."""
    identity, env = qemu.prepare()
    deps.ensure(PACKAGES)
    qemu.overlay_tree(paths.ROOT, paths.QEMU_TREE, paths.QEMU_OBJ, identity)
    configure(env)
    qemu.ninja(OBJ, ["qemu-fuzz-x86_64"], env)
    private.link_firmware(private.firmware(), OBJ)
    corpus = BUILD / "seeds"
    seeds.save(corpus)
    return [Fuzzer(
        "fuzz-device",
        [OBJ / "qemu-fuzz-x86_64", "--fuzz-target=generic-fuzz"], [corpus],
        ["-max_len=4096", "-rss_limit_mb=4096", "-detect_leaks=0"], cwd=OBJ,
        env={"QEMU_FUZZ_ARGS": MACHINE, "QEMU_FUZZ_OBJECTS": "virtio*",
             "ASAN_OPTIONS": "detect_leaks=0"})]


def configure(env: dict) -> None:
    """Run QEMU's configure, once for each set of options."""
    words = [f"{os.path.relpath(paths.QEMU_TREE, OBJ)}/configure",
             "--target-list=x86_64-softmmu", *qemu.OPTIONS, "--enable-fuzzing",
             "--enable-asan", f"--cc={compiler()}", f"--python={qemu.PYTHON}"]
    identity = " ".join([*words, *sorted(env.values())])
    if stamp.matches(OBJ, identity) and (OBJ / "build.ninja").exists():
        return
    ui.progress("configuring QEMU with its fuzzers …")
    stamp.clear(OBJ)
    OBJ.mkdir(parents=True, exist_ok=True)
    ui.run(words, log=qemu.log_of(OBJ, "configure"), cwd=OBJ, env=env,
           what="configuring QEMU with its fuzzers")
    stamp.write(OBJ, identity)
