"""Decorated methods: who is in the key, and how each kind is called."""

from __future__ import annotations

import abc
import asyncio
import functools
import inspect
import sys
from dataclasses import dataclass

import pytest

import orc
from orc.errors import ConfigError, UnkeyableError

CACHE = orc.Cache(tiers=[orc.Memory()])


class Shop:
    """A class whose instances are in the key by their name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[object] = []

    def __orc_key__(self) -> str:
        return self.name

    @CACHE.cached
    def price(self, item: str, *, currency: str = "EUR") -> tuple[str, str, str]:
        self.calls.append(item)
        return self.name, item, currency

    @CACHE.cached
    async def stock(self, item: str) -> tuple[str, str]:
        self.calls.append(item)
        return self.name, item

    @CACHE.cached(ignore="self")
    def shared(self, item: str) -> str:
        self.calls.append(item)
        return f"{self.name} {item}"

    @CACHE.cached(key="{self.name}:{item}")
    def by_template(self, item: str) -> tuple[str, str]:
        return self.name, item

    @CACHE.cached(tags="shop:{self.name}")
    def tagged(self) -> str:
        self.calls.append("tagged")
        return self.name

    @property
    @CACHE.cached
    def label(self) -> str:
        self.calls.append("label")
        return self.name.upper()


@pytest.fixture(autouse=True)
def empty() -> None:
    CACHE.clear()


def test_an_instance_is_in_the_key_by_its_orc_key() -> None:
    """Two instances of one key share, of two keys do not."""
    a, same, b = Shop("a"), Shop("a"), Shop("b")
    assert a.price("x") == a.price(item="x", currency="EUR") == same.price("x") == ("a", "x", "EUR")
    assert b.price("x") == ("b", "x", "EUR")
    assert (a.calls, same.calls, b.calls) == (["x"], [], ["x"])
    assert Shop.price(a, "x") == ("a", "x", "EUR")


def test_an_async_method() -> None:
    """Awaited each time, loaded once."""
    a = Shop("a")
    assert asyncio.run(a.stock("x")) == asyncio.run(a.stock("x")) == ("a", "x")
    assert asyncio.run(Shop.stock.refresh(a, "x")) == ("a", "x")
    assert a.calls == ["x", "x"]


def test_refresh_invalidate_and_peek_take_what_the_call_takes() -> None:
    """On an instance they know the instance; on the class they are given it."""
    a = Shop("a")
    a.price("x")
    assert a.price.peek("x") == Shop.price.peek(a, item="x") == ("a", "x", "EUR")
    a.price.invalidate("x")
    assert a.price.peek("x") is orc.MISSING
    assert a.price.peek("x", default=None) is None
    assert a.price.refresh(item="x") == ("a", "x", "EUR")
    assert a.calls == ["x", "x"]
    Shop.price.invalidate(a, "x")
    assert Shop.price.peek(a, "x", default=5) == 5
    with pytest.raises(TypeError, match="positional"):
        a.price.invalidate(a, "x")
    assert a.price.cache_info()[:2] == Shop.price.cache_info()[:2]


def test_a_bound_method_looks_like_one() -> None:
    """It has the method's name, text and parameters, equals itself, and may be awaited."""
    a, b = Shop("a"), Shop("b")
    assert a.price == a.price != b.price
    assert len({a.price, a.price, b.price}) == 2
    assert a.price.__self__ is a
    assert a.price.__func__ is Shop.price
    assert (a.price.__name__, a.price.__qualname__) == ("price", "Shop.price")
    assert a.price.__wrapped__("y") == ("a", "y", "EUR")
    assert list(inspect.signature(a.price).parameters) == ["item", "currency"]
    assert inspect.iscoroutinefunction(a.stock)
    assert "Shop.price" in repr(a.price)
    later = a.price
    assert later("z") == ("a", "z", "EUR")


def test_a_decorator_above_sees_an_async_method() -> None:
    seen = []

    def retried(function):
        seen.append(inspect.iscoroutinefunction(function))
        return function

    class Above:
        @retried
        @CACHE.cached(ignore="self")
        async def find(self, x):
            return x

        @retried
        @CACHE.cached(ignore="self")
        def plain(self, x):
            return x

    assert seen == [True, False]
    assert asyncio.run(Above().find(1)) == Above().plain(1) == 1


