"""Every method of the public Cache, and its async twin: one fact, two ways to ask."""

from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import timedelta
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

import pytest

import orc
from orc.errors import UncacheableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing import ManualClock

    Do = Callable[..., object]

METHODS = (
    "get",
    "get_many",
    "get_or_set",
    "set",
    "set_many",
    "delete",
    "delete_many",
    "invalidate_tags",
    "clear",
)


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, cache: orc.Cache) -> Do:
    """Call a method of the cache, or its twin in an event loop of its own."""

    def call(method: str, *args: object, **kwargs: object) -> object:
        if request.param == "sync":
            return getattr(cache, method)(*args, **kwargs)
        return asyncio.run(getattr(cache, f"a{method}")(*args, **kwargs))

    return call


# -- get and set --------------------------------------------------------------------------------


def test_a_value_that_was_set_is_got(do: Do) -> None:
    """What was set under a key is got under it, and under no other."""
    assert do("set", "a", 1) is None
    assert do("get", "a") == 1
    assert do("get", "b") is None


@pytest.mark.parametrize("value", [None, 0, "", False, b"", (), 0.0, frozenset()])
def test_a_value_that_counts_as_false_is_a_value(do: Do, value: object) -> None:
    """None, 0, an empty text and False are values: no default stands in, and no loader is run."""
    do("set", "k", value)
    assert do("get", "k", orc.MISSING) == value
    assert type(do("get", "k", orc.MISSING)) is type(value)
    assert do("get_or_set", "k", lambda: "loaded") == value
    assert do("get_many", ["k"]) == {"k": value}


def test_loaded_none_is_loaded_once(do: Do) -> None:
    """A loader that returned None is not run again."""
    calls: list[int] = []
    for _ in range(3):
        assert do("get_or_set", "k", lambda: calls.append(1)) is None
    assert calls == [1]


def test_the_default_is_given_back_for_a_missing_key_only(do: Do) -> None:
    """A default is returned as the very object that was given, and is not stored."""
    default = object()
    assert do("get", "k", default) is default
    assert do("get", "k", default=default) is default
    assert do("get", "k", orc.MISSING) is orc.MISSING
    assert do("get", "k") is None
    do("set", "k", 5)
    assert do("get", "k", default) == 5


def test_missing_is_refused_as_a_value(do: Do) -> None:
    """orc.MISSING cannot be stored by any way in, and what was stored before stays."""
    do("set", "k", 1)
    with pytest.raises(UncacheableError, match="MISSING"):
        do("set", "k", orc.MISSING)
    with pytest.raises(UncacheableError, match="MISSING"):
        do("set_many", {"k": orc.MISSING})
    with pytest.raises(UncacheableError, match="MISSING"):
        do("get_or_set", "other", lambda: orc.MISSING)
    assert do("get", "k") == 1
    assert do("get", "other", "nothing") == "nothing"


def test_a_later_set_replaces_an_earlier_one(do: Do) -> None:
    """The last value set is the one that is got."""
    for value in (1, "two", [3]):
        do("set", "k", value)
        assert do("get", "k") == value


# -- many ---------------------------------------------------------------------------------------


def test_get_many_returns_those_that_are_found(do: Do) -> None:
    """A key without a value is left out of the answer, and a doubled one is in it once."""
    do("set_many", {"a": 1, "b": None})
    assert do("get_many", ["a", "b", "c", "a"]) == {"a": 1, "b": None}
    assert do("get_many", []) == {}
    assert do("get_many", iter(["b"])) == {"b": None}


def test_set_many_takes_a_ttl_for_all(do: Do, clock: ManualClock) -> None:
    """The ttl of set_many is that of each value."""
    do("set_many", {"a": 1, "b": 2}, ttl=10)
    clock.advance(9.9)
    assert do("get_many", ["a", "b"]) == {"a": 1, "b": 2}
    clock.advance(0.2)
    assert do("get_many", ["a", "b"]) == {}


def test_set_many_of_nothing_does_nothing(do: Do) -> None:
    """No values, no keys: nothing happens, and nothing is raised."""
    do("set_many", {})
    assert do("delete_many", []) == 0


def test_delete_tells_whether_there_was_something(do: Do) -> None:
    """True for a key that was there, False for one that was not, or is not any more."""
    do("set", "k", None)
    assert do("delete", "k") is True
    assert do("delete", "k") is False
    assert do("get", "k", "gone") == "gone"


def test_delete_many_counts_what_was_there(do: Do) -> None:
    """The number of keys that had a value; a key that is named twice counts once."""
    do("set_many", {"a": 1, "b": 2, "c": 3})
    assert do("delete_many", ["a", "b", "a", "x"]) == 2
    assert do("get_many", ["a", "b", "c"]) == {"c": 3}


# -- get_or_set ---------------------------------------------------------------------------------


def test_the_loader_runs_once(do: Do) -> None:
    """A second request does not call the loader."""
    calls = []

    def load() -> str:
        calls.append(1)
        return "value"

    assert [do("get_or_set", "k", load) for _ in range(3)] == ["value"] * 3
    assert calls == [1]


