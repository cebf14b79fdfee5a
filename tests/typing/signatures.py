"""Forty signatures, decorated: calls keep their exact types, and wrong calls are errors.

Never run: mypy and pyright judge it. An ignored error that does not come is an error itself.
"""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, assert_type, overload

import orc
from orc.model.entry import Missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
U = TypeVar("U")
AnyText = TypeVar("AnyText", str, bytes)
Number = TypeVar("Number", bound=float)

cache = orc.Cache()

# -- parameters -----------------------------------------------------------------------------------


@cache.cached
def plain(x: int) -> str: ...
@cache.cached()
def with_default(x: int, y: str = "") -> bytes: ...
@orc.cached
def keyword_only(*, x: int, y: str = "") -> str: ...
@orc.cached(ttl=5)
def positional_only(x: int, /, y: str) -> str: ...
@cache.cached
def variadic(*items: int, **options: str) -> list[int]: ...
@cache.cached()
def nothing() -> None: ...
@orc.cached
def optional(x: int | None = None) -> dict[str, int] | None: ...
@orc.cached()
def takes_callable(x: Callable[[int], str]) -> Callable[[str], int]: ...


assert_type(plain(1), str)
assert_type(plain(x=1), str)
plain("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
plain.refresh("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain.invalidate("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain.peek("")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
assert_type(plain.peek(1, default=b""), str | bytes)
assert_type(plain.partition("blue")(1), str)
assert_type(plain.partition(tenant="blue")(1), str)
plain.partition(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(with_default(1), bytes)
assert_type(with_default(1, y=""), bytes)
with_default(1, z="")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(keyword_only(x=1), str)
keyword_only(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(positional_only(1, y=""), str)
positional_only(x=1, y="")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(variadic(1, 2, a="b"), list[int])
variadic("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
variadic(a=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
nothing(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(optional(), dict[str, int] | None)
optional("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(takes_callable(str)("1"), int)
takes_callable(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# -- generic functions ----------------------------------------------------------------------------


@cache.cached
def make(x: type[T]) -> T: ...
@cache.cached(ttl=5)
def pair(x: T, y: U) -> tuple[T, U]: ...
@orc.cached
def constrained(x: AnyText, y: AnyText) -> AnyText: ...
@orc.cached()
def bound(x: Number, *, times: int = 1) -> list[Number]: ...


assert_type(make(int), int)
assert_type(make.refresh(int), int)
assert_type(make.peek(int), int | Missing)
make(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
make.invalidate(int)
make.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(make.partition("blue")(str), str)
assert_type(pair(1, ""), tuple[int, str])
pair(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(constrained("", ""), str)
constrained("", b"")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
assert_type(bound(1.5), list[float])
bound("")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


@overload
def over(x: int) -> int: ...
@overload
def over(x: str) -> str: ...
@cache.cached
def over(x: int | str) -> int | str: ...


assert_type(over(1), int)
assert_type(over(""), str)
over(b"")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

# -- async ----------------------------------------------------------------------------------------


@cache.cached
async def aplain(x: int) -> str: ...
@orc.cached(ttl=5)
async def adefault(x: int, y: str = "", *, z: bool = False) -> bytes: ...
@cache.cached
async def amake(x: type[T]) -> T: ...
@orc.cached()
async def abound(x: Number) -> Number: ...
@cache.cached
async def avariadic(*items: int, **options: str) -> list[int]: ...
@cache.cached
def awaitable(x: int) -> Awaitable[str]: ...


async def asynchronous() -> None:
    assert_type(await aplain(1), str)
    assert_type(await aplain.refresh(1), str)
    assert_type(aplain.peek(1), str | Missing)
    assert_type(aplain.peek(1, default=None), str | None)
    assert_type(await aplain.partition("blue")(1), str)
    await aplain("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    aplain.invalidate("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    aplain.peek("")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(await adefault(1, z=True), bytes)
    await adefault(1, z=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await amake(int), int)
    assert_type(amake.peek(int), int | Missing)
    await amake(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await abound(1.5), float)
    await abound("")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    assert_type(await avariadic(1, a=""), list[int])
    await avariadic("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await awaitable(1), str)


# -- methods --------------------------------------------------------------------------------------


class Shop:
    @cache.cached
    def price(self, item: str, *, currency: str = "") -> int: ...
    @cache.cached(ttl=5)
    def make(self, x: type[T]) -> T: ...
    @orc.cached
    def own(self, x: int) -> Self: ...
    @orc.cached
    def owns(self, x: int) -> list[Self]: ...
    @property
    @cache.cached
    def label(self) -> str: ...
    @classmethod
    @cache.cached
    def below(cls, x: int) -> str: ...
    @cache.cached()
    @classmethod
    def above(cls, x: int) -> str: ...
    @classmethod
    @cache.cached
    def new(cls, x: int) -> Self: ...
    @classmethod
    @cache.cached
    def make_for(cls, x: type[T]) -> T: ...
    @staticmethod
    @cache.cached
    def static_below(x: int) -> str: ...
    @cache.cached
    @staticmethod
    def static_above(x: int) -> str: ...
    @staticmethod
    @cache.cached
    def static_odd(x: orc.Container) -> str: ...
    @cache.cached
    async def aprice(self, item: str) -> int: ...
    @cache.cached
    async def aown(self) -> Self: ...
    @cache.cached
    async def amake(self, x: type[T]) -> T: ...
    @classmethod
    @cache.cached(ttl=5)
    async def abelow(cls, x: int) -> str: ...
    @cache.cached
    @staticmethod
    async def astatic(x: int) -> str: ...


class Special(Shop): ...


class Box(Generic[T]):
    @cache.cached
    def put(self, x: T) -> list[T]: ...
    @cache.cached
    async def aget(self, x: int) -> T: ...


shop = Shop()
assert_type(shop.price("apple"), int)
assert_type(Shop.price(shop, "apple"), int)
assert_type(shop.price.partition("blue").peek("apple"), int | Missing)
assert_type(shop.price.peek("apple", default=None), int | None)
assert_type(Shop.price.peek(shop, "apple"), int | Missing)
shop.price(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
shop.price(shop, "apple")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
shop.price.invalidate("apple")
shop.price.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.price.invalidate(shop, "apple")
Shop.price.invalidate("apple")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
assert_type(shop.make(int), int)
assert_type(Shop.make(shop, int), int)
shop.make(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(shop.own(1), Shop)
assert_type(Special().own(1), Special)
assert_type(Shop.own(shop, 1), Shop)
shop.own("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(shop.owns(1), list[Shop])
assert_type(shop.label, str)
assert_type(shop.below(1), str)
assert_type(Shop.below(1), str)
assert_type(Shop.below.refresh(1), str)
Shop.below.invalidate(1)
Shop.below("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.below.invalidate("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(shop.above(1), str)
assert_type(Shop.above(1), str)
Shop.above("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(Shop.new(1), Shop)
assert_type(Special.new(1), Special)
Shop.new("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
# mypy loses the type variable of a class method, and lets nothing be passed.
assert_type(Shop.make_for(int), int)  # type: ignore[arg-type, assert-type]
assert_type(shop.static_below(1), str)
assert_type(Shop.static_below(1), str)
shop.static_below("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.static_below("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(shop.static_above(1), str)
assert_type(Shop.static_above(1), str)
Shop.static_above("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
# mypy takes a static method that is read from an instance for a method, unless its first parameter
# takes a str, an int, bytes, a list or a dict. Read from the class, it is right.
assert_type(Shop.static_odd(orc.container()), str)
assert_type(shop.static_odd(orc.container()), str)  # type: ignore[call-arg]
assert_type(Box[str]().put(""), list[str])
Box[str]().put(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def asynchronous_methods() -> None:
    assert_type(await shop.aprice("apple"), int)
    assert_type(await shop.aprice.refresh("apple"), int)
    assert_type(shop.aprice.peek("apple"), int | Missing)
    shop.aprice.invalidate("apple")
    await shop.aprice(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shop.aprice.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await Special().aown(), Special)
    assert_type(await shop.amake(int), int)
    await shop.amake(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await Shop.abelow(1), str)
    assert_type(Shop.abelow.peek(1), str | Missing)
    await Shop.abelow("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await shop.astatic(1), str)
    assert_type(await Box[str]().aget(1), str)
    await Box[str]().aget("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- other callables ------------------------------------------------------------------------------


class Adder:
    def __call__(self, x: int) -> float: ...


def two(x: int, y: str) -> bytes: ...


of_partial = cache.cached(partial(two, 1))
of_object = cache.cached(Adder())
of_class = cache.cached(Adder)
of_lambda = cache.cached(lambda: 1)
of_method = cache.cached(shop.price)
twice = orc.cached(ttl=5)(cache.cached(two))

assert_type(of_partial(""), bytes)
of_partial(1)  # pyright: ignore[reportArgumentType] # mypy knows a partial's result alone
assert_type(of_object(1), float)
of_object("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(of_class(), Adder)
assert_type(of_lambda(), int)
assert_type(of_method("apple"), int)
assert_type(twice(1, ""), bytes)
twice("", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# -- options --------------------------------------------------------------------------------------

cache.cached(partition="blue", reads_request=True)
cache.cached(partition=str, isolation="share")
orc.Memory(policy="s3fifo")
orc.Memory(policy=OrderedDict)
orc.Memory(policy=Adder)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cache.cached(isolation="copy")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache.cached(tll=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
orc.cached(ttl="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
orc.Cache(isolation="copy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
orc.Cache(compression="gzip")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
orc.Memory(policy="fifo")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def any_function(function: Callable[..., Any]) -> None:
    assert_type(cache.cached(function)(1), Any)
