"""One load for each key, for all threads and coroutines of this process.

The first caller who misses a key leads a *flight*: it loads, and those who come meanwhile follow,
waiting for what it brings. Nobody waits where waiting could last for ever:

* A caller inside the loader of a key who asks for that very key is told so by an error.
* Where the flight to be followed waits, itself or through others, for one that the newcomer leads
  (A loads B while B loads A), the newcomer loads for itself.
* A sync caller on a thread that runs an event loop never follows a coroutine, which may need that
  very loop; it loads for itself. Neither does anybody follow what waits, itself or through others,
  for a loop that is blocked until the newcomer is done.
* A follower waits for half of the time that its own request has left, outside of a request for
  a time that is set (``ORC_WAIT``), and then takes over.
* A load that began too long ago is not followed: the container may have been frozen since.
* A leader that is cancelled, interrupted, left behind on a loop that no longer runs, or left over
  from a request that has ended, hands over: the followers begin anew, and one of them leads.

The table knows who may wait for whom and does not wait itself: :mod:`orc.engine.drivers` does, in
the manner of threads or of coroutines.
"""

from __future__ import annotations

from _thread import RLock, get_ident

from orc.errors import RecursiveLoadError
from orc.model.loading import current_load
from orc.model.outcome import ABANDONED, ALONE, FAILED, FLYING, FOLLOW, LANDED, LEAD
from orc.model.tags import valid
from orc.stampede.flight import JUST_NOW, Flight, blocking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from orc.stampede.flight import Closable, Key

    LedBy = tuple[AbstractEventLoop | None, int | None]


class Turn:
    """What a caller that misses a key shall do (``LEAD``, ``FOLLOW``, ``ALONE``), and its flight.

    A caller makes it first, and ends it by :meth:`Flights.leave` in a ``finally``: so a turn that
    an exception of a signal handler has cut short, at whatever instruction, leaves no flight.
    """

    __slots__ = ("_loop", "_sync", "flight", "outer", "role")

    flight: Flight

    def __init__(self) -> None:
        self.role = ""
        self.outer: Flight | None = None
        self._loop: AbstractEventLoop | None = None
        self._sync = False

    def begin(
        self, role: str, flight: Flight, loop: AbstractEventLoop | None, *, sync: bool
    ) -> None:
        """Take a role on a flight, and note which loads cannot go on before that has ended.

        Called under the lock, as is :meth:`end`, which can take back a half of it.
        """
        self._loop, self._sync = loop, sync
        self.flight = flight
        self.role = role
        if self.outer is not None:
            self.outer.wait_for(self, flight)
        if role == FOLLOW:
            flight.followers[self] = None
        if sync and loop is not None:
            blocking.setdefault(loop, {})[self] = flight

    def alone(self) -> None:
        """Go on without the flight, on one of its own."""
        flight = self.flight
        self.end()
        loop, thread = (None, get_ident()) if self._sync else (self._loop, None)
        own = Flight(flight.key, self.outer, loop, thread)
        self.begin(ALONE, own, self._loop, sync=self._sync)

    def end(self) -> None:
        """Take back one :meth:`begin`. To do so twice does no harm."""
        if not self.role:
            return
        flight = self.flight
        if self.outer is not None:
            self.outer.wait_no_more(self)
        if self in flight.followers:
            flight.followers.pop(self, None)
            if not flight.followers:
                # The error's traceback leads back to this flight: a circle for the collector.
                flight.error = flight.traceback = flight.result = None
        if self._sync and self._loop is not None:
            turns = blocking.get(self._loop, {})
            turns.pop(self, None)
            if not turns:
                blocking.pop(self._loop, None)


class Watch:
    """Tells whether any key was written or removed since it was made."""

    __slots__ = ("_flights", "_voids")

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._voids = flights.voids

    @property
    def void(self) -> bool:
        """Whether what was read before may be an old value by now."""
        return self._flights.voids != self._voids


_lock = RLock()
"""Of all tables, since a loader of one cache may wait for a load of another, and back. Held for
table work only; re-entrant, since a finaliser of the user's may come back here on this thread."""


def _lineage() -> list[Flight]:
    """List the flights inside whose loaders this code runs, the innermost first.

    Without those that have ended: a task may outlive the load that started it.
    """
    line = []
    flight = current_load.get()
    while flight is not None:
        if flight.state == FLYING:
            line.append(flight)
        flight = flight.outer
    return line


