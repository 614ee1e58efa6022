# SPDX-License-Identifier: GPL-2.0-or-later
"""Export the project as a series of patches: `make export-series [QEMU=11.1]`.

The series begins at the unmodified QEMU and ends at what the overlay lays, but for
MAINTAINERS and the unit tests, which the overlay does not lay.
"""

import re
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path

from driver import overlay, packages, paths, source, ui
from series.steps import COVER, DEVICE, STEPS, Step

OUT = paths.HERE / "series"
TREE = OUT / "qemu"             # a git repository: QEMU, then the series
PATCHES = OUT / "patches"
LOG = paths.LOGS / "series.log"
COMMAND = re.compile(r"\n##\n# @memory-device-resize:.*?\n{ 'command'.*?}\s*}\n", re.S)
OWN = re.compile(r".*'virtio-mem(?:-pci)?\.c'.*\n|.*'virtio-ccw-mem\.c'.*\n")
UNIT = "tests/unit/virtio-mem/"
MESON = {"hw/virtio/meson.build", "hw/s390x/meson.build"}
TWICE = MESON | {"hw/virtio/trace-events"}      # more than one step changes them
NO_DEVICE = "virtio-mem: remove the device"
WIRED = "virtio-mem: add the device and its transports"
HEAD = """# SPDX-License-Identifier: GPL-2.0-or-later

# The modules that need nothing of QEMU, and one program for each that has a test.
own = include_directories('../../../hw/virtio')
modules = static_library('virtio-mem-modules', files(
%s), genh, include_directories: own, dependencies: glib, build_by_default: false)

foreach name, sources : {
%s}
  test('test-virtio-mem-' + name,
       executable('test-virtio-mem-' + name, sources, genh, include_directories: own,
                  link_with: modules, dependencies: qemuutil),
       args: ['--tap', '-k'], protocol: 'tap', suite: ['unit'])
endforeach
"""


def git(*words: str) -> str:
    """Run git in the tree."""
    return ui.run(["git", *words], log=LOG, what=f"git {words[0]}", cwd=TREE)


def pristine() -> None:
    """Have the unmodified QEMU, of which no file is in git yet."""
    shutil.rmtree(OUT, ignore_errors=True)
    ui.progress(f"making {ui.shown(TREE)} …")
    OUT.mkdir(parents=True)
    ui.run(["cp", "-al", paths.PRISTINE, TREE], log=LOG, what="linking QEMU")
    (TREE / source.NOTE).unlink()
    git("init", "-q", "-b", "series")


