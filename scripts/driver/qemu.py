# SPDX-License-Identifier: GPL-2.0-or-later
"""Configure and build QEMU: ours from the overlaid tree, and the stock one.

Both are built in trees of the same shape and with paths relative to build/,
so that ccache shares whatever does not differ between them.
"""

import os
import re
import shutil
import time
from pathlib import Path

import deps
import features
import overlay
import paths
import private
import source
import stamp
import ui
from flavours import FLAVOURS, PLAIN, Flavour

OPTIONS = (
    "--without-default-features", "--enable-system", "--enable-tcg",
    "--enable-kvm", "--enable-fdt=system", "--enable-vhost-user",
    "--enable-vhost-net", "--disable-docs", "--disable-install-blobs",
    "--disable-download",
)
PYTHON = "/usr/bin/python3"  # Debian's, whose venv module deps.py installs
SAY_EVERY = 10  # seconds between progress lines
FEW_STEPS = 10  # a build that small is not worth a line of its own
NAME = "virtio-mem overlay"  # what --version says of ours beside QEMU's number


def targets(flavour: Flavour = PLAIN) -> list[str]:
    """QEMU's targets to build; x86_64 is among them where the user chooses."""
    if flavour.targets:
        return list(flavour.targets)
    named = os.environ.get("TARGETS", "").replace(",", " ").split()
    return list(dict.fromkeys(["x86_64-softmmu", *named]))


def emulator(target: str) -> str:
    """The program that a target is."""
    if target.endswith("-linux-user"):
        return f"qemu-{target.removesuffix('-linux-user')}"
    return f"qemu-system-{target.removesuffix('-softmmu')}"


def build(extra: tuple[str, ...] = (), flavour: Flavour = PLAIN) -> None:
    """Build our QEMU; `extra` are more ninja targets (the qtests)."""
    identity, env = prepare()
    overlay_tree(paths.ROOT, paths.QEMU_TREE, identity)
    make(paths.QEMU_TREE, flavour.obj, flavour.binary, env, extra, flavour)


def build_stock() -> None:
    """Build QEMU with its own device, with the same options."""
    identity, env = prepare()
    tree = paths.STOCK_OBJ.with_name("src")
    if not stamp.matches(tree, identity):
        remove(paths.STOCK_OBJ)
        overlay.link_tree(paths.PRISTINE, tree, identity)
    make(tree, paths.STOCK_OBJ, paths.STOCK, env, ())


def prepare() -> tuple[str, dict[str, str]]:
    """Everything a build starts from; return the tree's identity, and env."""
    check_place(paths.ROOT)
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    deps.ensure()
    identity = source.prepare()
    env = private.tools()
    env.update(CCACHE_BASEDIR=str(paths.BUILD), CCACHE_NOHASHDIR="1")
    return identity, env


def check_place(root: Path) -> None:
    """QEMU's build does not work below every path: say so at once."""
    if re.search(r"[\s:'\"\\$]", str(root)):
        raise ui.Fail(f"QEMU cannot be built below '{root}': move the project "
                      "to a path without spaces, colons and quotes")


def overlay_tree(project: Path, tree: Path, identity: str) -> None:
    """Lay the project over the tree; objects of another QEMU are removed."""
    if not stamp.matches(tree, identity):
        for flavour in FLAVOURS:
            remove(flavour.obj)
    overlay.lay(project, paths.PRISTINE, tree, identity)


def remove(directory: Path) -> None:
    """Remove a directory if it is there."""
    if directory.exists():
        shutil.rmtree(directory)


def make(tree: Path, obj: Path, link: Path, env: dict, extra,
         flavour: Flavour = PLAIN) -> None:
    """Configure if needed, build, and make the result usable by its link."""
    configure(tree, obj, env, flavour)
    names = [emulator(target) for target in targets(flavour)]
    ninja(obj, [*names, *extra], env)
    private.link_firmware(private.firmware(), obj)
    for name in names:
        place = link.with_name(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        goal = os.path.relpath(obj / name, place.parent)
        if not place.is_symlink() or os.readlink(place) != goal:
            place.unlink(missing_ok=True)
            place.symlink_to(goal)


def compiler(flavour: Flavour = PLAIN) -> str:
    """The machine's gcc, through ccache where that is installed."""
    if flavour.compiler:
        return flavour.compiler
    return "ccache gcc" if shutil.which("ccache") else "gcc"


def configure(tree: Path, obj: Path, env: dict,
              flavour: Flavour = PLAIN) -> None:
    """Run configure, once for each set of options."""
    words = [f"{os.path.relpath(tree, obj)}/configure",
             f"--target-list={','.join(targets(flavour))}", *OPTIONS,
             *features.options(), *flavour.configure, *version_option(tree),
             f"--cc={compiler(flavour)}", f"--python={PYTHON}"]
    identity = " ".join([*words, *sorted(env.values())])
    if stamp.matches(obj, identity) and (obj / "build.ninja").exists():
        return
    ui.progress("configuring QEMU …")
    stamp.clear(obj)
    obj.mkdir(parents=True, exist_ok=True)
    ui.run(words, log=log_of(obj, "configure"), what="configuring QEMU",
           cwd=obj, env=env)
    stamp.write(obj, identity)


def version_option(tree: Path) -> list[str]:
    """Have --version tell ours from QEMU with its own device.

    The text names no commit: each would compile anew what has the version in it.
    """
    if not (tree / overlay.STATE).exists():
        return []
    made_from = re.match(r"source package [^_]+_(.+)",
                         stamp.file_of(tree).read_text())
    debian = f", Debian {made_from[1]}" if made_from else ""
    return [f"--with-pkgversion={NAME}{debian}"]


def ninja(obj: Path, names: list[str], env: dict) -> None:
    """Build the named files, saying from time to time how far it is."""
    said = time.monotonic()
    started = False

    def on_line(line: str) -> None:
        nonlocal said, started
        step = re.match(r"\[(\d+)/(\d+)\] ", line)
        if not step:
            return
        first = not started and int(step[2]) > FEW_STEPS
        now = time.monotonic()
        if first or now - said >= SAY_EVERY:
            ui.progress(f"building {name_of(obj)}: "
                        f"{step[1]} of {step[2]} steps")
            started, said = True, now

    ui.run(["ninja", "-C", obj, *names], log=log_of(obj, "build"),
           what=f"building {name_of(obj)}", on_line=on_line,
           env={**env, "NINJA_STATUS": "[%f/%t] "})


def log_of(obj: Path, step: str) -> Path:
    """The log of one step of one build; each run starts it anew."""
    log = paths.LOGS / f"{name_of(obj)}-{step}.log"
    log.unlink(missing_ok=True)
    return log


def name_of(obj: Path) -> str:
    """What a build directory is called: qemu, stock, sanitize, coverage."""
    return obj.parent.name if obj.name == "obj" else obj.name
