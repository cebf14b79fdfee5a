"""Isolation from end to end: what one caller does to a value never reaches another."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

import orc

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Basket:
    owner: str
    items: list[str] = field(default_factory=list)


VALUES: dict[str, tuple[Callable[[], object], Callable[[object], object]]] = {
    "dict": (lambda: {"a": 1}, lambda value: value.update(secret=1)),
    "list": (lambda: [1, 2], lambda value: value.append("secret")),
    "set": (lambda: {1, 2}, lambda value: value.add("secret")),
    "nested": (lambda: {"a": [{"b": 1}]}, lambda value: value["a"][0].update(secret=1)),
    "in a tuple": (lambda: (1, [2]), lambda value: value[1].append("secret")),
    "dataclass": (lambda: Basket("a"), lambda value: value.items.append("secret")),
    "attribute": (lambda: Basket("a"), lambda value: setattr(value, "owner", "secret")),
    "bytearray": (lambda: bytearray(b"a"), lambda value: value.extend(b"secret")),
    "list of lists": (lambda: [[1]] * 2, lambda value: value[0].append("secret")),
}


@pytest.fixture(params=list(VALUES))
def fresh(request: pytest.FixtureRequest) -> Callable[[], object]:
    """Return what makes the value; its like is what every caller is to see."""
    return VALUES[request.param][0]


@pytest.fixture
def spoil(request: pytest.FixtureRequest, fresh: object) -> Callable[[object], object]:
    """Return what a careless caller does to the value."""
    return next(change for make, change in VALUES.values() if make is fresh)


def test_get(cache: orc.Cache, fresh: Callable, spoil: Callable) -> None:
    """A hit that was changed, and the object that was set, leave the next hit alone."""
    given = fresh()
    cache.set("k", given)
    spoil(given)
    for _ in range(3):
        hit = cache.get("k")
        assert hit == fresh()
        spoil(hit)
        hit = asyncio.run(cache.aget("k"))
        assert hit == fresh()
        spoil(hit)


def test_get_many(cache: orc.Cache, fresh: Callable, spoil: Callable) -> None:
    """One object set under two keys comes out as two, and afresh each time."""
    given = fresh()
    cache.set_many({"a": given, "b": given})
    for _ in range(2):
        hits = cache.get_many(["a", "b"])
        spoil(hits["a"])
        assert hits["b"] == fresh()
        spoil(hits["b"])


def test_get_or_set(cache: orc.Cache, fresh: Callable, spoil: Callable) -> None:
    """On the miss path, too: what the loader's caller got, and what the loader kept, is apart."""
    kept: list[object] = []

    def load() -> object:
        kept.append(fresh())
        return kept[0]

    spoil(cache.get_or_set("k", load))
    spoil(kept[0])
    for _ in range(2):
        hit = cache.get_or_set("k", load)
        assert hit == fresh()
        spoil(hit)
    assert len(kept) == 1


@pytest.mark.parametrize("tags", [(), ("t",)])
def test_functions(cache: orc.Cache, fresh: Callable, spoil: Callable, tags: tuple) -> None:
    """Call, refresh and peek, sync and async, with tags and without."""
    f = cache.cached(tags=tags)(lambda: fresh())  # noqa: PLW0108 - a function, to be decorated

    @cache.cached(tags=tags)
    async def g() -> object:
        return fresh()

    async def awaited() -> None:
        for ask in (g, g, g.refresh, g):
            hit = await ask()
            assert hit == fresh()
            spoil(hit)

    for ask in (f, f, f.peek, f.refresh, f.peek, f):
        hit = ask()
        assert hit == fresh()
        spoil(hit)
    asyncio.run(awaited())
    assert f.cache_info()[:2] == (2, 2)


def test_stale_values(fresh: Callable, spoil: Callable) -> None:
    """What stands in for an error is each caller's own."""
    clock = orc.testing.ManualClock()
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, jitter=0, ttl=60)
    broken: list[bool] = []

    @cache.cached
    def f() -> object:
        if broken:
            raise ConnectionError
        return fresh()

    spoil(f())
    clock.advance(61)
    broken.append(True)
    for _ in range(3):
        hit = f()
        assert hit == fresh()
        spoil(hit)
    assert f.cache_info().stale == 3


def test_waiting_threads(cache: orc.Cache, fresh: Callable, spoil: Callable) -> None:
    """Those who waited for one load get each a copy of its result."""
    together, loading = threading.Barrier(4), threading.Event()
    wrong: list[object] = []

    def load() -> object:
        loading.wait(30)
        return fresh()

    def ask() -> None:
        together.wait(30)
        value = cache.get_or_set("k", load)
        if value != fresh():
            wrong.append(value)
        spoil(value)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    together.wait(30)
    loading.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert cache.get("k") == fresh()


def test_waiting_coroutines(cache: orc.Cache, fresh: Callable, spoil: Callable) -> None:
    """The same for tasks: all ask while one loads, and each spoils what it got."""
    loads: list[int] = []

    async def load() -> object:
        loads.append(1)
        await asyncio.sleep(0)
        return fresh()

    async def ask() -> None:
        value = await cache.aget_or_set("k", load)
        assert value == fresh()
        spoil(value)

    async def main() -> None:
        await asyncio.gather(*(ask() for _ in range(10)))

    asyncio.run(main())
    assert loads == [1]
    assert cache.get("k") == fresh()


def test_a_result_that_is_not_stored_is_apart_as_well(
    cache: orc.Cache, fresh: Callable, spoil: Callable
) -> None:
    """With ttl=0 the loader may keep its object: the caller's is another one."""
    kept = fresh()
    spoil(cache.get_or_set("k", lambda: kept, ttl=0))
    assert kept == fresh()


def test_what_is_shared_is_immutable(cache: orc.Cache) -> None:
    """Values that nobody can change are handed out as they are, without a copy."""
    for value in ("text", 10**30, (1, ("a", None)), frozenset({1}), b"bytes", 2.5):
        cache.set("k", value)
        assert cache.get("k") is value


def test_share_hands_out_the_object_itself() -> None:
    """isolation="share", for a cache or a function: for those who promise not to change it."""
    value = {"a": [1]}
    cache = orc.Cache(tiers=[orc.Memory()], isolation="share")
    cache.set("k", value)
    assert cache.get("k") is value
    f = orc.Cache(tiers=[orc.Memory()]).cached(isolation="share")(lambda: value)
    assert f() is f() is value
