"""The types of a decorated function, for type checkers and readers; nothing here runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from orc.model.entry import Missing
from orc.stats.info import CacheInfo

P = ParamSpec("P")
Q = ParamSpec("Q")
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
    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> Cached[P, R_co]: ...
    @overload
    def __get__(
        self: Cached[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None, /
    ) -> BoundCached[Concatenate[Any, Q], Q, R_co]: ...
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
    """A decorated method that was read from an instance: called without it."""

    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> R_co: ...
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

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Missing:  # type: ignore[override]
        """Return the fresh result in memory, or ``orc.MISSING``; nothing is called or counted."""
        ...
