"""What a cache did: an immutable report that can be printed."""

from __future__ import annotations

from types import MappingProxyType

from orc.model.frozen import Frozen
from orc.stats.totals import SUMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from orc.stats.totals import Totals

    class Holding(Protocol):
        """What a report tells of the memory tier."""

        @property
        def items(self) -> int:
            """Entries held."""

        @property
        def used_bytes(self) -> int:
            """Bytes of the budget that are taken."""

        @property
        def max_bytes(self) -> int:
            """Bytes of the budget."""


class TierReport(Frozen):
    """What one tier answered.

    `entries`, `bytes` and `counts` are those of the tier, not of this cache alone: what it counted
    for itself, by name, such as ``seconds`` in all, ``unreadable`` rows, or units of capacity.
    """

    __slots__ = ("bytes", "counts", "entries", "errors", "hits", "max_bytes", "misses", "name")

    name: str
    hits: int
    misses: int
    errors: int
    entries: int | None
    bytes: int | None
    max_bytes: int | None
    counts: Mapping[str, float]

    def __init__(self, name: str, hits: int, misses: int, errors: int = 0, **now: object) -> None:
        of_now: dict[str, object] = {
            "entries": None,
            "bytes": None,
            "max_bytes": None,
            "counts": MappingProxyType({}),
        }
        super().__init__(name=name, hits=hits, misses=misses, errors=errors, **(of_now | now))

    def __repr__(self) -> str:
        return f"<TierReport {self.name}: {self.hits} hits, {self.misses} misses>"

    def as_dict(self) -> dict[str, object]:
        """Return the same as a dict of plain values, without the name."""
        return {
            "hits": self.hits,
            "misses": self.misses,
            "errors": self.errors,
            "ratio": self.ratio,
            "entries": self.entries,
            "bytes": self.bytes,
            "max_bytes": self.max_bytes,
            "counts": dict(self.counts),
        }

    @property
    def ratio(self) -> float:
        """Hits for each look-up, 0 to 1; 0 where nothing was looked up."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class Report(Frozen):
    """What a cache did since it was made; ``print()`` it.

    Every request is one of: a hit, `stale`, `shared`, a load, or nothing found. Numbers are counts;
    `load_seconds` is seconds; `causes` says why memory had no answer.
    """

    __slots__ = (*SUMS, "causes", "functions", "states", "tiers")

    tiers: tuple[TierReport, ...]
    causes: Mapping[str, int]
    """Misses of memory by cause: first touch, expired, evicted, invalidated, error, unknown."""
    functions: Mapping[str, tuple[int, int]]
    """Hits and loads by function; the explicit keys under that name."""
    states: Mapping[str, Report]
    """The same by state of the container, in the order in which it had them: ``cold``, ``warm``,
    ...; what was asked for during init counts for the state of the first request."""
    stale: int
    shared: int
    loads: int
    load_errors: int
    load_seconds: float
    uncopyable: int
    unstorable: int
    undated: int
    unshared: int
    oversize: int
    evicted: int
    expired: int
    invalidated: int

    @property
    def hits(self) -> int:
        """Requests that a tier answered with a fresh value."""
        return sum(tier.hits for tier in self.tiers)

    @property
    def misses(self) -> int:
        """Requests that memory did not answer."""
        return self.tiers[0].misses

    @property
    def requests(self) -> int:
        """All look-ups of memory."""
        return self.tiers[0].hits + self.tiers[0].misses

    @property
    def hit_ratio(self) -> float:
        """Requests answered without a load, 0 to 1; 0 where there were none."""
        answered = self.hits + self.stale + self.shared
        return min(1.0, answered / self.requests) if self.requests else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the same as a dict of plain values, as for ``json.dumps`` or a metric.

        Sums under their names, ``requests``, ``hits``, ``misses``, ``hit_ratio``; ``tiers``,
        ``causes``, ``functions`` and ``states`` by name. Times are seconds.
        """
        return {
            "requests": self.requests,
            "hits": self.hits,
            "misses": self.misses,
            "hit_ratio": self.hit_ratio,
            **{name: getattr(self, name) for name in SUMS},
            "causes": dict(self.causes),
            "tiers": {tier.name: tier.as_dict() for tier in self.tiers},
            "functions": {
                name: {"hits": hits, "loads": loads}
                for name, (hits, loads) in self.functions.items()
            },
            "states": {state: part.as_dict() for state, part in self.states.items()},
        }

    def __repr__(self) -> str:
        return f"<orc statistics: {self.requests} requests, {self.hit_ratio:.1%} without a load>"

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def report(
    now: Totals,
    memory: Holding,
    states: Iterable[tuple[str, Totals]] = (),
    counted: Mapping[str, Mapping[str, float]] | None = None,
) -> Report:
    """Make a report of sums, and of those of each state. Called by ``Cache.stats``.

    `counted` is what shared tiers counted for themselves, by their names.
    """
    by_state: dict[str, Report] = {state: _of(sums, memory, {}, {}) for state, sums in states}
    return _of(now, memory, by_state, counted or {})


