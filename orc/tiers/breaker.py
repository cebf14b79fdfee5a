"""Whether a tier that failed is left alone. It reads no clock: the time is passed in.

::

    closed ── opened(rest) ──> open ── rest over ──> half-open: one call is the probe
      ^                         ^                        │
      │                         └── opened(rest) ────────┤
      └──────────────── succeeded(probe) ────────────────┘

A rest is over when *either* clock says so. By the wall clock a freeze counts as time passed; by the
monotonic one a rest does not last an hour longer because the wall clock was set back by an hour.
(Circuit breaker: Nygard, "Release It!", 2007.)
"""

from __future__ import annotations

from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"


class Breaker:
    """Lets calls through, or not. Safe for threads; `wall` and `monotonic` are seconds, now."""

    __slots__ = ("_last", "_lock", "_monotonic", "_probe", "_wall", "reason", "resting")

    def __init__(self) -> None:
        self._lock = RLock()  # a finaliser may run, and call a cache, wherever memory is allocated
        self._last = 0
        self.reset()

    def reset(self) -> None:
        """Close it, and forget who probes: in a restored snapshot, or the child of a fork."""
        self._lock = RLock()
        self.resting = False
        """Whether it is not closed; while it is false, nobody need ask for anything else."""
        self.reason = ""
        """Why it is not closed."""
        self._wall = 0.0
        self._monotonic = 0.0
        self._probe: int | None = None

    def opened(self, rest: float, reason: str, wall: float, monotonic: float) -> bool:
        """Leave the tier alone for `rest` seconds; tell whether it was closed or half-open.

        Of two failures the one that asks for the longer rest counts.
        """
        with self._lock:
            was_open = self._state(wall, monotonic) == OPEN
            if not was_open or monotonic + rest > self._monotonic:
                self._wall = wall + rest
                self._monotonic = monotonic + rest
                self.reason = reason
            self._probe = None
            self.resting = True
            return not was_open

    def admitted(self, patience: float, wall: float, monotonic: float) -> int | None:
        """Return the number of a probe if this call may be it, 0 if it is closed; else ``None``.

        A probe that never ends, since its request was killed, is given up after `patience` seconds:
        then the next call is the probe.
        """
        with self._lock:
            if not self.resting:
                return 0
            if not self._over(wall, monotonic):
                return None
            self._wall = wall + patience
            self._monotonic = monotonic + patience
            self._last += 1
            self._probe = self._last
            return self._probe

    def succeeded(self, probe: int) -> None:
        """Close it, unless this probe was given up, or has failed."""
        with self._lock:
            if probe == self._probe:
                self._probe = None
                self.resting = False
                self.reason = ""

    def abandoned(self, probe: int) -> None:
        """Let the next call be the probe at once: this one ended and nobody knows how."""
        with self._lock:
            if probe == self._probe:
                self._probe = None
                self._monotonic = 0.0
                self._wall = 0.0

    def left(self, wall: float, monotonic: float) -> float:
        """Seconds until the next call may be let through; 0 if it may be now."""
        if not self.resting:
            return 0.0
        return max(0.0, min(self._wall - wall, self._monotonic - monotonic))

    def state(self, wall: float, monotonic: float) -> str:
        """Return ``closed``, ``open`` or ``half-open``."""
        with self._lock:
            return self._state(wall, monotonic)

    def _state(self, wall: float, monotonic: float) -> str:
        if not self.resting:
            return CLOSED
        return HALF_OPEN if self._probe is not None or self._over(wall, monotonic) else OPEN

    def _over(self, wall: float, monotonic: float) -> bool:
        return wall >= self._wall or monotonic >= self._monotonic
