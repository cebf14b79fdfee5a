"""What all functions and partitions of one cache share."""

from __future__ import annotations

from _thread import RLock
from _weakref import ref
from collections import deque

from orc.container.chance import token, uniform
from orc.engine.gate import Gate
from orc.model.tags import Tag
from orc.stampede.single_flight import Flights
from orc.stats.counters import Counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from weakref import WeakValueDictionary

    from orc.model.ports import ClockLike, SharedTier
    from orc.model.tags import Snapshot
    from orc.tiers.memory import Memory, Space


class Core:
    """Tiers, clock, flights, tags and counters of a cache and of its partitions."""

    MOST_SKEW = 2.0
    """Seconds by which another container's clock may be ahead before its entries are misses."""

    def __init__(  # noqa: PLR0913 - made in one place, from finished parts
        self,
        memory: Memory,
        tiers: Sequence[SharedTier],
        clock: ClockLike,
        *,
        namespace: str,
        version: str,
        disabled: bool,
    ) -> None:
        self.memory = memory
        self.tiers = tuple(tiers)
        """The shared tiers, the nearest first."""
        self.clock = clock
        self.namespace = namespace
        self.version = version
        self.gate = Gate(clock.wall, disabled=disabled)
        self.flights = Flights()
        self.uniform = uniform
        self.explicit = Counters("explicit keys")
        self._gone = Counters("functions that are gone")
        self._books: list[Counters] = [self.explicit]
        self._lock = RLock()
        self._closed: deque[tuple[Counters, int]] = deque()
        self._spaces: dict[int, tuple[str | None, ref[Space]]] = {}
        """The spaces of functions, by serial: with their partition, and not kept alive."""
        self._explicit_space = memory.space(self.explicit, clock.wall)
        self._partitions: WeakValueDictionary[str, Space] | None = None
        self._tags: WeakValueDictionary[tuple[str | None, str], Tag] | None = None

    def now(self) -> tuple[float, float]:
        """Read both clocks: seconds, wall and monotonic."""
        return self.clock.wall(), self.clock.monotonic()

    # -- spaces -----------------------------------------------------------------------------------

    def explicit_space(self, partition: str | None) -> Space:
        """Return the space of explicit keys, of one partition or outside all of them.

        A partition's entries keep its space alive; where there is none, there is nothing to keep.
        """
        if partition is None:
            return self._explicit_space
        with self._lock:
            if self._partitions is None:
                from weakref import WeakValueDictionary

                self._partitions = WeakValueDictionary()
            space = self._partitions.get(partition)
            if space is None:
                name = (self._explicit_space.serial, partition)
                space = self.memory.space(self.explicit, self.clock.wall, name)
                self._partitions[partition] = space
            return space

    def function_space(self, counters: Counters, partition: str | None) -> Space:
        """Return a new space for the results of one function, whose counters are kept from now."""
        self._fold()
        space = self.memory.space(counters, self.clock.wall)
        with self._lock:
            self._books.append(counters)
            self._spaces[space.serial] = (partition, ref(space))
        return space

    def close(self, counters: Counters, space: Space) -> None:
        """Drop the entries of a function that is gone; its counts stay in the totals.

        Called from a finaliser, at any moment: what takes time waits for the next
        :meth:`function_space` or :meth:`books`.
        """
        self._closed.append((counters, space.serial))
        space.clear()

    def books(self) -> list[Counters]:
        """Return all counters of this cache."""
        self._fold()
        return [*self._books, self._gone]

    def _fold(self) -> None:
        with self._lock:
            while self._closed:
                counters, serial = self._closed.popleft()
                self._books.remove(counters)
                self._gone.absorb(counters)
                del self._spaces[serial]

    def clear(self, partition: str | None) -> None:
        """Drop all entries: of one partition, or of all and of what is in none."""
        with self._lock:
            belonging = [
                space()
                for owner, space in self._spaces.values()
                if partition is None or owner == partition
            ]
            if partition is None:
                belonging += [self._explicit_space, *(self._partitions or {}).values()]
            elif self._partitions is not None:
                belonging.append(self._partitions.get(partition))
        spaces = [space for space in belonging if space is not None]
        self.flights.void_all(lambda key: key[0] in spaces)
        for space in spaces:
            space.clear()

    # -- tags -------------------------------------------------------------------------------------

    def snapshot(self, tags: Sequence[str], partition: str | None) -> Snapshot:
        """Return these tags with the versions that they have now."""
        if not tags:
            return ()
        with self._lock:
            if self._tags is None:
                from weakref import WeakValueDictionary

                self._tags = WeakValueDictionary()
            # A tag lives as long as an entry or a load carries it. A version that is forgotten with
            # the last of them is in no snapshot, so to draw another for the name later is safe.
            snapshot = []
            for name in tags:
                tag = self._tags.get((partition, name)) or Tag(name, token())
                self._tags[partition, name] = tag
                snapshot.append((tag, tag.version))
        return tuple(snapshot)

    def invalidate(self, tags: Sequence[str], partition: str | None) -> None:
        """Give tags new versions: whatever carries an old one is invalid from now on."""
        with self._lock:
            for name in tags:
                tag = None if self._tags is None else self._tags.get((partition, name))
                if tag is not None:
                    tag.version = token()