def test_methods_that_python_takes_by_their_names() -> None:
    class Box:
        @CACHE.cached
        def __class_getitem__(cls, item):
            return cls.__name__, item

    assert Box[5] == ("Box", 5)


def test_a_bound_method_may_be_cached_itself() -> None:
    """By another cache, or by the memo of a request: its parameters are those of the call."""
    a = Shop("a")
    other = orc.Cache(tiers=[orc.Memory()])
    for find in (other.cached(a.price), orc.request_cached(a.price)):
        assert find("x") == find(item="x") == ("a", "x", "EUR")
        with pytest.raises(TypeError):
            find()

    class Factory:
        @CACHE.cached
        @classmethod
        def make(cls, x: int) -> tuple[str, int]:
            return cls.__name__, x

    assert other.cached(Factory.make)(1) == ("Factory", 1)


def test_a_bound_method_for_a_tenant() -> None:
    a = Shop("a")
    acme = a.price.partition("acme")
    assert acme("x") == a.price("x") == ("a", "x", "EUR")
    assert a.calls == ["x", "x"]
    acme.invalidate("x")
    assert acme.peek("x") is orc.MISSING
    assert a.price.peek("x") == ("a", "x", "EUR")
    assert Shop.price.partition("acme")(a, "x") == ("a", "x", "EUR")


def test_a_decorator_above() -> None:
    """It is given what is called with the instance, and has the function's name."""

    def traced(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)

        return inner

    class Above:
        def __orc_key__(self):
            return 1

        @traced
        @CACHE.cached
        def find(self, x):
            return x

        table = CACHE.cached(lambda x: x * 2)(4)

    assert Above().find(1) == 1
    assert Above.find.__name__ == "find"
    assert Above.table == 8


def test_self_can_be_left_out() -> None:
    """With ignore="self" all instances share."""
    assert [Shop("a").shared("x"), Shop("b").shared("x")] == ["a x", "a x"]


def test_self_in_templates() -> None:
    """A key and a tag may name an attribute of self."""
    assert Shop("a").by_template("x") == ("a", "x")
    assert Shop("b").by_template("x") == ("b", "x")
    a, b = Shop("a"), Shop("b")
    for each in (a, b):
        each.tagged()
    CACHE.invalidate_tags("shop:a")
    for each in (a, b):
        each.tagged()
    assert (a.calls, b.calls) == (["tagged"] * 2, ["tagged"])


def test_self_without_a_key_is_told_how_to_go_on() -> None:
    """The first call raises UnkeyableError with both remedies; the function is not called."""

    class Plain:
        @CACHE.cached
        def f(self, x: int) -> None:
            raise AssertionError("not reached")

    with pytest.raises(UnkeyableError) as caught:
        Plain().f(1)
    for part in ("Plain.f", "'self'", "__orc_key__()", 'ignore=("self",)'):
        assert part in str(caught.value)


def test_a_property_of_a_cached_function() -> None:
    """@property above @cached is read once for each key."""
    a = Shop("a")
    assert (a.label, a.label, a.calls) == ("A", "A", ["label"])


def test_a_property_below_is_refused() -> None:
    """@cached above @property cannot work, and says so."""
    with pytest.raises(ConfigError, match="decorate a callable"):
        CACHE.cached(property(lambda self: 1))


class Base:
    made: list[object] = []  # noqa: RUF012 - shared on purpose

    @CACHE.cached
    @classmethod
    def above(cls, x: int) -> tuple[str, int]:
        cls.made.append(x)
        return cls.__name__, x

    @classmethod
    @CACHE.cached
    def below(cls, x: int) -> tuple[str, int]:
        cls.made.append(x)
        return cls.__name__, x

    @CACHE.cached(ttl=60)
    @staticmethod
    def static_above(x: int) -> int:
        Base.made.append(x)
        return x

    @staticmethod
    @CACHE.cached(ttl=60)
    def static_below(x: int) -> int:
        Base.made.append(x)
        return x

    @CACHE.cached
    @classmethod
    async def fetch(cls, x: int) -> tuple[str, int]:
        cls.made.append(x)
        return cls.__name__, x


