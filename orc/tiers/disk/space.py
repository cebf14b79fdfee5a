"""How much of the disk is taken, and who leaves when that is too much.

The bound is shared out: a quarter is the most that the log may grow to, which holds the pages of
the transactions since the last checkpoint; the rest, less a reserve, is the most pages of the file.
Pages of rows that leave are used again, so values of any sizes share them.

Rows that are past their end leave first. Then a hand goes from the oldest row to the youngest, and
takes those that this process has not read since the hand was there last: SIEVE (Zhang et al., NSDI
2024), with the marks of reads in memory, so that no read writes. Each process has a hand and marks
of its own; all serve the same traffic, so what is read often is marked in each.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from orc.tiers.disk.faults import Busy, Full
from orc.tiers.disk.files import PAGE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

    from orc.tiers.disk.files import File

LEAST_BYTES = 1024 * 1024
"""The smallest bound: a log and a file of so few pages would hold next to nothing."""

LARGEST_VALUE = 0.1
_LOG, _RESERVE, _INDEX = 1 / 4, 1 / 32, 1 / 64
"""Shares: the log's, that of deletes when the log is at its end, and of the index of the log."""
_USUAL_LOG = 4 * 1024 * 1024
"""Bytes of the log at which its pages are copied to the file, unless a sixteenth is less."""
_ROW_PAGES = 4
"""Pages that a row may dirty: its own, and those of the two indexes."""
_BATCH = 32
_MOST_LEAVING = 2048
"""Rows that leave in one transaction, at most."""
_BEFORE_ALL = -(1 << 63)
MOST_MARKS = 32_768
"""Rows that are remembered as read: some 3 MB."""


class Space:
    """The bound in bytes, shared out; and the hand and marks of eviction."""

    __slots__ = (
        "_hand",
        "_leaving",
        "_marks",
        "evicted",
        "expired",
        "log_bytes",
        "max_pages",
        "most_log",
        "most_log_for_deletes",
    )

    def __init__(self, max_bytes: int) -> None:
        self.most_log = int(max_bytes * _LOG)
        self.most_log_for_deletes = self.most_log + int(max_bytes * _RESERVE)
        self.log_bytes = min(_USUAL_LOG, self.most_log // 4)
        self.max_pages = int(max_bytes * (1 - _LOG - _RESERVE - _INDEX)) // PAGE_BYTES
        self._leaving = min(_MOST_LEAVING, max(_BATCH, self.most_log // PAGE_BYTES // 8))
        self._marks: set[int] = set()
        """Rows that were read since the hand was there."""
        self._hand = _BEFORE_ALL
        self.evicted = 0
        self.expired = 0

    def forget(self) -> None:
        """Begin anew, with another file."""
        self._marks.clear()
        self._hand = _BEFORE_ALL

    def weigh(self, payload: bytes | None) -> int:
        """Return the most that a row with this payload may add to the log."""
        return len(payload or b"") * 33 // 32 + _ROW_PAGES * PAGE_BYTES

    def mark(self, row: int) -> None:
        """Note that a row was read."""
        marks = self._marks
        marks.add(row)
        if len(marks) > MOST_MARKS:
            marks.clear()

    def log_has_room(self, file: File, added: int, most: int) -> None:
        """Make a transaction fit in the log.

        Raises ``Full`` if a reader is in the way, and ``Busy`` if another process empties the log.
        """
        try:
            size = os.stat(file.log).st_size
        except FileNotFoundError:
            return
        if size + added <= most:
            return
        for _ in range(1 + file.patience):
            # SQLite waits for readers as for any lock, but not for whoever is doing the same
            # (sqlite.org/c3ref/wal_checkpoint_v2.html); then it gives no numbers.
            busy, frames, _ = file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            if frames >= 0:
                raise Full(f"somebody reads for so long that the log is at {size} bytes")
            never_free = allocate_lock()
            never_free.acquire()
            never_free.acquire(timeout=0.001)
        raise Busy("another process is emptying the log")

    def make_room(self, connection: Connection, added: int, now: float) -> bool:
        """Evict until so many bytes fit in the file; tell whether they do."""
        needed = added // PAGE_BYTES + 8
        left = self._leaving
        while not self._has(connection, needed):
            if left <= 0:
                return False
            gone = self._expire(connection, now) or self._sieve(connection)
            if not gone:
                return False
            left -= gone
        return True

    def _has(self, connection: Connection, needed: int) -> bool:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        return bool(self.max_pages - pages + free >= needed)

    def _expire(self, connection: Connection, now: float) -> int:
        ids = connection.execute(
            "SELECT id FROM rows WHERE dead_at <= ? ORDER BY dead_at LIMIT ?", (now, _BATCH)
        ).fetchall()
        self.expired += self._take(connection, ids)
        return len(ids)

    def _sieve(self, connection: Connection) -> int:
        # At most twice round: the first may find nothing but marks, and takes them away.
        leaving: list[tuple[int]] = []
        ends = 0
        while not leaving and ends < 3:  # noqa: PLR2004 - the first round may begin in the middle
            some = connection.execute(
                "SELECT id FROM rows WHERE id > ? ORDER BY id LIMIT ?", (self._hand, _BATCH)
            ).fetchall()
            leaving = [each for each in some if each[0] not in self._marks]
            self._marks.difference_update(each[0] for each in some)
            if len(some) < _BATCH:
                ends += 1
                self._hand = _BEFORE_ALL
            else:
                self._hand = some[-1][0]
        self.evicted += self._take(connection, leaving)
        return len(leaving)

    def _take(self, connection: Connection, ids: list[tuple[int]]) -> int:
        if ids:
            connection.executemany("DELETE FROM rows WHERE id=?", ids)
        return len(ids)
