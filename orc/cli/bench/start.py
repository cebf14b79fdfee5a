"""Cold starts: whole processes, from nothing to the first value out of a tier."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from orc.cli.bench.measure import TTL, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TIMES = 5
BARE = "python alone"
KEY = "first"

PROGRAM = """
import json, sys
asked = json.loads(sys.stdin.readline())
sys.path[:] = asked["path"]
if asked["cache"]:
    import orc
    cache = orc.Cache(**asked["cache"])
    if asked["alone"]:
        cache.set(asked["key"], "found")
    assert cache.get(asked["key"]) == "found", "not found"
print("hit", flush=True)
"""


def cold_starts(
    subjects: Sequence[Subject], found: dict[str, list[float]], told: Callable[[int, int], None]
) -> dict[str, str]:
    """Time processes in turn, in seconds; return why it failed for those that did.

    `found` is filled as they come, so that what is known is not lost to an interruption.
    """
    failed: dict[str, str] = {}
    for subject in subjects:
        if subject.tiers:
            subject.writer.set(KEY, "found")
    for number in range(TIMES):
        for index, each in enumerate([None, *subjects]):
            told(number * (len(subjects) + 1) + index, TIMES * (len(subjects) + 1))
            name = BARE if each is None else each.name
            if name in failed:
                continue
            seconds, why = _start(each)
            if why:
                failed[name] = why
                found.pop(name, None)
            else:
                found.setdefault(name, []).append(seconds)
    for subject in subjects:
        if subject.tiers:
            subject.writer.delete(KEY)
    return failed


def in_the_middle(found: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each, in seconds."""
    return {name: median(seconds) for name, seconds in found.items()}


def _start(subject: Subject | None) -> tuple[float, str]:
    """Return seconds until a process has its first hit; or why it had none."""
    asked: dict[str, object] = {"path": sys.path, "key": KEY, "cache": None, "alone": False}
    if subject is not None:
        asked["alone"] = not subject.tiers
        asked["cache"] = {
            "tiers": subject.url.text,
            "namespace": subject.namespace,
            "ttl": TTL,
            "strict": True,
        }
    line = json.dumps(asked) + "\n"
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - a program of ours
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        assert process.stderr is not None  # noqa: S101
        process.stdin.write(line)
        process.stdin.flush()
        said = process.stdout.readline()
        took = time.perf_counter() - began
        why = "" if said == "hit\n" else process.stderr.read().strip().rpartition("\n")[2]
    return took, why if said == "hit\n" else why or "its process ended without a word"
