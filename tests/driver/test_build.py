# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuring and building, with a configure and a ninja made for the test."""

import contextlib
import io
import os
import subprocess
import unittest
from unittest import mock

from support import DRIVER, PROJECT, ScratchCase
import deps
import overlay
import private
import qemu
import stamp
import ui

CONFIGURE = """#!/bin/sh
echo run >> configured
for word; do echo "$word"; done > words
[ -e refuse ] && { echo "glib is too old"; exit 1; }
echo > build.ninja
"""
NINJA = """#!/bin/sh
cd "$2"
[ -e full ] && { echo "as: No space left on device"; exit 1; }
[ -e broken ] && { echo "FAILED: x.o"; echo "x.c:1: error: no x"; exit 1; }
echo "[1/900] Compiling x"
echo > qemu-system-x86_64
"""


class BuildCase(ScratchCase):
    """A tree whose build takes no time."""

    def setUp(self):
        super().setUp()
        self.tree = self.scratch / "qemu" / "src"
        self.obj = self.scratch / "qemu" / "obj"
        self.link = self.scratch / "qemu-system-x86_64"
        self.obj.mkdir(parents=True)
        self.write("qemu/src/configure", CONFIGURE).chmod(0o755)
        self.write("bin/ninja", NINJA).chmod(0o755)
        self.write("fw/bios-256k.bin", "bios")
        path = f"{self.scratch}/bin:{os.environ['PATH']}"
        for patch in (
                mock.patch.dict(os.environ, {"PATH": path, "TARGETS": ""}),
                mock.patch.object(qemu.paths, "LOGS", self.scratch / "logs"),
                mock.patch.object(private, "firmware",
                                  lambda: [self.scratch / "fw"])):
            patch.start()
            self.addCleanup(patch.stop)

    def make(self) -> str:
        """Configure and build; return what was printed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            qemu.make(self.tree, self.obj, self.link, {}, ())
        return printed.getvalue()

    def configured(self) -> int:
        """How often configure ran."""
        return len((self.obj / "configured").read_text().splitlines())


class Building(BuildCase):
    """From a tree to a binary."""

    def test_link_leads_to_the_binary_and_is_relative(self):
        self.make()
        self.assertTrue(self.link.exists())
        self.assertEqual(os.readlink(self.link), "qemu/obj/qemu-system-x86_64")

    def test_firmware_is_where_qemu_looks(self):
        self.make()
        bundle = self.obj / "qemu-bundle/usr/local/share/qemu"
        self.assertEqual((bundle / "bios-256k.bin").read_text(), "bios")

    def test_missing_firmware_is_said(self):
        (self.scratch / "fw/bios-256k.bin").unlink()
        with self.fails("bios-256k.bin", str(self.scratch / "fw")):
            self.make()

    def test_progress_is_said(self):
        self.assertIn("building qemu: 1 of 900 steps", self.make())

    def test_configured_once(self):
        self.make()
        self.make()
        self.assertEqual(self.configured(), 1)

    def test_configured_again_for_other_options(self):
        self.make()
        with mock.patch.object(qemu, "OPTIONS", ("--enable-debug",)):
            self.make()
        self.assertEqual(self.configured(), 2)

    def test_configured_again_after_it_failed(self):
        self.make()
        self.write("qemu/obj/refuse", "")
        other = mock.patch.object(qemu, "OPTIONS", ("--enable-debug",))
        with other, self.fails("configuring QEMU failed",
                               "qemu-configure.log") as seen:
            self.make()
        self.assertIn("glib is too old", seen.fail.details)
        (self.obj / "refuse").unlink()
        with other:
            self.make()
        self.assertEqual(self.configured(), 3)

    def test_compiler_error_is_shown(self):
        self.write("qemu/obj/broken", "")
        with self.fails("building qemu failed", "qemu-build.log") as f:
            self.make()
        self.assertIn("x.c:1: error: no x", f.fail.details)

    def test_first_of_many_errors_is_shown(self):
        output = "".join(f"x.c:{n}: error: no\n" for n in range(1, 99))
        self.assertEqual(ui.telling(f"cc x.c\n{output}")[0],
                         "x.c:1: error: no")

    def test_what_a_linker_misses_is_shown(self):
        shown = ui.telling("ld: x.c:1: undefined reference to `y'\n"
                           "collect2: error: ld returned 1 exit status\n")
        self.assertIn("undefined reference", shown[0])

    def test_full_disk(self):
        self.write("qemu/obj/full", "")
        with self.fails("is full", "free some space"):
            self.make()


class Version(BuildCase):
    """What --version says beside QEMU's own number."""

    def words(self, identity: str, ours: bool = True) -> list[str]:
        """What configure is given about it, for a tree made from `identity`."""
        stamp.write(self.tree, identity)
        if ours:
            self.write(f"qemu/src/{overlay.STATE}", "[]")
        self.make()
        return [word for word in
                (self.obj / "words").read_text().splitlines()
                if word.startswith("--with-pkgversion")]

    def test_ours_names_the_project_and_the_source_package(self):
        self.assertEqual(
            self.words("source package qemu_10.0.13+ds-0+deb13u1"),
            ["--with-pkgversion=virtio-mem overlay, "
             "Debian 10.0.13+ds-0+deb13u1"])

    def test_ours_over_another_tree_names_the_project(self):
        self.assertEqual(self.words("copy of /a_b's/qemu, 0123"),
                         ["--with-pkgversion=virtio-mem overlay"])

    def test_stock_is_as_qemu_has_it(self):
        self.assertEqual(
            self.words("source package qemu_10.0.13+ds-0+deb13u1", False), [])


