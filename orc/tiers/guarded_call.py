"""One call of a guarded tier: whether it may begin, and what its end says of the tier."""

from __future__ import annotations

from orc.errors import TierError, TierTimeoutError
from orc.tiers.last_look import PARTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self, TypeVar

    from orc.model.row import Budget
    from orc.tiers.breaker import Breaker
    from orc.tiers.health import Health

    T = TypeVar("T")

NEARLY = 0.9
"""The part of a limit that counts as the limit: what is waited for is measured by whole parts."""

LARGE = 64 * 1024
"""Bytes of an answer that may take longer than another."""


class Call:
    """One call of a guarded tier: begun if it may be, counted, and judged when it ends."""

    __slots__ = (
        "_began",
        "_given",
        "_health",
        "_own",
        "_probe",
        "_seconds",
        "_unproven",
        "budget",
        "charged",
        "large",
        "late",
        "rows",
        "waited",
    )

    budget: Budget

    def __init__(self, health: Health, own: Breaker, rows: Sequence[object]) -> None:
        self._health = health
        self._own = own
        self._unproven = False
        self.large = False
        """Whether the answer is so large that it may take its time."""
        self.charged: float | None = None
        """Seconds that a coroutine waited for the tier, by whole parts; else the clock tells."""
        self.waited = 0.0
        """Seconds of these in which the loop was free to see an answer."""
        self.late = 0.0
        """Seconds in which the loop was busy elsewhere."""
        self.rows = rows
        self._probe: tuple[int, int] | None = None
        if health.rests(own):  # so that nothing waits for a place first
            health.refuse(own)

    def begun(self, budget: Budget) -> Self:
        """Begin with what of a budget it may have. Raises ``TierUnavailableError``."""
        self._given = budget
        self.budget = self._health.allowed(budget)
        if self._health.rests(self._own):
            self._probe = self._health.admitted(self._own)
        self._seconds = self.budget.seconds
        self._began = self._health.monotonic()
        return self

    def __enter__(self) -> Self:
        return self

    def answered(self, answers: Sequence[T]) -> Sequence[T]:
        """Count the errors among the answers, and return these."""
        size = 0
        for each in answers:
            if isinstance(each, TierError):
                self._partly(answers)
                break
            size += len(getattr(each, "payload", None) or b"")
        self.large = size > LARGE
        return answers

    def _partly(self, answers: Sequence[object]) -> None:
        errors = [each for each in answers if isinstance(each, TierError)]
        whole = len(errors) == len(answers)
        for each in errors:
            self._health.failed(each, self._own, rows=len(self.rows), whole=whole)
        # Where some were answered, and none too late, a probe has found the tier.
        self._unproven = whole or any(isinstance(each, TierTimeoutError) for each in errors)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        health = self._health
        seconds = health.monotonic() - self._began
        health.took(seconds)
        if isinstance(error, TierError):
            health.failed(error, self._own, rows=len(self.rows))
        elif error is None:
            if health.unproven and not self._unproven:
                health.proven()
            budget, nearly = self.budget, health.slow_from * NEARLY
            own = seconds - budget.excused
            slow = own > health.slow_from
            if budget.told:
                own, slow = self._seconds - budget.left(), budget.waited > nearly
            elif self.charged is not None:
                own, slow = self.charged, self.waited > nearly
            if len(self.rows) == 1 and not self.large:
                health.answered(slow=slow and not budget.late, began=self._began)
            self._given.used += min(seconds, own + health.budget / PARTS)
            if seconds > own:
                # It was this process that was slow: that is not taken from what is asked next.
                self._given.extend(seconds - own)
        elif (
            kind is not None
            and kind.__name__ == "CancelledError"
            and health.patient(seconds - self.late, self._given.used)
        ):
            given_up = TierTimeoutError(f"{health.name} had not answered after {seconds:.3g} s")
            health.failed(given_up, self._own, rows=len(self.rows))
        if self._probe is not None:
            well = error is None and not self._unproven
            health.probed(self._own, self._probe, well=well)
