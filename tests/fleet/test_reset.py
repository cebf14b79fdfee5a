"""Timeouts, crashes and failed inits: the environment stays, its processes are new."""

from __future__ import annotations

import pytest

FUNCTION = """
    import os, signal, sys, tempfile, threading
    from pathlib import Path
    count = 0
    def handler(event, context):
        global count
        count += 1
        marks = Path(tempfile.gettempdir(), "marks")
        with marks.open("a") as file:
            file.write("x")
        if event == "hang":
            threading.Event().wait()
        if event == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "exit":
            sys.exit(4)
        if isinstance(event, int):
            os._exit(event)
        return {"count": count, "pid": os.getpid(), "marks": marks.read_text()}
"""


def test_a_timeout_resets_the_environment(fleet):
    """The error is Lambda's; id, log stream and temp folder stay; the next waits for init."""
    function = fleet(FUNCTION, timeout=1.0)
    before = function.invoke()
    late = function.invoke("hang")
    assert late.error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {late.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert late.value is None
    assert late.seconds >= 1.0
    stream, tmp = before.container.log_stream, before.container.tmp
    after = function.invoke()
    assert after.container == before.container
    assert (after.container.log_stream, after.container.tmp) == (stream, tmp)
    assert after.init == "reset"
    assert after.container.generation == 2
    assert after.value["count"] == 1
    assert after.value["pid"] != before.value["pid"]
    assert after.value["marks"] == "xxx"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (3, "Runtime exited with error: exit status 3"),
        (0, "Runtime exited without providing a reason"),
        ("exit", "Runtime exited with error: exit status 4"),
        ("killed", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_crash_resets_the_environment(fleet, how, said):
    """The answer says how the runtime exited, and the next invocation initialises again."""
    function = fleet(FUNCTION)
    answer = function.invoke(how)
    assert answer.error == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request_id} Error: {said}",
    }
    assert answer.container.pid is None
    after = function.invoke()
    assert (after.init, after.container, after.value["count"]) == ("reset", answer.container, 1)


def test_a_crash_between_invocations_fails_the_next_one(fleet):
    """A runtime that was killed while idle is noticed by the invocation after it."""
    function = fleet(FUNCTION)
    container = function.invoke().container
    container.crash()
    failed = function.invoke()
    assert failed.error["errorMessage"].endswith("signal: killed")
    assert failed.init is None
    after = function.invoke()
    assert (after.init, after.container) == ("reset", container)


def test_a_failed_init_is_tried_again_in_the_first_invocation(fleet):
    """An init that fails once costs time only: the second try, in the invocation, serves it."""
    function = fleet("""
        import pathlib, tempfile
        mark = pathlib.Path(tempfile.gettempdir(), "tried")
        if not mark.exists():
            mark.touch()
            raise RuntimeError("not yet")
        def handler(event, context):
            return "served"
    """)
    answer = function.invoke()
    assert (answer.value, answer.init) == ("served", "cold")
    assert answer.container.generation == 2


def test_an_init_that_fails_again_is_the_answer(fleet):
    """What the runtime posted to init/error is the error of the invocation, each time anew."""
    function = fleet("raise ZeroDivisionError('at init')")
    first, second = function.invoke(), function.invoke()
    for answer in (first, second):
        assert answer.error["errorType"] == "ZeroDivisionError"
        assert answer.error["errorMessage"] == "at init"
    assert first.container == second.container
    assert second.container.generation == 3


def test_an_init_that_exits_is_an_exit_error(fleet):
    """A process that ends before it asked for an event is Runtime.ExitError."""
    answer = fleet("import os; os._exit(7)").invoke()
    assert answer.error["errorType"] == "Runtime.ExitError"
    assert answer.error["errorMessage"].endswith("exit status 7")


def test_an_init_beyond_its_limit_runs_in_the_functions_time(fleet):
    """The limit of the init ends the first try; the second has the function's timeout."""
    function = fleet(
        """
        import threading
        threading.Event().wait()
        """,
        init_timeout=0.2,
        timeout=0.4,
    )
    answer = function.invoke()
    assert answer.error["errorType"] == "Sandbox.Timedout"
    assert answer.error["errorMessage"].endswith("Task timed out after 0.40 seconds")
    assert answer.seconds >= 0.6


def test_a_failure_ahead_of_a_request_is_told_to_the_first(fleet):
    """start() leaves a container whose init failed; its first invocation tries again and tells."""
    function = fleet("raise ZeroDivisionError('at init')")
    (container,) = function.start()
    assert container.pid is None
    answer = function.invoke()
    assert answer.container == container
    assert (answer.error["errorType"], answer.init) == ("ZeroDivisionError", "cold")
