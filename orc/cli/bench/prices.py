"""What operations cost, in US dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orc.cli.bench.workload import ALONE, BATCH, HIT, LOAD, SET
from orc.errors import ConfigError

if TYPE_CHECKING:
    from orc.cli.bench.measure import Cell

MILLION = 1_000_000
READ_BYTES, WRITE_BYTES = 4096, 1024
"""Bytes that one unit reads and writes (DynamoDB Developer Guide, "Read and write capacity")."""


@dataclass(frozen=True)
class Prices:
    """us-east-1, list prices, as seen in November 2026.

    `read` and `write` are dollars for a million request units of DynamoDB on demand, standard table
    class (aws.amazon.com/dynamodb/pricing/on-demand). `second` is dollars for a second of a Lambda
    function with 1 GB, x86 (aws.amazon.com/lambda/pricing).
    """

    read: float = 0.125
    write: float = 0.625
    second: float = 0.0000166667

    def requests(self, cell: Cell, *, corrected: bool) -> float | None:
        """Dollars for a million of what a cell did; ``None`` where nothing is paid by request.

        `corrected`: the units were counted by moto, for which items have no size and updates cost
        half. They are then as DynamoDB's rules have them.
        """
        if cell.units is None or not cell.calls:
            return None
        reads, writes = (units / cell.calls for units in cell.units)
        if corrected and cell.operation in {HIT, ALONE, BATCH}:
            reads *= _units(cell.stored_bytes, READ_BYTES)
        if corrected and cell.operation in {SET, LOAD}:
            claim = 1 if cell.operation == LOAD else 0
            writes = claim + _units(cell.stored_bytes, WRITE_BYTES)
        return reads * self.read + writes * self.write

    def waiting(self, cell: Cell) -> float | None:
        """Dollars for a million times as long as one call took, in a function with 1 GB."""
        return cell.mean * self.second * MILLION if cell.calls else None


def prices_of(text: str | None) -> Prices:
    """Read ``read=0.125,write=0.625,second=0.0000166667``; what is left out stays as it is.

    Raises ``ConfigError``.
    """
    given: dict[str, float] = {}
    for part in (text or "").replace(",", " ").split():
        name, _, amount = part.partition("=")
        try:
            given[name] = float(amount)
            right = name in Prices.__annotations__ and 0 <= given[name] < MILLION
        except ValueError:
            right = False
        if not right:
            raise ConfigError(
                f"--prices: {part[:60]!r} is no price: give read=, write= (dollars for a million "
                "units of DynamoDB) or second= (dollars for a GB-second of Lambda)"
            )
    return Prices(**given)


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))
