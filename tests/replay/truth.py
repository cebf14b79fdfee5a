"""The origin of the replay: the version of each key, shared by all processes in one mapped file.

A writer holds the lock of a key, raises its version, and then tells the cache. The file has also
the instants of every version, and one count of operations for each process.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPLICIT = tuple(f"e{number:02}" for number in range(28))
"""Keys that are read and written by name."""
SYNC = tuple(f"f{number:02}" for number in range(6))
"""Keys of the decorated function."""
ASYNC = tuple(f"g{number:02}" for number in range(6))
"""Keys of the decorated coroutine function."""
KEYS = EXPLICIT + SYNC + ASYNC

DEFAULT_TTL = 6.0
TTLS = dict.fromkeys(KEYS, DEFAULT_TTL) | dict.fromkeys(EXPLICIT[::4], 2.0)
"""Seconds that a value of each key is fresh."""

VERSIONS = 1 << 14
"""Versions that one key can have."""
PROCESSES = 1 << 12
"""Processes that one run can have, those included that were started in another's place."""

_WORD = 8
_STOP = 0
_COUNTS = 1
_CURRENT = _COUNTS + PROCESSES
_BEFORE = _CURRENT + len(KEYS)
_AFTER = _BEFORE + len(KEYS) * VERSIONS
_WORDS = _AFTER + len(KEYS) * VERSIONS


def now() -> float:
    """Return the seconds of the clock that all processes of the machine share."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class Truth:
    """The versions of all keys. Opened once in each process: closing it would end its locks."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), _WORDS * _WORD)
        self._words = memoryview(self._map).cast("q")
        self._numbers = {key: number for number, key in enumerate(KEYS)}
        self._held: set[int] = set()
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> Truth:
        """Make the file, in which every key has version 0."""
        path.touch(0o600)
        os.truncate(path, _WORDS * _WORD)
        made = cls(path)
        instant = int(now() * 1e9)
        for number in range(len(KEYS)):
            made._words[_BEFORE + number * VERSIONS] = instant
            made._words[_AFTER + number * VERSIONS] = instant
        return made

    def version(self, key: str) -> int:
        """Return what a load of the key finds now."""
        return self._words[_CURRENT + self._numbers[key]]

    @contextmanager
    def held(self, key: str) -> Iterator[bool]:
        """Hold the lock of a key, if it is free; it ends with the process. Tell whether it was."""
        number = self._numbers[key]
        with self._lock:
            mine = number not in self._held and self._locked(number)
            if mine:
                self._held.add(number)
        try:
            yield mine
        finally:
            if mine:
                with self._lock:
                    self._held.discard(number)
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)

    def _locked(self, number: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        return True

    def raise_version(self, key: str) -> int:
        """Make a new version true, and return it. The caller holds the key's lock."""
        number = self._numbers[key]
        version = self._words[_CURRENT + number] + 1
        if version >= VERSIONS:
            raise OverflowError(f"{key} has had {version} versions")
        self._words[_BEFORE + number * VERSIONS + version] = int(now() * 1e9)
        self._words[_CURRENT + number] = version
        self._words[_AFTER + number * VERSIONS + version] = int(now() * 1e9)
        return version

    def instants(self, key: str) -> list[tuple[float, float]]:
        """Return for each version of a key the instants between which it became true.

        The later one is infinite where its writer was killed between the two.
        """
        number = self._numbers[key]
        found = []
        for version in range(self._words[_CURRENT + number] + 1):
            before = self._words[_BEFORE + number * VERSIONS + version]
            after = self._words[_AFTER + number * VERSIONS + version]
            found.append((before / 1e9, after / 1e9 if after else float("inf")))
        return found

    def count(self, process: int, operations: int) -> None:
        """Note how many operations a process has ended."""
        self._words[_COUNTS + process] = operations

    def counted(self) -> int:
        """Return how many operations all processes have ended."""
        return sum(self._words[_COUNTS:_CURRENT])

    def stop(self) -> None:
        """Tell all processes to begin no more operations."""
        self._words[_STOP] = 1

    @property
    def stopped(self) -> bool:
        """Whether the run is over."""
        return self._words[_STOP] != 0
