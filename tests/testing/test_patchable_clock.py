"""Tests that move the clock with the tools that everybody has: freezegun, time-machine, mock."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import subprocess
import sys
from unittest import mock

import freezegun
import pytest
import time_machine

import orc
from orc.codecs.codec import Codec
from orc.lifecycle.clock import SYSTEM
from orc.model.address import Address
from orc.model.entry import Entry
from orc.testing import ManualClock, patchable_clock
from orc.testing.reference_tier import ReferenceTier

MACHINES = SYSTEM.wall
"""The machine's clock, as a function that is written in C."""


@contextlib.contextmanager
def by_mock():
    now = [SYSTEM.wall()]
    with mock.patch("time.time", side_effect=lambda: now[0]):
        yield lambda seconds: now.__setitem__(0, now[0] + seconds)


@contextlib.contextmanager
def by_freezegun():
    with freezegun.freeze_time("2026-03-01") as frozen:
        yield lambda seconds: frozen.tick(dt.timedelta(seconds=seconds))


@contextlib.contextmanager
def by_freezegun_to_the_future():
    with freezegun.freeze_time("2099-03-01") as frozen:
        yield lambda seconds: frozen.tick(dt.timedelta(seconds=seconds))


@contextlib.contextmanager
def by_time_machine():
    with time_machine.travel("2026-03-01", tick=False) as traveller:
        yield traveller.shift


TOOLS = [by_mock, by_freezegun, by_freezegun_to_the_future, by_time_machine]
WAYS = ["function", "async function", "method", "get_or_set", "aget_or_set", "get"]


def use(cache, way):
    """Return what asks a cache, and the loads that this took."""
    loads = []

    def load():
        loads.append(1)
        return "value"

    async def aload():
        return load()

    class Service:
        @cache.cached(ignore="self")
        def load(self):
            return load()

    def get():
        value = cache.get("key")
        if value is None:
            cache.set("key", load())
        return "value"

    function, afunction, service = cache.cached(load), cache.cached(aload), Service()
    return {
        "function": function,
        "async function": lambda: asyncio.run(afunction()),
        "method": service.load,
        "get_or_set": lambda: cache.get_or_set("key", load),
        "aget_or_set": lambda: asyncio.run(cache.aget_or_set("key", aload)),
        "get": get,
    }[way], loads


@pytest.mark.parametrize("made", ["before", "inside"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool", TOOLS)
def test_entries_expire_when_the_test_says_so(tool, way, made):
    """And not before; be the cache one that a module has made when it was imported."""
    before = orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0)
    ask, loads = use(before, way)
    with patchable_clock():
        if made == "inside":
            ask, loads = use(orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0), way)
        with tool() as move:
            for seconds, expected in (
                (0, 1),
                (0, 1),
                (59, 1),
                (2, 2),
                (59, 2),
                (2, 3),
                (86_400, 4),
            ):
                move(seconds)
                assert ask() == "value"
                assert len(loads) == expected, seconds


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_of_another_time_is_left(tool):
    """What was stored in the year 2099 would be fresh for a long time."""
    cache = orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0)
    ask, loads = use(cache, "function")
    with patchable_clock(), tool() as move:
        move(1000)
        ask()
    ask()
    assert len(loads) == 2
    assert cache._core.memory.items == 1


def test_what_was_cleared_in_another_time_is_not_cleared_for_ever():
    """In shared tiers: what is stored after the test is newer."""
    cache = orc.Cache(tiers=[orc.Memory(), ReferenceTier()], namespace="test", ttl=60)
    loads = []
    function = cache.cached(lambda: loads.append(1) or 1, namespace="test")
    with patchable_clock(), by_freezegun_to_the_future():
        cache.clear()
        cache.partition("tenant").clear()
        function.cache_clear()
    for target in (cache, cache.partition("tenant")):
        target.set("key", 1)
    function()
    cache._core.came_back()  # memory alone is emptied
    assert (cache.get("key"), cache.partition("tenant").get("key")) == (1, 1)
    function()
    assert len(loads) == 1


