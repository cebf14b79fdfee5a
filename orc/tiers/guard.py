"""A budget and a circuit breaker round a tier.

What a tier can cost: one budget when it fails, and nothing for a while after it. The rules are
those of :class:`~orc.tiers.health.Health`; a :class:`~orc.tiers.guarded_call.Call` asks and tells
them, for threads and for coroutines alike.
"""

from __future__ import annotations

from orc.errors import TierError, TierTimeoutError
from orc.tiers.guarded_call import Call
from orc.tiers.health import FEW_ROWS, Health
from orc.tiers.last_look import last_look
from orc.tiers.places import AGAIN, LEAD, LoopPlaces, ThreadPlaces, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any, Final, TypeVar

    from orc.model.ports import ClockLike, Tier
    from orc.model.row import Budget, Claim, Row, Write
    from orc.tiers.breaker import Breaker

    T = TypeVar("T")

SLACK: Final = 0.05
"""Seconds that a coroutine may take over its budget: a loaded event loop is late by some."""
TURNS: Final = 2.0
"""Seconds that a coroutine may take over the budget of a store in this machine: threads and loops
of this process take turns there, outside of their budgets, which the store itself sees to."""
PLACES: Final = 16
"""Calls of a tier that run at once, of threads and of the coroutines of each loop."""


