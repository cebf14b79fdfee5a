"""One load of one key, and who waits for whom."""

from __future__ import annotations

from orc.model.outcome import FLYING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Hashable
    from types import TracebackType
    from typing import Protocol

    from orc.model.tags import Snapshot

    Key = tuple[object, Hashable]
    """A space, and a key in it."""

    class Closable(Protocol):
        """A request, as far as a flight knows of it."""

        @property
        def closed(self) -> bool:
            """Whether it has ended."""


JUST_NOW = float("inf")
"""An instant after which no wait can have begun."""


MOST_COMPARED = 16
"""Reads of the request, the last ones, among which a repeated one is found."""


class Flight:
    """The load of one key, and those who wait for it."""

    __slots__ = (
        "_waits_for",
        "began",
        "created_at",
        "error",
        "followers",
        "given_up",
        "key",
        "loop",
        "outer",
        "owner",
        "result",
        "seen",
        "state",
        "thread",
        "traceback",
        "versions",
        "void",
        "wakers",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - a record, made in one place
        self,
        key: Key,
        outer: Flight | None,
        loop: AbstractEventLoop | None,
        thread: int | None,
        owner: Closable | None = None,
        began: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.key = key
        self.began = began
        """When the leader took its turn: seconds, wall and monotonic clock."""
        self.owner = owner
        """The request that the leader works for; none outside of all requests."""
        self.outer = outer
        """The flight inside whose loader this one was started."""
        self.loop = loop
        """The loop of the coroutine that leads; none for a thread."""
        self.thread = thread
        """The thread that leads; none for a coroutine."""
        self.seen: list[tuple[str, object]] | tuple[()] = ()
        """What its loader has read of the request: names for messages, and values."""
        self.state = FLYING
        self.void = False
        """Whether the key was written or deleted meanwhile: the result may not be stored."""
        self.versions: Snapshot = ()
        """The tags of what is being loaded, with their versions from before the load."""
        self.followers: dict[object, None] = {}
        """The turns that wait; what the flight brings is kept for them, and no longer."""
        self.given_up: Callable[[], object] | None = None
        """Called when a newcomer takes over: the claims in shared tiers are the newcomer's then."""
        self.result: object = None
        self.created_at = JUST_NOW
        """When the load of the result began: seconds, wall clock."""
        self.error: BaseException | None = None
        self.traceback: TracebackType | None = None
        """The error's own as its loader raised it; each who raises it again adds to that."""
        self.wakers: list[Callable[[], object]] = []
        self._waits_for: dict[object, Flight] = {}

    def older_than(self, seconds: float, wall: float, monotonic: float) -> bool:
        """Tell whether it began more than so many seconds ago, by the clock that is further on."""
        return max(wall - self.began[0], monotonic - self.began[1]) > seconds

    def note(self, name: str, value: object) -> None:
        """Note what the loader has read of the request."""
        if type(self.seen) is not list:
            self.seen = [(name, value)]
        elif not any(each is value and known == name for known, each in self.seen[-MOST_COMPARED:]):
            self.seen.append((name, value))

    def pass_on(self) -> None:
        """Tell the load that this one was made for: its result depends on the same."""
        if self.outer is not None:
            for name, value in self.seen:
                self.outer.note(name, value)

    def stranded(self) -> bool:
        """Tell whether nobody should wait for its leader any more.

        That is a coroutine of a loop that does not run, or what a request has left running that is
        over: frozen half-way, it may be waiting for an answer that never comes.
        """
        if self.loop is not None and not self.loop.is_running():
            return True
        return self.owner is not None and self.owner.closed

    def leads_to(
        self, flights: set[Flight], loop: AbstractEventLoop | None, thread: int | None
    ) -> bool:
        """Tell whether this flight waits, itself or through others, for a caller to go on.

        That is for one of `flights`, inside which the caller is; for `loop`, which the caller
        blocks, since a coroutine's flight waits for whatever blocks the thread of its loop; or for
        `thread`, the caller's: what it leads is below the caller on the stack, who may be a
        finaliser.
        """
        seen = {self}
        open_ends = [self]
        while open_ends:
            flight = open_ends.pop()
            if flight in flights or (thread is not None and flight.thread == thread):
                return True
            if loop is not None and flight.loop is loop:
                return True
            in_the_way = () if flight.loop is None else blocking.get(flight.loop, {}).values()
            for further in (*flight._waits_for.values(), *in_the_way):  # noqa: SLF001 - its own class
                if further not in seen:
                    seen.add(further)
                    open_ends.append(further)
        return False

    def wait_for(self, turn: object, flight: Flight) -> None:
        """Note that this flight cannot land before `flight` has, for the sake of a turn."""
        self._waits_for[turn] = flight

    def wait_no_more(self, turn: object) -> None:
        """Take back one :meth:`wait_for`, if there was one."""
        self._waits_for.pop(turn, None)


blocking: dict[AbstractEventLoop, dict[object, Flight]] = {}
"""For which flights the thread of a loop is blocked, by the turn of each sync caller."""
