"""However `orc demo` ends, none of its processes is left."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    import pytest

MARK = b"_ORC_FLEET_MARK="
PATIENCE = 20.0


def read(pid: int, name: str) -> list[bytes]:
    """Return the parts of a file of /proc; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().split(b"\0")
    except OSError:
        return []


def pids() -> list[int]:
    """Return every process."""
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def family(pid: int) -> dict[int, bytes]:
    """Return the guardian and the containers that a process has started, with their mark."""
    found = {}
    for each in pids():
        stat = b"".join(read(each, "stat")).rpartition(b")")[2].split()
        if stat[1:2] == [str(pid).encode()]:
            for part in (*read(each, "environ"), *read(each, "cmdline")):
                if part.startswith(MARK):
                    found[each] = part
    return found


def left(marks: set[bytes]) -> list[int]:
    """Return the processes that carry one of the marks."""
    return [
        each
        for each in pids()
        if not marks.isdisjoint([*read(each, "environ"), *read(each, "cmdline")])
    ]


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for something that another process does; say whether it came in time."""
    end, never = time.perf_counter() + PATIENCE, Event()
    while not condition():
        if time.perf_counter() > end:
            return False
        never.wait(0.01)
    return True


def in_the_middle(process: Popen[str]) -> set[bytes]:
    """Wait until the speed story's containers and their guardian run; return their mark."""
    assert process.stderr is not None
    for line in process.stderr:
        if line == "speed, no cache\n":
            break
    assert eventually(lambda: len(family(process.pid)) >= 4), "three containers and a guardian"
    return set(family(process.pid).values())


def test_ctrl_c_is_one_line_and_leaves_nothing(start: Callable[..., Popen[str]]) -> None:
    """SIGINT in the middle ends it within seconds, status 130, no traceback, no process left."""
    process = start("demo", "--json")
    marks = in_the_middle(process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert (stdout, stderr) == ("", "orc demo: interrupted; nothing is left running\n")
    assert left(marks) == []


def test_ctrl_c_leaves_no_folder(
    start: Callable[..., Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folders of the store and of the fleet are gone after SIGINT."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = start("demo", "--json")
    in_the_middle(process)
    there = [folder.name.rpartition("-")[0] for folder in tmp_path.iterdir()]
    assert sorted(there) == ["orc-fleet", "orc-fleet"], "the store has one, too"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert list(tmp_path.iterdir()) == []


def test_sigkill_leaves_no_process(
    start: Callable[..., Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGKILL to the demo its containers and their guardian are gone within seconds."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = start("demo", "--json")
    marks = in_the_middle(process)
    process.kill()
    process.communicate(timeout=10)
    assert eventually(lambda: left(marks) == [])


def test_nothing_is_left_after_the_end(start: Callable[..., Popen[str]]) -> None:
    """A demo that ran to its end has taken all its containers with it."""
    process = start("demo", "--json")
    marks = in_the_middle(process)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert left(marks) == []
