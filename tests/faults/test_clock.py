"""Clocks that are set, and clocks that stand still.

A container that is frozen finds its wall clock ahead and its monotonic clock where it was, or not;
a clock service may set the wall clock forward or back at any moment.
"""

from __future__ import annotations

import asyncio

import pytest

import orc

HOUR = 3600
TTL = 60


class Origin:
    """A loader that counts its calls, and fails when it is told to."""

    def __init__(self):
        self.calls = 0
        self.failing = False

    def __call__(self):
        self.calls += 1
        if self.failing:
            raise ConnectionError("down")
        return self.calls


@pytest.fixture
def origin():
    """Return a loader that counts its calls."""
    return Origin()


def reads(kind, memory, clock, origin):
    """Return what reads a value that expires after `TTL`, loading it if need be."""
    cache = orc.Cache(tiers=[memory], clock=clock, ttl=TTL, jitter=0, stale_if_error=TTL, backoff=5)
    function = cache.cached(origin)

    @cache.cached
    async def afunction():
        return origin()

    def get():
        value = cache.get("key")
        if value is None:
            value = origin()
            cache.set("key", value)
        return value

    return {
        "get": get,
        "get_or_set": lambda: cache.get_or_set("key", origin),
        "aget_or_set": lambda: asyncio.run(cache.aget_or_set("key", origin)),
        "function": function,
        "async function": lambda: asyncio.run(afunction()),
        "method": Shop(cache, origin).price,
    }[kind]


class Shop:
    """Something with a cached method."""

    def __init__(self, cache, origin):
        self.price = cache.cached(self._load)
        self._origin = origin

    def _load(self):
        return self._origin()

    def __orc_key__(self):
        return "shop"


KINDS = ["get", "get_or_set", "aget_or_set", "function", "async function", "method"]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def read(kind, memory, clock, origin):
    """Return one way to read."""
    return reads(kind, memory, clock, origin)


@every_kind
def test_frozen_for_an_hour_an_entry_has_expired(read, clock):
    """The monotonic clock stood still with the container, and keeps nothing alive."""
    assert read() == 1
    clock.advance(wall=HOUR)
    assert read() == 2
    assert read() == 2


@every_kind
def test_a_wall_clock_that_stands_still_keeps_nothing_alive(read, clock):
    """Where only the monotonic clock goes on, it ends the entry."""
    assert read() == 1
    clock.advance(monotonic=TTL - 1)
    assert read() == 1
    clock.advance(monotonic=1)
    assert read() == 2


@every_kind
def test_a_wall_clock_that_was_set_back_keeps_nothing_alive(read, clock):
    """An entry lives its ttl by the monotonic clock at most, whatever the wall clock shows."""
    assert read() == 1
    clock.advance(wall=-HOUR)
    assert read() == 1
    clock.advance(TTL - 1)
    assert read() == 1
    clock.advance(1)
    assert read() == 2
    # What is stored after the clock was set lives its ttl as well.
    clock.advance(TTL - 1)
    assert read() == 2
    clock.advance(1)
    assert read() == 3


@every_kind
def test_a_wall_clock_that_was_set_forward_ends_what_is_there(read, clock):
    """And nothing more: what is stored then lives its ttl, also when the clock is set right."""
    assert read() == 1
    clock.advance(wall=HOUR)
    assert read() == 2
    clock.advance(wall=-HOUR)
    assert read() == 2
    clock.advance(TTL - 1)
    assert read() == 2
    clock.advance(1)
    assert read() == 3


@every_kind
def test_a_monotonic_clock_that_jumps_ends_what_is_there(read, clock):
    """An hour forward; and an hour back, which the wall clock then makes up for."""
    assert read() == 1
    clock.advance(monotonic=HOUR)
    assert read() == 2
    clock.advance(monotonic=-HOUR)
    assert read() == 2
    clock.advance(TTL)
    assert read() == 3


@every_kind
def test_both_clocks_are_exact_to_the_ttl(read, clock):
    """An entry is fresh up to its ttl, not included, however the time was shared out."""
    assert read() == 1
    clock.advance(wall=30, monotonic=20)
    clock.advance(wall=29.5, monotonic=39.5)
    assert read() == 1
    clock.advance(wall=0.5)
    assert read() == 2


# -- stale windows -----------------------------------------------------------------------------

LOADING = ["get_or_set", "aget_or_set", "function", "async function"]


@pytest.mark.parametrize("kind", LOADING)
@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_an_hour_by_one_clock_is_past_the_stale_window(read, clock, origin, which):
    """After a freeze nothing is served stale that is older than the window by either clock."""
    assert read() == 1
    origin.failing = True
    clock.advance(**{which: HOUR})
    with pytest.raises(ConnectionError):
        read()


@pytest.mark.parametrize("kind", LOADING)
def test_a_stale_value_does_not_become_fresh_by_a_clock_set_back(read, clock, origin):
    """By the monotonic clock it is still past its ttl, so the origin is asked."""
    assert read() == 1
    clock.advance(TTL + 1)
    clock.advance(wall=-HOUR)
    assert read() == 2


@pytest.mark.parametrize("kind", LOADING)
def test_a_clock_set_back_does_not_lengthen_the_stale_window(read, clock, origin):
    """The window ends by the monotonic clock."""
    assert read() == 1
    origin.failing = True
    clock.advance(TTL)
    assert read() == 1
    clock.advance(wall=-HOUR)
    clock.advance(TTL - 1)
    assert read() == 1
    clock.advance(1)
    with pytest.raises(ConnectionError):
        read()


@pytest.mark.parametrize("kind", LOADING)
@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_a_back_off_does_not_outlast_a_freeze(read, clock, origin, which):
    """A few seconds by either clock, and the origin is asked again."""
    assert read() == 1
    origin.failing = True
    clock.advance(TTL)
    assert read() == read() == 1
    assert origin.calls == 2
    clock.advance(**{which: 30})
    assert read() == 1
    assert origin.calls == 3


@pytest.mark.parametrize("kind", LOADING)
def test_a_back_off_ends_though_the_wall_clock_was_set_back(read, clock, origin):
    """The monotonic clock ends it."""
    assert read() == 1
    origin.failing = True
    clock.advance(TTL)
    assert read() == 1
    clock.advance(wall=-HOUR)
    origin.failing = False
    assert read() == 1
    clock.advance(5)
    assert read() == 3


def test_a_load_during_which_the_wall_clock_is_set_counts_from_its_start(memory, clock):
    """The entry is created when its load begins, on both clocks."""
    cache = orc.Cache(tiers=[memory], clock=clock, ttl=TTL, jitter=0)

    def slow(step):
        def loader():
            clock.advance(**step)
            return "value"

        return loader

    cache.get_or_set("forward", slow({"wall": HOUR}))
    assert cache.get("forward") is None
    cache.get_or_set("back", slow({"wall": -HOUR}))
    assert cache.get("back") == "value"
    clock.advance(TTL)
    assert cache.get("back") is None
    cache.get_or_set("slow", slow({"monotonic": TTL - 1}))
    assert cache.get("slow") == "value"
    clock.advance(1)
    assert cache.get("slow") is None


def test_statistics_take_no_negative_time_from_a_clock(memory, clock):
    """A monotonic clock that goes back during a load counts as no time at all."""
    cache = orc.Cache(tiers=[memory], clock=clock)

    def loader():
        clock.advance(monotonic=-10)
        return 1

    cache.get_or_set("key", loader)
    assert cache.stats().load_seconds == 0
