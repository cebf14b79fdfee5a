"""Lambda Managed Instances: worker processes that share one environment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

FUNCTION = """
    import os, pathlib
    count = 0
    def handler(event, context):
        global count
        count += 1
        if event == "exit":
            os._exit(1)
        if event:
            open(event).read()  # a pipe: until the test has written to it
        return {"pid": os.getpid(), "count": count, "tmp": os.environ["TMPDIR"],
                "most": os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]}
"""


def test_it_serves_as_many_at_once_as_it_has_workers(fleet, tmp_path):
    """N at once in one container, each in a process of its own; one more spills over."""
    import os

    function = fleet(FUNCTION, mode="managed", concurrency=2, timeout=20)
    (container,) = function.start()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(function.invoke, str(gate)) for _ in range(3)]
        while sum(each.invocations for each in function.containers) < 3:
            pass
        gate.open("w").close()
        while not all(each.done() for each in futures):
            try:
                os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                pass
        answers = [each.result() for each in futures]
    here = [each.value["pid"] for each in answers if each.container == container]
    assert len(set(here)) == 2
    assert len(function.containers) == 2
    assert {each.value["most"] for each in answers} == {"2"}
    for each in answers:
        each.settled()
    assert container.state == "idle"


def test_a_timeout_answers_the_caller_and_kills_nobody(fleet, tmp_path):
    """The worker goes on; its late response is refused; its globals serve the next one."""
    import os

    gate = tmp_path / "gate"
    os.mkfifo(gate)
    function = fleet(FUNCTION, mode="managed", timeout=0.3)
    late = function.invoke(str(gate))
    assert late.error["errorType"] == "Sandbox.Timedout"
    gate.open("w").close()
    late.settled()
    (container,) = function.containers
    after = function.invoke(container=container)
    assert (after.value["count"], after.init) == (2, None)
    assert "410" in container.log()


def test_a_dead_worker_is_not_replaced(fleet):
    """Its invocation times out, and the container has one worker less."""
    function = fleet(FUNCTION, mode="managed", concurrency=2, timeout=0.3)
    dead = function.invoke("exit")
    assert dead.error["errorType"] == "Sandbox.Timedout"
    dead.settled()
    pids = {function.invoke(container=dead.container).value["pid"] for _ in range(4)}
    assert len(pids) == 1
