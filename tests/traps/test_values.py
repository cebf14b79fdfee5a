"""Traps 5 to 9, 15, 20, 21 and 26: what is kept for later requests, in real runtime processes."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("handler", "leaks"), [("changes_the_value", True), ("changes_a_copy", False)]
)
def test_trap_6_a_cached_object_is_changed(fleet_of, handler, leaks):
    """What a handler writes into a cached value is in the next request's; ORC hands out copies."""
    with fleet_of(f"values.{handler}") as fleet:
        fleet.invoke({})
        again = fleet.invoke({}).value
        assert again["load"] == fleet.invoke({}).value["load"], "it was cached"
        assert ("card" in again) is leaks


@pytest.mark.parametrize(
    ("handler", "of_second"),
    [("profile_for_all", "blue"), ("profile_of_a_partition", "green")],
)
def test_trap_5_one_tenants_data_for_another(fleet_of, handler, of_second):
    """A container serves two tenants: each has what is its own only if the key knows of it."""
    with fleet_of(f"values.{handler}") as fleet:
        assert fleet.invoke({"tenant": "blue"}).value == {"of": "blue"}
        assert fleet.invoke({"tenant": "green"}).value == {"of": of_second}


@pytest.mark.parametrize(
    ("handler", "stale_when"),
    [("by_monotonic", "monotonic"), ("by_wall", "wall"), ("by_both", None)],
)
@pytest.mark.parametrize("still", [None, "monotonic", "wall"])
def test_trap_7_a_clock_stands_still(fleet_of, handler, stale_when, still):
    """Frozen for an hour: a ttl by one clock never ends if that one stood still; ORC asks both."""
    with fleet_of(f"values.{handler}") as fleet:
        first = fleet.invoke({})
        loads = first.value
        first.settled()
        assert fleet.invoke({}).value == loads, "it is kept"
        fleet.invoke({}).settled()
        first.container.advance(
            wall=0.0 if still == "wall" else 3600.0,
            monotonic=0.0 if still == "monotonic" else 3600.0,
        )
        stale = fleet.invoke({}).value == loads
        assert stale is (still is not None and still == stale_when)


def test_trap_7_the_wall_clock_is_set_back(fleet_of):
    """An hour passes, in which the wall clock is set back by as much: ORC is not fooled."""
    for handler, stale in (("by_wall", True), ("by_both", False)):
        with fleet_of(f"values.{handler}") as fleet:
            first = fleet.invoke({})
            first.settled()
            first.container.advance(wall=-3600.0, monotonic=3600.0)
            assert (fleet.invoke({}).value == first.value) is stale


def test_traps_8_9_and_26_clones_of_one_snapshot(fleet_of):
    """Ids, jitter and values from before a snapshot are the same in all clones; ORC's are not."""
    with fleet_of("values.same_in_all_clones", mode="snap-start") as fleet:
        fleet.start(3)
        told = [fleet.invoke({}, container=each).value for each in fleet.containers]
        assert len({each["id"] for each in told}) == 1
        assert len({each["jitter"] for each in told}) == 1
        assert all(each["remembered"] for each in told), "it looks fresh, however old it is"
    with fleet_of("values.new_in_each_clone", mode="snap-start") as fleet:
        fleet.start(3)
        told = [fleet.invoke({}, container=each).value for each in fleet.containers]
        for what in ("id", "environment", "jitter"):
            assert len({each[what] for each in told}) == 3, what
        assert [each["loaded"] for each in told] == [1, 1, 1], "dropped at the restore"
        assert [each["requests"] for each in told] == [1, 1, 1], "counts begin anew"


@pytest.mark.parametrize(("handler", "threads"), [("janitor", None), ("threads", ["MainThread"])])
def test_trap_15_a_timer_is_frozen(fleet_of, handler, threads):
    """A janitor's timer does not run while frozen; ORC has no thread, and judges when asked."""
    with fleet_of(f"values.{handler}") as fleet:
        first = fleet.invoke({})
        if threads:
            assert first.value == threads
            return
        first.settled()
        first.container.advance(3600)
        assert fleet.invoke({}).value == first.value, "long expired, and still served"


def test_trap_20_slow_modules_at_init(fleet_of):
    """A cache of memory only brings no client, in init or in a request."""
    with fleet_of("values.heavy_modules") as fleet:
        assert fleet.invoke({}).value == []


def test_trap_21_a_cache_without_bounds(fleet_of):
    """Fifty megabytes go into a dictionary of a function with 128; ORC keeps a tenth of it."""
    with fleet_of("values.keeps_all", memory=128) as fleet:
        unbounded = fleet.invoke({}).value
    with fleet_of("values.keeps_its_budget", memory=128) as fleet:
        bounded = fleet.invoke({}).value
    assert unbounded > 45 << 20
    assert bounded < 16 << 20, "12.8 MB, and what the allocator has beside it"
