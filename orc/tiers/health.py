"""What is known of a tier's health, and what follows from it: the rules of a guard.

It does no I/O. Calls ask it before they begin, and tell it how they have ended.
"""

from __future__ import annotations

from _thread import RLock

from orc import notices
from orc.errors import (
    TierError,
    TierReadOnlyError,
    TierRefusedError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.model.row import Budget
from orc.tiers.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from orc.tiers.outages import NO_READS, NO_WRITES, NOT_ALL, SILENT, TOLD, Outages, between

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from orc.model.ports import ClockLike, Tier

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
FEW_ROWS: Final = 10
"""Rows of a call whose time-out says something of the tier, and not of the size of the call."""
SLOW: Final = 0.5
"""The part of a budget that a single row may take. In a small function it is the whole: most of
the slowness there is the function's own."""
SOME: Final = 0.1
"""The part of a budget that a call was waited for at least, when it is given up for being slow."""
SLOW_CALLS: Final = 5
"""Slow answers running after which a tier is left alone."""
FIRST_CONNECT: Final = 1.0
"""Seconds beyond its budget that the first call of a process has for connecting, or a quarter of
what its request has left: names are resolved, certificates are read, and all of it once."""


class Health:
    """Breakers and counters of one tier; see ``orc.tiers.guard.Guard`` for the rules.

    `small`: the function has a part of a processor only. Safe for threads.
    """

    __slots__ = (
        "_alone",
        "_clock",
        "_connected",
        "_counts",
        "_lock",
        "_refused_at",
        "_remaining",
        "_reserve",
        "_rest",
        "_slow",
        "_slow_until",
        "_whole",
        "budget",
        "name",
        "outages",
        "reads",
        "remote",
        "slow_from",
        "unproven",
        "writes",
    )

    def __init__(  # noqa: PLR0913 - what rules are made of
        self,
        tier: Tier,
        clock: ClockLike,
        remaining: Callable[[], float | None],
        *,
        reserve: float,
        rest: float,
        small: bool,
    ) -> None:
        self.name = tier.name
        self.remote = tier.remote
        self._alone = getattr(tier, "own_breakers", False)
        self.budget = tier.budget
        self._clock = clock
        self._remaining = remaining
        self._reserve = reserve
        self._rest = rest
        self._whole = Breaker()
        self.reads = Breaker()
        self.writes = Breaker()
        self.outages = Outages(tier, clock)
        self.slow_from = self.budget * (1.0 if small else SLOW)
        if self._alone:
            tier.leave_alone(rest, self.slow_from)  # type: ignore[attr-defined]
            getattr(tier, "tell_outages_to", _nobody)(self.outages)
        self._begin()

    def forked(self) -> None:
        """Begin as a new process: counting from zero, with everything to be seen anew."""
        TOLD.forget_all()
        self.outages.forget()
        self._begin()

    def restored(self) -> None:
        """Begin in a copy of a snapshot, where every connection is dead."""
        self.outages.forget()
        self._reset()

    def _begin(self) -> None:
        self._lock = RLock()
        self._counts = dict.fromkeys(COUNTED.split(), 0.0)
        self._reset()

    def _reset(self) -> None:
        self._connected = False
        self._slow = 0
        self._slow_until = float("-inf")
        self._refused_at: tuple[float, float] | None = None
        self.unproven = False
        """Whether the tier failed in a way that opened no breaker, and has not answered since."""
        for each in self._breakers():
            each.reset()

    def connected(self) -> None:
        """Note that the first attempt to connect has been made."""
        self._connected = True

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
        """Return what was counted, by name.

        ``calls`` that were begun and their ``seconds``; ``skipped`` for want of time; ``resting``,
        refused at once; ``opened``, how often the tier began to be left alone; and errors by kind,
        each that stands in the place of an answer included.
        """
        with self._lock:
            return dict(self._counts)

    def _breakers(self) -> tuple[Breaker, Breaker, Breaker]:
        return self._whole, self.reads, self.writes

    def count(self, name: str, amount: float = 1) -> None:
        """Count what has happened."""
        with self._lock:
            self._counts[name] += amount

    def monotonic(self) -> float:
        """Return the seconds of the monotonic clock."""
        return self._clock.monotonic()

    def rests(self, own: Breaker) -> bool:
        """Tell whether the tier is left alone, or a call would be a probe."""
        return self._whole.resting or own.resting

    def patient(self, seconds: float, before: float) -> bool:
        """Tell whether a caller that gives up has waited long enough for a tier that is well.

        It has for so many seconds, and for some `before` in the same operation.
        """
        return seconds + before > self.budget * SLOW and seconds > self.budget * SOME

    def refuse(self, own: Breaker) -> None:
        """Raise ``TierUnavailableError`` if the tier is left alone, and no probe is due."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        for breaker in (own, self._whole):
            if breaker.state(wall, monotonic) == OPEN:
                raise self._resting(breaker, wall, monotonic)

    def admitted(self, own: Breaker) -> tuple[int, int]:
        """Let a call through, as a probe of what rests; or raise ``TierUnavailableError``."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        of_own = own.admitted(self._rest, wall, monotonic)
        if of_own is None:
            raise self._resting(own, wall, monotonic)
        of_whole = self._whole.admitted(self._rest, wall, monotonic)
        if of_whole is None:
            own.abandoned(of_own)
            raise self._resting(self._whole, wall, monotonic)
        return of_whole, of_own

    def probed(self, own: Breaker, probe: tuple[int, int], *, well: bool) -> None:
        """Learn how a probe has ended."""
        for breaker, number in zip((self._whole, own), probe, strict=True):
            (breaker.succeeded if well else breaker.abandoned)(number)
            if well and number:
                self.outages.ended(self._what(breaker))

    def proven(self) -> None:
        """Learn that the tier answered, after an error that opened no breaker.

        One refusal does not end because another request is answered: a full server still reads.
        """
        if self._refused_at is not None:
            now = self._clock.wall(), self._clock.monotonic()
            if between(self._refused_at, now) < REFUSED_REST:
                return
            self._refused_at = None
            self.outages.ended(NOT_ALL)
        self.unproven = False
        self.outages.ended()

    def _what(self, breaker: Breaker) -> tuple[str, str]:
        if breaker is self.reads:
            return NO_READS
        return NO_WRITES if breaker is self.writes else SILENT

    def _resting(self, breaker: Breaker, wall: float, monotonic: float) -> TierUnavailableError:
        self.count("resting")
        left = breaker.left(wall, monotonic)
        return TierUnavailableError(
            f"{self.name} is left alone for {left:.3g} s more: {breaker.reason}"
        )

    def allowed(self, budget: Budget) -> Budget:
        """Return the budget of a call: the least of the caller's, the tier's and what is left."""
        asked = budget.left()
        seconds = min(asked, self.budget * AIM)
        remaining = self._remaining()
        if remaining is not None:
            seconds = min(seconds, remaining - self._reserve)
        if seconds < self.budget * LEAST:
            self.count("skipped")
            raise TierUnavailableError(
                f"{self.name} was not asked: {max(0.0, seconds):.3g} s are left, and it may need "
                f"{self.budget:.3g} s"
            )
        within = Budget(self._clock, seconds)
        if not self._connected:
            # So has each call that began beside the first one: all of them have to connect.
            within.allowance = FIRST_CONNECT
            if remaining is not None:
                # With the budget itself not more than a third of what is left.
                within.allowance = min(
                    FIRST_CONNECT, remaining / 4, max(0.0, remaining / 3 - seconds)
                )
        return within

    def took(self, seconds: float) -> None:
        """Note one call that has ended, and how long it took."""
        self._connected = True
        with self._lock:
            self._counts["calls"] += 1
            self._counts["seconds"] += seconds

    def answered(self, *, slow: bool, began: float) -> None:
        """Learn whether a single row took long: a tier that is slow time and again is left alone.

        It costs nearly a budget each time, and never times out. Calls that waited at the same time
        count as one, since one stall of the tier or of the machine has kept them all.
        """
        if not slow:
            self._slow = 0
            return
        if began < self._slow_until:
            return
        self._slow_until = self._clock.monotonic()
        self._slow += 1
        if self._slow >= SLOW_CALLS and self.remote and not self._alone:
            self._slow = 0
            self._open(
                self._whole,
                self._rest,
                f"{SLOW_CALLS} answers running took more than {self.slow_from:.3g} s each",
            )

    def failed(self, error: TierError, own: Breaker, *, rows: int, whole: bool = True) -> None:
        """Count an error, and leave the tier alone if it is a reason to.

        `whole`: it stands for all that was asked, which are so many `rows`.
        """
        breaker = self._whole if self.remote else own  # of a file, reads go on where writes wait
        rest = self._rest
        if isinstance(error, TierTimeoutError):
            # A large answer may take long, and one that has begun is of a tier that is there.
            kind, opens = "timeout_errors", rows <= FEW_ROWS and not error.arriving
        elif isinstance(error, TierUnavailableError):
            kind, opens = "unavailable_errors", whole
        elif isinstance(error, TierThrottledError):
            kind, opens = "throttled_errors", whole
            breaker, rest = own, THROTTLED_REST
        elif isinstance(error, TierReadOnlyError):
            kind, opens = "read_only_errors", whole
            breaker = own
        elif isinstance(error, TierRefusedError):
            kind, opens = "refused_errors", whole
            breaker, rest = own, REFUSED_REST
        else:
            kind, opens = "other_errors", False
        self.count(kind)
        to_mend = _is_to_mend(error)
        if opens and not (self._alone and kind in OF_A_SERVER):
            self._open(breaker, rest, str(error), told=to_mend)
        elif kind == "other_errors" and whole and not error.repeated:
            self._refused_at = self._clock.wall(), self._clock.monotonic()
            self.unproven = True
            self.outages.began(str(error), 0.0, NOT_ALL)
        if to_mend:
            self._warn(str(error), rest)

    def not_warmed(self, error: TierError) -> None:
        """Learn in the init phase that the tier will not do as it is set up, or may not."""
        if _is_to_mend(error):
            self.failed(error, self.reads, rows=1)
        else:
            self.unproven = True
            self.outages.began(str(error), 0.0)

    def _open(self, breaker: Breaker, rest: float, reason: str, *, told: bool = False) -> None:
        if breaker.opened(rest, reason, self._clock.wall(), self._clock.monotonic()):
            self.count("opened")
            if not told:
                self.outages.began(reason, rest, self._what(breaker))

    def _warn(self, message: str, rest: float) -> None:
        notices.warn_once(
            self.name,
            f"{self.name}: {message}. Until that is mended the cache goes on without this tier, "
            f"and asks again every {rest:.3g} s.",
        )


def _nobody(_: Outages) -> None:
    """Stand in for a tier that does not tell which of its servers is down."""


def _is_to_mend(error: TierError) -> bool:
    """Tell whether a person must mend what is wrong: a right, an address, a certificate."""
    return isinstance(error, TierRefusedError) or getattr(error, "doubtful", False)


OF_A_SERVER = {"timeout_errors", "unavailable_errors", "refused_errors"}
"""Errors for which a tier of several servers leaves one of them alone by itself."""

COUNTED = """calls seconds waits wait_seconds crowded skipped resting opened timeout_errors
unavailable_errors throttled_errors read_only_errors refused_errors other_errors"""
