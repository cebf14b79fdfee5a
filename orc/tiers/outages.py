"""When an outage of a tier is told, and when its end: each once, and not too often.

A server that is down fails every request of every container. So the log has one record when an
outage begins and one when it is over, and of one tier at most one warning a minute, whichever
caches of the process use it.
"""

from __future__ import annotations

from _thread import RLock

from orc import notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from orc.model.ports import ClockLike, Tier

    Instant = tuple[float, float]

PAUSE: Final = 60.0
"""Seconds between two warnings of one tier, by the clock that ran further."""
MOST_PLACES: Final = 64
"""Tiers whose last warning is remembered; a process that makes more of them is told anew."""

SILENT: Final = "does not answer", "did not answer"
NO_READS: Final = "refuses reads", "refused reads"
NO_WRITES: Final = "refuses writes", "refused writes"
NOT_ALL: Final = "refuses some requests", "refused some requests"
"""What a tier does in an outage, and did when it is over."""

BACK: Final = "is back"
REPLACED: Final = "was replaced by another server"
"""How an outage ends."""


class Place:
    """What all caches of this process have told of one tier."""

    __slots__ = ("going_on", "last")

    def __init__(self) -> None:
        self.last: Instant | None = None
        """When the last warning was written, by both clocks."""
        self.going_on: dict[str, tuple[Instant, Instant]] = {}
        """The outages that were told and are not over: what is wrong, since when, and when a cache
        last met it. A cache may be gone before it sees the end."""


class Places:
    """What this process has told of each tier."""

    __slots__ = ("_by_store", "lock")

    def __init__(self) -> None:
        self.forget_all()

    def forget_all(self) -> None:
        """Begin anew, in the child of a fork: its log is another."""
        self.lock = RLock()
        self._by_store: dict[str, Place] = {}

    def forget(self, store: str) -> None:
        """Begin anew with one tier."""
        self._by_store.pop(store, None)

    def of(self, store: str) -> Place:
        """Return what was told of one tier."""
        place = self._by_store.get(store)
        if place is None:
            if len(self._by_store) >= MOST_PLACES:
                self._by_store.clear()
            place = self._by_store[store] = Place()
        return place


TOLD: Final = Places()


class Outages:
    """The outages of one tier as one cache sees them. Safe for threads.

    Tiers of the same `store` are one tier to all caches of the process; `where` is how a tier shows
    the place of its server.
    """

    __slots__ = ("_clock", "_name", "_seen", "_store", "_tier")

    def __init__(self, tier: Tier, clock: ClockLike) -> None:
        self._tier = tier
        self._name = tier.name
        self._store = f"{tier.name} {getattr(tier, 'store', '') or id(self)}"
        self._clock = clock
        self._seen: set[str] = set()

    def forget(self) -> None:
        """Begin anew, where every connection is dead."""
        self._seen.clear()
        TOLD.forget(self._store)

    def began(
        self, reason: str, retry_after: float, what: tuple[str, str] = SILENT, host: str = ""
    ) -> None:
        """Tell that an outage began, or goes on, unless that was told or the last is too recent.

        `retry_after` is seconds until the tier is asked again. `host` is one of several servers.
        """
        key = f"{host} {what[0]}"
        now = self._clock.wall(), self._clock.monotonic()
        with TOLD.lock:
            place = TOLD.of(self._store)
            since, met = place.going_on.get(key, (now, None))
            if key in self._seen or (met is not None and between(met, now) < PAUSE):
                self._seen.add(key)
                place.going_on[key] = since, now
                return
            if place.last is not None and between(place.last, now) < PAUSE:
                return
            self._seen.add(key)
            place.last = now
            place.going_on[key] = now, now
        where = host or self._where()
        again = f", and asks again every {retry_after:.3g} s" if retry_after else ""
        notices.record(
            "warning",
            f"{_title(self._name, where)} {what[0]}: {reason}. The cache goes on without{again}.",
            tier=self._name,
            host=where,
            reason=reason,
        )

    def ended(self, what: tuple[str, str] = SILENT, host: str = "", how: str = BACK) -> None:
        """Tell that an outage is over, if its begin was told."""
        key = f"{host} {what[0]}"
        if key not in self._seen:
            return
        now = self._clock.wall(), self._clock.monotonic()
        with TOLD.lock:
            self._seen.discard(key)
            known = TOLD.of(self._store).going_on.pop(key, None)
        if known is None:
            return  # another cache of this process told it
        since = known[0]
        where = host or self._where()
        lasted = between(since, now)
        notices.record(
            "info",
            f"{_title(self._name, where)} {how}, after {lasted:.3g} s in which it {what[1]}.",
            tier=self._name,
            host=where,
        )

    def _where(self) -> str:
        """Return the place of the server, as far as the tier shows it, without user info."""
        try:
            return str(getattr(self._tier, "where", "")).rpartition("@")[2]
        except Exception:  # noqa: BLE001 - a tier may be anybody's, and this is told in an error
            return ""


def _title(name: str, where: str) -> str:
    return f"orc: the tier {name}" + (f" at {where}" if where else "")


def between(before: Instant, now: Instant) -> float:
    """Seconds between two instants, by the clock that ran further; one may have been set."""
    return max(abs(new - old) for old, new in zip(before, now, strict=True))
