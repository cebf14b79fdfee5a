"""The contracts between floors. Imported by type checkers only, but by name a place to read.

A *tier* keeps bytes outside the process, in rows (:mod:`orc.model.row`) under the text of an
address (:mod:`orc.model.address`). It knows nothing of values, codecs and freshness. The engine
speaks to a :class:`SharedTier`, which makes entries of a tier's bytes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from orc.errors import TierError
    from orc.model.address import Address
    from orc.model.entry import Entry, Found, Stored
    from orc.model.row import Budget, Claim, Row, Write

    Fill = tuple[Address, Entry | None, bytes | None]
    """An address, its new entry, and the token that it is filled with.

    No token replaces the row. A token and no entry gives the claim back.
    """

    Accept = Callable[[Address, Entry], bool]
    """Tells whether an entry will do."""

    class ClockLike(Protocol):
        """Two callables that return seconds."""

        @property
        def wall(self) -> Callable[[], float]:
            """The clock that other containers share."""

        @property
        def monotonic(self) -> Callable[[], float]:
            """A clock that nobody sets."""

    class Tier(Protocol):
        """A store of rows outside the process. Each call is one round trip, whatever the number.

        Made without I/O and without importing a client: what it needs is imported and connected at
        the first call, or by :meth:`prewarm`. Safe for threads; the twins that begin with ``a`` are
        for coroutines, of whichever event loop is running. Addresses in one call are distinct.

        What cannot be done raises a :class:`~orc.errors.TierError`, and nothing else does; where
        only a part of it cannot be done, that error stands in the place of each answer that is
        missing. A row that cannot be read, or is past its `keep`, is a row that is not there.
        Every call ends within its budget (seconds), connecting and trying again included.
        """

        name: str
        """The word for it in statistics: ``disk``, ``redis``, ``dynamodb``."""
        fleetwide: bool
        """Whether all containers see the same rows; else those of one execution environment do."""
        remote: bool
        """Whether a network is in between, so that a guard belongs round it."""
        budget: float
        """Seconds that one operation is given, unless somebody has less time."""
        max_value_bytes: int
        """The largest payload that it takes; the engine does not offer a larger one."""

        def counts(self) -> Mapping[str, float]:
            """Return what it counted for itself, by name: units of capacity, rows it evicted..."""

        def load(self) -> None:
            """Import and make the client, without connecting; cheap when that is done.

            Called before the first call of a process, since it takes longer than a whole budget.
            Raises ``ConfigError`` for a missing extra.
            """

        def prewarm(self) -> None:
            """Connect, and do what else the first call would; for the init phase.

            Raises ``ConfigError`` for a missing extra, and ``TierError`` where it cannot connect.
            """

        def close(self) -> None:
            """Let go of connections and files; the next call opens them anew. Never raises."""

        def forked(self) -> None:
            """Forget, without closing, connections that the parent of this process uses."""

        def get_many(
            self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
        ) -> Sequence[Row | TierError]:
            """Answer with a row for each address, in order.

            `consistent`: every write that was answered before this call began is seen.
            """

        def claim_many(
            self, claims: Sequence[Claim], budget: Budget, /
        ) -> Sequence[Row | TierError]:
            """Claim rows, and answer with each as it is then. Consistent always.

            The first that applies: another's lease, or rest, still lasts, and the row's etag is
            none of the claim's `own`: nothing changes, the answer's `held` is positive and not more
            than a lease can last. There is a payload
            whose etag is not `seen`: nothing changes (somebody has filled it meanwhile). Else the
            claim is granted: the row's etag is the token, its payload stays, and the answer shows
            the token as `etag` and `held` as 0. A row without a payload stays for at least a minute
            beyond its lease, so that a slow load can still be stored.
            """

        def set_many(
            self, writes: Sequence[Write], budget: Budget, /
        ) -> Sequence[bool | TierError]:
            """Write rows; answer for each whether it was accepted."""

        def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
            """Remove rows with their claims. Raises if any of them may still be there."""

        async def aget_many(
            self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
        ) -> Sequence[Row | TierError]:
            """Do as :meth:`get_many`, for coroutines."""

        async def aclaim_many(
            self, claims: Sequence[Claim], budget: Budget, /
        ) -> Sequence[Row | TierError]:
            """Do as :meth:`claim_many`, for coroutines."""

        async def aset_many(
            self, writes: Sequence[Write], budget: Budget, /
        ) -> Sequence[bool | TierError]:
            """Do as :meth:`set_many`, for coroutines."""

        async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
            """Do as :meth:`delete_many`, for coroutines."""

    class Codec(Protocol):
        """Entries to bytes and back."""

        def seal(self, entry: Entry, address: Address, /) -> bytes:
            """Make an envelope of an entry.

            Raises ``UnstorableError`` if the value would not come back exactly as it is.
            """

        def open(self, payload: bytes, address: Address, /) -> Entry | None:
            """Return the entry of an envelope; ``None`` for anything else. Never raises."""

        def prewarm(self) -> None:
            """Import what the first call would."""

    class Claims(Protocol):
        """The claims of one read."""

        def asks(self, tier: SharedTier, token: bytes) -> None:
            """Note a claim before it is asked for."""

    class SharedTier(Protocol):
        """A tier of entries, as the plans see it; each call is one round trip, or two on a miss."""

        @property
        def name(self) -> str:
            """The word for it in statistics."""

        @property
        def fleetwide(self) -> bool:
            """Whether all containers see the same rows."""

        def fetch_many(  # noqa: PLR0913 - what is asked of a tier
            self,
            addresses: Sequence[Address],
            accept: Accept,
            /,
            lease: float | None,
            *,
            consistent: bool,
            claims: Claims | None = None,
            within: float | None = None,
        ) -> Sequence[Found]:
            """Answer for each address in order: see ``Found``.

            With a `lease` in seconds, rows without an entry that is accepted are claimed. Their
            tokens are told to `claims` first: where no answer comes they may be live. `within` is
            seconds, if that is less than the tier's budget.
            """

        def store_many(self, fills: Sequence[Fill], /) -> Stored:
            """Store, but for what is refused; a fill whose token is no longer live is dropped."""

        def give_back(self, fills: Sequence[Fill], /) -> None:
            """Give claims back without waiting, since a coroutine was cancelled. Never raises."""

        def remember(self, address: Address, token: bytes, /) -> None:
            """Leave a claim to the next load of this process. Does no I/O, and never raises."""

        def hold(self, address: Address, token: bytes, flight: Any, /) -> None:
            """Note the claim of a load that is under way; one that is stranded is taken over."""

        def release(self, address: Address, flight: Any, /) -> None:
            """Take back one :meth:`hold`."""

        def remove_many(self, addresses: Sequence[Address], /) -> None:
            """Drop the entries, and the tokens of those who are loading them."""

        async def afetch_many(  # noqa: PLR0913 - what is asked of a tier
            self,
            addresses: Sequence[Address],
            accept: Accept,
            /,
            lease: float | None,
            *,
            consistent: bool,
            claims: Claims | None = None,
            within: float | None = None,
        ) -> Sequence[Found]:
            """Do as :meth:`fetch_many`, for coroutines."""

        async def astore_many(self, fills: Sequence[Fill], /) -> Stored:
            """Do as :meth:`store_many`, for coroutines."""

        async def aremove_many(self, addresses: Sequence[Address], /) -> None:
            """Do as :meth:`remove_many`, for coroutines."""
