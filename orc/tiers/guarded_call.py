"""One call of a guarded tier: whether it may begin, and what its end says of the tier."""

from __future__ import annotations

from orc.errors import TierError, TierTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self, TypeVar

    from orc.model.row import Budget
    from orc.tiers.breaker import Breaker
    from orc.tiers.guard import Guard

    T = TypeVar("T")


class Call:
    """One call of a guarded tier: begun if it may be, counted, and judged when it ends."""

    __slots__ = ("_began", "_guard", "_own", "_probe", "_unproven", "budget")

    def __init__(self, guard: Guard, own: Breaker, budget: Budget) -> None:
        self._guard = guard
        self._own = own
        self._unproven = False
        self.budget = guard._allowed(budget)  # noqa: SLF001 - its other half
        self._probe: tuple[int, int] | None = None
        if guard._whole.resting or own.resting:  # noqa: SLF001
            self._probe = guard._probes(own)  # noqa: SLF001
        self._began = guard._clock.monotonic()  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def answered(self, answers: Sequence[T]) -> Sequence[T]:
        """Count the errors among the answers, and return these."""
        for each in answers:
            if isinstance(each, TierError):
                self._partly(answers)
                break
        return answers

    def _partly(self, answers: Sequence[object]) -> None:
        errors = [each for each in answers if isinstance(each, TierError)]
        whole = len(errors) == len(answers)
        for each in errors:
            self._guard._failed(each, self._own, whole=whole)  # noqa: SLF001
        # Where some were answered, and none too late, a probe has found the tier.
        self._unproven = whole or any(isinstance(each, TierTimeoutError) for each in errors)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        guard = self._guard
        seconds = guard._clock.monotonic() - self._began  # noqa: SLF001
        with guard._lock:  # noqa: SLF001
            counts = guard._counts  # noqa: SLF001
            counts["calls"] += 1
            counts["seconds"] += seconds
        if isinstance(error, TierError):
            guard._failed(error, self._own, whole=True)  # noqa: SLF001
        if self._probe is not None:
            of_whole, of_own = self._probe
            if error is None and not self._unproven:
                guard._whole.succeeded(of_whole)  # noqa: SLF001
                self._own.succeeded(of_own)
            else:
                guard._whole.abandoned(of_whole)  # noqa: SLF001
                self._own.abandoned(of_own)
