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
from orc.tiers.copies import GRAIN, NEVER
from orc.tiers.eviction import DEAD
from orc.tiers.eviction import policy as policy_of
from orc.tiers.footprints import EVICTED, EXPIRED, INVALIDATED, Footprints
from orc.tiers.sizes import ENTRY_BYTES, SPACE_BYTES, TAG_BYTES
from orc.tiers.spaces import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping
    from typing import Any, Literal

    from orc.model.tags import Snapshot
    from orc.tiers.copies import Copy
    from orc.tiers.spaces import Ledger, Voidable

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
"""Bytes, where nobody says otherwise and the size of the function is not known."""

MOST_TRACED = 10 * 1024**3
"""Bytes of a budget for which misses are explained; Lambda's largest function has as many."""

LARGEST_VALUE = 0.1
"""The share of the budget that one entry may take."""

LEAST_BYTES = 4096
"""The smallest budget: less would hold the tier's own records, and no entry."""


class Memory:
    """A memory tier and its budget, for one cache or for several.

    ``max_bytes`` and ``max_items`` bound all entries together; ``max_bytes`` is a tenth of the
    function's memory on Lambda and 64 MB elsewhere unless given. ``policy`` is ``"lru"``,
    ``"s3fifo"`` or a class of cachetools. An entry larger than ``max_value_bytes``, a tenth of
    ``max_bytes`` unless given, is not stored, counted as ``oversize``, and warned of once.

    Safe for any number of threads. Raises ``ConfigError`` for a size that is not a positive int,
    and for a ``max_bytes`` below 4096, in which no entry would have room.
    """

    def __init__(
        self,
        *,
        max_items: int | None = None,
        max_bytes: int | None = None,
        max_value_bytes: int | None = None,
        policy: Literal["lru", "s3fifo"] | type[MutableMapping[Any, Any]] = "lru",
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
        self._policy_given = policy
        self._policy = policy_of(policy)
        self.entry_bytes: int = ENTRY_BYTES + self._policy.EXTRA_BYTES
        """What an entry costs beside its key and value."""
        self._log: list[Copy] = []
        self.record: Callable[[Copy], None] = self._log.append
        """Note a hit of a copy. Takes no lock, and is C: the path of a hit calls it."""
        self._lock: Any = RLock()
        self._held: list[bool] = []
        self._changing = False
        """Whether a change is under way; or was cut short, if no thread has the lock."""
        self._torn = False
        """Whether a finaliser's part of it was cut short."""
        self._flux: list[tuple[Copy, Snapshot]] = []
        """The copies that come or leave in this change, with their tags."""
        self._holding: dict[Space, None] = {}
        """The spaces that hold entries; noted before the first one comes."""
        self._orphans: deque[tuple[Copy, int]] = deque()
        self._spaces_made = 0
        self._items = 0
        self._entry_bytes = 0
        self._resize(max_bytes or DEFAULT_MAX_BYTES)

    def __repr__(self) -> str:
        return (
            f"<orc.Memory {self.policy}: {self.items} entries, {self.used_bytes} of "
            f"{self.max_bytes} bytes>"
        )

    @property
    def items(self) -> int:
        """Entries held."""
        self._heal()
        return self._items

    @property
    def used_bytes(self) -> int:
        """Bytes that entries and the tier's own records take of the budget."""
        self._heal()
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
        if self._changing or self._inside():
            return
        garbage: list[object] = []
        try:
            # Inside the ``try``: an interrupt may come between the call and whatever follows it.
            if self._lock.acquire(blocking=False) and not self._changing:
                self._changing = True
                self._drain()
                self._end_change(garbage)
        finally:
            try:
                self._lock.release()
            except RuntimeError:
                pass  # it is another thread's

    def hold(self) -> None:
        """Keep other threads from changing anything for a fork; wait a second for one at most."""
        self._held.append(False)
        self._held[-1] = self._lock.acquire(timeout=1.0)

    def let_go(self, *, in_child: bool) -> None:
        """Take back one :meth:`hold`, in the parent or in the child."""
        if self._held.pop() or self._inside():
            self._lock.release()
        elif in_child:  # where whoever has the lock is not
            self._lock = RLock()

    def admit(self, copy: Copy, flight: Voidable | None = None) -> bool:
        """Put a new copy in the place of the one under its key; tell whether it was stored."""
        fits = self._need(copy) <= self.max_value_bytes
        space = copy.space
        garbage: list[object] = []  # let go after the lock: a value may run code when it goes
        inside = self._changing and self._inside()
        with self._lock:
            # Under the lock, as `dismiss` is: whoever voids a flight removes the entry afterwards,
            # so either this fill sees the void, or that removal sees this fill.
            if flight is not None and flight.void:
                return False
            if not fits:
                space.ledger.oversize += 1
            # A finaliser or a signal handler runs inside this very thread's change: to store is
            # never owed, while to remove is, and is put off to the end of that change.
            if self._changing and not self._may_change(garbage, inside=inside):
                self._put_off(space, copy.key, INVALIDATED)
                return False
            self._changing = True
            old = space.index.get(copy.key)
            self._flux.append((copy, copy.versions))
            if old is not None:
                copy.key = old.key  # the index keeps the first of equal keys, so there is one
                self._flux.append((old, old.versions))
                self._policy.forget(old)
                self._count(old, -1)
                space.ledger.invalidated += 1
            if fits:
                self._make_room(copy, garbage)
            # Void by now: a finaliser of this thread did it since the first look.
            stored = fits and (flight is None or not flight.void)
            if stored:
                self._holding[space] = None
                space.index[copy.key] = copy
                self._count(copy, +1)
                self._policy.admit(copy)
                self.footprints.record(hash(copy.identity), INVALIDATED)
            if old is not None:
                self._strip(old, garbage)
            self._end_change(garbage)
        return stored

    def is_too_large(self, copy: Copy) -> bool:
        """Tell whether a copy is never stored, for its size; not from inside of a change."""
        return self._need(copy) > self.max_value_bytes and not self._inside()

    def dismiss(self, space: Space, key: Hashable, cause: int, *, only: Copy | None = None) -> bool:
        """Drop the copy under a key, or `only` that one; tell whether it was there.

        `cause` is one of ``orc.tiers.footprints``.
        """
        garbage: list[object] = []
        inside = self._changing and self._inside()
        with self._lock:
            if only is not None and space.index.get(key) is not only:
                return False
            return self._take_out(space, key, cause, garbage, inside=inside)

    def empty(self, space: Space) -> None:
        """Drop all copies of a space."""
        garbage: list[object] = []
        inside = self._changing and self._inside()
        with self._lock:
            for key in list(space.index):
                self._take_out(space, key, INVALIDATED, garbage, inside=inside)

    def _inside(self) -> bool:
        """Tell whether this thread has the lock already: inside of a change, or of a fork."""
        return self._lock._is_owned()  # type: ignore[no-any-return]  # noqa: SLF001 - no other word

    def _heal(self) -> None:
        if self._changing and not self._inside():
            garbage: list[object] = []
            with self._lock:
                self._may_change(garbage, inside=False)

    # Everything below is called with the lock held.

    def _may_change(self, garbage: list[object], *, inside: bool) -> bool:
        """Tell whether a change may begin; `inside`: this thread had the lock before.

        Only inside of a change can one be under way. Otherwise its end did not come, since the
        handler of a signal raised in the middle of it: then everything is counted anew.
        """
        if self._changing:
            if inside:
                return False
            self._count_anew(garbage)
        return True

    def _count_anew(self, garbage: list[object]) -> None:
        """Make policy and accounts of what the indexes hold. The order of uses is lost."""
        while self._orphans:
            self._flux.append((self._orphans.popleft()[0], ()))
        for copy, versions in self._flux:
            copy.rank = DEAD  # unless it is found below
            for tag, _ in (*versions, *copy.versions):
                tag.entries = 0
        policy = policy_of(self._policy_given)
        living: list[Copy] = []
        for space in list(self._holding):
            for key, copy in list(space.index.items()):
                if copy.wall_until == NEVER:  # it was leaving
                    space.index.pop(key, None)
                    copy.rank = DEAD
                    garbage.append(copy)
                else:
                    living.append(copy)
            space.items = 0
            if not space.index:
                self._holding.pop(space, None)
        for copy in living:
            for tag, _ in copy.versions:
                tag.entries = 0
        self._items = self._entry_bytes = 0
        for copy in living:
            self._count(copy, +1)
            policy.admit(copy)
        self._policy = policy
        garbage.append(self._flux)
        self._flux = []
        self._torn = self._changing = False

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
        while self._items and (
            self._entry_bytes > room or (most is not None and self._items >= most)
        ):
            victim: Copy = self._policy.victim()
            expired = victim.space.wall() >= victim.fresh_until
            self._let_go(victim, EXPIRED if expired else EVICTED, garbage)

    def _take_out(
        self, space: Space, key: Hashable, cause: int, garbage: list[object], *, inside: bool
    ) -> bool:
        if self._changing and not self._may_change(garbage, inside=inside):
            return self._put_off(space, key, cause)
        self._changing = True
        copy = space.index.get(key)
        if copy is not None:
            self._policy.forget(copy)
            self._let_go(copy, cause, garbage)
        self._end_change(garbage)
        return copy is not None

    def _put_off(self, space: Space, key: Hashable, cause: int) -> bool:
        self._torn = True
        copy = space.index.pop(key, None)
        if copy is not None:
            copy.wall_until = NEVER
            self._orphans.append((copy, cause))
        self._torn = False
        return copy is not None

    def _count(self, copy: Copy, step: int) -> None:
        space = copy.space
        space.items += step
        self._items += step
        self._entry_bytes += step * copy.weight * GRAIN
        if space.items == (step > 0):  # the first of its space, or the last
            self._entry_bytes += step * SPACE_BYTES
        for tag, _ in copy.versions:
            tag.entries += step
            if tag.entries == (step > 0):
                self._entry_bytes += step * TAG_BYTES

    def _let_go(self, copy: Copy, cause: int, garbage: list[object]) -> None:
        space = copy.space
        self._flux.append((copy, copy.versions))
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
            self._holding.pop(space, None)
            space.index.clear()  # a dict that was emptied keeps its table
        garbage.append((copy.value, copy.thaw, copy.key, copy.versions))
        # Queues and the log keep the shell for a while, and it keeps nothing.
        copy.value = copy.thaw = copy.key = None
        copy.weight = 0
        copy.versions = ()
        del copy.space

    def _end_change(self, garbage: list[object]) -> None:
        """End a change. An interrupt that came before this leaves the mark of a change behind."""
        while True:
            while self._orphans:
                copy, cause = self._orphans[0]
                if copy.rank != DEAD:
                    self._policy.forget(copy)
                    self._let_go(copy, cause, garbage)
                self._orphans.popleft()
            garbage.append(self._flux)
            self._flux = []
            if not self._orphans:  # nothing is called from here on, so that none can come
                self._changing = self._torn
                return
