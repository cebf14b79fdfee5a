"""One load for each key, for all threads and coroutines of this process.

The first caller who misses a key leads a *flight*: it loads, and those who come meanwhile follow,
waiting for what it brings. Nobody waits where waiting could last for ever:

* A caller inside the loader of a key who asks for that very key is told so by an error.
* Where the flight to be followed waits, itself or through others, for one that the newcomer leads
  (A loads B while B loads A), the newcomer loads for itself.
* A sync caller on a thread that runs an event loop never follows a coroutine, which may need that
  very loop; it loads for itself.
* A leader that is cancelled, interrupted, or left behind on a loop that no longer runs hands over:
  the followers begin anew, and one of them leads.

The table knows who may wait for whom and does not wait itself: :mod:`orc.engine.drivers` does, in
the manner of threads or of coroutines.
"""

from __future__ import annotations

from _thread import RLock
from contextvars import ContextVar

from orc.errors import RecursiveLoadError
from orc.model.outcome import ABANDONED, ALONE, FAILED, FLYING, FOLLOW, LANDED, LEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Hashable

    Key = tuple[object, Hashable]
    """A space, and a key in it."""


class Flight:
    """The load of one key, and those who wait for it."""

    __slots__ = (
        "_waits_for",
        "error",
        "key",
        "loop",
        "outer",
        "result",
        "state",
        "void",
        "wakers",
    )

    def __init__(self, key: Key, outer: Flight | None, loop: AbstractEventLoop | None) -> None:
        self.key = key
        self.outer = outer
        """The flight inside whose loader this one was started."""
        self.loop = loop
        """The loop of the coroutine that leads; none for a thread."""
        self.state = FLYING
        self.void = False
        """Whether the key was written or deleted meanwhile: the result may not be stored."""
        self.result: object = None
        self.error: BaseException | None = None
        self.wakers: list[Callable[[], object]] = []
        self._waits_for: list[Flight] = []

    def stranded(self) -> bool:
        """Tell whether its leader is a coroutine of a loop that does not run any more."""
        return self.loop is not None and not self.loop.is_running()

    def leads_to(self, flights: set[Flight]) -> bool:
        """Tell whether this flight waits, itself or through others, for one of `flights`."""
        seen = {self}
        open_ends = [self]
        while open_ends:
            flight = open_ends.pop()
            if flight in flights:
                return True
            for further in flight._waits_for:  # noqa: SLF001 - its own class
                if further not in seen:
                    seen.add(further)
                    open_ends.append(further)
        return False

    def lineage(self) -> list[Flight]:
        """List this flight, the one whose loader it runs in, and so on."""
        line = [self]
        while line[-1].outer is not None:
            line.append(line[-1].outer)
        return line

    def wait_for(self, flight: Flight) -> None:
        """Note that this flight cannot land before `flight` has."""
        self._waits_for.append(flight)

    def wait_no_more(self, flight: Flight) -> None:
        """Take back one :meth:`wait_for`."""
        self._waits_for.remove(flight)


class Turn:
    """What a caller who misses a key shall do, with which flight: LEAD, FOLLOW or ALONE."""

    __slots__ = ("flight", "outer", "role")

    def __init__(self, role: str, flight: Flight, outer: Flight | None) -> None:
        self.role = role
        self.flight = flight
        self.outer = outer


_inside: ContextVar[Flight | None] = ContextVar("orc_flight", default=None)
"""The flight in whose loader this code runs. Tasks and ``asyncio.to_thread`` inherit it."""


