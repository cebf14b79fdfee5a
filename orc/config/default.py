"""The cache behind ``orc.cached``: made from the environment by the first who decorates with it."""

from __future__ import annotations

from _thread import RLock

from orc.config.cache import Cache
from orc.lifecycle.life import after_fork_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, ParamSpec, TypeVar, overload

    from orc.engine.terms import StaleOn
    from orc.engine.typed import AsyncCached, Cached, Decorator
    from orc.model.entry import Missing
    from orc.model.freshness import Seconds, Ttl

    P = ParamSpec("P")
    R = TypeVar("R")

_lock = RLock()
_made: list[Cache] = []


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have had it
    _lock = RLock()


after_fork_in_child(_renew_lock)


def default_cache() -> Cache:
    """Return the cache of ``orc.cached``, making it if need be.

    Raises ``ConfigError`` if the environment holds a setting that is not allowed.
    """
    with _lock:
        if not _made:
            _made.append(Cache())
        return _made[0]


if TYPE_CHECKING:

    @overload
    def cached(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCached[P, R]: ...
    @overload
    def cached(function: Callable[P, R], /) -> Cached[P, R]: ...
    @overload
    def cached(
        function: None = None,
        /,
        *,
        ttl: Ttl | Missing = ...,
        key: str | Callable[..., Any] | None = ...,
        tags: str | Sequence[str] = ...,
        ignore: str | Sequence[str] = ...,
        cache_if: Callable[[Any], object] | None = ...,
        stale_if_error: Seconds | Missing | None = ...,
        stale_while_revalidate: Seconds | Missing = ...,
        stale_on: type[BaseException] | StaleOn | None = ...,
        isolation: str | Missing = ...,
        namespace: str | Missing = ...,
        version: str | Missing = ...,
    ) -> Decorator: ...


def cached(function: Any = None, /, **terms: Any) -> Any:
    """Cache what a function returns, in the default cache: see ``orc.Cache.cached``."""
    return default_cache().cached(function, **terms)
