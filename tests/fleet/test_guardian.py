"""Nothing is left behind, whatever becomes of the process that runs the fleet."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

FUNCTION = """
    import os, subprocess, threading
    def handler(event, context):
        if event == "child":
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
        if event == "hang":
            threading.Event().wait()
"""

PROGRAM = """
    import asyncio, signal, sys
    from orc.fleet import Fleet
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    async def main():
        mode = sys.argv[3]
        async with Fleet("app.handler", code=sys.argv[1], timeout=100, mode=mode) as fleet:
            guardian = fleet._guardian
            print(guardian.folder, guardian.mark, guardian._popen.pid, flush=True)
            if sys.argv[2] == "start":
                await fleet.start(200)
            await fleet.start(5)
            await fleet.invoke("child")
            hanging = asyncio.create_task(fleet.invoke("hang"))
            while not any(each.state == "busy" for each in fleet.containers):
                await asyncio.sleep(0)
            print("ready", flush=True)
            await hanging
    asyncio.run(main())
"""


def marked(mark: str, least: int = 0) -> list[int]:
    """Return the processes with the mark, once there are so many or some seconds are over.

    The kernel shows the environment of a new process a moment after its start.
    """
    for _ in range(500):
        found = _marked(mark)
        if len(found) >= least:
            break
        select.select([], [], [], 0.01)
    return found


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("when", "number", "mode", "processes"),
    [
        ("serve", signal.SIGKILL, "on-demand", 6),
        ("serve", signal.SIGKILL, "snap-start", 7),  # and the template
        ("start", signal.SIGINT, "on-demand", 0),
    ],
)
def test_a_fleet_whose_process_dies_leaves_nothing(tmp_path, when, number, mode, processes):
    """Frozen, busy and starting containers, children in sessions of their own, folders: gone."""
    (tmp_path / "app.py").write_text(textwrap.dedent(FUNCTION))
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), when, mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # noqa: TID251 - a process of ours
    )
    with program:
        folder, mark, guardian = program.stdout.readline().split()
        gone = os.pidfd_open(int(guardian))
        try:
            if when == "serve":
                assert program.stdout.readline() == "ready\n"
                assert len(marked(mark, processes)) == processes
            program.send_signal(number)
            ended, _, _ = select.select([gone], [], [], 60)
        finally:
            os.close(gone)
            program.kill()
    assert ended
    assert marked(mark) == []
    assert not Path(folder).exists()


def test_closing_leaves_nothing(fleet):
    """After close() no process and no folder is left; closing again is harmless."""
    function = fleet(FUNCTION)
    container = function.invoke("child").container
    folder, mark = container.tmp.parents[1], function._fleet._guardian.mark
    assert folder.parent == Path(tempfile.gettempdir())
    assert len(marked(mark, 2)) == 2
    function.close()
    assert marked(mark) == []
    assert not folder.exists()
    assert container.state == "gone"
    function.close()