class Flights:
    """The loads of one cache that are on their way. Its lock is held for table work only."""

    __slots__ = ("_flying", "_lock", "voids")

    def __init__(self) -> None:
        self._flying: dict[Key, Flight] = {}
        self.voids = 0
        """Grows with every write or removal of a key, whether it was being loaded or not."""
        # Re-entrant: a finaliser of the user's may come back here on the same thread.
        self._lock = RLock()

    def join(self, key: Key, loop: AbstractEventLoop | None, *, sync: bool) -> Turn:
        """Say what a caller who misses `key` shall do.

        `loop` is the event loop that runs on this thread, if any; `sync` tells that the caller
        would block it. Whoever leads calls :meth:`land`, :meth:`fail` or :meth:`abandon` in the
        end, and every caller :meth:`leave`. Raises ``RecursiveLoadError`` inside the loader of this
        very key.
        """
        outer = _inside.get()
        lineage = outer.lineage() if outer is not None else []
        stranded: Flight | None = None
        with self._lock:
            if any(flight.key == key and flight.state == FLYING for flight in lineage):
                raise RecursiveLoadError(
                    "a loader asked the cache for the very key that it is loading: there, load "
                    "the value without the cache, or under another key"
                )
            flight = self._flying.get(key)
            if flight is not None and flight.stranded():
                stranded, flight = flight, None
            if flight is None:
                turn = Turn(LEAD, Flight(key, outer, None if sync else loop), outer)
                self._flying[key] = turn.flight
            elif (sync and loop is not None and flight.loop is not None) or (
                lineage and flight.leads_to(set(lineage))
            ):
                turn = Turn(ALONE, Flight(key, outer, None), outer)
            else:
                turn = Turn(FOLLOW, flight, outer)
            if outer is not None:
                outer.wait_for(turn.flight)
        if stranded is not None:
            self.strand(stranded)
        return turn

    def on_landing(self, flight: Flight, waker: Callable[[], object]) -> bool:
        """Have `waker` called when the flight ends; tell whether it is still on its way."""
        with self._lock:
            if flight.state != FLYING:
                return False
            flight.wakers.append(waker)
            return True

    def land(self, flight: Flight, result: object) -> None:
        """Give `result` to all who follow."""
        flight.result = result
        self._end(flight, LANDED)

    def fail(self, flight: Flight, error: BaseException) -> None:
        """Give the loader's error to all who follow."""
        flight.error = error
        self._end(flight, FAILED)

    def abandon(self, flight: Flight) -> None:
        """Let one of those who follow lead: this leader was cancelled or interrupted.

        Does nothing to a flight that has ended.
        """
        self._end(flight, ABANDONED)

    def strand(self, flight: Flight) -> None:
        """Abandon a flight whose leader may still wake, some day, on a loop that runs again."""
        flight.void = True
        self._end(flight, ABANDONED)

    def leave(self, turn: Turn) -> None:
        """End a turn, whatever came of it."""
        if turn.outer is not None:
            with self._lock:
                turn.outer.wait_no_more(turn.flight)

    def void(self, key: Key) -> None:
        """Keep a running load of `key` from being stored: the key is being written or deleted.

        Those who follow still get its result; those who come later start a flight of their own.
        """
        with self._lock:
            self.voids += 1
            flight = self._flying.pop(key, None)
            if flight is not None:
                flight.void = True

    def void_all(self, belongs: Callable[[Key], bool]) -> None:
        """Void the flights of all keys that belong."""
        with self._lock:
            self.voids += 1
            for key in [key for key in self._flying if belongs(key)]:
                self._flying.pop(key).void = True

    def _end(self, flight: Flight, state: str) -> None:
        with self._lock:
            if flight.state != FLYING:
                return
            if self._flying.get(flight.key) is flight:
                del self._flying[flight.key]
            flight.state = state
            wakers, flight.wakers = flight.wakers, []
        for wake in wakers:
            wake()


class Boarding:
    """Marks the code of a ``with`` block as the loader of a flight."""

    __slots__ = ("_before", "_flight")

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    def __enter__(self) -> None:
        self._before = _inside.get()
        _inside.set(self._flight)

    def __exit__(self, *exc: object) -> None:
        # Not ``reset(token)``: a coroutine that is closed may end in another context.
        _inside.set(self._before)
