"""What is fresh, what is stale, and for how long: every rule of time is here.

Instants are seconds, read on two clocks: the wall clock, which other containers share and which
may be set, and the monotonic one, which may stand still while a container is frozen. Whatever is
asked of an entry is answered by the clock that says it is *older*.
"""

from __future__ import annotations

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from decimal import Decimal
    from typing import Any

    Seconds = int | float | timedelta
    Ttl = Seconds | Callable[[Any], Seconds | Decimal | None] | None

FOREVER = 100 * 365.25 * 86_400.0
"""Seconds. A ttl of ``None`` is this long: finite, so that no rule meets ``inf - inf``."""

LONGEST_STALE = 600.0
"""Seconds that a value is served on error at most, unless somebody asks for more."""


def seconds(value: object, what: str) -> float:
    """Turn a duration into seconds: an ``int``, a ``float`` or a ``timedelta``, not negative.

    Raises ``ConfigError``, naming `what`, for anything else; ``True`` is not a duration.
    """
    number: object = value
    if not isinstance(value, (int, float)):
        total = getattr(value, "total_seconds", None)
        number = total() if callable(total) and not isinstance(value, type) else None
    if isinstance(value, bool) or not isinstance(number, (int, float)) or not number >= 0:
        raise ConfigError(
            f"{what} is {value!r}: give seconds as an int, a float or a timedelta, 0 or more"
        )
    return float(min(number, FOREVER))


def computed_ttl(value: object) -> float:
    """Seconds of a ttl that a user's callable computed: 0 for what is over already, or never began.

    A real number, such as a ``Decimal``; a ``timedelta``; or ``None``, which is "until evicted".
    Raises ``ConfigError`` for anything else, and shows no more of it than its type.
    """
    if value is None:
        return FOREVER
    number = _number(value)
    if number is None or number != number:  # noqa: PLR0124 - what is not a number
        raise ConfigError(
            f"ttl(...) returned a {type(value).__name__}"
            + (" that is not a number" if number is not None else "")
            + "; return seconds, as a number or a timedelta, or None"
        )
    return float(max(0, min(number, FOREVER)))


def _number(value: object) -> int | float | None:
    """Return what a duration is in seconds, or ``None`` if it is no duration."""
    if isinstance(value, bool | str | bytes | type):
        return None
    if isinstance(value, int | float):
        return value
    total = getattr(value, "total_seconds", None)
    try:
        if callable(total):
            value = total()
        return float(value) if hasattr(value, "__float__") else None
    except (ArithmeticError, TypeError, ValueError):
        return None


def ttl_seconds(value: object, what: str = "ttl") -> float:
    """Like :func:`seconds`; ``None`` means "until evicted", 0 means "not stored"."""
    return FOREVER if value is None else seconds(value, what)


def stale_if_error_seconds(asked: float | None, ttl: float) -> float:
    """Seconds for which a stale value may stand in for an error (RFC 5861, section 4).

    As long as the value was fresh and at most ten minutes, unless `asked` says otherwise.
    """
    return min(ttl, LONGEST_STALE) if asked is None else asked


def lifetime(ttl: float, jitter: float, draw: float) -> float:
    """Seconds of freshness: the ttl, shortened by up to the share `jitter`, never lengthened.

    `draw` is uniform in [0, 1). Containers that stored together do not expire together.
    """
    return ttl * (1.0 - jitter * draw)


def trust(fresh: float, memory_ttl: float = FOREVER, check_every: float = FOREVER) -> float:
    """Seconds for which memory may answer without asking anybody: the least of three.

    The remaining freshness, the ttl of copies in memory where a shared tier is behind them, and
    the time to the next check of versions.
    """
    return min(fresh, memory_ttl, check_every)


SHORTEST_FOLLOWED = 1.0
"""Seconds for which a load is followed at least, where `memory_ttl` is shorter."""


def follow_seconds(ttl: float, memory_ttl: float | None) -> float:
    """Seconds after the begin of a load during which others of its process may follow it.

    `memory_ttl` is none where no shared tier is behind memory.
    """
    return ttl if memory_ttl is None else min(ttl, max(memory_ttl, SHORTEST_FOLLOWED))


SHARE_OF_TIERS = 1 / 3
"""The share of what a request has left that shared tiers take before a loader starts, at most."""

SHORTEST_LEASE, LONGEST_LEASE = 1.0, 10.0
"""Seconds."""

LEAST_PATIENCE, MOST_PATIENCE = 0.01, 0.1
"""Seconds between two looks at a row that somebody else is loading: the first, and the longest."""


def lease_seconds(load_time: float | None, remaining: float | None) -> float:
    """Seconds for which who loads a key keeps others from it: four times the last load.

    At least 1 s, and at most 10 s or what remains of its request: who is killed in the middle keeps
    the others waiting no longer than that. Where nobody knows yet how long a load takes, it is the
    most: else all the containers that start at once would load, if it takes longer than the least.
    """
    longest = LONGEST_LEASE if remaining is None else min(LONGEST_LEASE, max(0.0, remaining))
    return longest if load_time is None else min(max(4 * load_time, SHORTEST_LEASE), longest)


def lateness(wall: float, monotonic: float, wall_end: float, monotonic_end: float) -> float:
    """Seconds since an end that is known on both clocks, by the clock that is further on.

    Negative while the end is still to come on both: a clock that stood still in a freeze cannot
    keep an entry alive, and neither can one that was set back.
    """
    return max(wall - wall_end, monotonic - monotonic_end)


def reader_lateness(late: float, stored_life: float, reader_ttl: float) -> float:
    """Lateness for a reader whose own ttl is shorter than the life that the entry was given.

    So a shorter ttl in a deploy takes effect on what is stored already.
    """
    return max(late, late + stored_life - reader_ttl)
