"""What a cache remembers beside its entries has a bound: cleared partitions, names of functions."""

from __future__ import annotations

import gc
import tracemalloc

import orc
from orc.engine.core import Core
from orc.testing.reference_tier import ReferenceTier, Store


def grown(work, rounds):
    """Return the bytes by which the process grows in the second half of some rounds."""
    tracemalloc.start()
    for number in range(rounds):
        work(number)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(rounds, 2 * rounds):
        work(number)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def test_partitions_that_were_cleared_cost_nothing_in_the_end(cache):
    """A service with new tenants every day clears each of them once."""
    rounds = 4 * Core.MOST_CLEARED
    assert grown(lambda number: cache.partition(f"tenant {number}").clear(), rounds) < 60_000


def test_what_was_cleared_stays_cleared(clock):
    """In shared tiers, too, when more partitions were cleared than are remembered."""
    store = Store()

    def container():
        tiers = [orc.Memory(), ReferenceTier(store)]
        return orc.Cache(tiers=tiers, clock=clock, namespace="test", ttl=10_000)

    one, other = container(), container()
    count = Core.MOST_CLEARED + 10
    names = [f"tenant {number}" for number in range(count)]
    for name in names:
        one.partition(name).set("key", name)
    one.set("outside", 1)
    clock.advance(1.0)
    for name in names:
        other.partition(name).clear()
        clock.advance(0.001)
    assert [other.partition(name).get("key") for name in names] == [None] * count
    clock.advance(1.0)
    for name in names:
        other.partition(name).set("key", "new")
    assert [other.partition(name).get("key") for name in names] == ["new"] * count
    assert one.get("outside") == 1


def test_functions_of_ever_new_names_are_counted_together_in_the_end(cache):
    """Their counts are kept together, and none is lost."""

    def once(number):
        def function():
            return number

        function.__qualname__ = function.__name__ = f"function_{number}"
        cached = cache.cached(function)
        assert cached() == cached() == number

    rounds = 2 * Core.MOST_GONE
    for number in range(2 * rounds):
        once(number)
    assert len(cache._core._gone) <= Core.MOST_GONE + 1
    assert len(cache._core._books) < 10
    report = cache.stats()
    assert (report.loads, report.hits) == (2 * rounds, 2 * rounds)
    assert len(report.functions) <= Core.MOST_GONE + 2
    assert sum(loads for _, loads in report.functions.values()) == 2 * rounds
