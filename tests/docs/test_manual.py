# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's manual: QEMU's documentation shows it, its examples work as they
are printed, and its list of messages is that of the code.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from vmtest import manual

TEXT = manual.MANUAL.read_text()
BLOCKS = manual.blocks(TEXT)
DEVICES = manual.MANUAL.parent
HUGE_PAGE = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")

# Examples that cannot be run here, by their first line.
NOT_RUN = {
    "status: resizing since 2 s, 6526796800 bytes/s, 4 s left":
        "only a guest can be in the middle of a resize",
    '<- { "timestamp": { "seconds": 1795258850, "microseconds": 191086 },':
        "only a guest can change the plugged size",
    "memhp_default_state=online_movable init_on_alloc=0":
        "is on the command line of the guest's kernel",
    "# echo online_movable > /sys/devices/system/memory/auto_online_blocks":
        "is typed in the guest",
    "# cat /proc/cmdline": "is typed in the guest",
    "<domain type='kvm'>": "tests/libvirt/test_manual.py has libvirt",
    "<qemu:override>": "tests/libvirt/test_manual.py has libvirt",
    "$ virsh define web1.xml": "tests/libvirt/test_manual.py has libvirt",
}


# --- examples ----------------------------------------------------------------

def test_examples_that_are_not_run_are_in_the_manual():
    firsts = [block.first for block in BLOCKS]
    for first in NOT_RUN:
        assert firsts.count(first) == 1, f"no example starts so: {first}"


def runnable() -> list:
    """Each VM of the manual, with the examples that are tried in it."""
    parts = manual.sessions([block for block in BLOCKS
                             if block.first not in NOT_RUN])
    return [pytest.param(part, id=f"line-{part[0].line}") for part in parts]


@pytest.mark.parametrize("session", runnable())
def test_examples_do_what_the_manual_says(session, tmp_path):
    if not HUGE_PAGE.exists() or int(HUGE_PAGE.read_text()) != 2 << 20:
        pytest.skip("the manual's block size is that of a host with "
                    "transparent huge pages of 2 MiB")
    assert manual.QEMU.exists() and manual.VMEMCTL.exists(), "run make first"
    with manual.Vm(tmp_path) as vm:
        for block in session:
            try:
                vm.run(block)
            except manual.Differs as problem:
                pytest.fail(f"{manual.MANUAL}:{block.line}: {problem}")


def test_status_lines_have_the_form_that_hmp_prints():
    lines = re.findall(r"^ *status: (.*)$", TEXT, re.M)
    assert lines
    for line in lines:
        assert re.fullmatch(f"(?:{manual.STATUS}){manual.MORE}", line), line


def test_events_have_the_members_of_the_schema():
    shown = [message for block in BLOCKS if block.language == "QMP"
             for _, message in manual.messages(block.text)
             if "event" in message]
    assert len(shown) == 2
    schema = (manual.TREE / "qapi/machine.json").read_text()
    for event in shown:
        members = re.search(r"'event': '" + event["event"]
                            + r"',\s*'data': {(.*?)}", schema, re.S)[1]
        names = re.findall(r"'(\*?[\w-]+)'\s*:", members)
        assert {name for name in names if name[0] != "*"} <= \
            event["data"].keys() <= {name.lstrip("*") for name in names}


# --- what compares ------------------------------------------------------------

@pytest.mark.parametrize("expected, seen", [
    ("a", "a"), ("a\n...", "a\nb\nc"), ("a\n...\nc", "a\nb\nc"),
    ("  size: 5", "  size: 7\r\n"), ("", ""),
    ("  status: settled since 2 s", "  status: blocked (guest) since 0 s"),
])
def test_same_text(expected, seen):
    manual.compare_text(expected, seen)


@pytest.mark.parametrize("expected, seen", [
    ("a", "b"), ("a", "a\nb"), ("...\nc", "a\nb"), ("", "Error: no"),
    ("  size: 5", "  size: 5 GiB"),
    ("  status: settled since 2 s", "  status: settled, 1 GiB"),
])
def test_other_text(expected, seen):
    with pytest.raises(manual.Differs):
        manual.compare_text(expected, seen)


@pytest.mark.parametrize("expected, seen", [
    ({"a": 1}, {"a": 2}), ({"a": 1}, {"a": 1, "b": 1}), ({"a": 1}, {}),
    ({"size": 1}, {"size": "1"}), ([1], [1, 2]), ([1, "..."], [2, 1]),
])
def test_other_json(expected, seen):
    with pytest.raises(manual.Differs):
        manual.compare_json(expected, seen)


def test_same_json():
    manual.compare_json({"a": [1, "..."], "size": 1, "rate": 1},
                        {"a": [1, 2, 3], "size": 5})


def test_blocks_are_found_with_their_lines():
    text = ("a::\n\n  b\n\n   c\nd\n\n"
            ".. code-block:: console\n\n   $ e \\\n     f\n   g\n")
    found = manual.blocks(text)
    assert [(block.line, block.language, block.text) for block in found] == [
        (1, "none", "b\n\n c"), (8, "console", "$ e \\\n  f\ng")]
    assert manual.typed(found[1].text) == [manual.Typed("$", "e f", "g")]


# --- messages -----------------------------------------------------------------

# Messages of QEMU itself, of which some are put together from parts.
QEMU_SOURCES = ("backends/hostmem.c", "hw/i386/pc.c", "hw/mem/memory-device.c",
                "migration/savevm.c", "system/physmem.c",
                "system/qdev-monitor.c", "system/vl.c")
