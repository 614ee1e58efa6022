# SPDX-License-Identifier: GPL-2.0-or-later
"""Configure and build QEMU, ours from the overlaid tree and the stock one, and
what the top meson.build describes: vmemctl, unit tests, fuzzers, proofs.

All QEMUs are built in trees of the same shape and with paths relative to
build/, so that ccache shares whatever does not differ between them.
"""

import os
import re
import shutil
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
X86 = ("x86_64-softmmu",)
MODULES = "usr/lib/python3/dist-packages"   # of a Debian package for Python
PYTHON = "/usr/bin/python3"  # Debian's, whose venv module packages.py installs
# What --version says of ours beside QEMU's number.
NAME = f"virtio-mem overlay {(paths.ROOT / 'VERSION').read_text().strip()}"
CONFIGURED_BY = ".configured-by"  # a file beside the objects
BUNDLE = "qemu-bundle/usr/local/share/qemu"  # where QEMU looks, beside itself
# The sanitizers' checks make much code, on which gcc's -O2 spends twice as long.
FAST_TO_BUILD = "--extra-cflags=-O1 -g1"


@dataclass(frozen=True)
class Flavour:
    """One way of building QEMU."""

    directory: str          # of its objects
    options: tuple = ()
    targets: tuple = X86    # of QEMU; none: those that the user names in TARGETS
    link: str = ""          # where its programs are found, below build/
    compiler: str = ""      # in place of the machine's gcc
    ours: bool = True       # or with QEMU's own device
    build: tuple = ()       # what ninja builds, in place of the emulators


QEMUS = {
    "qemu": Flavour("qemu/obj", targets=(), link="."),
    # a back end of vhost-user for tests
    "storage-daemon": Flavour("qemu/obj", targets=(), build=(
        "storage-daemon/qemu-storage-daemon",)),
    "stock": Flavour("stock/obj", link="stock", ours=False),
    "sanitize": Flavour("sanitize/obj", (
        "--enable-asan", "--enable-ubsan", FAST_TO_BUILD), link="sanitize"),
    "coverage": Flavour("qemu/coverage", link="coverage", compiler=str(
        Path(__file__).with_name("covering-cc"))),
    "fuzz": Flavour("fuzz/obj", (
        "--enable-fuzzing", "--enable-asan", "--cxx=clang++", FAST_TO_BUILD),
        compiler="clang", build=("qemu-fuzz-x86_64",)),
    # Debian's builds have user-mode targets in the same tree; avr has no virtio.
    "lean": Flavour("qemu/variant-lean", ("--disable-kvm", "--disable-fdt"),
                    ("x86_64-softmmu", "x86_64-linux-user", "avr-softmmu"), build=(
                        "qemu-system-x86_64", "qemu-x86_64", "qemu-system-avr")),
    "kvm-only": Flavour("qemu/variant-kvm-only", ("--disable-tcg",)),
}
ALONE = ("-Dtests=false", "-Dvmemctl=disabled")
# Builds of the top meson.build: its options, and the compiler if not gcc.
UNITS = {
    "unit": ([], ""),
    "sanitize/unit": (["-Db_sanitize=address,undefined", "-Db_lundef=false"], ""),
    "coverage/unit": (["-Db_coverage=true"], ""),
    "fuzz/unit": (["-Dfuzzers=enabled", *ALONE], "clang"),
    "deb": (["--prefix=/usr", "-Db_pie=true", "-Dtests=false"], ""),
    "proofs": (["-Dproofs=enabled", *ALONE], ""),
}


def qemu(name: str) -> None:
    """Build one of QEMUS, link its programs to where users find them, and say so."""
    flavour = QEMUS[name]
    env, identity = prepare(flavour.compiler, "tools modules"), source.prepare()
    obj = paths.HERE / flavour.directory
    directory = os.path.relpath(obj, paths.BUILD)
    tree = paths.QEMU_TREE if flavour.ours else obj.with_name("src")
    overlay.lay(paths.ROOT if flavour.ours else None, paths.PRISTINE, tree, identity)
    words = [f"{os.path.relpath(tree, obj)}/configure", *options(flavour, identity)]
    set_up(directory, words, env, identity)
    # ninja, called by hand, has to find the meson it was configured with.
    for site in obj.glob("pyvenv/lib/python3*/site-packages"):
        (site / "driver.pth").write_text(env["PYTHONPATH"].replace(":", "\n"))
    programs = [f"qemu-system-{target.removesuffix('-softmmu')}"
                for target in named(flavour) or targets(flavour)]
    ninja(name, directory, flavour.build or programs, env)
    link_firmware(obj / BUNDLE)
    for program in programs if flavour.link else ():
        link(obj / program, paths.HERE / flavour.link)
        ui.progress(f"{ui.shown(paths.HERE / flavour.link / program)} is ready")
    for sentence in packages.without() if name == "qemu" else ():
        ui.progress(sentence)


def unit(directory: str, *names: str) -> None:
    """Set up one of UNITS if needed, and build what is named, or all."""
    words, compiler = UNITS[directory]
    env = prepare(compiler)
    if directory == "proofs" and private():
        unpack("cbmc")
    tool = "en" if packages.have(packages.VMEMCTL) else "dis"
    set_up(directory, [paths.MESON, "setup", f"-Dvmemctl={tool}abled", *words,
                       ".", paths.ROOT], env)
    ninja(directory, directory, names, env)