def test_an_error_of_the_loader_reaches_the_caller_as_it_is(do: Do) -> None:
    """The very exception is raised, nothing is stored, and the next request loads."""
    failure = KeyError("origin")

    def fail() -> object:
        raise failure

    with pytest.raises(KeyError) as caught:
        do("get_or_set", "k", fail)
    assert caught.value is failure
    assert do("get_or_set", "k", lambda: 1) == 1


def test_a_shorter_ttl_of_the_reader_counts(do: Do, clock: ManualClock) -> None:
    """A request with a ttl of 10 s does not take a value of 11 s, though it was stored for 60."""
    do("set", "k", "old", ttl=60)
    clock.advance(11)
    assert do("get", "k") == "old"
    assert do("get_or_set", "k", lambda: "new", ttl=10) == "new"


def test_a_longer_ttl_of_the_reader_does_not_count(do: Do, clock: ManualClock) -> None:
    """A value stored for 10 s is gone after them, whatever ttl the reader would have given."""
    do("set", "k", "old", ttl=10)
    clock.advance(11)
    assert do("get_or_set", "k", lambda: "new", ttl=3600) == "new"


def test_an_async_loader_is_awaited(cache: orc.Cache) -> None:
    """aget_or_set takes ``async def`` and ``def`` loaders alike."""

    async def load() -> str:
        await asyncio.sleep(0)
        return "async"

    assert asyncio.run(cache.aget_or_set("a", load)) == "async"
    assert asyncio.run(cache.aget_or_set("b", lambda: "sync")) == "sync"
    assert cache.get_many(["a", "b"]) == {"a": "async", "b": "sync"}


def test_both_apis_share_one_store(cache: orc.Cache) -> None:
    """What a coroutine stores a thread reads, and the other way round."""
    asyncio.run(cache.aset("a", 1))
    cache.set("b", 2)
    assert cache.get("a") == 1
    assert asyncio.run(cache.aget("b")) == 2


# -- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1)])
def test_a_ttl_is_seconds_or_a_timedelta(do: Do, clock: ManualClock, ttl: object) -> None:
    """60, 60.0 and a minute are the same ttl."""
    do("set", "k", 1, ttl=ttl)
    clock.advance(59.9)
    assert do("get", "k") == 1
    clock.advance(0.1)
    assert do("get", "k") is None


def test_a_ttl_of_none_does_not_end(do: Do, clock: ManualClock) -> None:
    """ttl=None: until evicted; ten years later the value is there."""
    do("set", "k", 1, ttl=None)
    do("get_or_set", "l", lambda: 2, ttl=None)
    clock.advance(timedelta(days=3650))
    assert do("get_many", ["k", "l"]) == {"k": 1, "l": 2}
    assert do("get_or_set", "l", lambda: 3, ttl=None) == 2


def test_a_ttl_of_zero_is_not_stored_and_leaves_nothing(do: Do) -> None:
    """ttl=0 stores nothing and removes what was there; a loader is run each time."""
    do("set", "k", 1)
    do("set", "k", 2, ttl=0)
    assert do("get", "k") is None
    calls: list[int] = []
    for _ in range(2):
        do("get_or_set", "l", lambda: calls.append(1), ttl=0)
    assert calls == [1, 1]


def test_the_ttl_of_the_cache_counts_where_none_is_given(clock: ManualClock) -> None:
    """Cache(ttl=) is the ttl of set and get_or_set; it may be a callable of the value."""
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, jitter=0, ttl=lambda value: value)
    cache.set_many({"short": 5, "long": 50, "never": 0})
    cache.get_or_set("loaded", lambda: 5)
    assert cache.get("never") is None
    clock.advance(6)
    assert cache.get_many(["short", "long", "loaded"]) == {"long": 50}


def test_jitter_only_shortens(clock: ManualClock) -> None:
    """Of many entries with jitter some expire in the last tenth, none before, and none after."""
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, jitter=0.1, ttl=100)
    names = [f"{number}" for number in range(200)]
    cache.set_many(dict.fromkeys(names, 1))
    clock.advance(89.9)
    assert len(cache.get_many(names)) == 200
    clock.advance(5.1)
    assert 0 < len(cache.get_many(names)) < 200
    clock.advance(5)
    assert cache.get_many(names) == {}


@pytest.mark.parametrize("step", [{"wall": 61.0}, {"monotonic": 61.0}])
def test_either_clock_ends_an_entry(cache: orc.Cache, clock: ManualClock, step: dict) -> None:
    """An entry ends when one clock says so: one that stands still cannot keep it alive."""
    cache.set("k", 1, ttl=60)
    clock.advance(**step)
    assert cache.get("k") is None


def test_a_wall_clock_that_was_set_back_prolongs_nothing(
    cache: orc.Cache, clock: ManualClock
) -> None:
    """After an hour back on the wall clock, the monotonic one still ends the entry in time."""
    cache.set("k", 1, ttl=60)
    clock.advance(wall=-3600)
    assert cache.get("k") == 1
    clock.advance(60)
    assert cache.get("k") is None