MADE_OF = {
    "cannot set up guest memory 'ID': Cannot allocate memory":
        "cannot set up guest memory '%s'",
    "No 'PCI' bus found for device 'virtio-mem-pci'":
        "No '%s' bus found for device '%s'",
    "Unknown savevm section or instance '.../virtio-mem-device-early' 0":
        "Unknown savevm section or instance '%s'",
    "virtio-mem: the size of 'memdev' differs: ...": "the size of 'memdev'",
}
PLACEHOLDER = re.compile(r"'(?:ID|PROP|TEXT|TYPE|PATH|M|B)'|\.\.\.|"
                         r"\b(?:SIZE|N|TYPE)\b")

CONVERSION = re.compile(r"'%s'|(?:0x)?%[a-z]*")


def pattern(holes: re.Pattern, text: str) -> str:
    """A regular expression for the text with anything in its holes."""
    return r"[^\n]{0,99}?".join(re.escape(part) for part in holes.split(text))


def names_of_strings() -> list[tuple[str, str]]:
    """The device's macros for strings: name, and value with its quotes."""
    headers = [manual.ROOT / "include/hw/virtio/virtio-mem.h",
               *(manual.ROOT / "hw/virtio/virtio-mem").glob("*.h")]
    return [pair for file in headers for pair in re.findall(
        r'^#define (VIRTIO_MEM_\w+)\s+(?:\\\n\s*)?("[^"]+")$',
        file.read_text(), re.M)]


def literals(text: str) -> str:
    """C source in which strings that follow one another are one string."""
    for name, value in names_of_strings():
        text = re.sub(rf"\b{name}\b", value, text)
    text = re.sub(r"\bPRI[a-zA-Z]+\d+\b", '"d"', text)
    return re.sub(r'"\s*"', "", text)


def ours() -> str:
    """The device's sources."""
    hw = manual.ROOT / "hw"
    return "\n".join(literals(file.read_text())
                     for file in sorted(hw.rglob("*.c")))


def listed() -> list[str]:
    """The messages in the first column of the manual's tables of messages."""
    section = re.search(r"\nErrors by message\n-+\n(.*?)\nProperties\n-+\n",
                        TEXT, re.S)[1]
    cells = re.findall(r"^   \* - (``.*?)\n     - ", section, re.S | re.M)
    return [" ".join(message.split())
            for cell in cells for message in re.findall(r"``(.+?)``", cell,
                                                        re.S)]


def test_messages_of_the_manual_are_in_the_code():
    code = ours() + "\n".join(literals((manual.TREE / name).read_text())
                              for name in QEMU_SOURCES)
    found = listed()
    assert len(found) > 50
    for message in found:
        if message in MADE_OF:
            assert MADE_OF[message] in code, message
            continue
        assert re.search(pattern(PLACEHOLDER, message), code), message
    assert MADE_OF.keys() <= set(found), "MADE_OF names a message that is gone"


def test_messages_of_the_code_are_in_the_manual():
    found = listed()
    formats = re.findall(
        r'\b(?:error_setg(?:_errno)?|error_set|error_report\w*|warn_report|'
        r'virtio_error)\([^";]*"([^"]+)"', ours())
    assert len(formats) > 40
    for each in formats:
        # The manual may leave out an end, and so may a message have more.
        assert any(re.match(pattern(PLACEHOLDER, message), each) or
                   re.match(pattern(CONVERSION, each), message)
                   for message in found), each


# --- QEMU's documentation -----------------------------------------------------

PICTURES = ("virtio-mem-region.svg", "virtio-mem-resize.svg")
FLEET = "virtio-mem-fleet"


def test_the_drawn_picture_needs_nothing_else():
    """That of the dashboard is drawn by gnuplot, and stands in the other page."""
    text = (DEVICES / "virtio-mem-dashboard.svg").read_text()
    ElementTree.fromstring(text)
    assert not re.search(r'href="(?!#)|@import|https?://(?!www\.w3\.org)', text)
    assert ".. figure:: virtio-mem-dashboard.svg\n   :alt: " in \
        (DEVICES / f"{FLEET}.rst").read_text()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_whole_and_need_nothing_else(name):
    root = ElementTree.parse(DEVICES / name).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.find("{http://www.w3.org/2000/svg}title").text
    text = (DEVICES / name).read_text()
    assert "href" not in text and "@import" not in text
    assert f".. figure:: {name}\n   :alt: " in TEXT


def test_sphinx_shows_the_manual_in_the_contents_without_a_warning():
    if not importlib.util.find_spec("sphinx") or \
            not importlib.util.find_spec("sphinx_rtd_theme"):
        pytest.skip("needs Debian's python3-sphinx and "
                    "python3-sphinx-rtd-theme")
    laid = manual.TREE / "docs/system/devices" / manual.MANUAL.name
    assert laid.exists() and laid.read_text() == TEXT, "run make first"
    docs = manual.BUILD / "docs"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-j", "2", "-b", "html",
         "-d", docs / "doctrees", manual.TREE / "docs", docs / "html"],
        capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        # What was read before would not be warned of again.
        shutil.rmtree(docs / "doctrees", ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    contents = (docs / "html/system/device-emulation.html").read_text()
    assert 'href="devices/virtio-mem.html"' in contents
    page = (docs / "html/system/devices/virtio-mem.html").read_text()
    assert f'href="{FLEET}.html"' in page
    fleet = (docs / f"html/system/devices/{FLEET}.html").read_text()
    assert "_images/virtio-mem-dashboard.svg" in fleet
    for name in PICTURES:
        assert f"_images/{name}" in page
        assert (docs / "html/_images" / name).read_bytes() == \
            (DEVICES / name).read_bytes()
