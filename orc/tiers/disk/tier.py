"""The disk tier: a file of rows in the temporary directory, for the processes of one environment.

Consistency   all processes that have the same directory see the same rows, at once.
Freeze        survives, and so it does a reset; a new execution environment begins with none.
Cold start    ``sqlite3``'s import and opening the file: some milliseconds at first use.
Cost          a hit is one SELECT; a write is one transaction.
Limits        256 MiB of files unless told otherwise; one value a tenth of that.

Whatever is wrong with the file or the disk is a miss and a count. A file that is broken, or is
somebody else's, is given up and another begun (``orc.tiers.disk.files``).
"""

from __future__ import annotations

import os

from orc.errors import ConfigError, TierError
from orc.model.row import Row
from orc.tiers.disk import rows
from orc.tiers.disk.faults import BUSY, faults, kind_of
from orc.tiers.disk.files import used_bytes
from orc.tiers.disk.keeper import SHORT_WAIT, Keeper
from orc.tiers.disk.space import LARGEST_VALUE, LEAST_BYTES, Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orc.model.row import Budget, Claim, Write

DEFAULT_MAX_BYTES = 256 * 1024 * 1024
"""Half of what Lambda gives a function in ``/tmp`` unless it is told otherwise."""


class Disk:
    """A tier in the temporary directory, which processes of one execution environment share.

    ``path`` is the directory in which it makes a private folder of its own (``orc-disk-<user>``,
    mode 0700); unless given, that of temporary files. ``max_bytes`` bounds its files together. A
    value larger than ``max_value_bytes``, a tenth of that, is not stored, and counted.

    Safe for threads, for processes, and for a fork. Raises ``ConfigError`` for a path that is none,
    for a ``max_bytes`` that is not an int of at least 1 MiB, and on a system that is not POSIX, as
    Windows. Does no I/O before its first use.
    """

    extra = "disk"
    places = 4
    """Calls at once, since they take turns: others wait outside of their budgets."""

    __slots__ = (
        "__weakref__",
        "_given",
        "_keeper",
        "_no_room",
        "_oversize",
        "_space",
        "budget",
        "fleetwide",
        "max_bytes",
        "max_value_bytes",
        "name",
        "remote",
    )

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        if type(max_bytes) is not int or max_bytes < LEAST_BYTES:
            raise ConfigError(f"Disk(max_bytes={max_bytes!r}): give an int, at least {LEAST_BYTES}")
        _check_system()
        self.name: str = "disk"
        self.fleetwide: bool = False
        self.remote: bool = False
        self.budget: float = 0.05
        self.max_bytes: int = max_bytes
        self.max_value_bytes: int = int(max_bytes * LARGEST_VALUE)
        self._space = Space(max_bytes)
        self._keeper = Keeper(self._space)
        self._given = path is not None
        if path is not None:
            self._keeper.directory = _directory(path)
        self._oversize = 0
        self._no_room = 0

    def __repr__(self) -> str:
        return f"<orc.Disk in {self._keeper.where()}, at most {self.max_bytes} bytes>"

    @property
    def where(self) -> str:
        """The directory, as messages show it."""
        return self._keeper.where()

    def default_to(self, find: Callable[[], str]) -> None:
        """Set what finds the directory, unless that was given to the constructor.

        It is for the composition root, and returns an absolute path. It is asked at the next use,
        and again after a restore.
        """
        if not self._given:
            self._keeper.find = find
            self._keeper.directory = None

    @property
    def store(self) -> str:
        """The directory, by which tiers of this process on the same file are known."""
        return f"disk {self._keeper.where()}"

    @property
    def used_bytes(self) -> int:
        """Bytes that its files take on the disk now; 0 where there are none."""
        return used_bytes(self._keeper.where())

    @property
    def entries(self) -> int:
        """Rows in the open file, those of claims and those past their end included.

        Takes a millisecond for each hundred thousand.
        """
        return self._keeper.entries()

    def counts(self) -> Mapping[str, float]:
        """Return what this process counted.

        Rows that were ``evicted``, and ``expired`` ones that made room; values not stored, being
        ``oversize`` or because there was ``no_room``; files given up and ``rebuilt``; and errors
        by kind: ``errors_busy``, ``errors_full``, ``_refused``, ``_failed`` and ``_broken``.
        """
        return {
            "evicted": self._space.evicted,
            "expired": self._space.expired,
            "oversize": self._oversize,
            "no_room": self._no_room,
            "rebuilt": self._keeper.rebuilt,
            **{f"errors_{kind}": count for kind, count in self._keeper.errors.items()},
        }

    def load(self) -> None:
        """Import SQLite. Raises ``ConfigError`` if this Python has no ``sqlite3``."""
        try:
            import sqlite3  # noqa: F401 - to have it
        except ImportError as error:
            raise ConfigError("Disk needs the module sqlite3, which this Python lacks") from error

    def prewarm(self) -> None:
        """Open the file, made if need be; for the init phase.

        Raises ``ConfigError`` as :meth:`load` does, and ``TierError`` where it cannot be opened.
        """
        self.load()
        self._keeper.prewarm()

    def close(self) -> None:
        """Let go of the file; the next call opens it anew. Never raises."""
        self._keeper.close()

    def restored(self) -> None:
        """Let go of the file, and look again which directory is that of temporary files."""
        self._keeper.close()
        if not self._given:
            self._keeper.directory = None

    def forked(self) -> None:
        """Forget, without closing, the connection that the parent of this process uses."""
        self._keeper.forked()

    def get_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Answer with a row for each address, in order.

        Unless it is to be `consistent`, one row may be that of a file that another process has
        given up within the last 100 ms; a delete that could not be written is all that differs.

        Raises ``TierError`` if the file cannot be read.
        """
        if len(addresses) == 1 and not consistent:
            row = self._keeper.glance(addresses[0], budget)
            if row is not None:
                return [row]
            budget.pause(budget.seconds)  # the file was not waited for
        return self._keeper.run(lambda now: self._get(addresses, now), budget)

    def claim_many(self, claims: Sequence[Claim], budget: Budget, /) -> Sequence[Row | TierError]:
        """Claim rows; see ``Tier``. Raises ``TierError`` if the file cannot be written."""
        return self._keeper.run(lambda now: self._claim(claims, now), budget)

    def set_many(self, writes: Sequence[Write], budget: Budget, /) -> Sequence[bool | TierError]:
        """Write rows. Not accepted is also what is too large, or for which no room can be made.

        What it was to replace is gone all the same. Raises ``TierError`` if the file cannot be
        written.
        """
        return self._keeper.run(lambda now: self._set(writes, now), budget)

    def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Remove rows with their claims. Raises ``TierError`` if any of them may still be there.

        Where the file cannot be written it is given up as a whole, which takes no room on the disk.
        """
        self._keeper.run(lambda now: self._delete(addresses, now), budget)

    async def aget_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`get_many`, for coroutines."""
        if len(addresses) == 1 and not consistent:
            row = self._keeper.glance(addresses[0], budget, SHORT_WAIT)
            if row is not None:
                return [row]
            budget.pause(budget.seconds)
        return await self._keeper.arun(lambda now: self._get(addresses, now), budget)

    async def aclaim_many(
        self, claims: Sequence[Claim], budget: Budget, /
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`claim_many`, for coroutines."""
        return await self._keeper.arun(lambda now: self._claim(claims, now), budget)

    async def aset_many(
        self, writes: Sequence[Write], budget: Budget, /
    ) -> Sequence[bool | TierError]:
        """Do as :meth:`set_many`, for coroutines."""
        return await self._keeper.arun(lambda now: self._set(writes, now), budget)

    def start_giving_back(self, writes: Sequence[Write], budget: Budget, /) -> None:
        """Give claims back at once, if that blocks the loop for 2 ms at most. Never raises."""
        try:
            self._keeper.run_shortly(lambda now: self._set(writes, now), budget)
        except TierError:
            pass  # it is counted, and this process remembers the claims

    async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Do as :meth:`delete_many`, for coroutines."""
        await self._keeper.arun(lambda now: self._delete(addresses, now), budget)

    def _get(self, addresses: Sequence[str], now: float) -> list[Row | TierError]:
        connection = self._keeper.opened().connection
        if len(addresses) == 1:
            one = connection.execute(rows.READ_ONE, addresses).fetchone()
            if one is None:
                return [Row()]
            self._space.mark(one[0])
            return [rows.see(one, now)]
        found = rows.read(connection, addresses)
        answers: list[Row | TierError] = []
        for address in addresses:
            row = found.get(address.encode())
            if row is None:
                answers.append(Row())
            else:
                self._space.mark(row[0])
                answers.append(rows.see(row, now))
        return answers

    def _claim(self, claims: Sequence[Claim], now: float) -> list[Row | TierError]:
        file = self._keeper.opened()
        # Whoever is granted nothing need not wait for those who write.
        answers = rows.claim(file.connection, claims, now, write=False)
        if answers is None:
            weight = self._space.weigh(None) * len(claims)
            self._space.log_has_room(file, weight, self._space.most_log)
            self._keeper.begin(file)
            self._space.make_room(file.connection, weight, now)
            answers = rows.claim(file.connection, claims, now, write=True)
            self._keeper.commit(file)
        return [*(answers or ())]

    def _set(self, writes: Sequence[Write], now: float) -> list[bool | TierError]:
        answers: list[bool | TierError] = []
        some: list[Write] = []
        weight = 0
        for each in writes:
            added = self._space.weigh(each.payload)
            if some and weight + added > self._space.most_log // 2:
                answers += self._write(some, now)
                some, weight = [], 0
            some.append(each)
            weight += added
        return [*answers, *self._write(some, now)]

    def _write(self, writes: Sequence[Write], now: float) -> list[bool]:
        """Write in one transaction."""
        fits = [each for each in writes if len(each.payload or b"") <= self.max_value_bytes]
        weight = sum(self._space.weigh(each.payload) for each in fits)
        file = self._keeper.opened()
        self._space.log_has_room(file, weight, self._space.most_log)
        self._keeper.begin(file)
        self._oversize += len(writes) - len(fits)
        if not self._space.make_room(file.connection, weight, now):
            some = [each for each in fits if each.payload is None]
            self._no_room += len(fits) - len(some)
            fits = some
        if len(fits) < len(writes):  # what was to be replaced must not be served on
            fitting = set(map(id, fits))
            lost = [each.address for each in writes if not each.token and id(each) not in fitting]
            rows.remove(file.connection, lost)
        accepted = rows.store(file.connection, fits, now)
        self._keeper.commit(file)
        if len(fits) == len(writes):
            return accepted
        answers = dict(zip(map(id, fits), accepted, strict=True))
        return [answers.get(id(each), False) for each in writes]

    def _delete(self, addresses: Sequence[str], now: float) -> None:
        del now
        try:
            file = self._keeper.opened()
            weight = self._space.weigh(None) * len(addresses)
            self._space.log_has_room(file, weight, self._space.most_log_for_deletes)
            self._keeper.begin(file)
            rows.remove(file.connection, addresses)
            self._keeper.commit(file)
        except faults() as error:
            if kind_of(error) == BUSY:
                raise
            self._keeper.give_up()


def _check_system() -> None:
    """Raise ``ConfigError`` where no folder can be kept from other users, or no file be locked."""
    lacking = "" if hasattr(os, "geteuid") else "os.geteuid"
    try:
        import fcntl  # noqa: F401 - a system without it has no POSIX locks
    except ImportError:
        lacking = lacking or "the module fcntl"
    if lacking:
        raise ConfigError(
            f"the disk tier cannot be used here: this Python lacks {lacking}. It needs a POSIX "
            "system, such as Linux or macOS. Leave out orc.Disk() and disk:// in ORC_TIERS on this "
            "system: memory, Redis and DynamoDB work"
        )


def _directory(path: object) -> str:
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if type(text) is not str or not text or "\0" in text:
        raise ConfigError(f"Disk(path={path!r}): give the path of a directory, or leave it out")
    if "://" in text:
        raise ConfigError("Disk(path=...): that is an address: give the path of a directory")
    return os.path.abspath(text)
