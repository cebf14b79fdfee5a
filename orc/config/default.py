"""The cache behind ``orc.cached``: made from the environment by the first who decorates with it."""

from __future__ import annotations

from _thread import RLock

from orc.config.cache import Cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_lock = RLock()
_made: list[Cache] = []


def default_cache() -> Cache:
    """Return the cache of ``orc.cached``, making it if need be.

    Raises ``ConfigError`` if the environment holds a setting that is not allowed.
    """
    with _lock:
        if not _made:
            _made.append(Cache())
        return _made[0]


if TYPE_CHECKING:
    cached = default_cache().cached
else:

    def cached(function: Any = None, /, **terms: Any) -> Any:
        """Cache what a function returns, in the default cache: see ``orc.Cache.cached``."""
        return default_cache().cached(function, **terms)
