"""Tags: names that many entries share, so that all of them can be made invalid at once.

Every tag has a version, drawn at random. An entry carries the versions that its tags had *before*
its load began; when one of them is another now, the entry is invalid. To invalidate is to draw a
new version, whatever the number of entries. (The scheme of Symfony's tag-aware cache; versions at
random rather than counted, so that a lost one can never come back as the old number.)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Snapshot = tuple[tuple["Tag", bytes], ...]

    Marks = tuple[tuple[str, bytes], ...]
    """A snapshot as it travels: names and versions."""


class Tag:
    """A tag and the version of it that this process knows."""

    __slots__ = ("__weakref__", "entries", "name", "version")

    def __init__(self, name: str, version: bytes) -> None:
        self.name: str = name
        self.version: bytes = version
        self.entries: int = 0
        """How many entries in memory have it; kept by the memory tier, under its lock."""


class Invalidated(Exception):  # noqa: N818 - control flow inside ORC, never seen by a caller
    """A tagged copy was read whose tags have moved on."""


def valid(versions: Snapshot) -> bool:
    """Tell whether every tag still has the version that the snapshot saw."""
    return all(tag.version == version for tag, version in versions)


def render(template: str, arguments: Mapping[str, object]) -> str:
    """Fill in a template such as ``"item:{item_id}"`` from the arguments of a call."""
    return template.format_map(arguments)