class Derived(Base):
    pass


@pytest.mark.parametrize("name", ["above", "below"])
def test_class_methods_in_both_orders(name: str) -> None:
    """The class is in the key: a subclass has results of its own, an instance its class's."""
    Base.made.clear()
    assert getattr(Base, name)(1) == getattr(Base(), name)(x=1) == ("Base", 1)
    assert getattr(Derived, name)(1) == getattr(Derived(), name)(1) == ("Derived", 1)
    assert Base.made == [1, 1]
    of_base, of_derived = getattr(Base, name), getattr(Derived(), name)
    given = () if name == "above" or sys.version_info < (3, 13) else (Derived,)
    if given:
        for call in (of_derived.peek, of_derived.invalidate, of_derived.refresh):
            with pytest.raises(TypeError, match="put @cached above @classmethod"):
                call(1)
        with pytest.raises(TypeError, match="put @cached above @classmethod"):
            of_derived.partition("acme")(1)
    assert of_derived.peek(*given, 1) == ("Derived", 1)
    of_derived.invalidate(*given, 1)
    assert of_derived.peek(*given, 1) is orc.MISSING
    assert of_base.peek(*(given and (Base,)), 1) == ("Base", 1)
    assert of_base.cache_info()[:2] == (2, 2)
    assert of_derived.partition("acme")(*given, 1) == ("Derived", 1)


@pytest.mark.parametrize("name", ["static_above", "static_below"])
def test_static_methods_in_both_orders(name: str) -> None:
    """There is no instance in the key, and none in peek()."""
    Base.made.clear()
    function = getattr(Base, name)
    assert [function(1), getattr(Derived(), name)(1), function.peek(1)] == [1, 1, 1]
    assert Base.made == [1]
    assert function.cache_parameters()["ttl"] == 60.0


def test_an_async_class_method() -> None:
    """As any other, awaited."""
    assert asyncio.run(Base.fetch(1)) == asyncio.run(Base.fetch(1)) == ("Base", 1)
    assert asyncio.run(Derived.fetch(1)) == ("Derived", 1)


def test_a_frozen_dataclass_is_a_key_by_itself() -> None:
    """Its fields tell one instance from another; no __orc_key__ is needed."""

    @dataclass(frozen=True)
    class Point:
        x: int
        y: int

        @CACHE.cached
        def norm(self) -> int:
            return self.x**2 + self.y**2

    assert [Point(3, 4).norm(), Point(3, 4).norm(), Point(4, 3).norm()] == [25, 25, 25]
    assert Point.norm.cache_info()[:2] == (1, 2)


def test_an_abstract_method_stays_abstract() -> None:
    """@cached above @abstractmethod keeps a class from being made."""

    class Abstract(abc.ABC):
        @CACHE.cached
        @abc.abstractmethod
        def f(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_a_slotted_class() -> None:
    """Nothing is stored on the instance."""

    class Slotted:
        __slots__ = ("x",)

        def __init__(self, x: int) -> None:
            self.x = x

        def __orc_key__(self) -> int:
            return self.x

        @CACHE.cached
        def double(self) -> int:
            return 2 * self.x

    assert [Slotted(1).double(), Slotted(2).double()] == [2, 4]


def test_super_and_overridden_methods() -> None:
    """A method and the one that it overrides have results of their own."""

    class Parent:
        def __orc_key__(self) -> str:
            return "one"

        @CACHE.cached
        def f(self) -> list[str]:
            return ["parent"]

    class Child(Parent):
        @CACHE.cached
        def f(self) -> list[str]:
            return [*super().f(), "child"]

    assert Child().f() == Child().f() == ["parent", "child"]
    assert Parent().f() == ["parent"]


def test_an_instance_is_not_kept_alive() -> None:
    """The cache holds the instance's key and not the instance."""
    import gc
    import weakref

    a = Shop("a")
    a.price("x")
    gone = weakref.ref(a)
    del a
    gc.collect()
    assert gone() is None
    assert Shop("a").price.cache_info().currsize == 1
