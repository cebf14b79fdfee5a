"""However `orc demo` ends, none of its processes is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

import orc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

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


SHARED_ALONE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
from orc.cli.demo import secrets, speed, stage, state
async def tell(progress):
    return stage.Untold(())
for story in (state, speed, secrets):
    story.tell = tell
from orc.cli.main import main
sys.exit(main(["demo", "--json"]))
"""
SERVERS = ((b"valkey-server", b"redis-server"), (b"moto",), (b"orc/testing/servers/guardian.py",))


def offspring(pid: int) -> dict[tuple[int, bytes], bytes]:
    """Return the processes that descend from one: their ids and start times, and command lines."""
    parents, found = {}, {}
    for each in pids():
        stat = b"".join(read(each, "stat")).rpartition(b")")[2].split()
        if stat[:1] not in ([], [b"Z"]):
            parents[each] = (int(stat[1]), stat[19])
    for each, (_, began) in parents.items():
        above = each
        while above in parents and above != pid:
            above = parents[above][0]
        if above == pid != each:
            found[each, began] = b" ".join(read(each, "cmdline"))
    return found


def still_there(some: dict[tuple[int, bytes], bytes]) -> list[bytes]:
    """Return the command lines of those that run on."""
    now = {}
    for each in pids():
        stat = b"".join(read(each, "stat")).rpartition(b")")[2].split()
        if stat[:1] not in ([], [b"Z"]):
            now[each, stat[19]] = True
    return [line for process, line in some.items() if process in now]


@pytest.fixture
def shared_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    """Start the demo with its fourth story alone, and wait until that begins."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", SHARED_ALONE],
        cwd=Path(orc.__file__).parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "shared\n"
        yield process
        process.kill()


def all_of_it(process: Popen[str]) -> dict[tuple[int, bytes], bytes]:
    """Wait until both servers, their guardians and a container run; return all processes."""
    seen: dict[tuple[int, bytes], bytes] = {}

    def complete() -> bool:
        seen.clear()
        seen.update(offspring(process.pid))
        lines = b"\n".join(seen.values())
        there = all(any(name in lines for name in names) for names in SERVERS)
        return there and b"shared.handler" in lines

    assert eventually(complete), seen
    return seen


def assert_interrupted(
    process: Popen[str], processes: dict[tuple[int, bytes], bytes], folder: Path
) -> None:
    """Send SIGINT; what it says is true when it says so."""
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    line = process.stderr.readline()
    left_then = still_there(processes), list(folder.iterdir())
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (130, "", "")
    assert line == "orc demo: interrupted; nothing is left running\n"
    assert left_then == ([], [])


def test_ctrl_c_ends_the_servers(shared_alone: Popen[str], tmp_path: Path) -> None:
    """SIGINT in the shared story leaves no server, no container and no folder."""
    processes = all_of_it(shared_alone)
    assert_interrupted(shared_alone, processes, tmp_path)


def test_ctrl_c_waits_for_servers_that_are_starting(
    shared_alone: Popen[str], tmp_path: Path
) -> None:
    """SIGINT while a server starts, on a thread that nobody can cancel, ends that server too."""
    seen: dict[tuple[int, bytes], bytes] = {}

    def starting() -> bool:
        seen.update(offspring(shared_alone.pid))
        return any(b"moto" in line for line in seen.values())

    assert eventually(starting)
    assert_interrupted(shared_alone, seen, tmp_path)


def test_sigkill_ends_the_servers(shared_alone: Popen[str], tmp_path: Path) -> None:
    """After SIGKILL to the demo its servers, their guardians and the containers are gone, too."""
    processes = all_of_it(shared_alone)
    shared_alone.kill()
    shared_alone.communicate(timeout=10)
    assert eventually(lambda: still_there(processes) == [])
    assert eventually(lambda: list(tmp_path.iterdir()) == [])
