"""A ttl that is computed from the value: by a function, for `get_or_set`, and for `set`."""

from __future__ import annotations

import asyncio
import warnings
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

import orc
from orc.errors import ConfigError, OrcWarning
from orc.testing.reference_tier import ReferenceTier, Store

WAYS = ["cached", "async cached", "Cache", "get_or_set", "aget_or_set", "set", "aset", "set_many"]
VALUE = {"token": "s3cret"}


@pytest.fixture
def make(memory, clock):
    """Return what makes caches, alone or of one store of rows."""

    def maker(near=memory, store=None, *, alone=False, **terms):
        tiers = [near] if alone else [near, ReferenceTier(store)]
        return orc.Cache(tiers=tiers, clock=clock, jitter=0, namespace="test", **terms)

    return maker


def use(cache, way, ttl):
    """Store a value by one of the ways; return it, and what tells how often it was loaded."""
    loads = []

    def load():
        loads.append(1)
        return dict(VALUE)

    async def aload():
        return load()

    def again():
        if way == "cached":
            return function()
        if way == "async cached":
            return asyncio.run(function())
        if way == "aget_or_set":
            return asyncio.run(cache.aget_or_set("key", aload, ttl=ttl))
        if way in {"get_or_set", "Cache"}:
            own = {} if way == "Cache" else {"ttl": ttl}
            return cache.get_or_set("key", load, **own)
        return cache.get("key")

    if way == "cached":
        function = cache.cached(ttl=ttl, namespace="test")(load)
    elif way == "async cached":
        function = cache.cached(ttl=ttl, namespace="test")(aload)
    elif way == "set":
        cache.set("key", load(), ttl=ttl)
    elif way == "aset":
        asyncio.run(cache.aset("key", load(), ttl=ttl))
    elif way == "set_many":
        cache.set_many({"key": load()}, ttl=ttl)
    return again, loads


def kept_for(make, clock, way, ttl, seconds, **made):
    """Tell whether a value is there after so many seconds."""
    cache = make(ttl=ttl, **made) if way == "Cache" else make(**made)
    again, loads = use(cache, way, ttl)
    again()
    clock.advance(seconds)
    found = again()
    if "set" in way.split("_")[0]:
        return found is not None
    assert found == VALUE
    return len(loads) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "computed",
    [
        40,
        40.0,
        Decimal(40),
        Fraction(40),
        timedelta(seconds=40),
    ],
    ids=repr,
)
def test_what_people_compute_is_a_ttl(make, clock, way, computed):
    """Numbers of all kinds, and a ``timedelta``."""
    assert kept_for(make, clock, way, lambda value: computed, 39)
    assert not kept_for(make, clock, way, lambda value: computed, 41)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "computed", [0, -0.0, -1, -1e9, Decimal(-5), timedelta(seconds=-5)], ids=repr
)
def test_what_is_over_already_is_returned_and_not_stored(make, clock, way, computed):
    """A token that ends before it came, and clocks that are apart; no warning is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not kept_for(make, clock, way, lambda value: computed, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("computed", [None, float("inf"), 10**400], ids=["None", "inf", "10**400"])
def test_for_ever_is_until_evicted(make, clock, way, computed):
    """Fifty years are no end of it."""
    assert kept_for(make, clock, way, lambda value: computed, 50 * 365 * 86_400, alone=True)


ODD = {
    "a text": lambda value: "s3cret",
    "the value": lambda value: value,
    "a time": lambda value: datetime(2026, 11, 30, tzinfo=UTC),
    "True": lambda value: True,
    "NaN": lambda value: float("nan"),
    "Decimal NaN": lambda value: Decimal("sNaN"),
    "complex": lambda value: 1j,
    "KeyError": lambda value: value["expires_in"],
    "no parameter": lambda: 5,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("odd", ODD)
def test_anything_else_costs_no_value(make, clock, way, odd):
    """It is returned and not stored; one warning names the function, and shows no value."""
    cache = make(ttl=ODD[odd]) if way == "Cache" else make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again, _ = use(cache, way, ODD[odd])
        for _ in range(3):
            assert again() == (None if "set" in way.split("_")[0] else VALUE)
    (warning,) = [each for each in caught if each.category is OrcWarning]
    said = str(warning.message)
    assert ("load" if "cached" in way else "explicit keys") in said
    assert "s3cret" not in said
    assert warning.filename == __file__
    assert cache.stats().undated >= 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("odd", ODD)
def test_with_strictness_it_raises_and_gives_the_value(make, way, odd):
    """What was loaded is in the error: it may have cost much."""
    ttl = ODD[odd]
    cache = make(ttl=ttl, strict=True) if way == "Cache" else make(strict=True)

    def work():
        use(cache, way, ttl)[0]()

    with pytest.raises(ConfigError) as raised:
        work()
    assert raised.value.value == VALUE
    assert "s3cret" not in str(raised.value)


def test_what_was_stored_with_a_computed_ttl_is_read_with_it(make, clock):
    """A reader with the same callable has no ttl of its own, here and in another container."""
    store = Store()
    cache, other = make(store=store, ttl=10), make(orc.Memory(), store, ttl=10)
    for each in (cache, other):
        assert each.get_or_set("key", lambda: 1, ttl=lambda value: 1000) == 1
    clock.advance(500)
    for each in (cache, other):
        assert each.get_or_set("key", lambda: 2, ttl=lambda value: 1000) == 1
    assert cache.get_or_set("key", lambda: 3, ttl=20) == 3


def test_with_strictness_nothing_is_left_under_the_key(make):
    """An old value is not kept for one that could not be stored; other keys of a batch are."""
    cache = make(strict=True)
    cache.set_many({"a": 1, "b": 1}, ttl=60)
    with pytest.raises(ConfigError):
        cache.set_many({"a": "odd", "b": 2}, ttl=lambda value: 60 if value == 2 else value)
    assert (cache.get("a"), cache.get("b")) == (None, 2)


def test_a_rule_that_fails_costs_no_value_either(make):
    """`cache_if` is the user's code, too."""
    function = make(alone=True).cached(cache_if=lambda value: value["absent"])(lambda: VALUE)
    with pytest.warns(OrcWarning, match="no ttl or cache_if can be computed"):
        assert function() == VALUE
    assert function() == VALUE
