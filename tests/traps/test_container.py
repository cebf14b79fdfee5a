"""Traps 10, 11 and 13: what a container is and in which state, in real runtime processes."""

from __future__ import annotations

import pytest


def test_trap_10_the_log_stream_is_no_process(fleet_of):
    """A reset keeps the log stream: the process is another, and ORC tells both apart."""
    with fleet_of("container.state") as fleet:
        first = fleet.invoke({}).value
        crash = fleet.invoke({"do": "exit"})
        assert crash.error["errorType"] == "Runtime.ExitError"
        crash.settled()
        after = fleet.invoke({}).value
        assert after["calls"] == 1, "its globals are gone"
        assert after["environment_id"] == first["environment_id"]
        assert after["process_id"] != first["process_id"]
        assert [first["generation"], after["generation"]] == [1, 2]


def test_trap_10_the_workers_of_a_managed_instance(fleet_of):
    """They share a log stream; each has an id of its own."""
    with fleet_of("container.state", mode="managed", concurrency=3) as fleet:
        told = {}
        for _ in range(60):
            value = fleet.invoke({}).value
            told[value["pid"]] = value
            if len(told) == 3:
                break
        assert len({each["environment_id"] for each in told.values()}) == 1
        assert len({each["process_id"] for each in told.values()}) == len(told)
        assert {each["generation"] for each in told.values()} == {1}
        assert {each["workers"] for each in told.values()} == {3}


def states(fleet_of, handler):
    """Do to containers what can be done to them; return what the first request in each is told."""
    told = {}
    with fleet_of(handler, timeout=2.0) as fleet:
        first = fleet.invoke({})
        told["cold"] = first.value
        told["warm"] = fleet.invoke({}).value
        told["handler raised"] = fleet.invoke({"do": "raise"}).error and fleet.invoke({}).value
        for how in ("exit", "kill", "hang"):
            broken = fleet.invoke({"do": how})
            assert broken.error
            broken.settled()
            told[f"reset by {how}"] = fleet.invoke({}).value
        fleet.invoke({}).settled()
        fleet.containers[0].recycle()
        told["recycled"] = fleet.invoke({}).value
        (ahead,) = fleet.start(1)
        ahead.advance(wall=60)
        told["proactive"] = fleet.invoke({}, container=ahead).value
    with fleet_of(handler, mode="provisioned") as fleet:
        fleet.start(1)
        told["provisioned"] = fleet.invoke({}).value
    with fleet_of(handler, mode="snap-start") as fleet:
        told["restored"] = fleet.invoke({}).value
        told["warm after restore"] = fleet.invoke({}).value
    with fleet_of(handler, mode="managed", concurrency=1) as fleet:
        told["managed"] = fleet.invoke({}).value
        told["warm managed"] = fleet.invoke({}).value
    return told


WHAT_HAPPENED = {
    "cold": "cold",
    "warm": "warm",
    "handler raised": "warm",
    "reset by exit": "reset",
    "reset by kill": "reset",
    "reset by hang": "reset",
    "recycled": "cold",
    "proactive": "proactive",
    "provisioned": "provisioned",
    "restored": "restored",
    "warm after restore": "warm",
    "managed": "provisioned",
    "warm managed": "warm",
}


def test_trap_11_the_first_call_is_no_cold_start(fleet_of):
    """A flag in a global says "cold" of six things; ORC tells what was done to the container."""
    by_flag = states(fleet_of, "container.flag")
    firsts = {name for name, state in WHAT_HAPPENED.items() if state != "warm"}
    assert {name for name, cold in by_flag.items() if cold} == firsts
    told = states(fleet_of, "container.state")
    assert {name: value["state"] for name, value in told.items()} == WHAT_HAPPENED
    waited = {"cold", "reset", "restored"}
    for name, value in told.items():
        assert value["caller_waited"] is (value["start"] in waited), name


def test_trap_11_without_a_decorator(fleet_of):
    """Where ``orc.container()`` is called in each of them, invocations are counted by their id."""
    with fleet_of("container.undecorated") as fleet:
        told = [fleet.invoke({}).value for _ in range(3)]
        assert [each["state"] for each in told] == ["cold", "warm", "warm"]
        assert [each["invocations"] for each in told] == [1, 2, 3]


def test_time_in_the_freezer_is_told(fleet_of, hour_passes):
    """How long the container stood still, by whichever clock went on."""
    with fleet_of("container.state") as fleet:
        first = fleet.invoke({})
        first.settled()
        hour_passes(first.container)
        value = fleet.invoke({}).value
        assert value["idle"] == pytest.approx(3600, abs=5)
        assert value["frozen"] == pytest.approx(3600, abs=5)
        assert value["age"] == pytest.approx(3600, abs=5)


def test_trap_13_signal_handlers_are_the_functions_own(fleet_of):
    """ORC installs none, so there is none to overwrite."""
    with fleet_of("container.signals") as fleet:
        assert fleet.invoke({}).value is True