def _of(
    sums: Totals,
    memory: Holding,
    states: Mapping[str, Report],
    counted: Mapping[str, Mapping[str, float]],
) -> Report:
    tiers = [
        TierReport(
            "memory",
            sums.hits,
            sum(sums.causes.values()),
            entries=memory.items,
            bytes=memory.used_bytes,
            max_bytes=memory.max_bytes,
        ),
        *(
            TierReport(name, *row, counts=MappingProxyType(dict(counted.get(name, {}))))
            for name, row in sums.tiers.items()
        ),
    ]
    ordered = dict(sorted(sums.causes.items(), key=lambda item: -item[1]))
    return Report(
        tiers=tuple(tiers),
        causes=MappingProxyType(ordered),
        functions=MappingProxyType(sums.functions),
        states=MappingProxyType(states),
        **sums.sums,
    )


KILO, THREE_DIGITS, MOST_MS = 1024, 99.95, 1e7
WIDTH, LABEL, DIGITS = 80, 12, 10
"""Characters of a line, of the label that it begins with, and of a number in it; at most."""


def human_bytes(count: int) -> str:
    """Write a number of bytes in at most seven characters, for a person."""
    if count < KILO:
        return f"{count} B"
    size = float(count)
    for unit in ("KB", "MB", "GB", "TB", "PB"):
        size /= KILO
        if size < KILO:
            return f"{size:.{size < THREE_DIGITS:d}f} {unit}"
    return f"{size:.0e} PB"


def human_count(count: int) -> str:
    """Write a number in at most ten characters: 1,234,567 or 1.23e+10."""
    text = f"{count:,}"
    return text if len(text) <= DIGITS else f"{count:.2e}"


def _lines(report: Report) -> list[str]:
    lines = [
        f"{human_count(report.requests)} requests, {report.hit_ratio:.1%} answered without a load",
        "",
        f"{'tier':<9}{'hits':>11}{'misses':>11}{'ratio':>7}{'errors':>11}{'entries':>11}  size",
    ]
    for tier in report.tiers:
        entries = "" if tier.entries is None else human_count(tier.entries)
        size = (
            ""
            if tier.bytes is None or tier.max_bytes is None
            else f"{human_bytes(tier.bytes)} of {human_bytes(tier.max_bytes)}"
        )
        lines.append(
            f"{tier.name[:8]:<9}{human_count(tier.hits):>11}{human_count(tier.misses):>11}"
            f"{tier.ratio:>7.1%}{human_count(tier.errors):>11}{entries:>11}  {size}".rstrip()
        )
    for tier in report.tiers:
        if any(tier.counts.values()):
            lines += ["", _counts(tier.name[: LABEL - 2], tier.counts)]
    if report.states:
        lines += ["", f"{'state':<12}{'hits':>8}{'misses':>11}{'ratio':>7}{'loads':>11}"]
    for state, part in report.states.items():
        memory = part.tiers[0]
        lines.append(
            f"{state:<12}{human_count(memory.hits):>8}{human_count(memory.misses):>11}"
            f"{memory.ratio:>7.1%}{human_count(part.loads):>11}"
        )
    mean = 1000 * report.load_seconds / report.loads if report.loads else 0.0
    mean_text = f"{mean:,.1f}" if mean < MOST_MS else f"{mean:.1e}"
    lines += [
        "",
        _counts("misses", report.causes),
        _counts(
            "loads",
            {
                f"of {mean_text} ms on average": report.loads,
                "failed": report.load_errors,
            },
        ),
        _counts("answers", {"stale": report.stale, "shared with another call": report.shared}),
        _counts(
            "left",
            {
                "evicted": report.evicted,
                "expired": report.expired,
                "invalidated": report.invalidated,
            },
        ),
        _counts(
            "not stored",
            {
                "no copy can be made": report.uncopyable,
                "in memory alone": report.unstorable,
                "no ttl computed": report.undated,
                "of one request": report.unshared,
                "too large": report.oversize,
            },
        ),
    ]
    return lines


def _counts(label: str, counts: Mapping[str, float]) -> str:
    line = f"{label:<{LABEL}}"
    told = [
        f"{human_count(count) if isinstance(count, int) else f'{count:,.3g}'} {what}"
        for what, count in counts.items()
        if count
    ]
    lines = [line + (told[0] if told else "none")]
    for each in told[1:]:
        if len(lines[-1]) + len(each) + 3 > WIDTH:
            lines[-1] += ","
            lines.append(" " * LABEL + each)
        else:
            lines[-1] += f", {each}"
    return "\n".join(lines)
