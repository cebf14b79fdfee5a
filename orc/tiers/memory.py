"""The memory tier: objects in this process, within a budget of bytes and of items.

Consistency   this process only; the copies of other containers are not seen.
Freeze        survives, and nothing runs meanwhile: there is no thread, no timer.
Cold start    empty.
Cost          a hit reads one dictionary without a lock; a write takes the tier's lock.
Limits        10 % of the function's memory, unless told otherwise; one value a tenth of that.

Many caches share one ``Memory`` and its budget. Each function and each partition has a ``Space`` in
it: an index of its own, so that a key of one is never a key of another.
"""

from __future__ import annotations

from _thread import RLock
from collections import deque

from orc.errors import ConfigError
from orc.tiers.copies import GRAIN, NEVER, NO_RETRY, Copy
from orc.tiers.eviction import DEAD
from orc.tiers.eviction import policy as policy_of
from orc.tiers.footprints import EVICTED, EXPIRED, INVALIDATED, Footprints
from orc.tiers.sizes import (
    ENTRY_BYTES,
    SPACE_BYTES,
    TAG_BYTES,
    TAGGED_BYTES,
    weigh,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Protocol

    from orc.model.tags import Snapshot

    class Ledger(Protocol):
        """Where a space counts what the tier does to its entries; written under its lock."""

        evicted: int
        expired: int
        invalidated: int
        oversize: int

    class Voidable(Protocol):
        """A load that may be overtaken by a write of its key."""

        @property
        def void(self) -> bool:
            """Whether it was."""


DEFAULT_MAX_BYTES = 64 * 1024 * 1024
"""Bytes, where nobody says otherwise and the size of the function is not known."""

MOST_TRACED = 10 * 1024**3
"""Bytes of a budget for which misses are explained; Lambda's largest function has as many."""

LARGEST_VALUE = 0.1
"""The share of the budget that one entry may take."""

LEAST_BYTES = 4096
"""The smallest budget: less would hold the tier's own records, and no entry."""


class Space:
    """The entries of one function, or of one partition's explicit keys, in a memory tier.

    Made by ``Memory.space``. Lives as long as somebody reads it, or it holds an entry.
    """

    __slots__ = ("__weakref__", "index", "items", "ledger", "memory", "serial", "wall")

    def __init__(
        self, memory: Memory, serial: int, ledger: Ledger, wall: Callable[[], float]
    ) -> None:
        self.memory: Memory = memory
        self.serial: int = serial
        self.ledger: Ledger = ledger
        self.wall: Callable[[], float] = wall
        self.index: dict[Hashable, Copy] = {}
        self.items: int = 0

    def put(  # noqa: PLR0913 - a copy is made in one step, so that no half of one is ever seen
        self,
        key: Hashable,
        value: object,
        thaw: Callable[[object], object] | None,
        *,
        trust: tuple[float, float],
        created_at: float,
        fresh_until: float,
        versions: Snapshot = (),
        flight: Voidable | None = None,
    ) -> bool:
        """Store a value that is ready to be shared or thawed; tell whether it was stored.

        `trust` holds the ends of trust on the wall and on the monotonic clock, in seconds. Refused
        is what is too large, and what was there under the key is gone all the same. Refused is the
        fill of a `flight` that is void: the key was written or deleted while it was under way.
        """
        copy = Copy()
        copy.space = self
        copy.key = key
        copy.value = value
        copy.thaw = thaw
        copy.wall_until, copy.mono_until = trust
        copy.created_at = created_at
        copy.fresh_until = fresh_until
        copy.versions = versions
        copy.retry = NO_RETRY
        copy.rank = DEAD
        size = self.memory.entry_bytes + weigh(key, value)
        if versions:
            size += TAGGED_BYTES + TAGGED_BYTES * len(versions)
        copy.weight = -(-size // GRAIN)
        return self.memory.admit(copy, flight)

    def remove(self, key: Hashable, *, expired: bool = False) -> bool:
        """Drop an entry; tell whether there was one."""
        return self.memory.dismiss(self, key, EXPIRED if expired else INVALIDATED)

    def drop(self, copy: Copy, *, expired: bool = False) -> bool:
        """Drop this copy and no later one of its key; tell whether it was still there."""
        return self.memory.dismiss(self, copy.key, EXPIRED if expired else INVALIDATED, only=copy)

    def clear(self) -> None:
        """Drop every entry of this space."""
        self.memory.empty(self)

    def why_missing(self, key: Hashable) -> str:
        """Name the cause of a miss of a key that is not in the index."""
        return self.memory.footprints.why_missing(hash((self.serial, key)))


class Memory:
    """A memory tier and its budget, for one cache or for several.

    ``max_bytes`` and ``max_items`` bound all entries together; ``max_bytes`` is a tenth of the
    function's memory on Lambda and 64 MB elsewhere unless given. ``policy`` is ``"lru"``,
    ``"s3fifo"`` or a class of cachetools. An entry larger than ``max_value_bytes``, a tenth of
    ``max_bytes`` unless given, is not stored, and counted as ``oversize``.

    Safe for any number of threads. Raises ``ConfigError`` for a size that is not a positive int,
    and for a ``max_bytes`` below 4096, in which no entry would have room.
    """

    def __init__(
        self,
        *,
        max_items: int | None = None,
        max_bytes: int | None = None,
        max_value_bytes: int | None = None,
        policy: object = "lru",
    ) -> None:
        for name, size in (
            ("max_items", max_items),
            ("max_bytes", max_bytes),
            ("max_value_bytes", max_value_bytes),
        ):
            if size is not None and (type(size) is not int or size < 1):
                raise ConfigError(f"Memory({name}={size!r}): give a positive int, or leave it out")
        if max_bytes is not None and max_bytes < LEAST_BYTES:
            raise ConfigError(f"Memory(max_bytes={max_bytes}): give at least {LEAST_BYTES} bytes")
        self.max_items = max_items
        self._max_bytes = max_bytes
        self._max_value_bytes = max_value_bytes
        self.policy: str = policy if isinstance(policy, str) else getattr(policy, "__name__", "?")
        self._policy = policy_of(policy)
        self.entry_bytes: int = ENTRY_BYTES + self._policy.EXTRA_BYTES
        """What an entry costs beside its key and value."""
        self._log: list[Copy] = []
        self.record: Callable[[Copy], None] = self._log.append
        """Note a hit of a copy. Takes no lock, and is C: the path of a hit calls it."""
        self._lock = RLock()
        self._held: list[bool] = []
        self._busy = False
        self._orphans: deque[tuple[Copy, int]] = deque()
        self._spaces_made = 0
        self.items: int = 0
        """Entries held."""
        self._entry_bytes = 0
        self._resize(max_bytes or DEFAULT_MAX_BYTES)

    def __repr__(self) -> str:
        return (
            f"<orc.Memory {self.policy}: {self.items} entries, {self.used_bytes} of "
            f"{self.max_bytes} bytes>"
        )

    @property
    def used_bytes(self) -> int:
        """Bytes that entries and the tier's own records take of the budget."""
        return self._entry_bytes + self.footprints.size

    def default_to(self, max_bytes: int) -> None:
        """Set the budget in bytes, unless it was given to the constructor."""
        if self._max_bytes is None:
            with self._lock:
                if max_bytes != self.max_bytes:  # the footprints would be lost
                    self._resize(max_bytes)

    def space(
        self, ledger: Ledger, wall: Callable[[], float], name: Hashable | None = None
    ) -> Space:
        """Make an empty space, whose ledger counts what happens to its entries.

        What is remembered of the keys of an earlier space of that name is remembered of this one's.
        """
        with self._lock:
            self._spaces_made += 1
            return Space(self, self._spaces_made if name is None else hash(name), ledger, wall)

    def settle(self) -> None:
        """Tell the policy of the hits noted so far. Does nothing if another thread is at it."""
        garbage: list[object] = []
        if self._lock.acquire(blocking=False):
            try:
                if not self._busy:
                    self._busy = True
                    try:
                        self._drain()
                    finally:
                        self._end_change(garbage)
            finally:
                self._lock.release()

    def hold(self) -> None:
        """Keep other threads from changing anything for a fork; wait a second for one at most."""
        self._held.append(self._lock.acquire(timeout=1.0))

    def let_go(self, *, in_child: bool) -> None:
        """Take back one :meth:`hold`, in the parent or in the child."""
        if self._held.pop():
            self._lock.release()
        elif in_child:  # where whoever has the lock is not
            self._lock, self._busy = RLock(), False

    def admit(self, copy: Copy, flight: Voidable | None = None) -> bool:
        """Put a new copy in the place of the one under its key; tell whether it was stored."""
        fits = self._need(copy) <= self.max_value_bytes
        space = copy.space
        garbage: list[object] = []  # let go after the lock: a value may run code when it goes
        with self._lock:
            # Under the lock, as `dismiss` is: whoever voids a flight removes the entry afterwards,
            # so either this fill sees the void, or that removal sees this fill.
            if flight is not None and flight.void:
                return False
            if not fits:
                space.ledger.oversize += 1
            # Busy means that a finaliser runs inside this very thread's change: to store is never
            # owed, while to remove is, and is put off to the end of that change.
            if self._busy:
                self._put_off(space, copy.key, INVALIDATED)
                return False
            self._busy = True
            try:
                old = space.index.get(copy.key)
                if old is not None:
                    copy.key = old.key  # the index keeps the first of equal keys, so there is one
                    self._policy.forget(old)
                    self._count(old, -1)
                    space.ledger.invalidated += 1
                if fits:
                    self._make_room(copy, garbage)
                # Void by now: a finaliser of this thread did it since the first look.
                stored = fits and (flight is None or not flight.void)
                if stored:
                    space.index[copy.key] = copy
                    self._count(copy, +1)
                    self._policy.admit(copy)
                    self.footprints.record(hash(copy.identity), INVALIDATED)
                if old is not None:
                    self._strip(old, garbage)
            finally:
                self._end_change(garbage)
        return stored

    def dismiss(self, space: Space, key: Hashable, cause: int, *, only: Copy | None = None) -> bool:
        """Drop the copy under a key, or `only` that one; tell whether it was there.

        `cause` is one of ``orc.tiers.footprints``.
        """
        garbage: list[object] = []
        with self._lock:
            if only is not None and space.index.get(key) is not only:
                return False
            return self._take_out(space, key, cause, garbage)

    def empty(self, space: Space) -> None:
        """Drop all copies of a space."""
        garbage: list[object] = []
        with self._lock:
            for key in list(space.index):
                self._take_out(space, key, INVALIDATED, garbage)

    # Everything below is called with the lock held.

    def _resize(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        # One byte in a hundred tells why a key is missing: of a budget that somebody could mean.
        self.footprints: Footprints = Footprints(min(max_bytes, MOST_TRACED) // 100)
        self._room = max_bytes - self.footprints.size - SPACE_BYTES
        largest = self._max_value_bytes or int(max_bytes * LARGEST_VALUE)
        self.max_value_bytes: int = max(0, min(largest, self._room))

    def _need(self, copy: Copy) -> int:
        # Of its tags each might be new.
        return copy.weight * GRAIN + TAG_BYTES * len(copy.versions)

    def _drain(self) -> None:
        # Two steps, each whole under the interpreter's lock: what other threads note in between
        # stands behind what is taken.
        batch = self._log[:]
        del self._log[: len(batch)]
        if batch:
            self._policy.touch(batch)

    def _make_room(self, copy: Copy, garbage: list[object]) -> None:
        room = self._room - self._need(copy)
        most = self.max_items
        # Hits first, and then who comes: the policy learns of both in the order in which they were.
        self._drain()
        while self.items and (
            self._entry_bytes > room or (most is not None and self.items >= most)
        ):
            victim: Copy = self._policy.victim()
            expired = victim.space.wall() >= victim.fresh_until
            self._let_go(victim, EXPIRED if expired else EVICTED, garbage)

    def _take_out(self, space: Space, key: Hashable, cause: int, garbage: list[object]) -> bool:
        if self._busy:
            return self._put_off(space, key, cause)
        self._busy = True
        try:
            copy = space.index.get(key)
            if copy is None:
                return False
            self._policy.forget(copy)
            self._let_go(copy, cause, garbage)
        finally:
            self._end_change(garbage)
        return True

    def _put_off(self, space: Space, key: Hashable, cause: int) -> bool:
        copy = space.index.pop(key, None)
        if copy is None:
            return False
        copy.wall_until = NEVER
        self._orphans.append((copy, cause))
        return True

    def _count(self, copy: Copy, step: int) -> None:
        space = copy.space
        space.items += step
        self.items += step
        self._entry_bytes += step * copy.weight * GRAIN
        if space.items == (step > 0):  # the first of its space, or the last
            self._entry_bytes += step * SPACE_BYTES
        for tag, _ in copy.versions:
            tag.entries += step
            if tag.entries == (step > 0):
                self._entry_bytes += step * TAG_BYTES

    def _let_go(self, copy: Copy, cause: int, garbage: list[object]) -> None:
        space = copy.space
        self._count(copy, -1)
        self.footprints.record(hash(copy.identity), cause)
        if cause == EVICTED:
            space.ledger.evicted += 1
        elif cause == EXPIRED:
            space.ledger.expired += 1
        else:
            space.ledger.invalidated += 1
        self._strip(copy, garbage)

    def _strip(self, copy: Copy, garbage: list[object]) -> None:
        space = copy.space
        copy.wall_until = NEVER
        if space.index.get(copy.key) is copy:
            space.index.pop(copy.key, None)
        if not space.items:
            space.index.clear()  # a dict that was emptied keeps its table
        garbage.append((copy.value, copy.thaw, copy.key, copy.versions))
        # Queues and the log keep the shell for a while, and it keeps nothing.
        copy.value = copy.thaw = copy.key = None
        copy.weight = 0
        copy.versions = ()
        del copy.space

    def _end_change(self, garbage: list[object]) -> None:
        while self._orphans:
            copy, cause = self._orphans.popleft()
            if copy.rank != DEAD:
                self._policy.forget(copy)
                self._let_go(copy, cause, garbage)
        self._busy = False
