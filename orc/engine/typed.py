"""The types of a decorated function, for type checkers and readers; nothing here runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

from orc.engine.terms import StaleOn
from orc.model.entry import Missing
from orc.model.freshness import Seconds, Ttl
from orc.stats.info import CacheInfo

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
V = TypeVar("V")
D = TypeVar("D")
R_co = TypeVar("R_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)

Isolation: TypeAlias = Literal["auto", "share"]
Compression: TypeAlias = Literal["zlib", "zstd", "none"]


class CachedOptions(TypedDict, total=False):
    """What ``cached(...)`` takes by name; see ``orc.Cache.cached``."""

    ttl: Ttl | Missing
    key: str | Callable[..., Any] | None
    tags: str | Sequence[str]
    ignore: str | Sequence[str]
    cache_if: Callable[[Any], object] | None
    stale_if_error: Seconds | Missing | None
    stale_while_revalidate: Seconds | Missing
    stale_on: type[BaseException] | StaleOn | None
    isolation: Isolation | Missing
    namespace: str | Missing
    version: str | Missing
    partition: str | Callable[..., str] | None
    reads_request: bool


class Takes(Protocol[S_contra, P, R_co]):
    """What is called with a first argument of one type; by this, bindings are told apart."""

    def __call__(self, first: S_contra, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class _Own:
    """Some class that no function names, so that only a type variable stands for it."""


class Cached(Protocol[P, R_co]):
    """A decorated function: called like it, with the same parameters and result.

    Read from an instance, or as a class method from its class, it has one parameter less; so have
    `refresh`, `invalidate` and `peek`: ``shop.price.invalidate("apple")``.
    """

    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    @property
    def __wrapped__(self) -> Callable[P, R_co]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload  # of a method that returns `Self`, for mypy; pyright has put a class in its place
    def __get__(self: Takes[_Own, ..., Any], instance: None, owner: type, /) -> Cached[P, R_co]: ...
    @overload  # of a class method that returns `Self`, for mypy again
    def __get__(
        self: Takes[type[_Own], Q, _Own], instance: object, owner: type[V], /
    ) -> Cached[Q, V]: ...
    @overload
    def __get__(
        self: Takes[type[_Own], Q, Coroutine[Any, Any, _Own]], instance: object, owner: type[V], /
    ) -> AsyncCached[Q, V]: ...
    @overload  # of a class method: its first parameter is the class
    def __get__(
        self: Takes[type[S], Q, R], instance: object, owner: type[S], /
    ) -> Cached[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload  # of a method that returns `Self`, for mypy again
    def __get__(self: Takes[_Own, Q, _Own], instance: V, owner: type, /) -> Cached[Q, V]: ...
    @overload
    def __get__(
        self: Takes[_Own, Q, Coroutine[Any, Any, _Own]], instance: V, owner: type, /
    ) -> AsyncCached[Q, V]: ...
    @overload
    def __get__(self: Takes[_Own, Q, Any], instance: object, owner: type, /) -> Cached[Q, Any]: ...
    @overload  # of most static methods: mypy would take the next one, not the last, for them
    def __get__(  # type: ignore[misc]
        self: Takes[str, ..., Any]
        | Takes[int, ..., Any]
        | Takes[bytes, ..., Any]
        | Takes[list[Any], ..., Any]
        | Takes[dict[Any, Any], ..., Any],
        instance: object,
        owner: type,
        /,
    ) -> Cached[P, R_co]: ...
    @overload
    def __get__(
        self: Cached[Concatenate[S, Q], R], instance: S, owner: type, /
    ) -> Cached[Q, R]: ...
    @overload  # of a static method: its first parameter is something else
    def __get__(self, instance: object, owner: type, /) -> Self: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function whatever is stored, store the result, and return it."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop the result of the call with these arguments; a running call is not stored."""
        ...

    # Returns the fresh result in memory, else `default`; nothing is called or counted.
    # A name beside P's own cannot be declared: with a default, the arguments go unchecked.
    @overload
    def peek(
        self: Cached[P, Coroutine[Any, Any, V]], *args: Any, default: D, **kwargs: Any
    ) -> V | D: ...
    @overload
    def peek(
        self: Cached[P, Coroutine[Any, Any, V]], *args: P.args, **kwargs: P.kwargs
    ) -> V | Missing: ...
    @overload
    def peek(self, *args: Any, default: D, **kwargs: Any) -> R_co | D: ...
    @overload
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Missing: ...
    def partition(self, tenant: str) -> Self:
        """Return this function with its keys apart from those of every other tenant."""
        ...

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, maxsize and currsize since the last ``cache_clear()``."""
        ...

    def cache_clear(self) -> None:
        """Drop all results of this function, and begin ``cache_info()`` anew."""
        ...

    def cache_parameters(self) -> dict[str, Any]:
        """Return what the function was decorated with."""
        ...


AsyncCached: TypeAlias = Cached[P, Coroutine[Any, Any, R]]
"""A decorated ``async def``: what it returns is awaited; ``peek`` returns it awaited."""


class Decorator(Protocol):
    """What ``cached(...)`` returns: a decorator of ``def`` and ``async def``."""

    def __call__(self, function: Callable[P, R], /) -> Cached[P, R]: ...
