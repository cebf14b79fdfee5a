"""What a tier keeps under one address, and what it can be asked to do with it.

A row has an *etag*, 12 bytes drawn anew by whoever changes it, beside its payload: in the same row,
so that one operation can compare the one and change the other. A miss *claims* the row: its etag
becomes the claimer's token, and for the length of a lease nobody else may claim it. A *fill* is a
write that is accepted only while the row still has that token. Whoever sets or deletes the row in
between takes the token away; so no slow loader can store a value from before a delete. (Leases of
memcache at Facebook, NSDI 2013.)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.model.ports import ClockLike


ETAG_BYTES = 12
"""Bytes of an etag, and so of a token."""


class Row:
    """What is kept under one address. A row that is not there has no payload and no etag."""

    __slots__ = ("etag", "failed", "held", "payload")

    etag: bytes | None
    failed: bool
    held: float
    payload: bytes | None

    def __init__(
        self,
        payload: bytes | None = None,
        etag: bytes | None = None,
        held: float = 0.0,
        *,
        failed: bool = False,
    ) -> None:
        self.payload = payload
        """A sealed entry, perhaps past its freshness; ``None`` where only a claim is there."""
        self.etag = etag
        self.held = held
        """Seconds for which the row may not be claimed. An answer to a claim says so; one to a read
        need not."""
        self.failed = failed
        """Whether it may not be claimed because the last load failed, and not for a lease."""


class Claim:
    """The wish to load what belongs under an address."""

    __slots__ = ("address", "lease", "own", "seen", "token")

    address: str
    lease: float
    own: tuple[bytes, ...]
    seen: bytes | None
    token: bytes

    def __init__(
        self,
        address: str,
        token: bytes,
        lease: float,
        seen: bytes | None = None,
        own: tuple[bytes, ...] = (),
    ) -> None:
        self.address = address
        self.token = token
        """Drawn at random for this claim: the etag of the row, if it is granted."""
        self.lease = lease
        """Seconds during which nobody else is granted a claim; 0 keeps nobody out."""
        self.seen = seen
        """The etag of the row whose payload was read and will not do; ``None`` if none was."""
        self.own = own
        """Tokens of this process's own loads that have ended: a lease with one of them keeps this
        claim from nothing, and is replaced by it."""


class Write:
    """A new row, or with a token a fill: accepted only while the row's etag is that token."""

    __slots__ = ("address", "etag", "keep", "payload", "rest", "token")

    address: str
    etag: bytes
    keep: float
    payload: bytes | None
    rest: float
    token: bytes | None

    def __init__(  # noqa: PLR0913 - a record
        self,
        address: str,
        payload: bytes | None,
        etag: bytes,
        keep: float,
        token: bytes | None = None,
        *,
        rest: float = 0.0,
    ) -> None:
        self.address = address
        self.payload = payload
        """The sealed entry. ``None``, only with a token: the claim is given back, and a payload
        that is there stays."""
        self.etag = etag
        """Drawn at random for this write."""
        self.keep = keep
        """Seconds until the row may vanish, and from which on it must not be answered."""
        self.token = token
        """``None``: replace whatever is there."""
        self.rest = rest
        """Seconds during which no claim is granted, since the load failed; when giving back."""


class Budget:
    """The time that one operation of a tier has, and the clock it is measured by.

    It runs from the first look at it, and not while it is paused: what the process does before it
    asks the tier, or is kept from doing, is not the tier's time.
    """

    __slots__ = (
        "_clock",
        "_connecting",
        "_left",
        "_longest",
        "_until",
        "allowance",
        "excused",
        "late",
        "seconds",
        "told",
        "used",
        "waited",
    )

    allowance: float
    excused: float
    late: bool
    seconds: float
    told: bool
    used: float
    waited: float

    def __init__(self, clock: ClockLike, seconds: float, used: float = 0.0) -> None:
        self._clock = clock
        self._left = seconds
        self._until: float | None = None
        self.seconds = seconds
        """Seconds that it had in the beginning."""
        self.used = used
        """Seconds that earlier calls of the operation have waited for the tier."""
        self.allowance = 0.0
        """Seconds beside it for connecting, where it is the first of its process."""
        self.excused = 0.0
        """Seconds of the allowance that were spent."""
        self._connecting = 0
        self._longest = 0.0
        self.told = False
        """Whether a transport has told what it waited for: then that counts, and no clock."""
        self.waited = 0.0
        """Seconds for which it saw that there was no answer."""
        self.late = False
        """Whether the answer was there when the time was over."""

    def left(self) -> float:
        """Seconds that are left; negative when it is over."""
        if self._until is None:
            self._until = self._clock.monotonic() + self._left
            return self._left
        return self._until - self._clock.monotonic()

    def pause(self, left: float | None = None) -> None:
        """Let it run no more until the next look, with so many seconds left."""
        self._left = self.left() if left is None else left
        self._until = None
        self.told = True

    def connect(self) -> float:
        """Begin to connect, with the allowance beside; return the instant for :meth:`connected`.

        Several may connect at once: the allowance is that of all of them.
        """
        self.left()  # it runs from now on
        if not self._connecting:
            self.extend(self.allowance)
            self._longest = 0.0
        self._connecting += 1
        return self._clock.monotonic()

    def connected(self, since: float, waited: float | None = None) -> None:
        """End it, whatever came of it; what was not needed is there for the next connection.

        `waited` is seconds that were taken from the budget for it, if it has told them.
        """
        used = max(0.0, self._clock.monotonic() - since if waited is None else waited)
        self._longest = max(self._longest, used)
        self._connecting -= 1
        if not self._connecting:
            excused = min(self.allowance, self._longest)
            self.extend(excused - self.allowance)
            self.excused += excused
            self.allowance -= excused

    def extend(self, seconds: float) -> None:
        """Give back what was spent on anything but the server."""
        if self._until is None:
            self._left += seconds
        else:
            self._until += seconds

    def wall(self) -> float:
        """Seconds since the epoch, now."""
        return self._clock.wall()

    def now(self) -> tuple[float, float] | None:
        """Return the instant by the wall clock, and by the monotonic one; or ``None``, if none."""
        return self._clock.wall(), self._clock.monotonic()
