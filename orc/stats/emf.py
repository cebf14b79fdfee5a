"""Figures of an invocation as lines of CloudWatch's embedded metric format.

CloudWatch Logs makes metrics of such lines ("Specification: Embedded metric format", CloudWatch
User Guide). A line can have one value of each dimension. So one line has all figures, with the
metrics of the service and those of the nearest shared tier; only where there are several shared
tiers, each of the others that was asked has a line of its own.
"""

from __future__ import annotations

from json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Final

    from orc.stats.totals import Totals

COUNT, MILLISECONDS, BYTES = "Count", "Milliseconds", "Bytes"
OF_THE_SERVICE: Final = {
    "Hits": COUNT,
    "Misses": COUNT,
    "MemoryHits": COUNT,
    "Stale": COUNT,
    "Loads": COUNT,
    "LoadErrors": COUNT,
    "LoadTime": MILLISECONDS,
    "Errors": COUNT,
    "Evictions": COUNT,
    "Bytes": BYTES,
}
"""Metrics with the dimension ``service``, and their units."""
OF_A_TIER: Final = {
    "TierHits": COUNT,
    "TierMisses": COUNT,
    "TierErrors": COUNT,
    "TierTime": MILLISECONDS,
}
"""Metrics with the dimensions ``service`` and ``tier``."""
CHOSEN: Final = ("state", "function")
"""Properties that are dimensions, too, when that is asked for."""
MEMORY: Final = "memory"


class Figures:
    """What the caches of a process did in some invocations, added up."""

    __slots__ = ("bytes", "causes", "hits", "seconds", "sums", "tiers")

    def __init__(self) -> None:
        self.hits = 0
        """Requests that memory answered."""
        self.sums: dict[str, float] = {}
        self.causes: dict[str, int] = {}
        self.tiers: dict[str, list[int]] = {}
        """Hits, misses and errors of each shared tier."""
        self.seconds: dict[str, float] = {}
        """Seconds that each shared tier took."""
        self.bytes = 0

    def add(self, totals: Totals, seconds: Mapping[str, float]) -> None:
        """Add what one cache did, and the seconds that each of its shared tiers took."""
        self.hits += totals.hits
        _add(self.sums, totals.sums)
        _add(self.causes, totals.causes)
        _add(self.seconds, seconds)
        for name, row in totals.tiers.items():
            own = self.tiers.setdefault(name, [0, 0, 0])
            for place, amount in enumerate(row):
                own[place] += amount

    def __bool__(self) -> bool:
        return bool(self.hits or self.causes or any(self.sums.values()))


def _add(sums: dict[str, Any], others: Mapping[str, Any]) -> None:
    for name, amount in others.items():
        sums[name] = sums.get(name, 0) + amount


class Form:
    """What is the same in all lines of a process: the namespace, the service, the dimensions.

    `chosen` are those of ``CHOSEN`` that are dimensions besides ``service`` and ``tier``.
    """

    __slots__ = ("_both", "_service", "_tier")

    def __init__(self, namespace: str, service: str, chosen: Sequence[str] = ()) -> None:
        self._service = service
        of_service = _directive(namespace, ["service"], chosen, OF_THE_SERVICE)
        self._tier = [_directive(namespace, ["service", "tier"], chosen, OF_A_TIER)]
        self._both = [of_service, *self._tier]

    def lines(self, figures: Figures, timestamp: float, properties: Mapping[str, object]) -> str:
        """Return the lines for some figures; each ends with a line feed.

        `timestamp` is seconds since the epoch; `properties` stand in every line.
        """
        at = int(timestamp * 1000)
        sums, shared = figures.sums, figures.tiers
        missed = sum(figures.causes.values())
        found = sum(row[0] for row in shared.values())
        rows = {MEMORY: [figures.hits, missed, 0], **shared}
        nearest = next(iter(shared), MEMORY)
        first: dict[str, object] = {
            "_aws": {"Timestamp": at, "CloudWatchMetrics": self._both},
            "service": self._service,
            "tier": nearest,
            **properties,
            "Hits": figures.hits + found,
            "Misses": max(0, missed - found),
            "MemoryHits": figures.hits,
            "Stale": sums.get("stale", 0),
            "Loads": sums.get("loads", 0),
            "LoadErrors": sums.get("load_errors", 0),
            "LoadTime": _milliseconds(sums.get("load_seconds", 0.0)),
            "Errors": sum(row[2] for row in shared.values()),
            "Evictions": sums.get("evicted", 0),
            "Bytes": figures.bytes,
            **_of_tier(nearest, rows[nearest], figures.seconds),
            "causes": figures.causes,
            "tiers": {
                name: {"hits": row[0], "misses": row[1], "errors": row[2]}
                for name, row in rows.items()
            },
        }
        lines = [dumps(first)]
        for name, row in shared.items():
            if any(row) and name != nearest:
                of_tier = {
                    "_aws": {"Timestamp": at, "CloudWatchMetrics": self._tier},
                    "service": self._service,
                    "tier": name,
                    **properties,
                    **_of_tier(name, row, figures.seconds),
                }
                lines.append(dumps(of_tier))
        return "\n".join(lines) + "\n"


def _of_tier(name: str, row: Sequence[int], seconds: Mapping[str, float]) -> dict[str, object]:
    return {
        "TierHits": row[0],
        "TierMisses": row[1],
        "TierErrors": row[2],
        "TierTime": _milliseconds(seconds.get(name, 0.0)),
    }


def _directive(
    namespace: str, dimensions: list[str], chosen: Iterable[str], units: Mapping[str, str]
) -> dict[str, object]:
    sets = [dimensions]
    if more := [each for each in CHOSEN if each in chosen]:
        sets.append([*dimensions, *more])
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    return {"Namespace": namespace, "Dimensions": sets, "Metrics": metrics}


def _milliseconds(seconds: float) -> float:
    return round(1000 * max(0.0, seconds), 3)
