# SPDX-License-Identifier: GPL-2.0-or-later
"""Configure and build QEMU, ours from the overlaid tree and the stock one, and
what the top meson.build describes: vmemctl, unit tests, fuzzers, proofs.

All QEMUs are built in trees of the same shape and with paths relative to
build/, so that ccache shares whatever does not differ between them.
"""

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from driver import overlay, packages, paths, source, ui
from driver.archive import Archive

OPTIONS = (
    "--without-default-features", "--enable-system", "--enable-tcg", "--enable-kvm",
    "--enable-fdt=system", "--enable-vhost-user", "--enable-vhost-net",
    "--enable-vhost-kernel", "--enable-vhost-vdpa", "--enable-vhost-crypto",
    "--enable-tools", "--enable-vhost-user-blk-server",
    "--disable-docs", "--disable-install-blobs", "--disable-download")
PYTHON = "/usr/bin/python3"  # Debian's, whose venv module packages.py installs
SAY_EVERY = 10  # seconds between progress lines
FEW_STEPS = 10  # a build that small is not worth a line of its own
NAME = "virtio-mem overlay"  # what --version says of ours beside QEMU's number
BUNDLE = "qemu-bundle/usr/local/share/qemu"  # where QEMU looks, beside itself
FIRMWARE_DIRS = ("usr/share/seabios", "usr/share/qemu")
# The sanitizers' checks make much code, on which gcc's -O2 spends twice as long.
FAST_TO_BUILD = "--extra-cflags=-O1 -g1"


@dataclass(frozen=True)
class Flavour:
    """One way of building QEMU."""

    directory: str          # of its objects
    options: tuple = ()
    targets: tuple = ()     # of QEMU, in place of those the user names
    link: str = ""          # where its programs are found, below build/
    compiler: str = ""      # in place of the machine's gcc
    ours: bool = True       # or with QEMU's own device
    build: tuple = ()       # what ninja builds, in place of the emulators

    @property
    def obj(self) -> Path:
        """The path of that directory."""
        return paths.BUILD / self.directory

    @property
    def tree(self) -> Path:
        """The source it is built from."""
        return paths.QEMU_TREE if self.ours else self.obj.with_name("src")


QEMUS = {
    "qemu": Flavour("qemu/obj", link="."),
    # a back end of vhost-user for tests
    "storage-daemon": Flavour("qemu/obj", build=(
        "storage-daemon/qemu-storage-daemon",)),
    "stock": Flavour("stock/obj", link="stock", ours=False),
    "sanitize": Flavour("sanitize/obj", (
        "--enable-asan", "--enable-ubsan", FAST_TO_BUILD), link="sanitize"),
    "coverage": Flavour("qemu/coverage", link="coverage", compiler=str(
        Path(__file__).with_name("covering-cc"))),
    "fuzz": Flavour("fuzz/obj", (
        "--enable-fuzzing", "--enable-asan", "--cxx=clang++", FAST_TO_BUILD),
        ("x86_64-softmmu",), compiler="clang", build=("qemu-fuzz-x86_64",)),
    # Debian's builds have user-mode targets in the same tree; avr has no virtio.
    "lean": Flavour("qemu/variant-lean", ("--disable-kvm", "--disable-fdt"),
                    ("x86_64-softmmu", "x86_64-linux-user", "avr-softmmu")),
    "kvm-only": Flavour("qemu/variant-kvm-only", ("--disable-tcg",),
                        ("x86_64-softmmu",)),
}
ALONE = ("-Dtests=false", "-Dvmemctl=disabled")
# Builds of the top meson.build: its options, and the compiler if not gcc.
UNITS = {
    "unit": ([], ""),
    "sanitize/unit": (["-Db_sanitize=address,undefined", "-Db_lundef=false"], ""),
    "coverage/unit": (["-Db_coverage=true"], ""),
    "fuzz/unit": (["-Dfuzzers=enabled", *ALONE], "clang"),
    "proofs": (["-Dproofs=enabled", *ALONE], ""),
}


