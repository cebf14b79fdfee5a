"""The terms that a function is decorated with: ttl, cache_if, stale values, tags."""

from __future__ import annotations

import asyncio
import gc
import inspect
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import orc
from orc.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing import ManualClock


class Log(list):
    """A function that notes its calls and returns its argument; def and async def."""

    def load(self, x: object, *more: object) -> object:
        self.append(x)
        return x

    async def aload(self, x: object, *more: object) -> object:
        self.append(x)
        await asyncio.sleep(0)
        return x


@pytest.fixture
def calls() -> Log:
    return Log()


@pytest.fixture
def settle() -> Callable[[object], object]:
    """Return what returns an answer, awaiting it if need be."""

    def settled(answer: object) -> object:
        async def wait() -> object:
            return await answer

        return asyncio.run(wait()) if inspect.isawaitable(answer) else answer

    return settled


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest, calls: Log) -> Callable[[object], object]:
    """Return the function to decorate, of each kind."""
    if request.param == "def":
        return lambda x: calls.load(x)  # noqa: PLW0108 - a plain def

    async def load(x: object) -> object:
        return await calls.aload(x)

    return load


# -- ttl ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [10, 10.0, timedelta(seconds=10), lambda _: 10])
def test_a_ttl(
    cache: orc.Cache, clock: ManualClock, ttl: object, kind: Callable, calls: list, settle: Callable
) -> None:
    """Seconds, a timedelta, or a callable of the result."""
    f = cache.cached(ttl=ttl)(kind)
    settle(f(1))
    clock.advance(9.9)
    settle(f(1))
    clock.advance(0.2)
    settle(f(1))
    assert calls == [1, 1]


def test_a_ttl_of_none_and_of_zero(cache: orc.Cache, clock: ManualClock, calls: list) -> None:
    """None: until evicted. 0: never stored."""
    for_ever = cache.cached(ttl=None)(calls.load)
    never = cache.cached(ttl=0)(calls.load)
    for_ever(1)
    clock.advance(timedelta(days=36_500 - 1))
    for_ever(1)
    never(2), never(2)
    assert calls == [1, 2, 2]
    assert never.cache_info() == (0, 2, None, 0)


def test_a_ttl_by_result(cache: orc.Cache, clock: ManualClock, calls: list) -> None:
    """The callable is given the result; what it returns may be a ttl of any sort."""
    f = cache.cached(ttl=lambda x: {"a": 10, "b": None, "c": 0, "d": timedelta(minutes=1)}[x])(
        calls.load
    )
    for x in "abcd":
        f(x)
    clock.advance(30)
    for x in "abcd":
        f(x)
    assert calls == [*"abcd", "a", "c"]


def test_the_ttl_begins_with_the_load(cache: orc.Cache, clock: ManualClock) -> None:
    """A load of 8 s leaves 2 s of a ttl of 10: the value is as old as its question."""

    @cache.cached(ttl=10)
    def slow() -> float:
        clock.advance(8)
        return clock.wall()

    first = slow()
    clock.advance(1.9)
    assert slow() == first
    clock.advance(0.2)
    assert slow() != first


# -- cache_if, namespace, version ---------------------------------------------------------------


def test_cache_if_says_what_is_stored(
    cache: orc.Cache, kind: Callable, calls: list, settle: Callable
) -> None:
    """A result for which it is false is returned and not stored."""
    f = cache.cached(cache_if=lambda result: result)(kind)
    assert [settle(f(x)) for x in (0, 0, 1, 1, "", None)] == [0, 0, 1, 1, "", None]
    assert calls == [0, 0, 1, "", None]


def test_a_declined_result_removes_the_older_one(cache: orc.Cache, clock: ManualClock) -> None:
    """After a refresh whose result is declined, nothing is stored."""
    answers = iter([1, None, 2])
    f = cache.cached(cache_if=lambda result: result is not None)(lambda: next(answers))
    assert [f(), f.refresh(), f.peek(), f()] == [1, None, orc.MISSING, 2]


@pytest.mark.parametrize("cache_if", [5, "x", True, []])
def test_a_cache_if_that_cannot_be_called_is_refused(cache: orc.Cache, cache_if: object) -> None:
    """At decoration."""
    with pytest.raises(ConfigError, match=r"cache_if=.*give a callable"):
        cache.cached(cache_if=cache_if)


def test_namespace_and_version_are_in_the_parameters(cache: orc.Cache) -> None:
    """Of the cache unless given; anything but a text is refused."""
    base = orc.Cache(tiers=[orc.Memory()], namespace="shop", version="7")
    own = base.cached(namespace="other", version="8")(lambda: 1).cache_parameters()
    inherited = base.cached(lambda: 1).cache_parameters()
    assert (own["namespace"], own["version"]) == ("other", "8")
    assert (inherited["namespace"], inherited["version"]) == ("shop", "7")
    for name in ("namespace", "version"):
        for value in (None, 5, b"x"):
            with pytest.raises(ConfigError, match=f"^{name}="):
                cache.cached(**{name: value})(lambda: 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ttl", -1),
        ("stale_if_error", "x"),
        ("stale_while_revalidate", None),
        ("isolation", "deep"),
        ("stale_on", "OSError"),
        ("stale_on", (OSError, int)),
    ],
)
def test_a_bad_term_is_refused_at_decoration(cache: orc.Cache, name: str, value: object) -> None:
    """The error names the term; the function is not looked at."""
    with pytest.raises(ConfigError, match=f"^{name}="):
        cache.cached(**{name: value})


# -- stale --------------------------------------------------------------------------------------


