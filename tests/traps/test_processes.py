"""Traps 19 and 22: event loops and forks, in real runtime processes."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("handler", "works"), [("loop_for_each_call", False), ("one_loop", True)])
def test_trap_19_a_loop_for_each_invocation(fleet_of, hour_passes, handler, works):
    """``asyncio.run`` closes the loop that a kept connection belongs to; ORC's loop stays."""
    with fleet_of(f"loops.{handler}") as fleet:
        first = fleet.invoke({})
        assert first.value == "404"
        first.settled()
        hour_passes(first.container)
        again = fleet.invoke({})
        assert (again.value == "404") is works, again.error


@pytest.mark.parametrize(("handler", "second"), [("own_loop", 3), ("leaves_tasks", [2, 1])])
def test_trap_14_a_task_is_left_behind(fleet_of, handler, second):
    """On a loop that is kept, tasks of the last request run in the next; ORC cancels and counts."""
    with fleet_of(f"loops.{handler}") as fleet:
        fleet.invoke({})
        assert fleet.invoke({}).value == second


@pytest.mark.parametrize(
    ("handler", "answers"), [("leftover_behind_a_lock", False), ("leftover_in_the_cache", True)]
)
def test_trap_14_a_load_is_left_behind(fleet_of, hour_passes, handler, answers):
    """A thread that waits on a dead socket holds up whoever waits for it; ORC does not wait."""
    with fleet_of(f"values.{handler}", timeout=1.0) as fleet:
        first = fleet.invoke({"leave": True})
        first.settled()
        hour_passes(first.container)
        again = fleet.invoke({})
        assert (again.error is None) is answers
        if answers:
            assert again.value == "loaded"


def test_trap_22_a_fork_beside_a_thread(fleet_of):
    """A lock that another thread had is never given back in the child; ORC's are."""
    with fleet_of("forks.plain_lock", timeout=10) as fleet:
        assert fleet.invoke({}).value is False
    with fleet_of("forks.cache_of_the_child", timeout=10) as fleet:
        answer = fleet.invoke({})
        value = answer.value
        assert value["child"]["mine"], "loaded in the child: nobody else would ever have"
        assert value["child"]["loads"] == 1, "statistics begin anew"
        assert value["child"]["process"] != value["parent"] == value["after"]
        assert value["child"]["request"] == answer.request_id
