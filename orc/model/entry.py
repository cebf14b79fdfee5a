"""What a tier holds for a key, and the two markers for "nothing"."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import Enum
    from typing import Final, Literal

    from orc.errors import TierError, UnstorableError
    from orc.model.address import Address
    from orc.model.tags import Marks

    class Missing(Enum):
        """The type of ``orc.MISSING``; as an enum, so that ``is not orc.MISSING`` narrows."""

        MISSING = "MISSING"

        def __bool__(self) -> Literal[False]: ...

    MISSING: Final = Missing.MISSING
else:

    class Missing:
        """The type of ``orc.MISSING``; there is one instance."""

        __slots__ = ()

        def __repr__(self) -> str:
            return "orc.MISSING"

        def __bool__(self) -> bool:
            return False

        def __reduce__(self) -> str:
            return "MISSING"

    MISSING = Missing()
"""What stands for "no value": a cached ``None``, ``0`` or ``""`` is a value."""


class Entry:
    """A value as it travels between tiers, with its times on the wall clock.

    `created_at` is the *start* of the load (seconds since the epoch), `fresh_until` the end of its
    freshness wherever it is copied to, `load_time` the seconds that loading took, and `versions`
    the names of the tags it had, with their versions from before the load. The stale windows (RFC
    5861) are seconds after `fresh_until`. `checked_at` is when a tier that all containers see was
    last known to have it: a copy that only one container sees is trusted for so long after that.
    """

    __slots__ = (
        "checked_at",
        "created_at",
        "fresh_until",
        "load_time",
        "stale_if_error",
        "stale_while_revalidate",
        "value",
        "versions",
    )

    checked_at: float
    created_at: float
    fresh_until: float
    load_time: float
    stale_if_error: float
    stale_while_revalidate: float
    value: object
    versions: Marks

    def __init__(  # noqa: PLR0913 - a record
        self,
        value: object,
        created_at: float,
        fresh_until: float,
        load_time: float = 0.0,
        versions: Marks = (),
        *,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        checked_at: float = 0.0,
    ) -> None:
        self.value = value
        self.created_at = created_at
        self.fresh_until = fresh_until
        self.load_time = load_time
        self.versions = versions
        self.stale_while_revalidate = stale_while_revalidate
        self.stale_if_error = stale_if_error
        self.checked_at = checked_at

    def __repr__(self) -> str:
        life = self.fresh_until - self.created_at
        return f"<Entry of a {type(self.value).__name__}, fresh for {life:.3g} s>"


class Stored:
    """What became of fills in a shared tier.

    `accepted` is false where one was overtaken: its row was written or deleted meanwhile. `refused`
    are the entries that the tier never takes, with the reasons; nothing is there in their place.
    """

    __slots__ = ("accepted", "refused")

    def __init__(self) -> None:
        self.accepted = True
        self.refused: dict[Address, UnstorableError] = {}


class Found:
    """What a shared tier answered for one key.

    The entry, if there is one, fresh or not; and where the row was claimed, the token for a fill,
    or for how many seconds it is `held` by somebody else. Or the error that kept the tier from
    answering for this key alone.
    """

    __slots__ = ("entry", "error", "held", "token")

    entry: Entry | None
    error: TierError | None
    held: float
    token: bytes | None

    def __init__(
        self,
        entry: Entry | None = None,
        token: bytes | None = None,
        held: float = 0.0,
        error: TierError | None = None,
    ) -> None:
        self.entry = entry
        self.token = token
        self.held = held
        self.error = error
