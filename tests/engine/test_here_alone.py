"""What no shared tier ever has is trusted in memory for its whole life."""

from __future__ import annotations

import asyncio
import random
import warnings

import pytest

import orc
from orc.errors import OrcWarning, TierError, TierUnavailableError
from orc.testing.reference_tier import ReferenceTier, Store

WAYS = ["cached", "async", "get_or_set", "aget_or_set", "set", "aset", "set_many", "refresh"]


class Model:
    """What has no bytes for other containers."""


def model():
    return Model()


def large():
    return random.Random(1).randbytes(10_000)  # nothing that could be compressed


def small():
    return [1]


class Where:
    """Tiers over stores of their own, of which some take little, and some are broken."""

    def __init__(self, clock, memory, **terms):
        self.near, self.deep = ReferenceTier(Store()), ReferenceTier(Store())
        self.near.name, self.deep.name = "near", "deep"
        self.clock, self.loads = clock, 0
        terms = {"memory_ttl": 60, "ttl": 3600, "jitter": 0} | terms
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.cache = orc.Cache(
                tiers=[memory, self.near, self.deep], namespace="test", clock=clock, **terms
            )

    def use(self, way, make, **terms):
        """Return what asks for the value in one of the ways, and counts loads."""

        def load():
            self.loads += 1
            return make()

        async def aload():
            return load()

        cache = self.cache
        isolation = {"isolation": "share"}
        if way in {"cached", "refresh"}:
            function = cache.cached(namespace="test", **isolation, **terms)(load)
            if way == "refresh":
                function.refresh()
            return function
        if way == "async":
            function = cache.cached(namespace="test", **isolation, **terms)(aload)
            return lambda: asyncio.run(function())
        if way == "get_or_set":
            return lambda: cache.get_or_set("key", load, **terms)
        if way == "aget_or_set":
            return lambda: asyncio.run(cache.aget_or_set("key", aload, **terms))
        if way == "set":
            cache.set("key", load(), **terms)
        elif way == "aset":
            asyncio.run(cache.aset("key", load(), **terms))
        else:
            cache.set_many({"key": load(), "other": 1}, **terms)
        return lambda: cache.get("key")


@pytest.fixture(params=[60, 0])
def where(clock, memory, request):
    return Where(clock, memory, memory_ttl=request.param, isolation="share")