def qemu(name: str) -> None:
    """Build one of QEMUS, link its programs to where users find them, and say so."""
    flavour, env = QEMUS[name], prepare()
    identity, obj = source.prepare(), flavour.obj
    if flavour.ours:
        overlay.lay(paths.ROOT, paths.PRISTINE, flavour.tree, identity)
    else:
        overlay.link_tree(paths.PRISTINE, flavour.tree, identity)
    set_up(flavour.directory, configure(flavour, identity), env, identity)
    # ninja, called by hand, has to find the meson it was configured with.
    for site in obj.glob("pyvenv/lib/python3*/site-packages"):
        (site / "driver.pth").write_text(env.get("PYTHONPATH", ""))
    programs = [emulator(target) for target in targets(flavour)]
    ninja(name, obj, flavour.build or programs, env)
    link_firmware(obj)
    for program in programs if flavour.link else ():
        place = paths.BUILD / flavour.link / program
        link(obj / program, place)
        ui.progress(f"{ui.shown(place)} is ready")
    for sentence in packages.without() if name == "qemu" else ():
        ui.progress(sentence)


def unit(directory: str, *names: str) -> None:
    """Set up one of UNITS if needed, and build what is named, or all."""
    env, (options, compiler) = prepare(), UNITS[directory]
    if directory == "proofs" and private():
        unpack("proofs", paths.BUILD / "cbmc")
    env["CC"] = cc(compiler)
    tool = "en" if packages.have(packages.VMEMCTL) else "dis"
    set_up(directory, [paths.MESON, "setup", f"-Dvmemctl={tool}abled", *options,
                       ".", paths.ROOT], env)
    ninja(directory, paths.BUILD / directory, names, env)


def vmemctl(_) -> None:
    """Build the command-line tool, where it can be built."""
    if packages.have(packages.VMEMCTL):
        unit("unit", "tools/vmemctl/vmemctl")
        link(paths.BUILD / "unit/tools/vmemctl/vmemctl", paths.VMEMCTL)
        ui.progress(f"{ui.shown(paths.VMEMCTL)} is ready")


def set_up(directory: str, words: list, env: dict, of: str = "") -> None:
    """Run a command that configures there, once for each command and environment.

    Objects of another source than `of`, or else of another command, are removed.
    """
    obj, command = paths.BUILD / directory, " ".join(
        [*map(str, words), *sorted(env.values())])
    if source.made(obj) != (of or command):
        with source.replacing(obj, of or command) as empty:
            empty.mkdir()
    if source.made(obj / "build.ninja") != command:
        ui.progress(f"configuring build/{directory} …")
        with source.making(obj / "build.ninja", command):
            ui.run(words, log=log_of(directory, "configure"), cwd=obj, env=env,
                   what=f"configuring build/{directory}")


def link(goal: Path, place: Path) -> None:
    """A relative symbolic link, which survives a move of the project."""
    place.parent.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(goal, place.parent)
    if not place.is_symlink() or os.readlink(place) != relative:
        place.unlink(missing_ok=True)
        place.symlink_to(relative)


def targets(flavour: Flavour) -> list[str]:
    """QEMU's targets to build; x86_64 is among them where the user chooses."""
    named = os.environ.get("TARGETS", "").replace(",", " ").split()
    return list(flavour.targets or dict.fromkeys(["x86_64-softmmu", *named]))


def emulator(target: str) -> str:
    """The program that a target is."""
    if target.endswith("-linux-user"):
        return f"qemu-{target.removesuffix('-linux-user')}"
    return f"qemu-system-{target.removesuffix('-softmmu')}"


