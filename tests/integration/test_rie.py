"""States of the container and ends of requests, with AWS's own emulator as the judge."""

from __future__ import annotations

import os
import signal
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Emulate = Callable[..., Any]

NO_OWN_STREAM = {"AWS_LAMBDA_LOG_STREAM_NAME": None}
"""Leaves the emulator's constant, ``$LATEST``, which names no environment."""


@pytest.fixture(params=["states.handler", "states.async_handler"], ids=["def", "async def"])
def handler(request: pytest.FixtureRequest) -> str:
    """Return the name of the function: each fact holds for both kinds."""
    return request.param


@pytest.fixture(params=[{}, NO_OWN_STREAM], ids=["own log stream", "$LATEST"])
def stream(request: pytest.FixtureRequest) -> dict[str, None]:
    """Return the variables that decide by what the environment is known."""
    return request.param


def seen(answer: Any) -> dict[str, Any]:
    """Return what the function told, which it did."""
    assert isinstance(answer.value, dict), answer
    assert "state" in answer.value, answer
    return answer.value


def assert_reset(after: dict[str, Any], before: dict[str, Any], generation: int = 2) -> None:
    """Require the same environment, in which a new process serves its first request."""
    assert after["state"] == "reset"
    assert after["environment"] == before["environment"]
    assert after["environment"]
    assert after["generation"] == generation
    assert after["invocations"] == 1
    assert after["pid"] != before["pid"]
    assert after["process"] != before["process"]


def assert_new(after: dict[str, Any], before: dict[str, Any], state: str = "cold") -> None:
    """Require an environment that has nothing to do with the one before."""
    assert after["state"] == state
    assert (after["generation"], after["invocations"]) == (1, 1)
    assert after["environment"] != before["environment"]
    assert after["process"] != before["process"]


# ------------------------------------------------------------------------------------ cold and warm


def test_the_first_request_is_cold_and_the_next_ones_are_warm(
    emulate: Emulate, handler: str, stream: dict[str, None]
) -> None:
    """One process and one environment, whose requests are counted."""
    emulator = emulate(handler, **stream)
    told = [seen(emulator.invoke({})) for _ in range(3)]
    assert [each["state"] for each in told] == ["cold", "warm", "warm"]
    assert [each["invocations"] for each in told] == [1, 2, 3]
    assert {each["generation"] for each in told} == {1}
    assert len({(each["environment"], each["process"], each["pid"]) for each in told}) == 1


def test_the_log_stream_names_the_environment(
    emulate: Emulate, handler: str, log_stream: str
) -> None:
    """As its id, where the platform gives each environment a stream of its own."""
    assert seen(emulate(handler).invoke({}))["environment"] == log_stream


def test_provisioned_concurrency_is_not_cold(emulate: Emulate, handler: str) -> None:
    """Lambda says so in AWS_LAMBDA_INITIALIZATION_TYPE; then it turns warm as any other."""
    emulator = emulate(handler, AWS_LAMBDA_INITIALIZATION_TYPE="provisioned-concurrency")
    states = [seen(emulator.invoke({}))["state"] for _ in range(2)]
    assert states == ["provisioned", "warm"]


# ------------------------------------------------------------------------------------------- resets


def test_a_timeout_resets(emulate: Emulate, handler: str, stream: dict[str, None]) -> None:
    """The next request meets a new process in the same environment, and the one after is warm."""
    emulator = emulate(handler, timeout=2, **stream)
    first = seen(emulator.invoke({}))
    assert "Task timed out after 2.00 seconds" in emulator.invoke({"do": "hang"}).text
    second = seen(emulator.invoke({}))
    assert_reset(second, first)
    third = seen(emulator.invoke({}))
    assert (third["state"], third["generation"], third["invocations"]) == ("warm", 2, 2)
    assert third["process"] == second["process"]


def test_a_timeout_of_the_very_first_request_resets(emulate: Emulate, handler: str) -> None:
    """The second process of the environment is known by the mark of the first."""
    emulator = emulate(handler, timeout=2)
    assert "timed out" in emulator.invoke({"do": "hang"}).text
    after = seen(emulator.invoke({}))
    assert (after["state"], after["generation"], after["invocations"]) == ("reset", 2, 1)


@pytest.mark.parametrize("end", ["os._exit", "SIGKILL", "sys.exit"])
def test_a_crash_resets(emulate: Emulate, handler: str, stream: dict[str, None], end: str) -> None:
    """However the process ends; each reset begins one more generation."""
    emulator = emulate(handler, **stream)
    first = seen(emulator.invoke({}))
    for generation in (2, 3):
        crash = emulator.invoke({"do": end})
        assert crash.value["errorType"] == "Runtime.ExitError"
        assert_reset(seen(emulator.invoke({})), first, generation)


def test_a_process_killed_between_requests_is_a_reset(emulate: Emulate, handler: str) -> None:
    """The request that finds it dead fails, and the one after meets a new process."""
    emulator = emulate(handler)
    first = seen(emulator.invoke({}))
    killed = os.pidfd_open(first["pid"])
    signal.pidfd_send_signal(killed, signal.SIGKILL)
    os.close(killed)
    assert emulator.invoke({}).value["errorType"] == "Runtime.ExitError"
    assert_reset(seen(emulator.invoke({})), first)


# ------------------------------------------------------------- environments in one temporary folder


def test_an_emulator_started_again_is_cold(emulate: Emulate, handler: str) -> None:
    """Its constant log stream names no environment, so a mark in the old folder says nothing."""
    emulator = emulate(handler, **NO_OWN_STREAM)
    first = seen(emulator.invoke({}))
    emulator.stop()
    emulator.start()
    assert_new(seen(emulator.invoke({})), first)


