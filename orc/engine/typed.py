"""The types of a decorated function, for type checkers and readers; nothing here runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from orc.model.entry import Missing
from orc.stats.info import CacheInfo

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)


class Cached(Protocol[P, R_co]):
    """A decorated ``def``: called like the function, with the same parameters and result.

    On a method, the instance is an argument of `refresh`, `invalidate` and `peek` too:
    ``shop.price.invalidate(shop, "apple")``.
    """

    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    @property
    def __wrapped__(self) -> Callable[P, R_co]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload  # of a class method: its first parameter is the class
    def __get__(
        self: Cached[Concatenate[S, Q], R_co], instance: object, owner: S, /
    ) -> BoundCached[P, Q, R_co]: ...
    @overload
    def __get__(self, instance: None, owner: type, /) -> Cached[P, R_co]: ...
    @overload
    def __get__(
        self: Cached[Concatenate[S, Q], R_co], instance: S, owner: type, /
    ) -> BoundCached[P, Q, R_co]: ...
    @overload  # of a static method: its first parameter is something else
    def __get__(self, instance: object, owner: type, /) -> Cached[P, R_co]: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function whatever is stored, store the result, and return it."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop the result of the call with these arguments; a running call is not stored."""
        ...

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Missing:
        """Return the fresh result in memory, or ``orc.MISSING``; nothing is called or counted."""
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


class BoundCached(Protocol[P, Q, R_co]):
    """A decorated method that was read from its instance or class: called without it.

    May be called with it, too, since mypy takes the first ``__get__`` of :class:`Cached` for every
    method, class method and static method. (pyright tells them apart, and binds as Python will.)
    """

    @overload
    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> R_co: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @property
    def __wrapped__(self) -> Callable[P, R_co]: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Missing: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_clear(self) -> None: ...
    def cache_parameters(self) -> dict[str, Any]: ...


class AsyncCached(Cached[P, Coroutine[Any, Any, R_co]], Protocol[P, R_co]):
    """A decorated ``async def``: what it returns is awaited."""

    @overload  # of a class method: its first parameter is the class
    def __get__(
        self: AsyncCached[Concatenate[S, Q], R_co], instance: object, owner: S, /
    ) -> AsyncBoundCached[P, Q, R_co]: ...
    @overload
    def __get__(self, instance: None, owner: type, /) -> AsyncCached[P, R_co]: ...
    @overload
    def __get__(
        self: AsyncCached[Concatenate[S, Q], R_co], instance: S, owner: type, /
    ) -> AsyncBoundCached[P, Q, R_co]: ...
    @overload  # of a static method: its first parameter is something else
    def __get__(self, instance: object, owner: type, /) -> AsyncCached[P, R_co]: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Missing:  # type: ignore[override]
        """Return the fresh result in memory, or ``orc.MISSING``; nothing is called or counted."""
        ...


class AsyncBoundCached(BoundCached[P, Q, Coroutine[Any, Any, R_co]], Protocol[P, Q, R_co]):
    """A decorated ``async def`` method that was read from an instance."""

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Missing: ...  # type: ignore[override]


class Decorator(Protocol):
    """What ``cached(...)`` returns: a decorator of ``def`` and ``async def``."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCached[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Cached[P, R]: ...