class Dependencies(ScratchCase):
    """Debian packages of the machine."""

    def test_exact_command_for_those_who_may_not_install(self):
        with mock.patch.object(deps, "as_root", lambda: None), \
                mock.patch.object(deps.shutil, "which", lambda tool: tool), \
                mock.patch.object(deps, "absent", lambda names: ["ninja-x"]):
            with self.fails("'sudo apt-get install -y --no-install-recommends "
                            "ninja-x'"):
                deps.ensure()

    @unittest.skipUnless(os.path.exists("/var/lib/dpkg/status"),
                         "needs a machine with Debian packages")
    def test_missing_package_is_seen(self):
        self.assertEqual(deps.absent(("dpkg", "no-such-package-x")),
                         ["no-such-package-x"])


class Messages(ScratchCase):
    """What the user sees when a verb fails."""

    def run_main(self, function) -> tuple[int, str]:
        """Status and error output of ui.main."""
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            status = ui.main(function)
        return status, printed.getvalue()

    def test_failure_is_one_line_and_status_1(self):
        def verb():
            raise ui.Fail("x failed: do y")
        self.assertEqual(self.run_main(verb), (1, "error: x failed: do y\n"))

    def test_unwritable_directory(self):
        place = self.mount("ro")
        status, text = self.run_main(lambda: (place / "build").mkdir())
        self.assertEqual(status, 1)
        self.assertRegex(text, r"^error: cannot write \S*build \(Read-only.*"
                         r"make it writable")

    def test_full_disk_under_a_log(self):
        small = self.mount("size=16k")
        status, text = self.run_main(lambda: ui.run(
            ["seq", "20000"], log=small / "log", what="counting"))
        self.assertEqual(status, 1)
        self.assertRegex(text, r"^error: the disk that holds .* is full")

    def test_missing_command(self):
        with self.fails("trying failed"):
            ui.run(["no-such-command-x"], log=self.log, what="trying")
        self.assertIn("command not found", self.log.read_text())

    def test_unknown_verb(self):
        done = subprocess.run([qemu.PYTHON, DRIVER, "frobnicate"], cwd=PROJECT,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^error: .*make help\n$")


class Makefile(ScratchCase):
    """The verbs."""

    def test_help_names_every_verb(self):
        text = subprocess.run(["make", "-s", "-C", PROJECT, "help"], check=True,
                              capture_output=True, text=True).stdout
        for verb in ("demo", "run", "check", "check-full", "flood", "fuzz",
                     "bench", "coverage", "stock", "clean", "help"):
            self.assertRegex(text, rf"(?m)^make {verb} ")

    def test_source_tree_reaches_the_driver(self):
        show = self.write("show", "#!/bin/sh\necho \"src=$QEMU_SRC verb=$2\"\n")
        show.chmod(0o755)
        text = subprocess.run(
            ["make", "-s", "-C", PROJECT, "QEMU_SRC=/there", f"PYTHON={show}"],
            check=True, capture_output=True, text=True).stdout
        self.assertIn("src=/there verb=build", text)


if __name__ == "__main__":
    unittest.main()
