"""What the memory tier keeps of a value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from orc.model.tags import Snapshot
    from orc.tiers.spaces import Space

GRAIN = 16
"""Bytes. In units of it most weights are ints that Python keeps anyway, and take no memory."""

NEVER = float("-inf")
NO_RETRY = (NEVER, NEVER)


class Copy:
    """One value in memory, with the instants until which a hit may trust it.

    Readers take no lock. A copy is complete before it is published in the index; what leaves has
    its trust taken away *before* its value, and readers take the value *before* they compare the
    trust: so none of them can be given half of a change.
    """

    __slots__ = (
        "created_at",
        "fresh_until",
        "key",
        "mono_until",
        "rank",
        "retry",
        "space",
        "thaw",
        "value",
        "versions",
        "wall_until",
        "weight",
    )

    created_at: float
    """Start of the load: seconds, wall clock."""
    fresh_until: float
    """End of freshness: seconds, wall clock; not before `wall_until`."""
    key: Hashable
    mono_until: float
    """End of trust: seconds, monotonic clock."""
    rank: int
    """What the eviction policy remembers of this copy."""
    retry: tuple[float, float]
    """After a failed refresh: when to ask the origin again (wall, monotonic seconds)."""
    space: Space
    thaw: Callable[[object], object] | None
    """Makes what a reader gets of the value; none if the value itself can be shared."""
    value: object
    versions: Snapshot
    wall_until: float
    """End of trust: seconds, wall clock."""
    weight: int
    """What it counts in the budget, in units of `GRAIN`."""

    @property
    def identity(self) -> tuple[int, Hashable]:
        """Tell the key apart from the same key in another space."""
        return self.space.serial, self.key

    @property
    def mono_fresh_until(self) -> float:
        """End of freshness: seconds, monotonic clock."""
        return self.mono_until + (self.fresh_until - self.wall_until)
