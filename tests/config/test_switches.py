"""bypass() and disabled(): for whom they count, and for whom not."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING

import pytest

import orc

if TYPE_CHECKING:
    from orc.testing import ManualClock


class Origin:
    """Counts its loads, and returns their number."""

    def __init__(self) -> None:
        self.loads = 0

    def __call__(self, *args: object) -> int:
        self.loads += 1
        return self.loads


@pytest.fixture
def origin() -> Origin:
    return Origin()


def in_a_thread(call: object) -> object:
    """Call on a new thread, and return what it returns."""
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    thread.join(30)
    return result[0]


def test_bypass_reads_past_the_cache_and_stores(cache: orc.Cache, origin: Origin) -> None:
    """Under bypass() every call loads, and who comes afterwards gets the latest load."""
    load = cache.cached(lambda: origin())  # noqa: PLW0108 - a function, to be decorated
    assert load() == 1
    with cache.bypass():
        assert load() == 2
        assert load() == 3
        assert cache.get_or_set("k", origin) == 4
        assert cache.get_or_set("k", origin) == 5
        assert cache.get("k") is None
        assert cache.get_many(["k"]) == {}
        assert load.peek() is orc.MISSING
    assert load() == 3
    assert cache.get("k") == 5


def test_bypass_stores_what_is_set(cache: orc.Cache) -> None:
    """A set under bypass() is stored as ever, a delete removes."""
    with cache.bypass():
        cache.set("a", 1)
        cache.set("b", 2)
        assert cache.delete("b") is True
    assert cache.get_many(["a", "b"]) == {"a": 1}


def test_disabled_neither_reads_nor_stores(cache: orc.Cache, origin: Origin) -> None:
    """Under disabled() every call loads and nothing of it stays; what was there is there after."""
    load = cache.cached(lambda: origin())  # noqa: PLW0108 - a function, to be decorated
    load()
    cache.set("k", "old")
    with cache.disabled():
        assert load() == 2
        assert load.refresh() == 3
        assert load.peek() is orc.MISSING
        assert cache.get_or_set("k", origin) == 4
        assert cache.get("k", "nothing") == "nothing"
        assert cache.get_many(["k"]) == {}
    assert load() == 1
    assert cache.get("k") == "old"


def test_disabled_neither_reads_nor_stores_in_coroutines(cache: orc.Cache, origin: Origin) -> None:
    """The async twins, refresh() and async def functions do the same."""

    @cache.cached
    async def load() -> int:
        return origin()

    async def loader() -> int:
        return origin()

    async def main() -> None:
        assert await load() == 1
        with cache.disabled():
            assert await load() == 2
            assert await load.refresh() == 3
            assert await cache.aget_or_set("k", loader) == 4
            assert await cache.aget_or_set("k", origin) == 5
            assert await cache.aget("k", "nothing") == "nothing"
        assert await load() == 1
        with cache.bypass():
            assert await load() == 6
            assert await cache.aget_or_set("k", loader) == 7
        assert await cache.aget("k") == 7
        assert await load() == 6

    asyncio.run(main())


def test_a_set_under_disabled_removes(cache: orc.Cache) -> None:
    """Nobody afterwards reads the value from before the set, nor the one that was set."""
    cache.set_many({"a": 1, "b": 2, "c": 3})
    with cache.disabled():
        cache.set("a", "new")
        cache.set_many({"b": "new"})
        assert cache.delete("c") is True
    assert cache.get_many(["a", "b", "c"]) == {}


def test_invalidation_works_while_disabled(cache: orc.Cache) -> None:
    """invalidate(), invalidate_tags() and clear() take effect whatever the switch says."""
    f = cache.cached(lambda x: x)
    f(1)
    f(2)
    cache.set("k", 1, tags="t")
    with cache.disabled():
        f.invalidate(1)
        cache.invalidate_tags("t")
    assert (f.peek(1), f.peek(2)) == (orc.MISSING, 2)
    assert cache.get("k") is None


def test_other_threads_are_not_concerned(cache: orc.Cache, origin: Origin) -> None:
    """While one thread bypasses or disables, another one still hits, and its hits are counted."""
    load = cache.cached(lambda: origin())  # noqa: PLW0108 - a function, to be decorated
    load()
    cache.set("k", "stored")
    for switch in (cache.bypass, cache.disabled):
        with switch():
            context = []
            thread = threading.Thread(
                target=lambda context=context: context.append((load(), cache.get("k")))
            )
            thread.start()
            thread.join(30)
            assert context == [(1, "stored")]
    assert load.cache_info()[:2] == (2, 1)


def test_a_task_inherits_and_its_parent_is_not_concerned(cache: orc.Cache, origin: Origin) -> None:
    """A task has the mode in which it was started; a switch inside it stays inside."""

    @cache.cached
    async def load() -> int:
        return origin()

    async def switched() -> int:
        with cache.disabled():
            await asyncio.sleep(0)
            return await load()

    async def main() -> None:
        assert await load() == 1
        task = asyncio.create_task(switched())
        await asyncio.sleep(0)
        assert await load() == 1
        assert await task == 2
        with cache.disabled():
            inherited = asyncio.create_task(load())
            assert await asyncio.to_thread(cache.get_or_set, "k", origin) == 3
        assert await inherited == 4
        assert await load() == 1

    asyncio.run(main())


def test_switches_nest(cache: orc.Cache, origin: Origin) -> None:
    """The innermost counts, and each end restores what was before it."""
    cache.set("k", "stored")
    switch = cache.disabled()
    with cache.bypass():
        assert cache.get_or_set("l", origin) == 1
        with switch, switch:
            assert cache.get_or_set("l", origin) == 2
            with cache.bypass():  # does not switch on what is off
                assert cache.get_or_set("l", origin) == 3
            assert cache.get_or_set("l", origin) == 4
        assert cache.get_or_set("l", origin) == 5
    assert cache.get_many(["k", "l"]) == {"k": "stored", "l": 5}


def test_an_error_inside_ends_the_switch(cache: orc.Cache) -> None:
    """After an exception the cache is on again, and hits are answered without a plan."""
    cache.set("k", 1)
    with pytest.raises(ZeroDivisionError), cache.disabled():
        _ = 1 / 0
    assert cache.get("k") == 1
    assert cache._gate.wall[0] == cache._core.clock.wall


def test_one_switch_shared_by_threads_in_several_modes(cache: orc.Cache) -> None:
    """Each thread gets back the mode that it had itself before the switch."""
    switch, step = cache.disabled(), threading.Barrier(2)
    after: dict[str, str] = {}

    def first() -> None:
        with switch:
            step.wait(30)
            step.wait(30)
        after["first"] = cache._gate.mode

    def second() -> None:
        with cache.bypass():
            step.wait(30)
            with switch:
                step.wait(30)
                threads[0].join(30)
            after["second"] = cache._gate.mode

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert after == {"first": "open", "second": "bypass"}


def test_one_switch_in_many_threads(cache: orc.Cache) -> None:
    """One object entered by many threads at once leaves the cache on at the end."""
    switch, ready = cache.disabled(), threading.Barrier(8)
    cache.set("k", 1)
    seen: list[object] = []

    def use() -> None:
        ready.wait(30)
        for _ in range(100):
            with switch:
                seen.append(cache.get("k"))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [None] * 800
    assert cache.get("k") == 1
    assert cache._gate.wall[0] == cache._core.clock.wall


def test_two_caches_are_switched_apart(cache: orc.Cache) -> None:
    """Disabling one cache leaves another one of the same memory on; partitions go with theirs."""
    other = orc.Cache(tiers=[cache._core.memory])
    part = cache.partition("acme")
    for each in (cache, other, part):
        each.set("k", 1)
    with cache.disabled():
        assert [each.get("k") for each in (cache, other, part)] == [None, 1, None]
    with part.bypass():
        assert [each.get("k") for each in (cache, other, part)] == [None, 1, None]


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_a_cache_that_is_disabled_stays_off(
    way: str, origin: Origin, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    """Cache(disabled=True) and ORC_DISABLED=1 switch it off everywhere: threads, too."""
    if way == "variable":
        monkeypatch.setenv("ORC_DISABLED", "1")
        cache = orc.Cache(clock=clock)
    else:
        cache = orc.Cache(disabled=True)
    load = cache.cached(lambda: origin())  # noqa: PLW0108 - a function, to be decorated
    cache.set("k", 1)
    assert cache.get("k") is None
    assert [load(), load(), in_a_thread(load)] == [1, 2, 3]
    assert copy_context().run(load) == 4
    with cache.bypass():
        assert load() == 5
        assert load() == 6
    assert cache.stats().tiers[0].entries == 0


def test_an_argument_switches_on_what_the_variable_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cache(disabled=False) is on although ORC_DISABLED says off."""
    monkeypatch.setenv("ORC_DISABLED", "yes")
    cache = orc.Cache(disabled=False)
    cache.set("k", 1)
    assert cache.get("k") == 1
