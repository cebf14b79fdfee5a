"""The price store from the outside: its file, the changes of its prices, and who is out of date."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Catalogue:
    """A SQLite file of prices, and a record of when each price changed.

    Version 1 of a price is the first one. Times are seconds of whatever clock the caller reads.
    """

    __slots__ = ("_changes", "_connection", "_loads", "path")

    def __init__(self, folder: Path, items: int) -> None:
        self.path = folder / "prices.sqlite"
        self._loads = folder / "loads"
        self._loads.touch()
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")  # what is lost with the power is a toy
        self._connection.execute(
            "CREATE TABLE prices (item INTEGER PRIMARY KEY, cents INTEGER, version INTEGER)"
        )
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO prices VALUES (?, ?, 1)",
            ((item, 100 + item * 37 % 9_900) for item in range(1, items + 1)),
        )
        self._connection.execute("COMMIT")
        self._changes: dict[int, list[float]] = {}

    def variables(self, seconds: float) -> dict[str, str]:
        """Return the environment of functions that read it, each query within so many seconds."""
        return {
            "STORE": str(self.path),
            "STORE_LOADS": str(self._loads),
            "STORE_SECONDS": str(seconds),
        }

    @property
    def loads(self) -> int:
        """Queries that the store has answered, whoever asked."""
        return self._loads.stat().st_size

    def change(self, item: int, clock: Callable[[], float]) -> None:
        """Give an item another price, and take note of the time from which it can be seen."""
        self._connection.execute(
            "UPDATE prices SET cents = cents + 1, version = version + 1 WHERE item = ?", (item,)
        )
        self._changes.setdefault(item, []).append(clock())

    def outdated(self, item: int, version: int, at: float) -> float | None:
        """Return for how long, at a time, that version had been replaced; ``None``: it was not."""
        changes = self._changes.get(item, [])
        return at - changes[version - 1] if version <= len(changes) else None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