def lives(where, ask, seconds):
    """Tell for how long memory alone answers: every half a minute until the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = ask()
        assert first is not None
        loads = where.loads
        for _ in range(seconds // 30):
            where.clock.advance(30)
            if ask() is not first or where.loads != loads:
                return False
    return True


@pytest.mark.parametrize("way", WAYS)
def test_without_an_end(where, way):
    assert lives(where, where.use(way, small, ttl=None), 36_000)


@pytest.mark.parametrize("way", WAYS)
def test_what_has_no_bytes(where, way):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask = where.use(way, model)
    assert lives(where, ask, 3500)
    where.clock.advance(200)
    assert where.cache.get("key") is None


@pytest.mark.parametrize("way", WAYS)
def test_what_is_too_large_for_all_of_them(where, way):
    where.near.max_value_bytes = where.deep.max_value_bytes = 5000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask = where.use(way, large)
    assert lives(where, ask, 3500)


@pytest.mark.parametrize("way", WAYS)
def test_what_one_of_them_takes_is_looked_for_there(where, way):
    where.near.max_value_bytes = 5000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask = where.use(way, large)
    assert not lives(where, ask, 120)


@pytest.mark.parametrize("way", WAYS)
def test_an_ordinary_value_is_looked_for(where, way):
    assert not lives(where, where.use(way, small), 120)


def test_a_tier_that_is_down_does_not_say_that_it_never_takes_it(clock, memory):
    where = Where(clock, memory, isolation="share")
    where.near.max_value_bytes = 5000
    where.deep.store.broken = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask = where.use("cached", large)
    assert not lives(where, ask, 120)


def test_a_model_is_loaded_once_when_somebody_sets_tiers(clock, memory):
    where = Where(clock, memory)

    @where.cache.cached(ttl=None, isolation="share", namespace="test")
    def load():
        where.loads += 1
        return Model()

    for _ in range(100):
        load()
        clock.advance(61)
    assert where.loads == 1
    assert not where.near.store.rows


def test_a_slow_load_without_an_end_is_followed_to_its_end(clock, memory):
    """Where `memory_ttl` is short, too: no other container can have deleted it."""
    where = Where(clock, memory, memory_ttl=0)

    @where.cache.cached(ttl=None, namespace="test")
    async def load():
        where.loads += 1
        await asyncio.sleep(0)
        clock.advance(300)
        await asyncio.sleep(0)
        return [1]

    async def main():
        first = asyncio.create_task(load())
        for _ in range(3):
            await asyncio.sleep(0)
        return await asyncio.gather(first, load(), load())

    assert asyncio.run(main()) == [[1]] * 3
    assert where.loads == 1


@pytest.mark.parametrize("way", ["cached", "set"])
def test_deletion_and_clearing_end_it_all_the_same(where, way):
    ask = where.use(way, small, ttl=None)
    ask()
    if way == "set":
        assert where.cache.delete("key") is True
        assert ask() is None
        return
    where.cache.clear()
    ask()
    assert where.loads == 2


@pytest.mark.parametrize("way", ["set", "cached"])
def test_what_is_too_large_is_told_once_with_its_size(where, way):
    where.near.max_value_bytes = where.deep.max_value_bytes = 5000
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for number in range(3):
            if way == "set":
                where.cache.set(f"key{number}", large())
            else:
                where.cache.cached(namespace="test")(lambda x: large() * x)(number + 1)
    said = [str(each.message) for each in told if "larger than" in str(each.message)]
    assert len(said) == (2 if way == "set" else len(said))
    assert any("bytes is larger than the 5,000 that the tier deep takes" in each for each in said)
    assert all("kept in memory alone" in each for each in said)


def test_with_strictness_what_is_too_large_is_no_error(clock, memory):
    where = Where(clock, memory, strict=True)
    where.near.max_value_bytes = where.deep.max_value_bytes = 5000
    with pytest.warns(OrcWarning, match="larger than"):
        where.cache.set("key", large())
    assert where.cache.get("key") == large()


def test_a_cap_of_one_tier_is_not_that_of_another(clock, memory):
    """Each tier's codec has a cap of its own: what one refuses, another may have taken."""
    one = Where(clock, memory, isolation="share")
    two = Where(clock, orc.Memory(), isolation="share")
    for where in (one, two):
        where.deep.max_value_bytes = 100_000
        where.near.max_value_bytes = 100_000_000
        where.cache = orc.Cache(
            tiers=[orc.Memory(max_bytes=1_000_000_000), where.near, where.deep],
            namespace="test",
            clock=clock,
            ttl=3600,
            memory_ttl=60,
        )
    two.near.store, two.deep.store = one.near.store, one.deep.store
    value = ["row"] * 300_000
    for write in (
        lambda: one.cache.set("key", value),
        lambda: one.cache.get_or_set("key", lambda: value),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write()
        assert two.cache.get("key") == value
        two.cache.delete("key")
        clock.advance(61)
        assert one.cache.get("key") is None


def test_a_tier_of_this_environment_is_given_nothing_that_is_not_behind_it(clock):
    """Else a sibling process could delete it there, and this one would not see that."""
    near, deep = ReferenceTier(Store()), ReferenceTier(Store())
    near.fleetwide, near.name, deep.max_value_bytes = False, "near", 5000
    caches = [
        orc.Cache(tiers=[orc.Memory(), near, deep], namespace="test", clock=clock) for _ in "ab"
    ]
    with pytest.warns(OrcWarning, match="larger than"):
        caches[0].set_many({"key": large(), "other": 1})
    assert caches[1].get("key") is None
    assert caches[1].get("other") == 1
    assert sum(row.payload is not None for row in near.store.rows.values()) == 1
    clock.advance(200)
    assert caches[0].get("key") == large()


def test_a_set_without_an_end_removes_the_old_row_of_a_server_that_is_full(clock, memory):
    where = Where(clock, memory)
    where.cache.set("key", "old", ttl=60)
    where.near.set_many = where.deep.set_many = full
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        where.cache.set_many(
            {"key": "new", "other": 1}, ttl=lambda value: 60 if value == 1 else None
        )
    other = orc.Cache(tiers=[orc.Memory(), where.near, where.deep], namespace="test", clock=clock)
    assert other.get("key") is None
    assert where.cache.get("key") == "new"


def full(*_):
    raise TierError("OOM command not allowed")


def test_loads_without_an_end_keep_no_other_container_waiting(clock, memory):
    one = Where(clock, memory)
    two = orc.Cache(tiers=[orc.Memory(), one.near, one.deep], namespace="test", clock=clock)
    assert (
        one.cache.get_or_set("k", lambda: two.get_or_set("k", lambda: 2, ttl=None), ttl=None) == 2
    )
    assert not one.deep.store.rows


# -- what delete() tells --------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def delete(request):
    def call(cache, key):
        if request.param == "sync":
            return cache.delete(key)
        return asyncio.run(cache.adelete(key))

    return call


def test_delete_tells_whether_any_tier_had_the_key(clock, memory, delete):
    one = Where(clock, memory)
    two = orc.Cache(tiers=[orc.Memory(), one.near, one.deep], namespace="test", clock=clock)
    one.cache.set("key", 1)
    assert delete(two, "key") is True
    assert delete(two, "key") is False
    one.cache.set("key", 1)
    assert delete(one.cache, "key") is True
    assert two.get("key") is None
    one.cache.set("key", 1)
    one.near.store.rows.clear()
    assert delete(two, "key") is True
    one.cache.set("key", 1, ttl=None)
    assert delete(two, "key") is False
    assert delete(one.cache, "key") is True


def test_a_copy_that_is_out_of_trust_says_nothing(clock, memory, delete):
    one = Where(clock, memory)
    two = orc.Cache(tiers=[orc.Memory(), one.near, one.deep], namespace="test", clock=clock)
    one.cache.set("key", 1)
    assert delete(two, "key") is True
    clock.advance(61)
    assert one.cache.get("key") is None
    one.cache.set("key", 1)
    delete(two, "key")
    clock.advance(61)
    assert delete(one.cache, "key") is False


def test_what_is_past_its_end_was_not_there(clock, memory, delete):
    one = Where(clock, memory, stale_if_error=600)
    one.cache.set("key", 1, ttl=10)
    clock.advance(11)
    assert delete(one.cache, "key") is False


def test_a_claim_is_no_entry(clock, memory, delete):
    one = Where(clock, memory)
    two = orc.Cache(tiers=[orc.Memory(), one.near, one.deep], namespace="test", clock=clock)
    with pytest.raises(ValueError, match="no"):
        one.cache.get_or_set("key", lambda: int("no"))
    told = []
    one.cache.get_or_set("key", lambda: told.append(delete(two, "key")))
    assert told == [False]


def test_many_keys_are_counted(clock, memory):
    one = Where(clock, memory)
    two = orc.Cache(tiers=[orc.Memory(), one.near, one.deep], namespace="test", clock=clock)
    one.cache.set_many({"a": 1, "b": 2, "c": 3})
    two.get("a")
    assert two.delete_many(["a", "b", "x", "b"]) == 2
    assert asyncio.run(two.adelete_many(["a", "c"])) == 1


def test_a_tier_that_is_down_is_an_error_of_the_deletion(clock, memory, delete):
    one = Where(clock, memory)
    one.cache.set("key", 1)
    one.near.store.broken = True
    with pytest.raises(TierUnavailableError):
        delete(one.cache, "key")


def test_functions_ask_nothing_before_they_invalidate(clock, memory):
    one = Where(clock, memory)
    asked = []
    get_many = one.near.get_many
    one.near.get_many = lambda *args, **how: asked.append(1) or get_many(*args, **how)
    find = one.cache.cached(namespace="test")(lambda x: x)
    find(1)
    asked.clear()
    find.invalidate(1)
    assert not asked
