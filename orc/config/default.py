"""The cache behind ``orc.cached``: made from the environment by the first who decorates with it."""

from __future__ import annotations

from _thread import RLock

from orc.config.cache import Cache
from orc.lifecycle.life import after_fork_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar, Unpack, overload

    from orc.engine.typed import Cached, CachedOptions, Decorator

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
    def cached(function: Callable[P, R], /) -> Cached[P, R]: ...
    @overload
    def cached(function: None = None, /, **terms: Unpack[CachedOptions]) -> Decorator: ...


def cached(function: Any = None, /, **terms: Any) -> Any:
    """Do as ``orc.Cache.cached``, in the default cache."""
    return default_cache().cached(function, **terms)


# What help() and inspect.signature() show: the parameters of the method, without its `self`.
cached.__dict__["__wrapped__"] = object.__new__(Cache).cached
cached.__doc__ = Cache.cached.__doc__
