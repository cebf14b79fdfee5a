"""The program that tidies up after a fleet, whatever became of its parent.

Run as ``python -I -S guardian.py <mark>``. It makes the fleet's folder, says its path on stdout,
and reads of process groups on stdin (``+pgid`` and ``-pgid``, one a line). At ``end``, or where
stdin ends, which is when the fleet is closed or its process is dead, it kills the groups, then
every process with the mark in its environment (children that left their group), and removes the
folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

_CLEAN_PASSES = 2  # a process may be between fork and exec, when its environment is still another
MOST_PASSES = 200


def kill_group(group: int) -> None:
    """Kill a process group, if it is there."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def kill_marked(mark: bytes) -> int:
    """Kill every other process that has `mark` in its environment; return how many there were."""
    found = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found += 1
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue  # gone already, or another user's
    return found


def main(mark: str) -> None:
    """Stand by until stdin ends, then leave nothing behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix="orc-fleet-")
    groups: set[int] = set()
    try:
        try:
            os.write(1, folder.encode() + b"\n")
        except OSError:
            return  # the fleet was gone before it began
        for line in sys.stdin:
            if line == "end\n":
                break
            if line.startswith("+"):
                groups.add(int(line))
            else:
                groups.discard(-int(line))
    finally:
        for group in groups:
            kill_group(group)
        clean = 0
        for _ in range(MOST_PASSES):
            clean = 0 if kill_marked(mark.encode()) else clean + 1
            if clean == _CLEAN_PASSES:
                break
            signal.sigtimedwait([signal.SIGUSR1], 0.02)  # a pause
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