def test_afterwards_hits_ask_the_machines_clock_directly():
    """Only a test pays for it; contexts may be inside each other, and end by an error."""
    cache = orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0)
    with contextlib.suppress(KeyError), patchable_clock():
        with patchable_clock(), by_mock() as move:
            cache.set("key", 1)
            move(61)
            assert cache.get("key") is None
        with by_mock() as move:
            cache.set("key", 1)
            move(61)
            assert cache.get("key") is None
        raise KeyError
    assert SYSTEM.wall is MACHINES
    assert cache._core.gate.wall[0] is MACHINES
    assert orc.Cache(tiers=[orc.Memory()])._core.gate.wall[0] is MACHINES


def test_a_cache_with_a_clock_of_its_own_keeps_it():
    """Its test has moved that by hand already."""
    clock = ManualClock()
    cache = orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0, clock=clock)
    with patchable_clock(), by_freezegun() as move:
        cache.set("key", 1)
        move(1000)
        assert cache.get("key") == 1
        clock.advance(61)
        assert cache.get("key") is None


def test_a_cache_that_is_switched_off_stays_so():
    """And one that is read past."""
    cache = orc.Cache(tiers=[orc.Memory()], ttl=60)
    ask, loads = use(cache, "function")
    with cache.bypass(), patchable_clock(), by_freezegun():
        ask()
        ask()
    assert len(loads) == 2
    with patchable_clock(), by_freezegun(), cache.disabled():
        ask()
        ask()
    assert len(loads) == 4


def test_the_fixture_does_the_same(orc_patchable_clock):
    """By the name, without an import."""
    ask, loads = use(orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0), "function")
    with by_freezegun() as move:
        ask()
        move(61)
        ask()
    assert len(loads) == 2


def test_the_plugin_imports_nothing_of_orc_but_itself():
    """Every test run of its users loads it."""
    code = "import orc.testing.plugin, sys; print([m for m in sys.modules if m.startswith('orc')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "orc.engine" not in done.stdout


ZONE = dt.timezone(dt.timedelta(hours=2))
TIMES = {
    "now": lambda: dt.datetime.now(),  # noqa: DTZ005, PLW0108, TID251 - looked up when it is called
    "aware": lambda: dt.datetime.now(ZONE),  # noqa: TID251
    "today": lambda: dt.date.today(),  # noqa: DTZ011, PLW0108, TID251
    "made": lambda: dt.datetime(2026, 3, 1, tzinfo=ZONE),
    "day": lambda: dt.date(2026, 3, 1),
}
TRUE = dt.datetime(2026, 3, 1, tzinfo=ZONE), dt.date(2026, 3, 1)


@pytest.mark.parametrize("name", TIMES)
def test_times_made_while_frozen_are_keys(name):
    """The same as those that are made otherwise."""
    cache = orc.Cache(tiers=[orc.Memory()])
    loads = []
    cached = cache.cached(lambda when: loads.append(1) or when.isoformat())
    with freezegun.freeze_time("2026-03-01"):
        when = TIMES[name]()
        assert cached(when) == cached(when) == when.isoformat()
        for each in TRUE:
            cached(each)
    true = dt.datetime.fromisoformat(when.isoformat())
    cached(true if isinstance(when, dt.datetime) else true.date())
    assert len(loads) == len({when.isoformat(), *(each.isoformat() for each in TRUE)})


def test_what_is_read_while_frozen_is_of_the_true_class():
    """In the process that goes on afterwards, too: the codec learns a class once."""
    codec, address = Codec(), Address(b"k", "orc1:n:f", None, "1")
    values = [dt.datetime(2026, 3, 1, 5, tzinfo=ZONE), dt.date(2026, 3, 1), dt.timedelta(5)]
    sealed = codec.seal(Entry(values, 1.0, 2.0), address)
    with freezegun.freeze_time("2026-03-01"):
        fake = [dt.datetime(2026, 3, 1, 5, tzinfo=ZONE), dt.date(2026, 3, 1), dt.timedelta(5)]
        assert codec.open(codec.seal(Entry(fake, 1.0, 2.0), address), address).value == values
        assert codec.open(sealed, address).value == values
    found = codec.open(sealed, address).value
    assert [type(each) for each in found] == [dt.datetime, dt.date, dt.timedelta]


def test_a_class_that_only_has_the_name_is_no_time():
    """It is not known to be freezegun's."""
    mine = type("FakeDatetime", (dt.datetime,), {})
    cache = orc.Cache(tiers=[orc.Memory()])
    with pytest.raises(TypeError, match="FakeDatetime"):
        cache.cached(lambda when: when)(mine(2026, 3, 1))
