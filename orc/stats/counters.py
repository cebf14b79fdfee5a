"""Counters of one function, or of one cache's explicit keys. Kept always, exact under threads."""

from __future__ import annotations

from _thread import RLock
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Tally:
    """A counter whose ``bump`` is a single call of C code, so that a hit can afford it."""

    __slots__ = ("_base", "_lock", "_looks", "bump", "numbers")

    def __init__(self) -> None:
        # ``count`` hands out each number once, whichever threads ask. To look is to take a number
        # too, hence the number of looks is taken off.
        self.numbers: count[int] = count(1)
        """Its ``next()`` is a ``bump``: for compiled code, which calls a built-in the quickest."""
        self.bump: Callable[[], int] = self.numbers.__next__
        self._looks = 0
        self._base = 0
        self._lock = RLock()

    def value(self) -> int:
        """Return how often ``bump`` was called, and what was added."""
        with self._lock:
            self._looks += 1
            return self.bump() - self._looks + self._base

    def forked(self) -> None:
        """Go on in the child of a fork, where nobody is left to give a lock back."""
        self._lock = RLock()

    def add(self, amount: int) -> None:
        """Count `amount` at once."""
        with self._lock:
            self._base += amount


class Counters:
    """What happened to the calls of one function, or to one cache's explicit keys.

    The engine counts by :meth:`add` and :meth:`miss`; the memory tier writes the four names of its
    ledger, under its own lock.
    """

    __slots__ = (
        "_lock",
        "causes",
        "evicted",
        "expired",
        "hits",
        "invalidated",
        "load_errors",
        "load_seconds",
        "loads",
        "name",
        "oversize",
        "shared",
        "stale",
        "tier_errors",
        "tier_hits",
        "tier_misses",
        "uncopyable",
        "undated",
        "unshared",
        "unstorable",
    )

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.hits: Tally = Tally()
        """Requests that memory answered, with a fresh value."""
        self.stale: int = 0
        """Requests answered by a value past its ttl, since the origin failed or was being asked."""
        self.shared: int = 0
        """Requests that waited for a load that another one had begun, and took its value."""
        self.loads: int = 0
        """Calls of a loader, failed ones included."""
        self.load_errors: int = 0
        self.load_seconds: float = 0.0
        self.causes: dict[str, int] = {}
        """Misses of memory by cause."""
        self.uncopyable: int = 0
        """Values that were not stored, for want of a copy."""
        self.unstorable: int = 0
        """Values that shared tiers were not given, since they would not come back as they are."""
        self.undated: int = 0
        """Values that were not stored, since no ttl could be computed from them."""
        self.unshared: int = 0
        """Values that were not stored, since their keys lack what the loads read of a request."""
        self.tier_hits: dict[str, int] = {}
        self.tier_misses: dict[str, int] = {}
        self.tier_errors: dict[str, int] = {}
        self.evicted: int = 0
        self.expired: int = 0
        self.invalidated: int = 0
        self.oversize: int = 0
        """Values that were not stored, for their size."""
        self._lock = RLock()

    def add(self, name: str, amount: float = 1) -> float:
        """Add to the counter of that name, and return what it shows now."""
        with self._lock:
            now: float = getattr(self, name) + amount
            setattr(self, name, now)
            return now

    def miss(self, cause: str) -> None:
        """Count a miss of memory."""
        self._count(self.causes, cause)

    def tier(self, kind: str, tier: str, amount: int = 1) -> None:
        """Count answers of a shared tier: `kind` is ``"hits"``, ``"misses"`` or ``"errors"``."""
        self._count(getattr(self, f"tier_{kind}"), tier, amount)

    def answers(self, kind: str, tier: str) -> int:
        """Return what :meth:`tier` has counted."""
        counts: dict[str, int] = getattr(self, f"tier_{kind}")
        return counts.get(tier, 0)

    def _count(self, counts: dict[str, int], name: str, amount: int = 1) -> None:
        with self._lock:
            counts[name] = counts.get(name, 0) + amount

    def forked(self) -> None:
        """Go on in the child of a fork, where nobody is left to give a lock back."""
        self._lock = RLock()
        self.hits.forked()

    def absorb(self, other: Counters) -> None:
        """Add the counts of a function that is gone."""
        self.hits.add(other.hits.value())
        for name in self.__slots__:
            theirs = getattr(other, name)
            if isinstance(theirs, dict):
                for key, amount in theirs.items():
                    self._count(getattr(self, name), key, amount)
            elif isinstance(theirs, (int, float)):
                self.add(name, theirs)