# -- keys ---------------------------------------------------------------------------------------


def test_a_key_of_another_string_type_counts_as_its_text(do: Do) -> None:
    """A StrEnum, an enum of str and a subclass of str are the keys that their text is."""

    class Fruit(StrEnum):
        APPLE = "apple"

    class Root(str, Enum):  # noqa: UP042 - the older way is still met
        BEET = "beet"

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "not this"

    do("set_many", {Fruit.APPLE: 1, Root.BEET: 2, Text("corn"): 3})
    assert do("get_many", ["apple", "beet", "corn"]) == {"apple": 1, "beet": 2, "corn": 3}
    assert [do("get", key) for key in (Fruit.APPLE, Root.BEET, Text("corn"))] == [1, 2, 3]
    assert do("get_many", [Fruit.APPLE]) == {"apple": 1}
    assert do("delete_many", [Fruit.APPLE, "beet", Text("corn")]) == 3


HOSTILE = ["", "\0", "a\0b", "a:b", "a::b", "🧌", "e\u0301", "é", "\ud800", "a\nb", " a", "a "]


def test_hostile_keys_are_keys(do: Do) -> None:
    """Empty, with NUL, separators, lone surrogates or look-alikes: each is a key of its own."""
    do("set_many", {key: number for number, key in enumerate(HOSTILE)})
    assert do("get_many", HOSTILE) == {key: number for number, key in enumerate(HOSTILE)}
    assert [do("get", key) for key in HOSTILE] == list(range(len(HOSTILE)))


# -- objects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_a_twin_that_is_a_coroutine(cache: orc.Cache, method: str) -> None:
    """Each method has a twin with an ``a`` before its name, and the same parameters."""
    import inspect

    own, twin = getattr(orc.Cache, method), getattr(orc.Cache, f"a{method}")
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(own)
    names = list(inspect.signature(own).parameters)
    assert list(inspect.signature(twin).parameters) == names


def test_two_caches_of_one_memory_do_not_share_keys(clock: ManualClock) -> None:
    """Caches that share the memory and its budget see nothing of each other; clear, too."""
    memory = orc.Memory()
    one, two = (orc.Cache(tiers=[memory], clock=clock, namespace="same") for _ in range(2))
    one.set("k", 1)
    assert two.get("k") is None
    two.set("k", 2)
    two.clear()
    assert one.get("k") == 1
    assert memory.items == 1


def test_caches_that_name_no_memory_share_one() -> None:
    """They share the memory of the process and its budget, and no key."""
    one, two = orc.Cache(), orc.Cache()
    one.set("k", 1)
    two.set("k", 2)
    assert one.get("k") == 1
    assert one.stats().tiers[0].entries == two.stats().tiers[0].entries == 2


def test_a_cache_that_nobody_has_is_freed() -> None:
    """A dropped Cache object goes, and takes its functions' entries along."""
    memory = orc.Memory()
    cache = orc.Cache(tiers=[memory])
    cache.set("k", 1)
    cache.cached(lambda: 1)()
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None


def test_the_repr_names_the_cache() -> None:
    """The repr names namespace, partition and memory, and shows no key and no value."""
    cache = orc.Cache(tiers=[orc.Memory()], namespace="shop")
    cache.set("secret key", "secret value")
    assert "'shop'" in repr(cache)
    assert "'acme'" in repr(cache.partition("acme"))
    assert "secret" not in repr(cache)


# -- tags and clear -----------------------------------------------------------------------------


def test_a_tag_makes_all_its_entries_invalid(do: Do) -> None:
    """After invalidate_tags an entry with one of the tags is gone, others stay."""
    do("set", "a", 1, tags=("x", "y"))
    do("set_many", {"b": 2}, tags="y")
    do("get_or_set", "c", lambda: 3, tags=["z"])
    do("set", "d", 4)
    do("invalidate_tags", "x")
    assert do("get_many", ["a", "b", "c", "d"]) == {"b": 2, "c": 3, "d": 4}
    do("invalidate_tags", "y", "z", "nobody's")
    assert do("get_many", ["a", "b", "c", "d"]) == {"d": 4}


def test_a_tag_counts_for_what_was_stored_before_only(do: Do) -> None:
    """An entry that is stored after the invalidation is valid."""
    do("set", "a", 1, tags="x")
    do("invalidate_tags", "x")
    do("set", "a", 2, tags="x")
    assert do("get", "a") == 2


def test_clear_removes_everything(do: Do, cache: orc.Cache, memory: orc.Memory) -> None:
    """Explicit keys, functions and partitions: after clear() memory holds nothing of the cache."""
    square = cache.cached(lambda x: x * x)
    square(2)
    do("set", "k", 1)
    part = cache.partition("t")
    part.set("k", 2)
    part.cached(lambda: 1)()
    assert memory.items == 4  # the last function is gone, and known again when it comes back
    do("clear")
    assert memory.items == 0
    assert do("get", "k") is part.get("k") is None
    assert square.peek(2) is orc.MISSING
