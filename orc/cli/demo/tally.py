"""What the look-ups of one variant came to. Pure: it counts what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Page:
    """One invocation: its look-ups, and which of them were answered with something outdated."""

    container: str
    state: str
    """Of the container: "cold" or "warm"."""
    loads: int
    milliseconds: tuple[float, ...]
    outdated: tuple[float, ...]
    """For each stale answer the seconds since its price had been replaced."""


@dataclass(frozen=True)
class Part:
    """Some of the look-ups: those of a state, or of a round."""

    lookups: int
    loads: int
    stale: int

    @property
    def hit_ratio(self) -> float:
        """Look-ups that needed no load, 0 to 1."""
        return 1 - self.loads / self.lookups if self.lookups else 0.0

    @property
    def stale_ratio(self) -> float:
        """Look-ups that were answered with something outdated, 0 to 1."""
        return self.stale / self.lookups if self.lookups else 0.0


@dataclass(frozen=True)
class Tally:
    """All that one variant did. Times are milliseconds, but those named otherwise."""

    lookups: int
    loads: int
    containers: int
    cold_starts: int
    states: dict[str, Part]
    rounds: tuple[Part, ...]
    p50: float
    p99: float
    stale: int
    beyond_ttl: int
    """Stale answers whose price had been replaced for longer than the ttl."""
    oldest_seconds: float
    """The longest that a price, when it was served, had been replaced."""


def tally(rounds: Sequence[Sequence[Page]], ttl: float) -> Tally:
    """Count the pages of all rounds. `ttl` is seconds."""
    pages = [page for each in rounds for page in each]
    whole = _part(pages)
    times = sorted(each for page in pages for each in page.milliseconds)
    ages = [age for page in pages for age in page.outdated]
    states = {state: [page for page in pages if page.state == state] for state in ("cold", "warm")}
    return Tally(
        lookups=whole.lookups,
        loads=whole.loads,
        containers=len({page.container for page in pages}),
        cold_starts=len(states["cold"]),
        states={state: _part(those) for state, those in states.items()},
        rounds=tuple(_part(each) for each in rounds),
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        stale=whole.stale,
        beyond_ttl=sum(age > ttl for age in ages),
        oldest_seconds=max(ages, default=0.0),
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the least value that so many percent do not exceed; 0 of nothing."""
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else 0.0


def _part(pages: Iterable[Page]) -> Part:
    lookups = loads = stale = 0
    for page in pages:
        lookups += len(page.milliseconds)
        loads += page.loads
        stale += len(page.outdated)
    return Part(lookups, loads, stale)
