"""Sums of counters at one moment, so that two moments can be subtracted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orc.stats.counters import Counters

SUMS = (
    "stale",
    "shared",
    "loads",
    "load_errors",
    "load_seconds",
    "uncopyable",
    "unstorable",
    "undated",
    "unshared",
    "oversize",
    "evicted",
    "expired",
    "invalidated",
)
"""Counters that are added up under their own names."""

KINDS = ("hits", "misses", "errors")
"""What a shared tier's answers are counted as."""


class Totals:
    """What many counters show together: numbers by name, by cause, by function and by tier."""

    __slots__ = ("causes", "functions", "hits", "sums", "tiers")

    def __init__(
        self,
        hits: int,
        sums: dict[str, float],
        causes: dict[str, int],
        functions: dict[str, tuple[int, ...]],
        tiers: dict[str, tuple[int, ...]],
    ) -> None:
        self.hits = hits
        """Hits of memory."""
        self.sums = sums
        self.causes = causes
        """Misses of memory."""
        self.functions = functions
        """Hits and loads."""
        self.tiers = tiers
        """Hits, misses and errors of each shared tier, the nearest first."""

    def minus(self, earlier: Totals) -> Totals:
        """Return what was counted after `earlier`."""
        return Totals(
            self.hits - earlier.hits,
            {name: amount - earlier.sums[name] for name, amount in self.sums.items()},
            {
                cause: amount - earlier.causes.get(cause, 0)
                for cause, amount in self.causes.items()
                if amount != earlier.causes.get(cause, 0)
            },
            _rows_after(self.functions, earlier.functions),
            {
                name: _difference(row, earlier.tiers.get(name, (0,) * len(row)))
                for name, row in self.tiers.items()
            },
        )

    def __bool__(self) -> bool:
        return bool(self.hits or self.causes or any(self.sums.values()))


def _rows_after(
    now: dict[str, tuple[int, ...]], before: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    rows = {name: _difference(row, before.get(name, (0,) * len(row))) for name, row in now.items()}
    return {name: row for name, row in rows.items() if any(row)}


def _difference(now: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a - b for a, b in zip(now, before, strict=True))


def total(books: Iterable[Counters], shared_tiers: Sequence[str] = ()) -> Totals:
    """Add up counters."""
    books = list(books)
    causes: dict[str, int] = {}
    functions: dict[str, tuple[int, ...]] = {}
    hits = 0
    for book in books:
        own = book.hits.value()
        hits += own
        for cause, count in list(book.causes.items()):
            causes[cause] = causes.get(cause, 0) + count
        if own or book.loads:
            before = functions.get(book.name, (0, 0))
            functions[book.name] = (before[0] + own, before[1] + book.loads)
    return Totals(
        hits,
        {name: sum(getattr(book, name) for book in books) for name in SUMS},
        causes,
        functions,
        {
            name: tuple(sum(book.answers(kind, name) for book in books) for kind in KINDS)
            for name in shared_tiers
        },
    )
