"""Rows in SQL: what is read, and what each kind of write makes of what is there.

All that is here runs under the tier's lock, the writes in a transaction that has the file's write
lock. A row that was changed in the future was written by a clock that was wrong: it is not there.
"""

from __future__ import annotations

from orc.model.row import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection, Cursor
    from typing import Any

    from orc.model.row import Claim, Write

SKEW = 2.0
"""Seconds by which the clock may go back between two operations before a row is not believed."""

CLAIM_STAYS = 60.0
"""Seconds for which a claim stays beyond its lease, so that a slow load can still be stored."""

_COLUMNS = (
    "SELECT id, dead_at, keep_until, lease_until, changed_at, failed, etag, payload, address"
    " FROM rows WHERE address"
)
_SIZES = (16, 128, 512)
"""Addresses in one statement; older builds of SQLite take 999 at most."""

READ_ONE = _COLUMNS.replace(", address", "") + "=?"
_PLAIN = (
    "SELECT id, payload, etag FROM rows WHERE address=?"
    " AND lease_until <= ? AND changed_at <= ? AND keep_until > ?"
)
"""A row of which there is nothing else to say: what SQL compares need not be made an object."""
READ = {size: f"{_COLUMNS} IN ({','.join('?' * size)})" for size in _SIZES}

_INSERT = (
    "INSERT INTO rows"
    " (dead_at, keep_until, lease_until, changed_at, failed, etag, payload, address)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE rows SET dead_at=?, keep_until=?, lease_until=?, changed_at=?, failed=?, etag=?,"
    " payload=? WHERE id=?"
)
_MARK = "UPDATE rows SET dead_at=?, lease_until=?, changed_at=?, failed=?, etag=? WHERE id=?"
_DELETE = "DELETE FROM rows WHERE id=?"


def plain(reader: Cursor, address: str, now: float) -> tuple[int, Row] | None:
    """Return a row, with its number, that has a payload and is not claimed; none if it is other."""
    found = reader.execute(_PLAIN, (address, now, now, now)).fetchone()
    if found is None:
        return None
    number, payload, etag = found
    if type(payload) is bytes and type(etag) is bytes:
        return number, Row(payload, etag)
    return None


def see(found: Sequence[Any], now: float) -> Row:
    """Return what of a row that was read counts now; a row that is not there if nothing does."""
    _, dead_at, keep_until, lease_until, changed_at, failed, etag, payload = found
    try:
        if now < changed_at - SKEW or now >= dead_at or type(etag) is not bytes:
            return Row()
        if payload is not None and (now >= keep_until or type(payload) is not bytes):
            payload = None
        if now < lease_until:
            held = min(lease_until - now, lease_until - changed_at)
            return Row(payload, etag, held, failed=failed == 1)
    except TypeError:  # a broken file has other types
        return Row()
    return Row(payload, etag)


def read(connection: Connection, addresses: Sequence[str]) -> dict[bytes, Sequence[Any]]:
    """Return the rows under these addresses, by address, whether they count or not."""
    found: dict[bytes, Sequence[Any]] = {}
    for begin in range(0, len(addresses), _SIZES[-1]):
        some: Sequence[str | None] = addresses[begin : begin + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(some))
        some = [*some, *[None] * (size - len(some))]
        for row in connection.execute(READ[size], some):
            found[row[8]] = row[:8]
    return found


def claim(
    connection: Connection, claims: Sequence[Claim], now: float, *, write: bool
) -> list[Row] | None:
    """Answer claims, and write down those that are granted.

    Without `write` the answer is none as soon as one would be granted.
    """
    found = read(connection, [each.address for each in claims])
    rows = []
    for each in claims:
        old = found.get(each.address.encode())
        row = see(old, now) if old is not None else Row()
        if row.etag != each.token and (
            (row.held > 0 and row.etag not in each.own)
            or (row.payload is not None and row.etag != each.seen)
        ):
            rows.append(row)
            continue
        if not write:
            return None
        lease_until = now + each.lease
        dead_at = lease_until + CLAIM_STAYS
        if old is not None and row.payload is not None:
            dead_at = max(dead_at, old[2])
            connection.execute(_MARK, (dead_at, lease_until, now, 0, each.token, old[0]))
        else:
            new = (dead_at, 0.0, lease_until, now, 0, each.token, None)
            _put(connection, new, old, each.address)
        rows.append(Row(row.payload, each.token))
    return rows


def store(connection: Connection, writes: Sequence[Write], now: float) -> list[bool]:
    """Write rows; answer for each whether it was accepted."""
    found = read(connection, [each.address for each in writes])
    answers = []
    for each in writes:
        old = found.get(each.address.encode())
        if each.token is not None:
            row = see(old, now) if old is not None else Row()
            if old is None or row.etag != each.token:
                answers.append(False)
                continue
            if each.payload is None:
                _give_back(connection, each, old, row, now)
                answers.append(True)
                continue
        answers.append(True)
        if each.keep > 0:
            until = now + each.keep
            _put(
                connection, (until, until, 0.0, now, 0, each.etag, each.payload), old, each.address
            )
        elif old is not None:
            connection.execute(_DELETE, (old[0],))
    return answers


def remove(connection: Connection, addresses: Sequence[str]) -> None:
    """Remove rows with their claims."""
    connection.executemany("DELETE FROM rows WHERE address=?", [(each,) for each in addresses])


def _give_back(
    connection: Connection, write: Write, old: Sequence[Any], row: Row, now: float
) -> None:
    lease_until = now + write.rest if write.rest > 0 else 0.0
    dead_at = max(lease_until, old[2] if row.payload is not None else 0.0)
    if dead_at <= now:
        connection.execute(_DELETE, (old[0],))
    else:
        failed = int(write.rest > 0)
        connection.execute(_MARK, (dead_at, lease_until, now, failed, write.etag, old[0]))


def _put(
    connection: Connection, new: tuple[Any, ...], old: Sequence[Any] | None, address: str
) -> None:
    if old is None:
        connection.execute(_INSERT, (*new, address))
    else:
        connection.execute(_UPDATE, (*new, old[0]))
