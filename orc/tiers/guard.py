"""A budget and a circuit breaker round a tier.

What a remote tier can cost: one budget when it fails, and nothing for a while after it. The rules
are those of :class:`~orc.tiers.guarded_call.Call`, which threads and coroutines share.
"""

from __future__ import annotations

from _thread import RLock

from orc.errors import (
    OrcWarning,
    TierError,
    TierRefusedError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.model.row import Budget
from orc.tiers.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from orc.tiers.guarded_call import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any, Final, TypeVar

    from orc.model.ports import ClockLike, Tier
    from orc.model.row import Claim, Row, Write

    T = TypeVar("T")

LEAST: Final = 0.25
"""The part of a tier's budget with which a call is still begun.

A budget is several times what a healthy call takes, so a quarter of it is enough for one. With less
most calls would end in a timeout: time lost, and a tier left alone that was in good health.
"""
AIM: Final = 0.96
"""The part of a budget that a tier is given: to notice that it is over takes time, too."""
THROTTLED_REST: Final = 1.0
"""Seconds without reads, or without writes, after the tier would not take any of them.

DynamoDB refills what may be used each second ("Burst capacity", DynamoDB Developer Guide): sooner,
the next request would pay for its attempts and be refused again; later, a cache in good health
would be left unused because of one second's rush.
"""
REFUSED_REST: Final = 60.0
"""Seconds until a right, a table or a password that was missing is asked for again."""
SLACK: Final = 0.05
"""Seconds that a coroutine may take over its budget: a loaded event loop is late by some."""
MOST_WARNINGS: Final = 8
"""Different refusals that are warned of; a message with a number in it would never be the same."""


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
        "_clock",
        "_counts",
        "_lock",
        "_reads",
        "_remaining",
        "_reserve",
        "_rest",
        "_timeout",
        "_warned",
        "_whole",
        "_writes",
        "budget",
        "fleetwide",
        "max_value_bytes",
        "name",
        "remote",
        "store",
        "tier",
    )

    def __init__(
        self,
        tier: Tier,
        clock: ClockLike,
        remaining: Callable[[], float | None],
        *,
        reserve: float = 0.1,
        rest: float = 5.0,
    ) -> None:
        self.tier = tier
        self.name = tier.name
        self.fleetwide = tier.fleetwide
        self.remote = tier.remote
        self.store = getattr(tier, "store", "")
        self.budget = tier.budget
        self.max_value_bytes = tier.max_value_bytes
        self._clock = clock
        self._remaining = remaining
        self._reserve = reserve
        self._rest = rest
        self._whole = Breaker()
        self._reads = Breaker()
        self._writes = Breaker()
        self._warned: set[str] = set()
        self._timeout: Any = None
        self._lock = RLock()
        self._counts = _nothing()

    def __repr__(self) -> str:
        return f"<Guard of {self.tier!r}, {self.state}>"

    # -- calls ------------------------------------------------------------------------------------

    def get_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Read rows; see ``orc.model.ports.Tier``."""
        with Call(self, self._reads, budget) as call:
            answers = self.tier.get_many(addresses, call.budget, consistent=consistent)
            return call.answered(answers)

    def claim_many(self, claims: Sequence[Claim], budget: Budget, /) -> Sequence[Row | TierError]:
        """Claim rows; see ``orc.model.ports.Tier``."""
        with Call(self, self._writes, budget) as call:
            return call.answered(self.tier.claim_many(claims, call.budget))

    def set_many(self, writes: Sequence[Write], budget: Budget, /) -> Sequence[bool | TierError]:
        """Write rows; see ``orc.model.ports.Tier``."""
        with Call(self, self._writes, budget) as call:
            return call.answered(self.tier.set_many(writes, call.budget))

    def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Remove rows; see ``orc.model.ports.Tier``. Raises too where the tier is left alone."""
        with Call(self, self._writes, budget) as call:
            self.tier.delete_many(addresses, call.budget)

    async def aget_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`get_many`, for coroutines."""
        with Call(self, self._reads, budget) as call:
            asked = self.tier.aget_many(addresses, call.budget, consistent=consistent)
            return call.answered(await self._within(asked, call.budget))

    async def aclaim_many(
        self, claims: Sequence[Claim], budget: Budget, /
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`claim_many`, for coroutines."""
        with Call(self, self._writes, budget) as call:
            asked = self.tier.aclaim_many(claims, call.budget)
            return call.answered(await self._within(asked, call.budget))

    async def aset_many(
        self, writes: Sequence[Write], budget: Budget, /
    ) -> Sequence[bool | TierError]:
        """Do as :meth:`set_many`, for coroutines."""
        with Call(self, self._writes, budget) as call:
            asked = self.tier.aset_many(writes, call.budget)
            return call.answered(await self._within(asked, call.budget))

    async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Do as :meth:`delete_many`, for coroutines."""
        with Call(self, self._writes, budget) as call:
            await self._within(self.tier.adelete_many(addresses, call.budget), call.budget)

    def start_giving_back(self, writes: Sequence[Write], budget: Budget, /) -> Any:
        """Have the tier give claims back, unless it is left alone; return what has begun."""
        if self._whole.resting or self._writes.resting:
            return None
        return getattr(self.tier, "start_giving_back", self.tier.aset_many)(writes, budget)

    async def _within(self, asked: Awaitable[T], budget: Budget) -> T:
        """Wait no longer than a budget and some slack, whatever the tier does."""
        if self._timeout is None:
            from asyncio import timeout

            self._timeout = timeout
        belt = self._timeout(budget.left() + SLACK)
        try:
            async with belt:
                return await asked
        except TimeoutError as error:
            if not belt.expired() or isinstance(error, TierError):
                raise
            raise TierTimeoutError(f"{self.name} did not end within its budget") from None

    # -- what is known of it ----------------------------------------------------------------------

    @property
    def state(self) -> str:
        """``closed``; ``open``, if reads or writes are refused at once; or ``half-open``."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        states = {each.state(wall, monotonic) for each in self._breakers()}
        return next(state for state in (OPEN, HALF_OPEN, CLOSED) if state in states)

    @property
    def reason(self) -> str:
        """Why it is not closed; empty if it is."""
        return next((each.reason for each in self._breakers() if each.resting), "")

    def counts(self) -> Mapping[str, float]:
        """Return what the tier counted, and what was counted here, by name.

        ``calls`` that were begun and their ``seconds``; ``skipped`` for want of time; ``resting``,
        refused at once; ``opened``, how often the tier began to be left alone; and errors by kind,
        each that stands in the place of an answer included.
        """
        of_tier = self.tier.counts()
        with self._lock:
            return {**of_tier, **self._counts}

    def _breakers(self) -> tuple[Breaker, Breaker, Breaker]:
        return self._whole, self._reads, self._writes

    # -- the life of the process ------------------------------------------------------------------

    def load(self) -> None:
        """Import and make the client. Raises no ``TierError``: the next call says it, counted."""
        try:
            self.tier.load()
        except TierError:
            pass

    def prewarm(self) -> None:
        """Import and connect what the first call would; see ``orc.model.ports.Tier``."""
        self.tier.prewarm()

    def close(self) -> None:
        """Let go of the tier's connections. Never raises."""
        self.tier.close()

    def forked(self) -> None:
        """Go on in the child of a fork: counting from zero, with everything to be seen anew."""
        self._lock = RLock()
        self._counts = _nothing()
        self._reset()
        self.tier.forked()

    def restored(self) -> None:
        """Go on in a copy of a snapshot, in which every connection is dead."""
        self._reset()
        self.tier.close()

    def _reset(self) -> None:
        for each in self._breakers():
            each.reset()

    # -- rules ------------------------------------------------------------------------------------

    def _count(self, name: str, amount: float = 1) -> None:
        with self._lock:
            self._counts[name] += amount

    def _probes(self, own: Breaker) -> tuple[int, int]:
        """Let a call through as a probe of what rests, or raise ``TierUnavailableError``."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        of_own = own.admitted(self._rest, wall, monotonic)
        if of_own is None:
            raise self._resting(own, wall, monotonic)
        of_whole = self._whole.admitted(self._rest, wall, monotonic)
        if of_whole is None:
            own.abandoned(of_own)
            raise self._resting(self._whole, wall, monotonic)
        return of_whole, of_own

    def _resting(self, breaker: Breaker, wall: float, monotonic: float) -> TierUnavailableError:
        self._count("resting")
        left = breaker.left(wall, monotonic)
        return TierUnavailableError(
            f"{self.name} is left alone for {left:.3g} s more: {breaker.reason}"
        )

    def _allowed(self, budget: Budget) -> Budget:
        """Return the budget of a call: the least of the caller's, the tier's and what is left."""
        asked = budget.left()
        seconds = min(asked, self.budget * AIM)
        remaining = self._remaining()
        if remaining is not None:
            seconds = min(seconds, remaining - self._reserve)
        if seconds < self.budget * LEAST:
            self._count("skipped")
            raise TierUnavailableError(
                f"{self.name} was not asked: {max(0.0, seconds):.3g} s are left, and it may need "
                f"{self.budget:.3g} s"
            )
        return budget if seconds == asked else Budget(self._clock, seconds)

    def _failed(self, error: TierError, own: Breaker, *, whole: bool) -> None:
        """Count an error, and leave the tier alone if it is a reason to.

        `whole`: it stands for all that was asked.
        """
        breaker, rest = self._whole, self._rest
        if isinstance(error, TierTimeoutError):
            kind, opens = "timeout_errors", True
        elif isinstance(error, TierUnavailableError):
            kind, opens = "unavailable_errors", whole
        elif isinstance(error, TierThrottledError):
            kind, opens = "throttled_errors", whole
            breaker, rest = own, THROTTLED_REST
        elif isinstance(error, TierRefusedError):
            kind, opens = "refused_errors", whole
            breaker, rest = own, REFUSED_REST
        else:
            kind, opens = "other_errors", False
        self._count(kind)
        if opens:
            clock = self._clock
            if breaker.opened(rest, str(error), clock.wall(), clock.monotonic()):
                self._count("opened")
        if kind == "refused_errors":
            self._warn(str(error))

    def _warn(self, message: str) -> None:
        with self._lock:
            if message in self._warned or len(self._warned) >= MOST_WARNINGS:
                return
            self._warned.add(message)
        import warnings

        warnings.warn(
            f"{self.name}: {message}. Until that is mended the cache does without; it asks again "
            f"every {REFUSED_REST:.0f} s.",
            OrcWarning,
            stacklevel=2,
        )


_COUNTED = """calls seconds skipped resting opened
timeout_errors unavailable_errors throttled_errors refused_errors other_errors"""


def _nothing() -> dict[str, float]:
    return dict.fromkeys(_COUNTED.split(), 0)
