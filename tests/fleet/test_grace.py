"""Short limits do not count the time in which a process waits for a processor."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

from orc.fleet import grace
from orc.lifecycle.clock import SYSTEM

FUNCTION = """
    import os, signal, threading, urllib.request
    def end(number, frame):
        print("SIGTERM", flush=True)
        {end}
    signal.signal(signal.SIGTERM, end)
    api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
    request = urllib.request.Request(
        api + "register", data=b'{{"events": []}}', headers={{"Lambda-Extension-Name": "inside"}})
    me = urllib.request.urlopen(request).headers["Lambda-Extension-Identifier"]
    request = urllib.request.Request(
        api + "event/next", headers={{"Lambda-Extension-Identifier": me}})
    threading.Thread(target=urllib.request.urlopen, args=(request,), daemon=True).start()
    def handler(event, context):
        return os.getpid()
"""
POLLS_IN_A_THREAD = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}


def function_that_ends(fleet, end):
    function = fleet(textwrap.dedent(FUNCTION).format(end=end), env=POLLS_IN_A_THREAD)
    answer = function.invoke()
    answer.settled()
    return answer.container, answer.value


@contextmanager
def starved(pid):
    """Let a process have next to nothing of its processor, which others use."""
    (first, *_) = os.sched_getaffinity(0)
    hogs = []
    for each in map(int, os.listdir(f"/proc/{pid}/task")):  # noqa: PTH208 - the names alone
        os.sched_setaffinity(each, {first})
        os.sched_setscheduler(each, os.SCHED_IDLE, os.sched_param(0))
    program = (
        f"import os; os.sched_setaffinity(0, {{{first}}})\nprint(1, flush=True)\nwhile 1: pass"
    )
    try:
        for _ in range(3):
            hogs.append(subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE))
            hogs[-1].stdout.readline()
        yield
    finally:
        for each in hogs:
            each.kill()
            each.wait()
            each.stdout.close()


def test_a_runtime_that_has_no_processor_keeps_its_grace(fleet):
    """It ends by itself, however long its handler of SIGTERM waits for the processor.

    In one of three attempts, since what else the machine does may put it to sleep, which counts.
    """
    logs = []
    while "SIGTERM\ndone\n" not in logs:
        assert len(logs) < 3, logs
        container, pid = function_that_ends(fleet, "print('done', flush=True); os._exit(0)")
        with starved(pid):
            container.recycle()
        logs.append(container.log())


@pytest.mark.parametrize("end", ["threading.Event().wait()", "while True: pass"])
def test_a_runtime_that_hangs_is_killed(fleet, end):
    """Sleeping or working, it has its 500 ms and no more: SIGKILL ends it."""
    container, pid = function_that_ends(fleet, end)
    began = SYSTEM.monotonic()
    container.recycle()
    assert 0.4 < SYSTEM.monotonic() - began < 5
    assert container.log() == "SIGTERM\n"
    assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110 - the name alone


class Scripted:
    """A process that wants a processor or sleeps, and runs for so much of each slice."""

    def __init__(self, wants, share):
        self.wants_processor = lambda: wants
        self.share = share
        self.slices = 0

    def processor_time(self):
        return None if self.share is None else self.slices * self.share

    async def pass_slice(self, seconds):
        self.slices += 1
        await asyncio.sleep(0)
        return False


@pytest.mark.parametrize(
    ("wants", "share", "slices"),
    [
        (False, 0.0, 10),  # it sleeps: all counts
        (True, 0.01, 10),  # it has the processor
        (True, 0.005, 20),  # for half of the time
        (True, None, 10),  # the kernel does not say
        (True, 5.0, 10),  # several ticks at once count as one slice
    ],
)
def test_what_counts(wants, share, slices):
    """A limit of 100 ms is over after so many slices of 10 ms."""
    process = Scripted(wants, share)
    assert asyncio.run(grace.wait(process.pass_slice, 0.0995, [process])) == 0
    assert process.slices == slices


def test_a_process_that_never_runs_is_not_waited_for_for_ever(monkeypatch):
    """The limit and a few seconds are the end in any case."""
    monkeypatch.setattr(grace, "LONGEST", 0.05)
    process = Scripted(True, 0.0)
    assert asyncio.run(grace.wait(process.pass_slice, 0.05, [process])) == 0
    assert process.slices > 10


def test_what_is_left_is_returned():
    """A wait that is over tells how much of its time it did not need."""
    process = Scripted(False, 0.0)

    async def comes(seconds):
        await process.pass_slice(seconds)
        return process.slices == 3

    assert asyncio.run(grace.wait(comes, 0.1, [process])) == pytest.approx(0.08)
