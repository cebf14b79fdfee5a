"""Lambda Managed Instances: a container that is starting counts with all its workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from orc.fleet import ThrottledError

FUNCTION = """
    import os, time

    def handler(event, context):
        time.sleep(event)
        return os.getpid()
"""


def at_once(function, requests, event=None, **options):
    """Invoke from threads that begin together; return the answers, or the errors."""
    barrier = Barrier(requests)

    def invoke(_):
        barrier.wait()
        try:
            return function.invoke(event, **options)
        except ThrottledError as error:
            return error

    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(invoke, range(requests), timeout=60))


@pytest.mark.parametrize(
    ("workers", "requests", "containers"), [(4, 8, 2), (4, 5, 2), (2, 2, 1), (3, 7, 3), (1, 3, 3)]
)
def test_requests_wait_for_the_workers_of_a_container_that_starts(
    fleet, workers, requests, containers
):
    """No more containers start than the requests need, and each request has a worker."""
    function = fleet(FUNCTION, mode="managed", concurrency=workers, timeout=20)
    answers = at_once(function, requests, 0.5)
    assert [each.error for each in answers] == [None] * requests
    assert {each.init for each in answers} == {"cold"}
    assert len(function.containers) == containers
    assert len({each.value for each in answers}) == requests


def test_more_than_the_workers_that_start_is_throttled(fleet):
    """max_containers bounds the places: 2 of 3 requests are served, by a worker each."""
    function = fleet(FUNCTION, mode="managed", concurrency=2, max_containers=1, timeout=20)
    answers = at_once(function, 3, 0.5)
    throttled = [each for each in answers if isinstance(each, ThrottledError)]
    assert len(throttled) == 1
    assert len({each.value for each in answers if each not in throttled}) == 2


@pytest.mark.parametrize("waits", [True, False])
def test_requests_join_a_container_that_was_begun_ahead(fleet, waits):
    """While start() is under way, requests wait for the container that it starts."""
    function = fleet(FUNCTION, mode="managed", concurrency=2, timeout=20)
    with ThreadPoolExecutor() as pool:
        started = pool.submit(function.start, 1)
        while not function.containers:
            pass
        (container,) = function.containers
        wanted = {"container": container} if waits else {}
        answers = at_once(function, 2, 0.5, **wanted)
        assert started.result() == [container]
    assert [each.container for each in answers] == [container] * 2


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("raise ZeroDivisionError('at init')", "ZeroDivisionError"),
        ("import os; os._exit(3)", "Runtime.ExitError"),
        ("import threading; threading.Event().wait()", "Sandbox.Timedout"),
    ],
)
def test_a_start_that_fails_answers_all_who_wait_for_it(fleet, source, kind):
    """Each has the error of the init, with the id of its own request, and the next one tries."""
    function = fleet(source, mode="managed", concurrency=4, timeout=1, init_timeout=1)
    answers = at_once(function, 4)
    assert [each.error["errorType"] for each in answers] == [kind] * 4
    assert len(function.containers) == 1
    for each in answers:
        if "RequestId" in each.error["errorMessage"]:
            assert each.request_id in each.error["errorMessage"]
    assert function.invoke().error["errorType"] == kind
    assert len(function.containers) == 1


def test_a_start_that_fails_at_first_serves_all_who_wait_for_it(fleet, tmp_path):
    """The init is tried again in the time of the first request; the others wait for that, too."""
    flag = tmp_path / "flag"
    function = fleet(
        f"""
        import pathlib
        if not pathlib.Path({str(flag)!r}).exists():
            pathlib.Path({str(flag)!r}).touch()
            raise ZeroDivisionError
        def handler(event, context):
            return "served"
        """,
        mode="managed",
        concurrency=3,
        timeout=20,
    )
    answers = at_once(function, 3)
    assert [each.value for each in answers] == ["served"] * 3
    assert len({each.container.id for each in answers}) == 1


def test_closing_ends_those_who_wait_for_a_start(fleet):
    """A fleet that is closed in the middle of a start lets all callers go."""
    function = fleet(
        "import threading; threading.Event().wait()", mode="managed", concurrency=3, init_timeout=60
    )
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(function.invoke) for _ in range(3)]
        while not function.containers:
            pass
        function.close()
        for each in futures:
            each.exception(timeout=20)
            assert each.done()
