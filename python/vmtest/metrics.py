# SPDX-License-Identifier: GPL-2.0-or-later
"""Run vmemctl export, and read what it prints with a parser that is not ours."""

from prometheus_client import parser as prometheus

from vmtest.peer import DONE, GiB, MiB, device, run

ANSWERS = {"ack": 33, "nack": 1, "busy": 2, "error": 0}
NONE = dict.fromkeys(ANSWERS, 0)
WHOLE = device(
    "vm0", node=1, size=GiB, requested_size=4 * GiB,
    resize={"status": "blocked", "reason": "guest", "since": 57},
    requests={"plug": ANSWERS, "unplug": NONE, "unplug-all": NONE,
              "state": NONE, "plugged": 3 * GiB, "unplugged": 2 * GiB,
              "host-time": 1250},
    memslots=16, mapped_memslots=1, unplugged_protection="discard",
    unplugged_accesses=7, pending_discard=3 * MiB, prealloc_reserve=5 * MiB)


def families(text: str, parser=prometheus) -> dict:
    """What a client's own parser makes of it, by name."""
    return {family.name: family
            for family in parser.text_string_to_metric_families(text)}


def value(text: str, name: str, **labels) -> float:
    """Of the only sample with this name and these labels."""
    [found] = [sample for family in families(text).values()
               for sample in family.samples
               if sample.name == name and labels.items() <= sample.labels.items()]
    return found.value


def export(*words, status: int = DONE, **options) -> str:
    """Run it; return what it prints. It has nothing to say if all is well."""
    done = run("export", "--reply-timeout", 1, *words, **options)
    assert done.returncode == status, done
    assert status or not done.stderr
    return done.stdout
