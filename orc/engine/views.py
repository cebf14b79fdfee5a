"""What memory has for a key at one instant, and what a reader makes of it."""

from __future__ import annotations

from orc.model.entry import MISSING
from orc.model.tags import Invalidated, valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orc.model.tags import Snapshot
    from orc.tiers.copies import Copy


class View:
    """What memory has for a key at one instant."""

    __slots__ = ("cause", "copy", "created_at", "late", "life", "thaw", "trusted", "value")

    def __init__(self, cause: str) -> None:
        self.cause = cause
        """Why it is a miss, if it is one."""
        self.copy: Copy | None = None
        self.created_at = 0.0
        self.late = 0.0
        """Seconds past freshness; negative while fresh."""
        self.life = 0.0
        self.trusted = False
        self.value: object = MISSING
        self.thaw: Callable[[object], object] | None = None


class TaggedThaw:
    """Thaws a copy only while its tags have the versions they had before it was loaded."""

    __slots__ = ("thaw", "versions")

    def __init__(self, thaw: Callable[[object], object] | None, versions: Snapshot) -> None:
        self.thaw = thaw
        self.versions = versions

    def __call__(self, value: object) -> object:
        """Raise ``Invalidated``, or thaw."""
        if not valid(self.versions):
            raise Invalidated
        return value if self.thaw is None else self.thaw(value)


def thawed(kept: Any) -> object:
    """Return what a reader gets of what is kept of a value."""
    value: object
    thaw: Callable[[object], object] | None
    value, thaw = kept
    return value if thaw is None else thaw(value)