class Flights:
    """The loads of one cache that are on their way."""

    __slots__ = ("_flying", "voids")

    def __init__(self) -> None:
        self._flying: dict[Key, Flight] = {}
        self.voids = 0
        """Grows with every write or removal of a key, whether it was being loaded or not."""

    def turn(self) -> Turn:
        """Make a turn that has not begun."""
        return Turn()

    def join(  # noqa: PLR0913 - all that is known of the caller
        self,
        key: Key,
        loop: AbstractEventLoop | None,
        thread: int | None = None,
        *,
        sync: bool,
        anew: bool = False,
        owner: Closable | None = None,
        turn: Turn | None = None,
        now: tuple[float, float] = (0.0, 0.0),
        follow_for: float = JUST_NOW,
    ) -> Turn:
        """Say what a caller who misses `key` shall do, who works for the request `owner`.

        `thread` is the caller's, and `loop` the event loop that runs on it, if any; `sync` tells
        that the caller blocks it. With `anew` a running load will not do, and is voided. A load
        that began more than `follow_for` seconds before `now` (wall, monotonic) is not followed
        but abandoned: its own caller still gets what it brings. A leader calls :meth:`land`,
        :meth:`fail` or :meth:`abandon` in the end, and every caller :meth:`leave`. Raises
        ``RecursiveLoadError`` inside the loader of this very key.
        """
        turn = Turn() if turn is None else turn
        given_up: Flight | None = None
        blocks = loop if sync else None
        with _lock:
            lineage = _lineage()
            if any(flight.key == key for flight in lineage):
                raise RecursiveLoadError(
                    "a loader asked the cache for the very key that it is loading: there, load "
                    "the value without the cache, or under another key"
                )
            turn.outer = lineage[0] if lineage else None
            if anew:
                self.void(key)
            flight = self._flying.get(key)
            if flight is not None and (flight.stranded() or flight.older_than(follow_for, *now)):
                given_up, flight = flight, None
            elif flight is not None and not valid(flight.versions):
                self.void(key)
                flight = None
            led_by: LedBy = (None, thread) if sync else (loop, None)
            if flight is None:
                own = Flight(key, turn.outer, led_by[0], led_by[1], owner, now)
                turn.begin(LEAD, own, loop, sync=sync)
                self._flying[key] = own
            elif (blocks is not None and flight.loop is not None) or flight.leads_to(
                set(lineage), blocks, thread
            ):
                own = Flight(key, turn.outer, led_by[0], led_by[1], owner, now)
                turn.begin(ALONE, own, loop, sync=sync)
            else:
                turn.begin(FOLLOW, flight, loop, sync=sync)
        if given_up is not None:
            self.strand(given_up)
        return turn

    def part(self, turn: Turn) -> None:
        """Have one who followed load alone, since what the flight brought cannot be shared."""
        with _lock:
            turn.alone()

    def on_landing(self, flight: Flight, waker: Callable[[], object]) -> bool:
        """Have `waker` called when the flight ends; tell whether it is still on its way."""
        with _lock:
            if flight.state != FLYING:
                return False
            flight.wakers.append(waker)
            return True

    def land(self, flight: Flight, result: object, created_at: float = JUST_NOW) -> None:
        """Give `result` to all who follow.

        `created_at` (seconds, wall clock) is that of a result which was found and not loaded.
        """
        self._end(flight, LANDED, result=result, created_at=created_at)

    def fail(self, flight: Flight, error: BaseException) -> None:
        """Give the loader's error to all who follow."""
        self._end(flight, FAILED, error=error, traceback=error.__traceback__)

    def abandon(self, flight: Flight) -> None:
        """Let one of those who follow lead: this leader was cancelled or interrupted.

        Does nothing to a flight that has ended.
        """
        self._end(flight, ABANDONED)

    def strand(self, flight: Flight) -> None:
        """Abandon a flight whose leader may still come back some day."""
        _take_over(flight)
        self._end(flight, ABANDONED)

    def leave(self, turn: Turn) -> None:
        """End a turn, whatever came of it; and a flight that it led, if that has not ended."""
        with _lock:
            turn.end()
        if turn.role and turn.role != FOLLOW:
            flight = turn.flight
            if flight.state == FLYING:
                self.abandon(flight)
            elif flight.wakers:
                _wake(flight)  # an interrupt came between the end of the flight and that

    def watch(self) -> Watch:
        """Begin to watch for writes and removals, of whatever key."""
        return Watch(self)

    def void(self, key: Key) -> None:
        """Keep a running load of `key` from being stored: the key is being written or deleted.

        Those who follow still get its result; those who come later start a flight of their own.
        """
        with _lock:
            self.voids += 1
            flight = self._flying.pop(key, None)
            if flight is not None:
                _take_over(flight)

    def void_all(self, belongs: Callable[[Key], bool]) -> None:
        """Void the flights of all keys that belong."""
        with _lock:
            self.voids += 1
            for key in [key for key in self._flying if belongs(key)]:
                _take_over(self._flying.pop(key))

    def forked(self) -> None:
        """Go on in the child of a fork: without the flights that other threads were leading."""
        global _lock  # noqa: PLW0603 - another thread of the parent may have had it
        _lock = RLock()
        thread = get_ident()
        mine = {key: flight for key, flight in self._flying.items() if flight.thread == thread}
        for flight in self._flying.values():
            if flight.thread != thread:
                flight.void, flight.state = True, ABANDONED
        self._flying = mine

    def _end(self, flight: Flight, state: str, **brought: object) -> None:
        with _lock:
            if flight.state != FLYING:
                return
            if self._flying.get(flight.key) is flight:
                del self._flying[flight.key]
            for name, value in brought.items() if flight.followers else ():
                setattr(flight, name, value)
            flight.state = state
        _wake(flight)


def _take_over(flight: Flight) -> None:
    """Keep a flight from being stored, and let the next leader have its claims."""
    flight.void = True
    if flight.given_up is not None:
        flight.given_up()


def _wake(flight: Flight) -> None:
    """Wake all that follow. Called again after an interrupt: to be woken twice does no harm."""
    for wake in flight.wakers[:]:
        wake()
    flight.wakers.clear()
