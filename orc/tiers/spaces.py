"""The entries of one function, or of one partition, in a memory tier."""

from __future__ import annotations

from orc import notices
from orc.tiers.copies import GRAIN, NO_RETRY, Copy
from orc.tiers.eviction import DEAD
from orc.tiers.footprints import EXPIRED, INVALIDATED
from orc.tiers.sizes import TAGGED_BYTES, weigh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Protocol

    from orc.model.tags import Snapshot
    from orc.tiers.memory import Memory

    class Ledger(Protocol):
        """Where a space counts what the tier does to its entries; written under its lock."""

        evicted: int
        expired: int
        invalidated: int
        oversize: int

        @property
        def name(self) -> str:
            """Whose they are: a function's name, or a cache's."""

    class Voidable(Protocol):
        """A load that may be overtaken by a write of its key."""

        @property
        def void(self) -> bool:
            """Whether it was."""


class Space:
    """The entries of one function, or of one partition's explicit keys, in a memory tier.

    Made by ``Memory.space``. Lives as long as a reader has it, or it holds an entry.
    """

    __slots__ = (
        "__weakref__",
        "cleared_at",
        "index",
        "items",
        "ledger",
        "memory",
        "serial",
        "wall",
    )

    def __init__(
        self, memory: Memory, serial: int, ledger: Ledger, wall: Callable[[], float]
    ) -> None:
        self.memory: Memory = memory
        self.serial: int = serial
        self.ledger: Ledger = ledger
        self.wall: Callable[[], float] = wall
        self.index: dict[Hashable, Copy] = {}
        self.items: int = 0
        self.cleared_at: float = 0.0
        """When this space was last cleared, for shared tiers, too: seconds, wall clock."""

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
        stored = self.memory.admit(copy, flight)
        if not stored and self.memory.is_too_large(copy):
            self._warn_of_size(copy)
        return stored

    def _warn_of_size(self, copy: Copy) -> None:
        name = self.ledger.name
        largest, budget = self.memory.max_value_bytes, self.memory.max_bytes
        notices.warn_once(
            "values too large for memory",
            f"{name}: a value of {_bytes(copy.weight * GRAIN)}, with its key, is too large for the "
            f"memory tier and is not kept in it. Its largest is {_bytes(largest)}, in a budget of "
            f"{_bytes(budget)}. Give the function more memory, or set "
            "orc.Memory(max_bytes=..., max_value_bytes=...), or ORC_MEMORY_MAX_BYTES and "
            "ORC_MEMORY_MAX_VALUE_BYTES.",
            f"{name} {id(self.ledger)}",
        )

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


def _bytes(count: int) -> str:
    """Write a number of bytes for a person."""
    for unit, size in (("MB", 1024 * 1024), ("KB", 1024)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