def test_a_log_stream_that_comes_again_is_a_reset(emulate: Emulate, handler: str) -> None:
    """The stream says that it is the same environment, and the process is another."""
    emulator = emulate(handler)
    first = seen(emulator.invoke({}))
    emulator.stop()
    emulator.start()
    assert_reset(seen(emulator.invoke({})), first)


def test_another_log_stream_is_another_environment(emulate: Emulate, handler: str) -> None:
    """Also in a temporary folder that still holds the mark of the one before."""
    emulator = emulate(handler)
    first = seen(emulator.invoke({}))
    emulator.stop()
    another = emulate(handler, AWS_LAMBDA_LOG_STREAM_NAME="2026/11/23/[$LATEST]" + "0" * 32)
    assert_new(seen(another.invoke({})), first)


def test_another_kind_of_init_is_no_reset(emulate: Emulate, handler: str) -> None:
    """The mark counts for environments that began in the same way."""
    emulator = emulate(handler)
    seen(emulator.invoke({}))
    emulator.stop()
    another = emulate(handler, AWS_LAMBDA_INITIALIZATION_TYPE="provisioned-concurrency")
    found = seen(another.invoke({}))
    assert (found["state"], found["generation"]) == ("provisioned", 1)


def test_two_emulators_side_by_side_are_both_cold(
    emulate: Emulate, handler: str, log_stream: str
) -> None:
    """With the constant stream, the folder and the function in common, they stay two."""
    one, two = (emulate(handler, **NO_OWN_STREAM) for _ in range(2))
    first, second = seen(one.invoke({})), seen(two.invoke({}))
    assert first["state"] == "cold"
    assert_new(second, first)
    one.invoke({"do": "os._exit"})
    assert_reset(seen(one.invoke({})), first)
    assert seen(two.invoke({}))["state"] == "warm"


# ----------------------------------------------------------------------------------------- requests


def test_a_request_that_raises_leaves_a_warm_container_and_nothing_else(
    emulate: Emulate, handler: str
) -> None:
    """Its scope is closed: the next request does not see its variable, nor can write to it."""
    emulator = emulate(handler)
    first = seen(emulator.invoke({}))
    failed = emulator.invoke({"note": "of the failed", "keep": True, "do": "raise"})
    assert (failed.value["errorType"], failed.value["errorMessage"]) == ("ValueError", "as told")
    after = seen(emulator.invoke({}))
    assert (after["state"], after["invocations"], after["generation"]) == ("warm", 3, 1)
    assert after["process"] == first["process"]
    assert (after["note"], after["leftovers"], after["late_writes"]) == ("none", 0, 0)
    assert seen(emulator.invoke({"do": "write late"}))["late_writes"] == 1


def test_no_context_variable_outlives_its_request(emulate: Emulate, handler: str) -> None:
    """Without ORC one does: Lambda's runtime calls every request in the same context."""
    for function, left in (("plain.handler", "of the first"), (handler, "none")):
        emulator = emulate(function)
        emulator.invoke({"note": "of the first"})
        assert emulator.invoke({}).value["variable"] == left


def test_no_request_sees_the_variable_of_another(emulate: Emulate, handler: str) -> None:
    """Each finds it empty, and what it sets is gone with it."""
    emulator = emulate(handler)
    notes = [seen(emulator.invoke({"note": str(number)}))["note"] for number in range(4)]
    assert notes == ["none"] * 4


def test_a_write_into_a_request_that_is_over_is_dropped(emulate: Emulate, handler: str) -> None:
    """It neither fails nor reaches the request that runs now, and it is counted."""
    emulator = emulate(handler)
    emulator.invoke({"note": "of the first", "keep": True})
    late = seen(emulator.invoke({"do": "write late"}))
    assert late["late_writes"] == 1


def test_a_request_has_the_id_of_its_invocation(emulate: Emulate, handler: str) -> None:
    """The one that the caller gave, that the emulator logs, and that the runtime hands over."""
    emulator = emulate(handler)
    given = [str(uuid.UUID(int=number, version=4)) for number in (1, 2)]
    told = [seen(emulator.invoke({}, request_id=each)) for each in given]
    told.append(seen(emulator.invoke({})))
    assert [each["request"] for each in told[:2]] == given
    for each in told:
        assert each["request"] == each["runtime"]["request"]
        assert f"START RequestId: {each['request']}" in emulator.log()
    assert len({each["request"] for each in told}) == 3


def test_an_invocation_retried_under_its_id_is_a_request_of_its_own(
    emulate: Emulate, handler: str
) -> None:
    """Lambda repeats an asynchronous event under the same id: it is counted, and begins empty."""
    emulator = emulate(handler)
    same = str(uuid.UUID(int=7, version=4))
    emulator.invoke({"note": "of the first try", "do": "raise"}, request_id=same)
    again = seen(emulator.invoke({}, request_id=same))
    assert (again["request"], again["invocations"], again["note"]) == (same, 2, "none")
    assert again["state"] == "warm"


def test_the_remaining_time_is_that_of_the_invocation(emulate: Emulate, handler: str) -> None:
    """In seconds, counted for each request anew from the function's timeout."""
    emulator = emulate(handler, timeout=20)
    for _ in range(2):
        before, remaining, after = seen(emulator.invoke({}))["remaining"]
        assert 0 < remaining <= 20
        assert after - 0.1 <= remaining <= before + 0.1


def test_the_tenant_of_an_invocation_reaches_its_request(emulate: Emulate, handler: str) -> None:
    """And no other request: one without a tenant has none."""
    emulator = emulate(handler)
    told = [seen(emulator.invoke({}, tenant=tenant)) for tenant in ("blue", None, "green")]
    assert [each["tenant"] for each in told] == ["blue", None, "green"]
    assert [each["runtime"]["tenant"] for each in told] == ["blue", None, "green"]
