"""Counters: exact under threads, and cheap to bump."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.stats.counters import Counters, Tally


def test_a_tally_counts_its_bumps() -> None:
    """The value is the number of bumps, however often it is looked at in between."""
    tally = Tally()
    assert tally.value() == tally.value() == 0
    for _ in range(3):
        tally.bump()
    assert [tally.value() for _ in range(5)] == [3] * 5
    tally.add(10)
    tally.bump()
    assert tally.value() == 14


@given(st.lists(st.one_of(st.just("bump"), st.just("look"), st.integers(0, 9))))
def test_a_tally_is_a_sum(steps: list[object]) -> None:
    """Bumps, looks and additions in any order come to the same as plain addition."""
    tally, total = Tally(), 0
    for step in steps:
        if step == "bump":
            tally.bump()
            total += 1
        elif step == "look":
            assert tally.value() == total
        else:
            tally.add(step)
            total += step
    assert tally.value() == total


def run_threads(count: int, target: object) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=target) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)


def test_a_tally_loses_no_bump_to_threads() -> None:
    """Eight threads that bump, add and look: nothing is lost, nothing counted twice."""
    tally = Tally()

    def work() -> None:
        for _ in range(2000):
            tally.bump()
            tally.add(2)
            tally.value()

    run_threads(8, work)
    assert tally.value() == 8 * 2000 * 3


def test_counters_lose_nothing_to_threads() -> None:
    """add, miss and tier are exact, too."""
    counters = Counters("f")

    def work() -> None:
        for _ in range(500):
            counters.add("loads")
            counters.miss("expired")
            counters.tier("hits", "redis", 2)

    run_threads(8, work)
    assert (counters.loads, counters.causes) == (4000, {"expired": 4000})
    assert counters.answers("hits", "redis") == 8000
    assert counters.answers("misses", "redis") == 0
    assert counters.answers("hits", "dynamodb") == 0


def test_a_new_book_is_empty() -> None:
    """Every number is 0, and there are no causes."""
    counters = Counters("f")
    for name in Counters.__slots__:
        if name not in {"name", "hits", "_lock"}:
            assert not getattr(counters, name)
    assert counters.hits.value() == 0


def test_absorb_adds_everything() -> None:
    """Every counter there is, by number and by name, and leaves the absorbed one as it was."""
    one, other = Counters("one"), Counters("other")
    for counters, factor in ((one, 1), (other, 10)):
        for _ in range(factor):
            counters.hits.bump()
        for name in Counters.__slots__:
            value = getattr(counters, name)
            if isinstance(value, (int, float)):
                counters.add(name, factor)
            elif isinstance(value, dict):
                value["a"] = factor
        counters.miss("only" if factor == 1 else "too")
    one.absorb(other)
    assert one.name == "one"
    assert one.hits.value() == 11
    assert other.hits.value() == 10
    for name in Counters.__slots__:
        value = getattr(one, name)
        if isinstance(value, (int, float)):
            assert value == 11, name
        elif isinstance(value, dict):
            assert value["a"] == 11, name
    assert (one.causes["only"], one.causes["too"]) == (1, 1)


def test_an_unknown_counter_is_an_error() -> None:
    """A name that is none is not counted silently."""
    with pytest.raises(AttributeError):
        Counters("f").add("no_such_counter")
    with pytest.raises(AttributeError):
        Counters("f").tier("guesses", "redis")
