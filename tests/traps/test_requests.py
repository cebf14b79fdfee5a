"""Traps 1, 2, 3, 4 and 29: what belongs to one request, in real runtime processes.

Each test first shows that the trap is there, with code that everybody writes, and then that ORC's
way does not fall into it. So it fails when the remedy is taken out, and also when the trap is gone.
"""

from __future__ import annotations

import os
import threading

import pytest

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("handler", "second"),
    [
        ("context_variable", CARD),
        ("thread_local", CARD),
        ("context_variable_of_a_handler", None),
        ("request_var", None),
    ],
)
def test_trap_1_request_scope_survives(fleet_of, hour_passes, handler, second):
    """A context variable and a thread-local outlive their invocation; under ORC neither does."""
    with fleet_of(f"requests.{handler}") as fleet:
        first = fleet.invoke({"card": CARD})
        assert first.value == CARD
        first.settled()
        hour_passes(first.container)
        again = fleet.invoke({})
        assert again.container.id == first.container.id
        assert again.value == second


def test_trap_1_one_request_id_twice(fleet_of):
    """Lambda repeats asynchronous events under the same id: the repetition begins empty."""
    with fleet_of("requests.request_var") as fleet:
        assert fleet.invoke({"card": CARD}, request_id="8f507cfc").value == CARD
        assert fleet.invoke({}, request_id="8f507cfc").value is None


def test_trap_2_no_context_at_hand(fleet_of):
    """Far below the handler the request is known; without any handler it is refused, not shared."""
    with fleet_of("requests.deep") as fleet:
        value = fleet.invoke({}).value
        assert value["same"]
        assert 0 < value["remaining"] <= 3
    with fleet_of("requests.deep_without_a_context") as fleet:
        first, second = fleet.invoke({}).value, fleet.invoke({}).value
        assert "@orc.handler" in first["error"]
        assert [first["state"], second["state"]] == ["cold", "warm"], "told by the runtime's own id"


@pytest.mark.parametrize(
    ("handler", "second"), [("leftover_thread", CARD), ("leftover_carried", [None, 1])]
)
def test_trap_3_leftover_thread_writes_into_the_next_request(
    fleet_of, hour_passes, handler, second
):
    """What a thread of one invocation writes during the next is seen there; or dropped, counted."""
    with fleet_of(f"requests.{handler}") as fleet:
        first = fleet.invoke({"card": CARD})
        first.settled()
        hour_passes(first.container)
        assert fleet.invoke({}).value == second


def test_trap_4_a_handler_goes_on_after_its_deadline(fleet_of, tmp_path):
    """Under Managed Instances nobody kills it: its scope says that the time is over."""
    pipe, told = tmp_path / "pipe", tmp_path / "told"
    os.mkfifo(pipe)
    os.mkfifo(told)
    handler = "requests.goes_on_after_the_deadline"
    with fleet_of(handler, mode="managed", concurrency=1, timeout=0.5) as fleet:
        late = fleet.invoke({"pipe": str(pipe), "told": str(told)})
        assert late.error["errorType"] == "Sandbox.Timedout"
        reading: list[str] = []
        reader = threading.Thread(target=lambda: reading.append(told.read_text()))
        reader.start()
        pipe.open("w").close()  # lets it go on
        reader.join(10)
        assert reading == [repr([0.0, str(pipe)])], "and what it held is still its own"
        late.settled()
        assert fleet.invoke({}).value is None


@pytest.mark.parametrize(
    ("handler", "cleaned"), [("cleans_up_at_the_end", False), ("closes", True)]
)
def test_trap_29_system_exit_in_a_handler(fleet_of, handler, cleaned):
    """The process dies of it, as on Lambda; the scope is closed, and does what it promised."""
    with fleet_of(f"requests.{handler}") as fleet:
        answer = fleet.invoke({"exit": True})
        assert answer.error["errorType"] == "Runtime.ExitError"
        answer.settled()
        assert (answer.container.tmp / "cleaned").exists() is cleaned
