"""The terms on which one function's results, or one cache's explicit keys, are kept."""

from __future__ import annotations

from orc import notices
from orc.errors import ConfigError
from orc.model.freshness import computed_ttl, stale_if_error_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orc.engine.keyspace import Keyspace

    ComputedTtl = Callable[[Any], object]
    """Is given a loaded value, and returns its ttl."""
    StaleOn = tuple[type[BaseException], ...] | Callable[[BaseException], bool]


class Terms:
    """Durations in seconds and rules, checked already; never changed once made.

    `ttl` may be a callable that is given the loaded value. `memory_ttl` bounds copies in memory in
    front of a shared tier. `backoff` is how long a failed refresh is not tried again while a stale
    value can be served.
    """

    __slots__ = (
        "backoff",
        "cache_if",
        "isolation",
        "jitter",
        "memory_ttl",
        "stale_if_error",
        "stale_on",
        "stale_while_revalidate",
        "strict",
        "ttl",
    )

    def __init__(  # noqa: PLR0913 - a record of ten terms, given by name
        self,
        *,
        ttl: float | ComputedTtl,
        memory_ttl: float,
        jitter: float,
        stale_if_error: float | None,
        stale_while_revalidate: float,
        stale_on: StaleOn | None,
        backoff: float,
        isolation: str,
        strict: bool,
        cache_if: Callable[[Any], object] | None = None,
    ) -> None:
        self.ttl = ttl
        self.memory_ttl = memory_ttl
        self.jitter = jitter
        self.stale_if_error = stale_if_error
        self.stale_while_revalidate = stale_while_revalidate
        self.stale_on = stale_on
        self.backoff = backoff
        self.isolation = isolation
        self.strict = strict
        self.cache_if = cache_if

    def but(self, **changes: Any) -> Terms:
        """Return these terms with some of them changed."""
        return Terms(**{name: getattr(self, name) for name in self.__slots__} | changes)

    def excuses(self, error: BaseException) -> bool:
        """Tell whether a stale value may be served in the place of this error."""
        stale_on = self.stale_on
        if stale_on is None:
            from orc.model.unavailable import is_unavailable

            return is_unavailable(error)
        if isinstance(stale_on, tuple):
            return isinstance(error, stale_on)
        try:
            return bool(stale_on(error))
        except Exception as bug:  # noqa: BLE001 - the caller is owed the loader's own error
            notices.warn_of_bug(f"stale_on={getattr(stale_on, '__qualname__', stale_on)}", bug)
            return False

    def error_window(self, life: float) -> float:
        """Seconds after freshness for which a value that lived `life` seconds excuses an error."""
        return stale_if_error_seconds(self.stale_if_error, life)

    def longest_window(self, life: float) -> float:
        """Seconds after freshness for which a value is of any use."""
        return max(self.error_window(life), self.stale_while_revalidate)


def fresh_for(keyspace: Keyspace, value: object, ttl: float | ComputedTtl | None) -> float:
    """Return the seconds for which a value is fresh; 0 if it is not to be stored.

    `ttl` takes the place of the terms' own. Where it cannot be computed, since the user's callable
    raises or returns no duration, the value is not stored; that is counted, and warned of once.
    Raises ``ConfigError`` instead, with the value in ``.value``, where the terms are strict.
    """
    terms = keyspace.terms
    try:
        if ttl is not None:
            return ttl if isinstance(ttl, float) else computed_ttl(ttl(value))
        if terms.cache_if is not None and not terms.cache_if(value):
            return 0.0
        return computed_ttl(terms.ttl(value)) if callable(terms.ttl) else terms.ttl
    except Exception as error:
        counters = keyspace.counters
        what = "ttl" if terms.cache_if is None else "ttl or cache_if"
        why = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        said = f"{counters.name}: no {what} can be computed for the value: {why}"
        if terms.strict:
            wrong = ConfigError(said)
            wrong.value = value
            raise wrong from error
        if counters.add("undated") == 1:
            notices.warn(f"{said}. The value is returned and not stored.")
        return 0.0