def prepare() -> dict[str, str]:
    """Have what every build needs; return the environment for it."""
    if re.search(r"[\s:'\"\\$]", str(paths.ROOT)):
        raise ui.Fail(f"QEMU cannot be built below '{paths.ROOT}': move the "
                      "project to a path without spaces, colons and quotes")
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    env = {"CCACHE_BASEDIR": str(paths.BUILD), "CCACHE_NOHASHDIR": "1"}
    if private():
        unpack("tools", paths.TOOLS)
        env["PYTHONPATH"] = str(paths.TOOLS / "usr/lib/python3/dist-packages")
    command = f"{PYTHON} {paths.TOOLS}/usr/bin/meson" if private() else "meson"
    script = ("#!/bin/sh\n# The meson that all of build/ is built with.\n"
              f"PYTHONPATH={env.get('PYTHONPATH', '')} exec {command} \"$@\"\n")
    overlay.put(paths.MESON, (script.encode(), 0o755))
    return env


def private() -> bool:
    """Whether tools and firmware are unpacked from Debian's archive."""
    return shutil.which("apt-get") is not None


def unpack(key: str, dest: Path) -> None:
    """Unpack the packages of a line of qemu.pin, again when one is newer.

    The machine's own release may have them too old or not at all; installing
    them from another suite is nothing a build should do to a machine.
    """
    pinned = source.pin()
    archive = Archive(pinned["suite"])
    debs = {name: archive.deb(name) for name in pinned[key].split()}
    identity = " ".join(deb.name for deb in debs.values())
    if source.made(dest) != identity:
        with source.replacing(dest, identity) as partial:
            for name in debs:
                archive.unpack(name, partial)


def link_firmware(obj: Path) -> None:
    """Link the firmware to where a QEMU built in `obj` finds it by itself."""
    directories = [paths.PRISTINE / "pc-bios"]
    if private():
        unpack("firmware", paths.FIRMWARE)
        directories = [paths.FIRMWARE / name for name in FIRMWARE_DIRS]
    for directory in directories:
        for file in directory.iterdir():
            if file.is_file():
                link(file, obj / BUNDLE / file.name)
    if not (obj / BUNDLE / "bios-256k.bin").exists():
        raise ui.Fail("no firmware (bios-256k.bin) was found in "
                      f"{', '.join(map(str, directories))}: give a QEMU_SRC "
                      "that has QEMU's pc-bios blobs")


def cc(compiler: str = "") -> str:
    """The machine's gcc, through ccache where that is installed."""
    return compiler or ("ccache gcc" if shutil.which("ccache") else "gcc")


def configure(flavour: Flavour, identity: str) -> list[str]:
    """The command that configures a QEMU, to be run where its objects are."""
    # No commit is in the version: each would compile anew what has that in it.
    package = re.match("source package [^_]+_(.+)", identity)
    version = NAME + (f", Debian {package[1]}" if package else "")
    return [f"{os.path.relpath(flavour.tree, flavour.obj)}/configure",
            f"--target-list={','.join(targets(flavour))}", *OPTIONS,
            *packages.options(), *flavour.options,
            *os.environ.get("CONFIGURE_FLAGS", "").split(),
            *([f"--with-pkgversion={version}"] if flavour.ours else []),
            f"--cc={cc(flavour.compiler)}", f"--python={PYTHON}"]


def ninja(name: str, obj: Path, names, env: dict) -> None:
    """Build the named files, saying from time to time how far it is."""
    say_at = 0.0

    def on_line(line: str) -> None:
        nonlocal say_at
        step = re.match(r"\[(\d+)/(\d+)\] ", line)
        if step and int(step[2]) > FEW_STEPS and time.monotonic() >= say_at:
            ui.progress(f"building {name}: {step[1]} of {step[2]} steps")
            say_at = time.monotonic() + SAY_EVERY

    ui.run(["ninja", "-C", obj, *names], log=log_of(name, "build"),
           what=f"building {name}", on_line=on_line,
           env={**env, "NINJA_STATUS": "[%f/%t] "})


def log_of(name: str, step: str) -> Path:
    """The log of one step of one build; each run starts it anew."""
    log = paths.LOGS / f"{name.replace('/', '-')}-{step}.log"
    log.unlink(missing_ok=True)
    return log
