"""What a tier holds for a key, and the two markers for "nothing"."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, final

    from orc.model.tags import Snapshot
else:

    def final(cls: type) -> type:
        """Stand in for ``typing.final``, which would cost an import."""
        return cls


@final
class Missing:
    """The type of ``orc.MISSING``; there is one instance."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "orc.MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What stands for "no value": a cached ``None``, ``0`` or ``""`` is a value."""


class Entry:
    """A value as it travels between tiers, with its times on the wall clock.

    `created_at` is the *start* of the load (seconds since the epoch), `fresh_until` the end of its
    freshness wherever it is copied to, `load_time` the seconds that loading took, and `versions`
    the tags it had and their versions from before the load.
    """

    __slots__ = ("created_at", "fresh_until", "load_time", "value", "versions")

    def __init__(
        self,
        value: object,
        created_at: float,
        fresh_until: float,
        load_time: float = 0.0,
        versions: Snapshot = (),
    ) -> None:
        self.value = value
        self.created_at = created_at
        self.fresh_until = fresh_until
        self.load_time = load_time
        self.versions = versions

    def __repr__(self) -> str:
        life = self.fresh_until - self.created_at
        return f"<Entry of a {type(self.value).__name__}, fresh for {life:.3g} s>"


class Found:
    """What a shared tier answered for one key: the entry, if any, and the token for a fill.

    A tier that hands out tokens accepts a fill only with the token that is still live in it.
    """

    __slots__ = ("entry", "token")

    def __init__(self, entry: Entry | None = None, token: bytes | None = None) -> None:
        self.entry = entry
        self.token = token
