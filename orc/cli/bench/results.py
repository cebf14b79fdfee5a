"""What was measured, as one record for the table, the chart and the JSON."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from orc.config.environment import masked
from orc.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orc.cli.bench.measure import Cell, Subject
    from orc.cli.bench.prices import Prices
    from orc.cli.bench.workload import Size


class Results:
    """Filled while it is measured; complete or not, it can be shown."""

    def __init__(self, sizes: Sequence[Size], prices: Prices) -> None:
        self.sizes = sizes
        self.prices = prices
        self.tiers: dict[str, str] = {}
        """The address of each tier, by name; without secrets."""
        self.cells: list[Cell] = []
        self.starts: dict[str, list[float]] = {}
        """Seconds of cold starts, by tier."""
        self.not_started: dict[str, str] = {}
        self.own_servers = False
        """Whether it brought its servers itself, those that could be started."""
        self.servers: list[str] = []
        """Those that were started for it, in words."""
        self.left_out: list[str] = []
        self.corrected = False
        """Whether the units of capacity are moto's, and wrong."""
        self.seconds = 0.0
        self.complete = False

    def name(self, subjects: Sequence[Subject]) -> None:
        """Take the names of the tiers. Raises ``ConfigError`` where two have one."""
        self.tiers = {each.name: masked(each.url.text) for each in subjects}
        if len(self.tiers) < len(subjects):
            names = ", ".join(each.name for each in subjects)
            raise ConfigError(
                f"--tiers: the names {names} are not distinct: give one another name, "
                "such as redis://host?name=eu"
            )

    def cell(self, tier: str, size: Size, operation: str) -> Cell | None:
        """Return a cell; ``None`` if there is no such."""
        for cell in self.cells:
            if (cell.tier, cell.size, cell.operation) == (tier, size, operation):
                return cell
        return None

    def for_machines(self) -> dict[str, Any]:
        """Return all that is known, ready for JSON."""
        return {
            "orc": _version(),
            "python": platform.python_version(),
            "system": sys.platform,
            "complete": self.complete,
            "seconds": round(self.seconds, 3),
            "tiers": self.tiers,
            "servers_started": self.servers,
            "left_out": self.left_out,
            "prices": asdict(self.prices),
            "units_corrected": self.corrected,
            "calls": [self._of(cell) for cell in self.cells],
            "cold_starts": {
                name: {"ms": [_rounded(each * 1e3) for each in seconds]}
                for name, seconds in self.starts.items()
            }
            | {name: {"failed": why} for name, why in self.not_started.items()},
        }

    def _of(self, cell: Cell) -> dict[str, Any]:
        said: dict[str, Any] = {
            "tier": cell.tier,
            "size": cell.size.bytes,
            "operation": cell.operation,
            "calls": cell.calls,
        }
        if cell.why:
            said["failed"] = cell.why
        if not cell.calls:
            return said
        return said | {
            "p50_us": _rounded(cell.percentile(50) * 1e6),
            "p99_us": _rounded(cell.percentile(99) * 1e6),
            "per_second": _rounded(1 / cell.mean),
            "stored_bytes": cell.stored_bytes,
            "dollars_per_million": {
                "requests": _rounded(self.prices.requests(cell, corrected=self.corrected)),
                "waiting": _rounded(self.prices.waiting(cell)),
            },
        }


def _version() -> str:
    try:
        return version("orc-cache")
    except PackageNotFoundError:
        return "not installed"


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")
