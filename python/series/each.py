# SPDX-License-Identifier: GPL-2.0-or-later
"""Build after each patch of an exported series: python3 -m series.each.

After each one the emulator is built, and every unit test of virtio-mem, which is
run when it is new; after the last one the emulators of RISC-V, and a qtest as well.
ninja builds what differs.
"""

import os
import re
import sys
from pathlib import Path

from driver import build, packages, paths, ui
from series.__main__ import OUT, TREE, UNIT, git

HERE, OBJ = OUT / "each", OUT / "obj"
LOG = paths.LOGS / "series-each.log"
OPTIONS = ("--without-default-features", "--enable-system", "--enable-tcg",
           "--enable-kvm", "--enable-fdt=system",
           "--target-list=x86_64-softmmu,riscv32-softmmu,riscv64-softmmu",
           "--disable-docs", "--disable-install-blobs", "--disable-download",
           # A series of QAPI members compiles most of QEMU several times.
           "--disable-debug-info", "-Doptimization=0")
EMULATOR = "qemu-system-x86_64"
# Of a machine that the series changes, with the device and without.
OTHERS = ("qemu-system-riscv64", "qemu-system-riscv32")
QTEST = "tests/qtest/virtio-mem/virtio-mem-config-test"
PROGRAM = re.compile(rf"^({UNIT}test-[^.:/\s]+): ", re.M)


def main() -> None:
    """Build all of them, in order."""
    packages.ensure(paths.SERIES)
    env = build.prepare(modules="tools modules")

    def run(*words: str, cwd: Path = OBJ, what: str) -> str:
        return ui.run([*words], log=LOG, what=what, cwd=cwd, env={
            **env, "PATH": f"{paths.BUILD}:{os.environ['PATH']}",
            "QTEST_QEMU_BINARY": f"./{EMULATOR}", "NINJA_STATUS": "[%f/%t] "})

    # git has only those files of QEMU that a patch changes.
    if not OBJ.exists():
        git("worktree", "add", "-q", "--force", "--no-checkout", "--detach", str(HERE))
        ui.run(["cp", "-al", f"{paths.PRISTINE}/.", HERE], log=LOG, what="linking QEMU")
        OBJ.mkdir()
    git("-C", str(HERE), "checkout", "-q", "-f", "base")
    run("../each/configure", *OPTIONS, f"--python={build.PYTHON}", what="configuring")
    tested: set[str] = set()
    commits = git("rev-list", "--reverse", "base..series").split()
    for commit in commits:
        subject = git("log", "-1", "--format=%s", commit).strip()
        ui.progress(f"{subject} …")
        git("-C", str(HERE), "checkout", "-q", commit)
        after = f"'{subject}'"
        run("ninja", EMULATOR, what=f"building after {after}")
        tests = set(PROGRAM.findall(run("ninja", "-t", "targets", "all",
                                        what="listing targets")))
        run("ninja", EMULATOR, *tests, what=f"building unit tests after {after}")
        for test in sorted(tests - tested):
            run(test, what=f"the unit test after {after}")
        tested |= tests
    run("ninja", *OTHERS, what=f"building {' and '.join(OTHERS)}")
    build.link_firmware(OBJ / build.BUNDLE)
    run("ninja", QTEST, what=f"building {QTEST}")
    run(QTEST, what=QTEST)
    ui.progress(f"{len(commits)} patches, {len(tested)} unit tests, one qtest: each "
                f"was built in its place, in {ui.shown(TREE.parent)}")


if __name__ == "__main__":
    sys.exit(ui.main(main))
