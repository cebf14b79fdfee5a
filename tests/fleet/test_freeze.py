"""Between invocations a container stands still."""

from __future__ import annotations

from pathlib import Path

FUNCTION = """
    import os, threading
    ticks = 0
    def tick():
        global ticks
        while True:
            ticks += 1
    def handler(event, context):
        if event == "thread":
            threading.Thread(target=tick, daemon=True).start()
        return ticks
"""


def kernel_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_it_is_stopped_when_it_has_settled(fleet):
    """After the answer has settled the process is in state T, and a thaw lets it go on."""
    function = fleet(FUNCTION)
    answer = function.invoke()
    answer.settled()
    assert answer.container.state == "frozen"
    assert kernel_state(answer.container.pid) == "T"
    again = function.invoke()
    assert again.container == answer.container
    assert again.init is None


def test_a_busy_thread_does_not_run_between_invocations(fleet):
    """What a background thread had left to do waits for the next invocation."""
    function = fleet(FUNCTION)
    answer = function.invoke("thread")
    answer.settled()
    cpu = Path(f"/proc/{answer.container.pid}/stat")
    before = cpu.read_text().split()[13]
    function.start(1)  # takes a while, in which the thread would have run
    assert cpu.read_text().split()[13] == before


def test_what_is_started_ahead_is_frozen_too(fleet):
    """A container that nobody used yet stands still as well."""
    (container,) = fleet(FUNCTION).start()
    assert container.state == "frozen"
    assert kernel_state(container.pid) == "T"


def test_without_freeze_it_runs_on(fleet):
    """With freeze=False the process sleeps in its poll, and is not stopped."""
    function = fleet(FUNCTION, freeze=False)
    answer = function.invoke()
    answer.settled()
    assert answer.container.state == "idle"
    assert kernel_state(answer.container.pid) in "SR"