class Guard:
    """A tier, by the contract of ``orc.model.ports.Tier``, with its cost bounded.

    `remaining` returns the seconds that are left of the running invocation, or ``None``; `reserve`
    is what is kept of them for the handler, and `rest` how long a tier is left alone that timed
    out or could not be reached (all seconds).

    - A call that timed out, or could not reach the tier, opens the breaker: for `rest` seconds
      every call raises ``TierUnavailableError`` at once. Then one is let through to see.
    - A tier that refuses is left alone for 60 seconds, and one that throttles for 1; only for
      reading if that was a read, and else only for writing: a function that may read a table and
      not write to it, or a table short of write capacity, still answers.
    - Errors that stand in the place of answers count too: a timeout as if it had been raised;
      others only where they stand in the place of all, since a hot partition or a dead shard
      costs no time, and is no reason to leave the others alone.
    - A plain ``TierError`` opens nothing: it tells of one request, not of the tier. An error that
      is no ``TierError`` is a bug of the tier and passes through as it is; so does a cancellation.
    """

    __slots__ = (
        "_by_loop",
        "_health",
        "_longest_wait",
        "_places",
        "_remaining",
        "_running_loop",
        "budget",
        "fleetwide",
        "name",
        "remote",
        "store",
        "tier",
    )

    def __init__(  # noqa: PLR0913 - settings
        self,
        tier: Tier,
        clock: ClockLike,
        remaining: Callable[[], float | None],
        *,
        reserve: float = 0.1,
        rest: float = 5.0,
        wait: float = 10.0,
        small: bool = False,
    ) -> None:
        self.tier = tier
        self.name = tier.name
        self.fleetwide = tier.fleetwide
        self.remote = tier.remote
        self.store = getattr(tier, "store", "")
        self.budget = tier.budget
        self._remaining = remaining
        self._longest_wait = wait
        self._running_loop: Any = None
        self._health = Health(tier, clock, remaining, reserve=reserve, rest=rest, small=small)
        self._begin()

    def _begin(self) -> None:
        self._places = ThreadPlaces(getattr(self.tier, "places", PLACES))
        self._by_loop: dict[AbstractEventLoop, LoopPlaces] = {}

    def __repr__(self) -> str:
        return f"<Guard of {self.tier!r}, {self.state}>"

    @property
    def max_value_bytes(self) -> int:
        """The largest payload that the tier takes."""
        return self.tier.max_value_bytes

    # -- calls ------------------------------------------------------------------------------------

    def get_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Read rows; see ``orc.model.ports.Tier``."""
        health = self._health
        if not self.remote and budget.seconds > 0 and not health.rests(health.reads):
            try:  # a file of this machine: all that there is to know of it is an error
                return self.tier.get_many(addresses, budget, consistent=consistent)
            except TierError as error:
                health.failed(error, health.reads, rows=len(addresses))
                raise
        return self._call(
            self._health.reads,
            addresses,
            budget,
            lambda within: self.tier.get_many(addresses, within, consistent=consistent),
        )

    def claim_many(self, claims: Sequence[Claim], budget: Budget, /) -> Sequence[Row | TierError]:
        """Claim rows; see ``orc.model.ports.Tier``."""
        return self._call(
            self._health.writes, claims, budget, lambda within: self.tier.claim_many(claims, within)
        )

    def set_many(self, writes: Sequence[Write], budget: Budget, /) -> Sequence[bool | TierError]:
        """Write rows; see ``orc.model.ports.Tier``."""
        return self._call(
            self._health.writes, writes, budget, lambda within: self.tier.set_many(writes, within)
        )

    def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Remove rows; see ``orc.model.ports.Tier``. Raises too where the tier is left alone."""

        def delete(within: Budget) -> Sequence[None]:
            self.tier.delete_many(addresses, within)
            return ()

        self._call(self._health.writes, addresses, budget, delete)

    async def aget_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`get_many`, for coroutines; such as have to wait are done in one read."""

        def read(some: Sequence[str], within: Budget) -> Awaitable[Sequence[Row | TierError]]:
            return self.tier.aget_many(some, within, consistent=consistent)

        places = self._loop_places()
        if places.crowded and len(addresses) <= FEW_ROWS:
            return await self._gathered(places, addresses, budget, read, consistent=consistent)
        return await self._acall(
            self._health.reads, addresses, budget, lambda within: read(addresses, within)
        )

    async def aclaim_many(
        self, claims: Sequence[Claim], budget: Budget, /
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`claim_many`, for coroutines."""
        return await self._acall(
            self._health.writes,
            claims,
            budget,
            lambda within: self.tier.aclaim_many(claims, within),
        )

    async def aset_many(
        self, writes: Sequence[Write], budget: Budget, /
    ) -> Sequence[bool | TierError]:
        """Do as :meth:`set_many`, for coroutines."""
        return await self._acall(
            self._health.writes, writes, budget, lambda within: self.tier.aset_many(writes, within)
        )

    async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Do as :meth:`delete_many`, for coroutines."""

        async def delete(within: Budget) -> Sequence[None]:
            await self.tier.adelete_many(addresses, within)
            return ()

        await self._acall(self._health.writes, addresses, budget, delete)

    def start_giving_back(self, writes: Sequence[Write], budget: Budget, /) -> Any:
        """Have the tier give claims back, unless it is left alone; return what has begun."""
        if self._health.rests(self._health.writes):
            return None
        return getattr(self.tier, "start_giving_back", self.tier.aset_many)(writes, budget)

    # -- the two ways to make a call --------------------------------------------------------------

    def _call(
        self,
        own: Breaker,
        rows: Sequence[object],
        budget: Budget,
        ask: Callable[[Budget], Sequence[T]],
    ) -> Sequence[T]:
        call = Call(self._health, own, rows)
        try:
            if not self._places.take(call):
                self._wait(call, budget)
            with call.begun(budget):
                return call.answered(ask(call.budget))
        finally:
            try:
                self._places.leave(call)
            except BaseException:  # an interrupt: what it cut short is done, and then it goes on
                self._places.leave(call)
                raise

    def _wait(self, call: Call, budget: Budget) -> None:
        """Wait for a place: outside of the budget, and not longer than this code can afford."""
        before = budget.left()
        try:
            self._places.wait(call, self._patience())
        except TierError:
            self._health.count("crowded")
            raise
        finally:
            self._waited(before, budget)

    async def _acall(
        self,
        own: Breaker,
        rows: Sequence[object],
        budget: Budget,
        ask: Callable[[Budget], Awaitable[Sequence[T]]],
    ) -> Sequence[T]:
        call = Call(self._health, own, rows)
        places = self._loop_places()
        place: object = call
        try:
            if places.crowded:
                place = Waiting(places.loop.create_future())
                await self._await(places, place, budget)
            else:
                places.running[call] = None
            with call.begun(budget):
                return call.answered(await self._within(call, ask(call.budget)))
        finally:
            places.leave(place)

    async def _gathered(
        self,
        places: LoopPlaces,
        addresses: Sequence[str],
        budget: Budget,
        read: Callable[[Sequence[str], Budget], Awaitable[Sequence[Row | TierError]]],
        *,
        consistent: bool,
    ) -> Sequence[Row | TierError]:
        """Wait for a place and read for all readers that wait; or be read for by one of them."""
        call = Call(self._health, self._health.reads, addresses)
        while True:
            waiting = Waiting(places.loop.create_future(), addresses, consistent=consistent)
            batch = [waiting]
            answer: Any = AGAIN
            try:
                found = await self._await(places, waiting, budget)
                if found == AGAIN:
                    continue
                if found != LEAD:
                    if isinstance(found, TierError):
                        raise found
                    return found  # type: ignore[no-any-return]
                batch = places.gather(waiting)
                asked = list(dict.fromkeys(one for each in batch for one in each.addresses or ()))
                call.rows = asked
                begun = call.begun(budget)  # or not: the others have budgets of their own
                answer = None
                with begun:
                    rows = call.answered(await self._within(call, read(asked, call.budget)))
                answer = dict(zip(asked, rows, strict=True))
                return [answer[each] for each in addresses]
            except TierError as error:
                answer = AGAIN if answer == AGAIN else error
                raise
            finally:
                answer = AGAIN if answer is None else answer  # it was cancelled
                for each in batch[1:]:
                    if not each.woken.done():
                        each.woken.set_result(
                            [answer[one] for one in each.addresses or ()]
                            if isinstance(answer, dict)
                            else answer
                        )
                places.leave(waiting)

    async def _await(self, places: LoopPlaces, waiting: Waiting, budget: Budget) -> Any:
        """Do as :meth:`_wait`, for coroutines."""
        before = budget.left()
        try:
            return await places.wait(waiting, self._patience())
        except TierError:
            self._health.count("crowded")
            raise
        finally:
            self._waited(before, budget)

    def _waited(self, before: float, budget: Budget) -> None:
        """Count a wait that has ended, and give a budget back what it took since `before`."""
        waited = before - budget.left()
        budget.extend(waited)
        self._health.count("waits")
        self._health.count("wait_seconds", waited)

    def _patience(self) -> float:
        remaining = self._remaining()
        return self._longest_wait if remaining is None else remaining / 2

    def _loop_places(self) -> LoopPlaces:
        if self._running_loop is None:
            from asyncio import get_running_loop

            self._running_loop = get_running_loop
        loop = self._running_loop()
        places = self._by_loop.get(loop)
        if places is None:
            for other in [each for each in self._by_loop if each.is_closed()]:
                self._by_loop.pop(other, None)
            places = self._by_loop[loop] = LoopPlaces(loop, self._places.most)
        return places

    async def _within(self, call: Call, asked: Awaitable[T]) -> T:
        """Wait no longer than a budget and some slack, whatever the tier does."""
        budget = call.budget
        belt = last_look(budget.seconds + budget.allowance, SLACK if self.remote else TURNS)
        try:
            async with belt:
                return await asked
        except TimeoutError as error:
            if not belt.expired() or isinstance(error, TierError):
                raise
            raise TierTimeoutError(f"{self.name} did not end within its budget") from None
        finally:
            call.charged, call.waited, call.late = belt.charged, belt.waited, belt.late

    # -- what is known of it ----------------------------------------------------------------------

    @property
    def state(self) -> str:
        """``closed``; ``open``, if reads or writes are refused at once; or ``half-open``."""
        return self._health.state

    @property
    def reason(self) -> str:
        """Why it is not closed; empty if it is."""
        return self._health.reason

    def counts(self) -> Mapping[str, float]:
        """Return what the tier counted, and what was counted here, by name.

        ``calls`` that were begun and their ``seconds``; ``waits`` for a place, with their
        ``wait_seconds``, and those in vain (``crowded``); ``skipped`` for want of time;
        ``resting``, refused at once; ``opened``, how often the tier began to be left alone; and
        errors by kind, each that stands in the place of an answer included.
        """
        return {**self.tier.counts(), **self._health.counts()}

    # -- the life of the process ------------------------------------------------------------------

    def load(self) -> None:
        """Import and make the client. Raises no ``TierError``: the next call says it, counted."""
        try:
            self.tier.load()
        except TierError:
            pass

    def prewarm(self) -> None:
        """Import and connect what the first call would; see ``orc.model.ports.Tier``."""
        self._health.connected()
        try:
            self.tier.prewarm()
        except TierError as error:
            self._health.not_warmed(error)
            raise

    def close(self) -> None:
        """Let go of the tier's connections. Never raises."""
        self.tier.close()

    def forked(self) -> None:
        """Go on in the child of a fork: counting from zero, with everything to be seen anew."""
        self._begin()
        self._health.forked()
        self.tier.forked()

    def restored(self) -> None:
        """Go on in a copy of a snapshot, in which every connection is dead."""
        self._health.restored()
        getattr(self.tier, "restored", self.tier.close)()
