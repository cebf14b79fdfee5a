"""The entries of one function, or of one partition, in a memory tier."""

from __future__ import annotations

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