def vmemctl(_) -> None:
    """Build the command-line tool, where it can be built."""
    if packages.have(packages.VMEMCTL):
        unit("unit", "tools/vmemctl/vmemctl")
        link(paths.BUILD / "unit/tools/vmemctl/vmemctl", paths.BUILD)
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
    note = obj / CONFIGURED_BY
    if not note.exists() or note.read_text() != command:
        ui.progress(f"configuring build/{directory} …")
        note.unlink(missing_ok=True)
        ui.run(words, log=paths.LOGS / f"{directory}-configure.log", cwd=obj, env=env,
               what=f"configuring build/{directory}")
        note.write_text(command)


def link(goal: Path, directory: Path) -> None:
    """A relative symbolic link there, which survives a move of the project."""
    directory.mkdir(parents=True, exist_ok=True)
    place, relative = directory / goal.name, os.path.relpath(goal, directory)
    if not place.is_symlink() or os.readlink(place) != relative:
        place.unlink(missing_ok=True)
        place.symlink_to(relative)


def named(flavour: Flavour) -> list[str]:
    """QEMU's targets to build; none when all that it is configured for are meant."""
    return list(flavour.targets) or [f"{word.removesuffix('-softmmu')}-softmmu" for word in
                                     os.environ.get("TARGETS", "").replace(",", " ").split()]


def targets(flavour: Flavour) -> list[str]:
    """Those that it is configured for: a new one joins those of before."""
    note = paths.HERE / flavour.directory / CONFIGURED_BY
    before = re.search("--target-list=([^ ]+)", note.read_text())[1].split(",") \
        if note.exists() and not flavour.targets else []
    return list(dict.fromkeys([*before, *named(flavour)])) or list(X86)


def prepare(compiler: str = "", modules: str = "tools") -> dict[str, str]:
    """Have what a build needs, with packages of Python modules by their lines in
    qemu.pin, if they are there; return the environment for it."""
    if re.search(r"[\s:'\"\\$]", str(paths.ROOT)):
        raise ui.Fail(f"QEMU cannot be built below '{paths.ROOT}': move the "
                      "project to a path without spaces, colons and quotes")
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    pinned = source.pin()
    path = ":".join(str(unpack(key) / MODULES) for key in modules.split()
                    if private() and key in {**pinned, **pinned["series"]})
    script = ("#!/bin/sh\n# The meson that all of build/ is built with.\n"
              f"PATH={paths.TOOLS}/usr/bin:$PATH PYTHONPATH={paths.TOOLS / MODULES} "
              "exec meson \"$@\"\n")
    overlay.put(paths.MESON, (script.encode(), 0o755))
    return {"CC": compiler or ("ccache gcc" if shutil.which("ccache") else "gcc"),
            "CCACHE_BASEDIR": str(paths.BUILD), "CCACHE_NOHASHDIR": "1",
            "PYTHONPATH": path}


def private() -> bool:
    """Whether tools and firmware are unpacked from Debian's archive."""
    return shutil.which("apt-get") is not None


def unpack(key: str) -> Path:
    """Unpack the packages of a line of qemu.pin, again when one is newer.

    The machine's own release may have them too old or not at all; installing
    them from another suite is nothing a build should do to a machine.
    """
    pinned, place = source.pin(), paths.BUILD / key
    if key in pinned["series"]:
        pinned, place = pinned["series"], paths.HERE / key
    archive = Archive(pinned["suite"])
    debs = {name: archive.deb(name) for name in pinned[key].split()}
    identity = " ".join(deb.name for deb in debs.values())
    if source.made(place) != identity:
        with source.replacing(place, identity) as partial:
            for name in debs:
                archive.unpack(name, partial)
    return place


def link_firmware(bundle: Path) -> None:
    """Link the firmware to where a QEMU finds it by itself."""
    if private():
        share = unpack("firmware") / "usr/share"
        directories = [share / "seabios", share / "qemu"]
    else:
        directories = [paths.PRISTINE / "pc-bios"]
    for file in (file for place in directories for file in place.iterdir()):
        if file.is_file():
            link(file, bundle)
    if not (bundle / "bios-256k.bin").exists():
        raise ui.Fail("no firmware (bios-256k.bin) was found in "
                      f"{', '.join(map(str, directories))}: give a QEMU_SRC "
                      "that has QEMU's pc-bios blobs")


def options(flavour: Flavour, identity: str) -> list[str]:
    """What QEMU is configured with."""
    # No commit is in the version: each would compile anew what has that in it.
    package = re.match("source package [^_]+_(.+)", identity)
    version = NAME + (f", Debian {package[1]}" if package else "")
    return [f"--target-list={','.join(targets(flavour))}", f"--python={PYTHON}",
            *OPTIONS, *packages.options(), *flavour.options,
            *([f"--with-pkgversion={version}"] if flavour.ours else []),
            *os.environ.get("CONFIGURE_FLAGS", "").split()]


def ninja(name: str, directory: str, goals, env: dict) -> None:
    """Build the named files, or all."""
    ui.run(["ninja", "-C", paths.BUILD / directory, *goals], what=f"building {name}",
           log=paths.LOGS / f"{name}-build.log", env={**env, "NINJA_STATUS": "[%f/%t] "})
