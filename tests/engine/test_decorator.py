"""What a decorated function offers beside being called."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING

import pytest

import orc

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


# -- what the wrapper offers --------------------------------------------------------------------


def test_one_call_for_each_set_of_arguments(
    cache: orc.Cache, kind: Callable, calls: list, settle: Callable
) -> None:
    """The second call is a hit, for def and async def."""
    f = cache.cached(kind)
    assert [settle(f(x)) for x in (1, 1, 2, "1")] == [1, 1, 2, "1"]
    assert calls == [1, 2, "1"]
    assert f.cache_info()[:2] == (1, 3)


def test_peek_calls_and_counts_nothing(
    cache: orc.Cache, clock: ManualClock, kind: Callable, calls: list, settle: Callable
) -> None:
    """The fresh value or MISSING, without a call, a count, or a longer life."""
    f = cache.cached(ttl=10)(kind)
    assert f.peek(1) is orc.MISSING
    settle(f(1))
    before = f.cache_info()
    assert f.peek(1) == f.peek(x=1) == 1
    assert f.cache_info() == before
    clock.advance(10)
    assert f.peek(1) is orc.MISSING
    assert calls == [1]


def test_invalidate_drops_one_result(
    cache: orc.Cache, kind: Callable, calls: list, settle: Callable
) -> None:
    """However the arguments are written; others stay, and the next call loads."""
    f = cache.cached(kind)
    for x in (1, 2):
        settle(f(x))
    assert f.invalidate(x=1) is None
    f.invalidate(3)
    assert [settle(f(x)) for x in (1, 2)] == [1, 2]
    assert calls == [1, 2, 1]


def test_refresh_calls_whatever_is_stored(cache: orc.Cache, calls: list) -> None:
    """And stores: the next call is a hit of the new result."""
    numbers = iter(range(10))
    f = cache.cached(lambda x: next(numbers))
    assert [f(1), f(1), f.refresh(1), f.refresh(x=1), f(1)] == [0, 0, 1, 2, 2]
    assert f.refresh(9) == f(9) == 3


def test_a_failing_refresh_raises_and_leaves_the_value(cache: orc.Cache) -> None:
    """Who asks for a refresh is told; who asks for the value gets the one from before."""
    answers = iter(["first", OSError("down")])

    @cache.cached
    def f() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert f() == "first"
    with pytest.raises(OSError, match="down"):
        f.refresh()
    assert f() == "first"


def test_cache_clear_empties_this_function_only(cache: orc.Cache) -> None:
    """Other functions and explicit keys stay."""
    f, g = cache.cached(lambda x: x), cache.cached(lambda x: -x)
    cache.set("k", 1)
    f(1), g(1)
    f.cache_clear()
    assert (f.peek(1), g.peek(1), cache.get("k")) == (orc.MISSING, -1, 1)


def test_no_keyword_of_a_call_is_stolen(cache: orc.Cache) -> None:
    """A function may have parameters with the names of every term and every method."""
    names = ["ttl", "key", "tags", "ignore", "cache_if", "refresh", "invalidate", "peek", "self"]
    names += ["namespace", "version", "isolation", "stale_on", "function", "cache", "default"]
    space: dict[str, object] = {}
    exec(f"def f({', '.join(f'{name}=0' for name in names)}): return locals()", space)  # noqa: S102
    f = cache.cached(space["f"])
    for number, name in enumerate(names, 1):
        call = {name: number}
        assert f(**call)[name] == f.peek(**call)[name] == f.refresh(**call)[name] == number
        f.invalidate(**call)
        assert f.peek(**call) is orc.MISSING


def test_decorated_twice(cache: orc.Cache, clock: ManualClock) -> None:
    """Each layer has a life and counts of its own; __wrapped__ goes down one by one."""
    numbers = iter(range(10))
    inner = cache.cached(ttl=100)(lambda x: next(numbers))
    outer = cache.cached(ttl=10)(inner)
    assert [outer(1), outer(1), inner(1)] == [0, 0, 0]
    clock.advance(11)
    assert outer(1) == 0
    assert outer.cache_info()[:2] == (1, 2)
    assert inner.cache_info()[:2] == (2, 1)
    assert outer.__wrapped__ is inner
    inner.invalidate(1)
    assert outer(1) == 0
    outer.invalidate(1)
    assert outer(1) == 1


def test_closures_of_one_name_do_not_share(cache: orc.Cache) -> None:
    """Two functions made by one factory have two sets of results, and of counts."""

    def make(number: int) -> object:
        @cache.cached
        def f() -> int:
            return number

        return f

    one, two = make(1), make(2)
    assert [one(), two(), one(), two()] == [1, 2, 1, 2]
    assert one.cache_info()[:2] == two.cache_info()[:2] == (1, 1)
    assert cache.stats().loads == 2


def test_a_mutable_default_is_the_functions_own(cache: orc.Cache) -> None:
    """The default is the same object as ever; a call that changed it makes another key."""

    def plain(x: int, seen: list[int] = []) -> int:  # noqa: B006 - the trap is the subject
        seen.append(x)
        return len(seen)

    cached = cache.cached(plain)
    assert [cached(1), cached(1), cached(1)] == [1, 2, 3]
    assert cached(1, []) == cached(1, []) == 1
    assert plain.__defaults__ == ([1, 1, 1],)


def test_recursion_as_deep_as_one_hundred_and_fifty() -> None:
    """fib(150), cold, at Python's default limit: sync and async; on a fresh stack."""
    cache, results = orc.Cache(tiers=[orc.Memory()]), []

    @cache.cached
    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    @cache.cached
    async def afib(n: int) -> int:
        return n if n < 2 else await afib(n - 1) + await afib(n - 2)

    def run() -> None:
        results.append(fib(150))
        results.append(asyncio.run(afib(150)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert results == [9969216677189303386214405760200] * 2


def test_a_decorator_line_keeps_what_is_below(cache: orc.Cache) -> None:
    """Keys are of the module's and the function's full name."""

    @cache.cached
    def f() -> None:
        """Say something."""

    f()
    assert f.__doc__ == "Say something."
    assert list(cache.stats().functions) == [
        f"{__name__}.test_a_decorator_line_keeps_what_is_below.<locals>.f"
    ]
