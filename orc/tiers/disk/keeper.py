"""The open file of a disk tier: who may use it now, and what becomes of it when something fails."""

from __future__ import annotations

import os
from _thread import RLock

from orc.errors import TierError, TierTimeoutError
from orc.tiers.disk import rows
from orc.tiers.disk.faults import BROKEN, BUSY, FAILED, KINDS, faults, kind_of, tier_error
from orc.tiers.disk.files import (
    abandon,
    give_up_linked,
    in_use,
    open_file,
    private_folder,
    see_off,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from orc.model.row import Budget, Row
    from orc.tiers.disk.files import File
    from orc.tiers.disk.space import Space

    T = TypeVar("T")

LONG_WAIT = 1024
"""Milliseconds for which a thread waits for another process, if its budget is as long."""
SHORT_WAIT = 2
"""Milliseconds for which a coroutine may block its loop; then it tries again later."""
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.008
"""Seconds between two tries of a coroutine."""
OPENING = 0.5
"""Seconds that a call has beyond its budget if the file must be opened: many processes start at
once, and share few processors. One that spent them in vain has no more next time."""
LOOK_AGAIN = 0.1
"""Seconds for which a read may trust that its file is the one in use; what writes never does."""
OWN_WAIT = 1.0
"""Seconds for which a use waits for those of other threads of this process, beside its budget."""
STUCK = 10.0
"""Seconds after which a file is given up whose write lock this process never found free,"""
STUCK_TRIES = 3
"""if it tried so often: two failures an hour apart say nothing."""

_lock: Any = RLock()
"""For every use of SQLite in this process. It is held while the process forks: the child of a fork
in the middle of another thread's use would find SQLite's own locks taken for good.

A thread that has it already is in the middle of an operation, and a finaliser or the handler of a
signal wants another: that one is told that the file is busy. It is taken inside of a ``try``, and
given back whether it was had or not, since an interrupt may come between any two instructions."""
_forks = [0]
_held_for_fork = [False]
_left_behind: list[File] = []
"""Files of a parent. To close one in the child would take part in what the parent does."""


class OccupiedError(TierError):
    """Another thread of this process uses the file."""


def _inside() -> bool:
    return _lock._is_owned()  # type: ignore[no-any-return]  # noqa: SLF001 - C has no other word


def _before_fork() -> None:
    # With a limit: another thread may be in the middle of a long operation.
    _held_for_fork[0] = _lock.acquire(timeout=1.0)


def _after_fork() -> None:
    if _held_for_fork[0]:
        _held_for_fork[0] = False
        _lock.release()


def _in_child() -> None:
    _forks[0] += 1
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


def _temporary() -> str:
    from tempfile import gettempdir

    return gettempdir()


class Keeper:
    """Runs operations on the file, one at a time, and opens it anew when it has to.

    An operation is called with the wall clock's seconds, asks for the file by :meth:`opened`, and
    may be called again if the file turns out to be broken.
    """

    __slots__ = (
        "_file",
        "_in_vain",
        "_patience",
        "_stuck_since",
        "_stuck_tries",
        "directory",
        "errors",
        "find",
        "rebuilt",
        "space",
    )

    def __init__(self, space: Space) -> None:
        self.directory: str | None = None
        self.find: Callable[[], str] = _temporary
        self.space = space
        self.errors = dict.fromkeys(KINDS, 0)
        self.rebuilt = 0
        self._file: File | None = None
        self._in_vain = False
        """Whether the file could not be opened last time, since others had it."""
        self._patience = 0
        self._stuck_since: float | None = None
        self._stuck_tries = 0

    def __del__(self) -> None:
        # Nobody else can be using it now, so this takes no lock.
        if getattr(self, "_file", None) is not None and _forks:  # not at the interpreter's end
            self._drop()

    def where(self) -> str:
        """Return the directory, that of temporary files unless another was set."""
        directory = self.directory
        if directory is None:
            directory = self.directory = self.find()
        return directory

    def run(self, work: Callable[[float], T], budget: Budget) -> T:
        """Run an operation, waiting for others if need be. Raises ``TierError``, nothing else."""
        left = budget.left()
        try:
            return self._run(work, budget, left + self._grace(left), LONG_WAIT)
        except TierTimeoutError:
            self.errors[BUSY] += 1
            raise

    def run_shortly(self, work: Callable[[float], T], budget: Budget) -> T:
        """Do as :meth:`run`, and wait for 2 ms at most."""
        return self._run(work, budget, budget.left(), SHORT_WAIT)

    def _grace(self, left: float) -> float:
        """Return the seconds beyond its budget that an operation has."""
        file = self._file
        opens = file is None or file.forks != _forks[0]
        return OPENING if opens and left > 0 and not self._in_vain else 0.0

    def _run(self, work: Callable[[float], T], budget: Budget, left: float, most: int) -> T:
        """Run an operation that waits for as many milliseconds at most, whatever is left."""
        if _inside():
            raise TierError("this thread is in the middle of another use of the disk tier")
        if left <= 0:
            raise TierError("there was no time to use the disk tier")
        try:
            # What threads of this process make one another wait for is not the file's time.
            own_wait = OWN_WAIT if most == LONG_WAIT else most / 1000
            if not (_lock.acquire(blocking=False) or _lock.acquire(timeout=own_wait)):
                raise OccupiedError("other threads are using the disk tier")
            # Powers of two, so that SQLite need not be told anew each time.
            self._patience = min(most, (1 << int(left * 1000).bit_length()) >> 1)
            return self._attempt(work, budget.wall())
        finally:
            try:
                _lock.release()
            except RuntimeError:
                pass  # it was not had

    def glance(self, address: str, budget: Budget, most: int = LONG_WAIT) -> Row | None:
        """Return the row under the one address, if that needs nothing but to read it.

        This is what a hit costs. Whatever else there is to do is left to :meth:`run`.
        """
        file = self._file
        if (
            file is None
            or file.forks != _forks[0]
            or file.patience > most
            or file.patience >= budget.left() * 1000
            or _inside()
        ):
            return None
        try:
            if not _lock.acquire(False) or file is not self._file:
                return None
            now = budget.wall()
            if not 0 <= now - file.looked_at < LOOK_AGAIN:
                if not in_use(file):
                    return None
                file.looked_at = now
            found = rows.plain(file.reader, address, now)
            if found is not None:
                self.space.mark(found[0])
                return found[1]
        except faults():  # whoever runs the operation meets it again, and deals with it
            pass
        finally:
            try:
                _lock.release()
            except RuntimeError:
                pass  # as above
        return None

    async def arun(self, work: Callable[[float], T], budget: Budget) -> T:
        """Run an operation on the loop's own thread.

        It takes less time than to hand it to another thread and back. Only what others may be long
        about is waited for without blocking the loop.
        """
        pause, waited, own, left = FIRST_PAUSE, 0.0, 0.0, budget.left()
        grace = self._grace(left)
        most = left + grace
        while True:
            try:
                return self._run(work, budget, left + grace, SHORT_WAIT)
            except OccupiedError:
                own += pause + SHORT_WAIT / 1000
                if own >= OWN_WAIT:
                    raise
                budget.extend(pause + SHORT_WAIT / 1000)
            except TierTimeoutError:
                left = budget.left()
                waited += pause + SHORT_WAIT / 1000  # for clocks that stand still
                if waited >= most or left + grace <= pause:
                    self.errors[BUSY] += 1
                    raise
            from asyncio import sleep

            await sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def prewarm(self) -> None:
        """Open the file. Raises ``TierError`` where that cannot be done."""
        if _inside():
            raise TierError("this thread is in the middle of another use of the disk tier")
        with _lock:
            self._patience = LONG_WAIT
            self._attempt(lambda _: self.opened(), 0.0)

    def entries(self) -> int:
        """Count the rows of the file, if it is open."""
        if _inside():
            return 0
        with _lock:
            file = self._file
            if file is None or file.forks != _forks[0]:
                return 0
            try:
                return int(file.connection.execute("SELECT count(*) FROM rows").fetchone()[0])
            except faults():
                return 0

    def close(self) -> None:
        """Close the file. Never raises."""
        if _inside():
            return  # in the middle of an operation of this very thread
        try:
            if _lock.acquire(timeout=1.0):
                self._drop()
        finally:
            try:
                _lock.release()
            except RuntimeError:
                pass  # as above

    def forked(self) -> None:
        """Forget the connection of the parent of this process."""
        if self._file is not None and self._file.forks != _forks[0]:
            self._drop()

    def opened(self) -> File:
        """Return the file that all processes use now; only for operations that are run."""
        file = self._file
        if file is not None and (file.forks != _forks[0] or not in_use(file)):
            if file.forks == _forks[0]:
                see_off(file)
            self._drop()
            file = None
        if file is None:
            try:
                folder = private_folder(self.where())
                wait = self._patience / 1000
                file = open_file(
                    folder, self.space.max_pages, self.space.log_bytes, wait, self._rebuild
                )
            except ImportError as error:
                raise OSError("this Python has no sqlite3") from error
            file.forks = _forks[0]
            self._file = file
            self._in_vain = False
        if file.patience != self._patience:
            file.connection.execute(f"PRAGMA busy_timeout={self._patience}")
            file.patience = self._patience
        return file

    def begin(self, file: File) -> None:
        """Begin a transaction that writes."""
        if file.connection.in_transaction:  # which an interrupt has left open
            file.connection.execute("ROLLBACK")
        file.connection.execute("BEGIN IMMEDIATE")

    def commit(self, file: File) -> None:
        """End it."""
        file.connection.execute("COMMIT")
        self._stuck_since = None

    def give_up(self) -> None:
        """Give the file up, for all processes. Raises ``OSError`` if it may still be read."""
        file = self._file
        if file is None:
            give_up_linked(self.where())
        else:
            abandon(file.folder, file.name)
            self._drop()
        self.rebuilt += 1

    def _rebuild(self) -> None:
        self.rebuilt += 1

    def _attempt(self, work: Callable[[float], T], now: float) -> T:
        for again in (True, False):
            try:
                return work(now)
            except faults() as error:
                failure = self._failed(error, now)
                if failure is not None and not (again and kind_of(error) == BROKEN):
                    raise failure from error
            except BaseException:  # as of a signal's handler
                self._roll_back()
                raise
        raise AssertionError  # pragma: no cover - the second time returns or raises

    def _failed(self, error: Exception, now: float) -> TierError:
        self._roll_back()
        kind = kind_of(error)
        self._in_vain = kind == BUSY and self._file is None
        try:
            if kind == BROKEN or (kind == BUSY and self._is_stuck(now)):
                self.give_up()
            elif kind == FAILED:
                self._drop()
        except OSError as worse:
            kind = kind_of(worse)
        if kind != BUSY:  # which is an error once nobody waits any more
            self.errors[kind] += 1
        return tier_error(kind, error, self.where())

    def _is_stuck(self, now: float) -> bool:
        since = self._stuck_since
        if since is None or now < since:
            self._stuck_since, self._stuck_tries = now, 1
            return False
        self._stuck_tries += 1
        if now - since < STUCK or self._stuck_tries < STUCK_TRIES:
            return False
        self._stuck_since = None
        return True

    def _roll_back(self) -> None:
        file = self._file
        try:
            if file is not None and file.connection.in_transaction:
                file.connection.execute("ROLLBACK")
        except faults():
            self._drop()  # which ends the transaction too

    def _drop(self) -> None:
        file = self._file
        self._file = None
        self.space.forget()
        if file is None:
            return
        if file.forks != _forks[0]:
            _left_behind.append(file)
            return
        try:
            file.connection.close()
        except faults():
            pass