class Export:
    """The tree on its way from one to the other."""

    def __init__(self):
        self.final = overlay.desired(paths.ROOT, paths.PRISTINE)
        self.left = {path for path, content in self.final.items() if content} - TWICE
        self.units: dict[str, list[str]] = {}
        self.pure: list[str] = []
        self.touched = {"MAINTAINERS", "tests/unit/meson.build", *self.final, *MESON}

    def put(self, path: str, text: str | None = None) -> None:
        """Write a file: this text, or what it is in the end."""
        content = self.final.get(path) or overlay.content_of(paths.PRISTINE / path)
        if text is not None:
            content = text.encode(), 0o644
        self.touched.add(path)
        overlay.put(TREE / path, content)

    def commit(self, message: str, *options: str) -> None:
        """Have what was touched in git."""
        known = set(git("ls-files").splitlines())
        git("add", "-A", "-f", "--", *(path for path in sorted(self.touched)
                                       if path in known or (TREE / path).exists()))
        git("commit", "-q", "-m", message, *options)

    def original(self, path: str) -> str:
        """The text of a file of QEMU."""
        return (paths.PRISTINE / path).read_text()

    def take(self, step: Step) -> None:
        """Make what the step brings."""
        wanted = [*step.paths, *(f"{DEVICE}{module}.[ch]" for module in step.modules)]
        for path in sorted(self.left):
            if any(fnmatch(path, pattern) for pattern in wanted):
                self.left.remove(path)
                self.put(path)
        if step.patch:
            git("apply", str(paths.ROOT / "patches" / step.patch))
        if step.tests:
            self.unit_tests(step)
        if step.subject == NO_DEVICE:
            for path in overlay.REMOVED:
                overlay.put(TREE / path, None)
            for path in MESON:
                self.put(path, OWN.sub("", self.original(path)))
            self.put("hw/virtio/trace-events")
            self.maintainers(lambda line: not line.endswith(("mem-pci.h", "mem.h")) or
                             "include" in line)
        elif step.paths == ("qapi/machine.json",):
            self.put("qapi/machine.json", COMMAND.sub(
                "", self.final["qapi/machine.json"][0].decode()))
        elif step.subject == WIRED:
            meson = self.final["hw/virtio/meson.build"][0].decode()
            self.put("hw/s390x/meson.build")
            self.put("hw/virtio/meson.build", re.sub(
                r"  'virtio-mem/monitor\.c',\n|, if_false: files\('virtio-mem/stubs\.c'\)|"
                r"system_ss\.add\(files\('virtio-mem/monitor-info\.c'\)\)\n", "", meson))
        elif "monitor" in step.modules:
            self.put("hw/virtio/meson.build")
            self.put("qapi/machine.json")

    def unit_tests(self, step: Step) -> None:
        """The unit tests of pure modules, with what they share the first time."""
        if not self.pure:
            ours = self.final["hw/virtio/trace-events"][0].decode()
            self.put("hw/virtio/trace-events", self.original("hw/virtio/trace-events")
                     + ours[ours.rindex("\n# virtio-mem.c, "):])
            self.put("tests/unit/meson.build", self.original("tests/unit/meson.build")
                     + "\nsubdir('virtio-mem')\n")
            self.maintainers(lambda _: True)
            for name in ("unit.h", "geometry.h", "blocks-model.h"):
                self.unit_file(name)
        for name in step.tests:
            main = paths.ROOT / f"tests/unit/test-virtio-mem-{name}.c"
            if main.exists():
                self.units[name] = []
            self.units[name if main.exists() else name.partition("-")[0]].append(
                self.unit_file(main.name if main.exists() else f"{name}.c"))
            if (paths.ROOT / f"tests/unit/{name}.h").exists():
                self.unit_file(f"{name}.h")
        self.pure += step.modules
        modules = "".join(f"  '../../../{DEVICE}{name}.c',\n" for name in self.pure)
        tests = "".join(f"  '{name}': files({', '.join(map(repr, files))}),\n"
                        for name, files in self.units.items())
        self.put(UNIT + "meson.build", HEAD % (modules, tests))

    def unit_file(self, name: str) -> str:
        """Bring a file of the unit tests; return its name."""
        self.put(UNIT + name, (paths.ROOT / "tests/unit" / name).read_text())
        return name

    def maintainers(self, keep) -> None:
        """Keep lines of the section of virtio-mem, and add ours."""
        text = self.original("MAINTAINERS")
        start = text.index("\nvirtio-mem\n") + 1
        end = text.index("\n\n", start)
        lines = [line for line in text[start:end].splitlines() if keep(line)]
        lines += [f"F: {path}" for path in (
            DEVICE, "include/system/guarded-memory.h", "docs/system/devices/virtio-mem*",
            "tests/qtest/libqos/virtio-mem*", "tests/qtest/virtio-mem*", UNIT)]
        self.put("MAINTAINERS", text[:start] + "\n".join(lines) + text[end:])


def cover() -> None:
    """Say what the series is."""
    [letter] = PATCHES.glob("0000-*.patch")
    subject, _, blurb = COVER.partition("\n\n")
    letter.write_text(letter.read_text().replace("*** SUBJECT HERE ***", subject)
                      .replace("*** BLURB HERE ***", blurb))


def main() -> None:
    """Make the repository and the patches, and compare the end with the overlay."""
    packages.ensure()
    identity = source.prepare()
    pristine()
    export = Export()
    export.commit(identity)
    git("tag", "base")
    for step in STEPS:
        if step.only in ("", paths.SERIES):
            export.take(step)
            export.commit(f"{step.subject}\n\n{step.body}".strip(), "-s")
    different = [path for path, content in export.final.items()
                 if (overlay.content_of(TREE / path) or [None])[0] !=
                 (content or [None])[0]]
    if different or export.left:
        raise ui.Fail("no patch of the series has "
                      f"{', '.join(sorted({*different, *export.left}))}: add each to a "
                      "step in python/series/steps.py")
    git("format-patch", "-q", "--cover-letter", "-o", str(PATCHES), "base")
    cover()
    ui.progress(f"{len(list(PATCHES.glob('*.patch')))} files are in {ui.shown(PATCHES)}")


if __name__ == "__main__":
    sys.exit(ui.main(main))
