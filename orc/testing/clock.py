"""A clock that goes only when a test says so."""

from __future__ import annotations

from orc.model.freshness import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.model.freshness import Seconds


class ManualClock:
    """Give it to ``orc.Cache(clock=...)``, and move time by hand.

    `wall` starts at some day of 2026, `monotonic` at 1000 seconds; both are seconds.
    """

    def __init__(self, wall: float = 1_790_000_000.0, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        """Return the seconds that the wall clock shows."""
        return self._wall

    def monotonic(self) -> float:
        """Return the seconds that the monotonic clock shows."""
        return self._monotonic

    def advance(self, both: Seconds = 0, /, *, wall: float = 0.0, monotonic: float = 0.0) -> None:
        """Move both clocks on, or each by its own seconds.

        ``advance(60)`` is a minute; ``advance(wall=3600)`` an hour frozen with the monotonic clock
        standing still; ``advance(wall=-3600)`` a wall clock that was set back.
        """
        step = seconds(both, "advance()")
        self._wall += step + wall
        self._monotonic += step + monotonic
