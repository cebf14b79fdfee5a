"""Decorators below ``@cached`` are looked through as ``inspect.signature`` does."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest
import tenacity

import orc
from orc.errors import ConfigError, UncacheableError

CACHE = orc.Cache(tiers=[orc.Memory()])
calls: list[object] = []


@pytest.fixture(autouse=True)
def empty():
    CACHE.clear()
    calls.clear()


def traced(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def timed(unit):
    def decorator(function):
        @functools.wraps(function)
        def inner(*given, **named):
            try:
                return function(*given, **named)
            finally:
                calls.append(unit)

        return inner

    return decorator


def atraced(function):
    @functools.wraps(function)
    async def inner(*args, **kwargs):
        return await function(*args, **kwargs)

    return inner


def in_a_class(function):
    """Decorate by an object that is called."""

    class Inner:
        def __init__(self):
            functools.update_wrapper(self, function)

        def __call__(self, *args, **kwargs):
            return function(*args, **kwargs)

    return Inner()


def told(function):
    """Hide the function, and tell its signature alone."""

    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    inner.__signature__ = inspect.signature(function)
    inner.__name__, inner.__qualname__ = function.__name__, function.__qualname__
    return inner


DECORATORS = {
    "wraps": traced,
    "wraps twice": lambda f: traced(timed("s")(f)),
    "thrice": lambda f: traced(traced(traced(f))),
    "object": in_a_class,
    "object over wraps": lambda f: in_a_class(traced(f)),
    "wraps over object": lambda f: traced(in_a_class(f)),
    "signature": told,
    "wraps over signature": lambda f: traced(told(f)),
    "tenacity": tenacity.retry(stop=tenacity.stop_after_attempt(2)),
    "lru_cache": functools.lru_cache,
    "partial": functools.partial,
}
below = pytest.mark.parametrize("decorate", DECORATORS.values(), ids=DECORATORS.keys())


def find(item, currency="EUR", *, tax=0):
    calls.append((item, currency, tax))
    return item, currency, tax


@below
def test_all_spellings_of_a_call_are_one_entry(decorate):
    price = CACHE.cached(ttl=60)(decorate(find))
    assert price("a") == price(item="a") == price("a", "EUR") == price("a", currency="EUR")
    assert price(currency="EUR", item="a", tax=0) == ("a", "EUR", 0)
    assert price.cache_info()[:2] == (4, 1)
    assert price("a", "USD") == ("a", "USD", 0)
    assert price("a", tax=1) == ("a", "EUR", 1)
    assert price.cache_info()[:2] == (4, 3)
    with pytest.raises(TypeError, match="item"):
        price()
    with pytest.raises(TypeError, match="unknown"):
        price("a", unknown=1)


@below
@pytest.mark.parametrize(
    ("terms", "same"),
    [
        ({"key": "price:{item}"}, True),
        ({"key": lambda item, currency, tax: (item, tax)}, True),
        ({"ignore": "currency"}, True),
        ({"tags": "item:{item}"}, False),
    ],
    ids=["key", "callable key", "ignore", "tags"],
)
def test_parameters_may_be_named(decorate, terms, same):
    price = CACHE.cached(**terms)(decorate(find))
    assert price("a", "EUR") == ("a", "EUR", 0)
    assert price(item="a", currency="USD") == ("a", "EUR" if same else "USD", 0)
    price.invalidate(item="a")
    assert price.peek("a") is orc.MISSING
    if "tags" in terms:
        CACHE.invalidate_tags("item:a")
        assert price.peek("a", "USD") is orc.MISSING
    assert price.refresh("b") == price.peek(item="b") == ("b", "EUR", 0)


@below
def test_a_name_that_is_no_parameter_is_refused(decorate):
    for terms in ({"key": "{args}"}, {"tags": "{kwargs}"}, {"ignore": "nobody"}):
        with pytest.raises(ConfigError, match="item"):
            CACHE.cached(**terms)(decorate(find))


@pytest.mark.parametrize(
    "decorate",
    [traced, atraced, in_a_class, told, lambda f: traced(atraced(f)), lambda f: atraced(traced(f))],
)
def test_an_async_function_below(decorate):
    async def inner(item, currency="EUR"):
        calls.append(item)
        await asyncio.sleep(0)
        return item, currency

    if decorate is told:  # it tells the parameters, and nothing of what it returns
        inner = atraced(inner)
    price = CACHE.cached(key="{item}:{currency}")(decorate(inner))

    async def main():
        assert await price("a") == await price(item="a", currency="EUR") == ("a", "EUR")
        assert await price.refresh("b") == price.peek("b") == ("b", "EUR")
        return await asyncio.gather(*(price("c") for _ in range(20)))

    if decorate is told:
        with pytest.raises(UncacheableError):
            price("a")
        return
    assert inspect.iscoroutinefunction(price)
    assert asyncio.run(main()) == [("c", "EUR")] * 20
    assert calls == ["a", "b", "c"]


def test_an_async_decorator_of_a_plain_function():
    def in_a_thread(function):
        @functools.wraps(function)
        async def inner(*args, **kwargs):
            return await asyncio.to_thread(function, *args, **kwargs)

        return inner

    price = CACHE.cached(in_a_thread(find))

    async def main():
        return await price("a"), await price(item="a")

    assert asyncio.run(main()) == (("a", "EUR", 0),) * 2
    assert len(calls) == 1


class Repository:
    """Methods of each kind, with a decorator below."""

    def __orc_key__(self):
        return "repository"

    @CACHE.cached(ignore="self")
    @traced
    def find(self, key):
        calls.append(key)
        return key

    @CACHE.cached
    @timed("ms")
    def by_self(self, key, lang="en"):
        return key, lang

    @CACHE.cached(key="{key}")
    @traced
    async def afind(self, key):
        return key

    @classmethod
    @CACHE.cached
    @traced
    def made(cls, key):
        return cls.__name__, key

    @staticmethod
    @CACHE.cached(tags="{key}")
    @traced
    def plain(key):
        return key


def test_methods():
    one, two = Repository(), Repository()
    assert one.find("a") == two.find(key="a") == "a"
    assert calls == ["a"]
    assert one.by_self("a") == two.by_self(key="a", lang="en") == ("a", "en")
    assert calls == ["a", "ms"]
    assert asyncio.run(one.afind("a")) == asyncio.run(two.afind(key="a")) == "a"
    assert Repository.made("a") == one.made(key="a") == ("Repository", "a")
    assert Repository.plain("a") == one.plain(key="a") == "a"


def test_a_decorator_that_makes_a_list_of_a_generator():
    def listed(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return list(function(*args, **kwargs))

        return inner

    @CACHE.cached
    @listed
    def pages(first, last=3):
        calls.append(first)
        yield from range(first, last)

    assert pages(1) == pages(first=1, last=3) == [1, 2]
    assert calls == [1]

    @CACHE.cached
    @traced
    def spent(first):
        yield first

    with pytest.raises(UncacheableError, match="generator"):
        spent(1)


def test_the_memo_of_a_request_looks_through_them_too():
    price = orc.request_cached(traced(find))
    with orc.request_scope():
        assert price("a") is price(item="a", currency="EUR")
    assert len(calls) == 1


def test_decorators_that_go_round_in_a_circle_are_refused():
    def inner(*args):
        return args

    inner.__wrapped__ = inner
    with pytest.raises(ConfigError, match="wrapper loop"):
        CACHE.cached(inner)


def test_a_plain_function_made_of_an_async_one_tells_its_signature():
    async def inner(item):
        return item

    @functools.wraps(inner)
    def plain(item):
        return asyncio.run(inner(item))

    plain.__signature__ = inspect.signature(inner)
    assert CACHE.cached(plain)("a") == "a"


def test_a_signature_that_is_none_is_refused():
    def inner(*args):
        return args

    inner.__signature__ = 5
    with pytest.raises(ConfigError):
        CACHE.cached(inner)


def test_what_a_partial_object_binds_is_not_asked_for():
    bound = functools.update_wrapper(functools.partial(find, "a"), find)
    price = CACHE.cached(bound)
    assert price() == price("EUR") == price(currency="EUR") == ("a", "EUR", 0)
    assert len(calls) == 1


def test_a_bridge_to_an_async_function_is_a_plain_one():
    def sync(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return asyncio.run(function(*args, **kwargs))

        return inner

    async def inner(item):
        calls.append(item)
        return item

    for decorate in (sync, lambda f: traced(sync(f)), lambda f: sync(traced(f))):
        CACHE.clear()
        find = CACHE.cached(decorate(inner))
        assert not inspect.iscoroutinefunction(find)
        assert find("a") == find(item="a") == "a"
    assert len(calls) == 3
