"""The results of one function in memory: a space for each partition, and one count for all."""

from __future__ import annotations

from orc.stats.counters import Counters
from orc.stats.info import CacheInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from orc.engine.core import Core
    from orc.tiers.spaces import Space


class FunctionSpaces:
    """Where the results of one function are in memory, partition by partition.

    The wrappers of the function have it, and what finds it again for a partition. When nothing has
    it any more, the entries go with it. A partition's space lives while it holds an entry, or a
    wrapper has it.
    """

    __slots__ = ("__weakref__", "_cleared", "_core", "_parts", "_whole", "counted", "counters")

    MOST_CLEARED = 1024
    """Partitions of which is remembered when each was cleared."""

    def __init__(self, core: Core, title: str) -> None:
        self.counters = Counters(title)
        self.counted = CacheInfo(0, 0, None, 0)
        """What the counters showed when they were last told to begin anew."""
        self._core = core
        self._cleared: dict[str | None, float] = {}
        self._whole: Space | None = None
        self._parts: MutableMapping[str, Space] | None = None
        core.function_begins(self)

    def __del__(self) -> None:
        self._core.function_ends(self.counters, self.spaces())

    def space(self, partition: str | None) -> Space:
        """Return the space of one partition, or of what is in none."""
        core = self._core
        with core.lock:
            space = self.find(partition)
            if space is None:
                # What is remembered of the keys of a partition's last space is of this one's.
                name = None if partition is None else (id(self.counters), partition)
                space = core.memory.space(self.counters, core.clock.wall, name)
                cleared = self._cleared
                space.cleared_at = max(cleared.get(None, 0.0), cleared.get(partition, 0.0))
                if partition is None:
                    self._whole = space
                else:
                    if self._parts is None:
                        from weakref import WeakValueDictionary

                        self._parts = WeakValueDictionary()
                    self._parts[partition] = space
            return space

    def find(self, partition: str | None) -> Space | None:
        """Return the space of one partition, if there is one."""
        if partition is None:
            return self._whole
        return None if self._parts is None else self._parts.get(partition)

    def spaces(self) -> list[Space]:
        """Return the spaces that there are."""
        parts = [] if self._parts is None else list(self._parts.values())
        return parts if self._whole is None else [self._whole, *parts]

    def clear(self, partition: str | None) -> None:
        """Drop the results of one partition; with ``None`` of all, and begin to count anew.

        Those in shared tiers are not answered any more either, by this process.
        """
        core = self._core
        with core.lock:
            now = core.clock.wall()
            if partition is None:
                self._cleared = {None: now}
                spaces = self.spaces()
            else:
                if len(self._cleared) >= self.MOST_CLEARED:
                    # One instant for all that were cleared: it can only make misses.
                    self._cleared = {None: max(self._cleared.values())}
                self._cleared[partition] = now
                spaces = [space for space in (self.find(partition),) if space is not None]
            for space in spaces:
                space.cleared_at = now
        core.flights.void_all(lambda key: key[0] in spaces)
        for space in spaces:
            space.clear()
        if partition is None:
            self.counted = self._count(0)

    def came_back(self, now: float) -> None:
        """Go on by the machine's clock after a test had another."""
        self._cleared = {name: min(at, now) for name, at in self._cleared.items()}
        for space in self.spaces():
            space.cleared_at = min(space.cleared_at, now)

    def info(self, partition: str | None) -> CacheInfo:
        """Return what was counted, and the entries of one partition or of all."""
        if partition is None:
            with self._core.lock:
                items = sum(space.items for space in self.spaces())
        else:
            space = self.find(partition)
            items = 0 if space is None else space.items
        return self._count(items).since(self.counted)

    def _count(self, items: int) -> CacheInfo:
        memory = self._core.memory
        memory.settle()  # to look takes numbers from those at which hits do it
        return CacheInfo.of(self.counters, memory.max_items, items)