def test_a_stale_value_stands_in_for_an_unreachable_origin(
    cache: orc.Cache, clock: ManualClock, kind: Callable, calls: list, settle: Callable
) -> None:
    """For errors of the network, within the window; other errors reach the caller."""
    errors: list[Exception] = []

    if inspect.iscoroutinefunction(kind):

        @cache.cached(ttl=60, stale_if_error=100)
        async def f(x: int) -> object:
            if errors:
                raise errors[0]
            return await kind(x)
    else:

        @cache.cached(ttl=60, stale_if_error=100)
        def f(x: int) -> object:
            if errors:
                raise errors[0]
            return kind(x)

    settle(f(1))
    clock.advance(61)
    errors.append(LookupError())
    with pytest.raises(LookupError):
        settle(f(1))
    for error in (ConnectionError(), TimeoutError(), orc.SourceUnavailable()):
        errors[:] = [error]
        assert settle(f(1)) == 1
        clock.advance(10)
    assert f.cache_info().stale == 3
    with pytest.raises(orc.SourceUnavailable):
        settle(f(2))
    clock.advance(100)
    with pytest.raises(orc.SourceUnavailable):
        settle(f(1))


def test_the_origin_is_left_alone_after_it_failed(cache: orc.Cache, clock: ManualClock) -> None:
    """For the back-off, while a stale value can be served; afterwards it is asked again."""
    calls: list[float] = []

    @cache.cached(ttl=60, stale_if_error=100)
    def f() -> int:
        calls.append(clock.wall())
        if len(calls) > 1:
            raise ConnectionError
        return 1

    f()
    clock.advance(61)
    assert [f(), f(), f()] == [1, 1, 1]
    assert len(calls) == 2
    clock.advance(5.1)
    assert f() == 1
    assert len(calls) == 3


def test_stale_on_says_which_errors_are_excused(cache: orc.Cache, clock: ManualClock) -> None:
    """A class, a tuple, or a predicate of the error."""
    for stale_on in (KeyError, (KeyError, ValueError), lambda error: isinstance(error, KeyError)):
        broken: list[Exception] = []

        @cache.cached(ttl=60, stale_on=stale_on, ignore="broken")
        def f(broken: list[Exception] = broken) -> int:
            if broken:
                raise broken[0]
            return 1

        f()
        clock.advance(61)
        broken.append(KeyError("x"))
        assert f() == 1
        clock.advance(6)
        broken[0] = OSError("down")
        with pytest.raises(OSError, match="down"):
            f()


def test_what_was_invalidated_is_never_served_stale(cache: orc.Cache, clock: ManualClock) -> None:
    """Neither by invalidate(), nor by a tag, nor by clear(): the error reaches the caller."""
    broken: list[bool] = []

    @cache.cached(ttl=60, stale_if_error=600, tags="t")
    def f() -> int:
        if broken:
            raise OSError("down")
        return 1

    for drop in (f.invalidate, lambda: cache.invalidate_tags("t"), cache.clear, f.cache_clear):
        f()
        drop()
        broken.append(True)
        with pytest.raises(OSError, match="down"):
            f()
        broken.clear()


# -- tags ---------------------------------------------------------------------------------------


def test_tags_are_templates_of_the_arguments(
    cache: orc.Cache, kind: Callable, calls: list, settle: Callable
) -> None:
    """The template item:{x} names the entries of one item; a plain tag all of them."""
    f = cache.cached(tags=("item:{x}", "items"))(kind)
    for x in (1, 2):
        settle(f(x))
    cache.invalidate_tags("item:1")
    for x in (1, 2):
        settle(f(x))
    assert calls == [1, 2, 1]
    asyncio.run(cache.ainvalidate_tags("items"))
    for x in (1, 2):
        settle(f(x))
    assert calls == [1, 2, 1, 1, 2]


def test_a_tag_invalidated_while_loading_counts(cache: orc.Cache) -> None:
    """The versions are those from before the loader started: its result is not served."""
    numbers = iter(range(10))

    @cache.cached(tags="t")
    def f() -> int:
        number = next(numbers)
        if number == 0:
            cache.invalidate_tags("t")
        return number

    assert [f(), f(), f()] == [0, 1, 1]


def test_a_delete_while_loading_counts(cache: orc.Cache) -> None:
    """So does invalidate(): what was loaded from before is returned and not stored."""
    numbers = iter(range(10))

    @cache.cached
    def f() -> int:
        number = next(numbers)
        if number == 0:
            f.invalidate()
        return number

    assert [f(), f(), f()] == [0, 1, 1]


def _seconds_for_invalidations(entries: int) -> float:
    cache = orc.Cache(tiers=[orc.Memory(max_bytes=1 << 30)])
    for number in range(entries):
        cache.set(f"{number}", number, tags=("all", f"tag {number % 100}"))
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for number in range(10_000):
            cache.invalidate_tags("all", f"tag {number % 100}")
        return time.perf_counter() - began
    finally:
        gc.enable()


def test_to_invalidate_a_tag_costs_the_same_for_any_number_of_entries() -> None:
    """10,000 invalidations with 100,000 entries take at most 5 times those with 100."""
    few = min(_seconds_for_invalidations(100) for _ in range(3))
    many = _seconds_for_invalidations(100_000)
    assert many < 5 * few + 0.05


def test_tags_that_nothing_carries_are_forgotten(cache: orc.Cache) -> None:
    """The table of tags does not grow with the tags that were ever used."""
    f = cache.cached(tags="{x}", ttl=60)(lambda x: x)
    for x in range(1000):
        f(x)
        f.invalidate(x)
    cache.invalidate_tags(*(f"never {x}" for x in range(1000)))
    gc.collect()
    assert len(cache._core._tags) == 0
