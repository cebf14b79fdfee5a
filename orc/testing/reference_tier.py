"""The contract of a tier in its simplest form: what every other tier must do as well."""

from __future__ import annotations

from threading import Lock

from orc.errors import TierError, TierUnavailableError
from orc.model.row import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orc.model.row import Budget, Claim, Write

LINGER = 60.0
"""Seconds that a row without a payload stays beyond its lease, at least."""


class Store:
    """What tiers keep their rows in: two with one store are two containers with one server."""

    lock: Lock

    def __init__(self) -> None:
        self.lock = Lock()
        self.rows: dict[str, Kept] = {}
        self.broken = False
        """Whether it cannot be reached."""


class Kept:
    """A row as it is kept, with its times on the wall clock (epoch seconds)."""

    held_until: float

    def __init__(self, payload: bytes | None, etag: bytes, keep_until: float) -> None:
        self.payload = payload
        self.etag = etag
        self.keep_until = keep_until
        self.held_until = 0.0
        self.failed = False


class ReferenceTier:
    """A tier in memory: the contract of ``orc.model.ports.Tier`` as a program.

    Read it beside the contract; test code that uses a tier with it, without a server. It bounds
    nothing and forgets nothing before its time, so it is no cache.
    """

    store: Store

    def __init__(  # noqa: PLR0913 - each is a name of the contract
        self,
        store: Store | None = None,
        *,
        name: str = "reference",
        fleetwide: bool = True,
        remote: bool = False,
        budget: float = 0.05,
        max_value_bytes: int = 1 << 20,
    ) -> None:
        self.store = Store() if store is None else store
        self.name = name
        self.fleetwide = fleetwide
        self.remote = remote
        self.budget = budget
        self.max_value_bytes = max_value_bytes

    # -- one row ----------------------------------------------------------------------------------

    def read(self, address: str, now: float) -> Row:
        """Answer with one row. A row past its keep is not there."""
        kept = self.live(address, now)
        return Row() if kept is None else Row(kept.payload, kept.etag)

    def claim(self, claim: Claim, now: float) -> Row:
        """Claim one row; the first rule that applies."""
        kept = self.live(claim.address, now)
        held = 0.0 if kept is None else kept.held_until - now
        if kept is not None and held > 0 and kept.etag not in claim.own:
            return Row(kept.payload, kept.etag, held, failed=kept.failed)
        if kept is not None and kept.payload is not None and kept.etag != claim.seen:
            return Row(kept.payload, kept.etag)
        until = now + claim.lease + LINGER
        if kept is None:
            kept = self.store.rows[claim.address] = Kept(None, claim.token, until)
        kept.etag = claim.token
        kept.held_until = now + claim.lease
        kept.failed = False
        kept.keep_until = max(kept.keep_until, until) if kept.payload is None else kept.keep_until
        return Row(kept.payload, kept.etag)

    def write(self, write: Write, now: float) -> bool:
        """Write one row, or fill it, or give its claim back; tell whether that was accepted."""
        kept = self.live(write.address, now)
        if write.token is not None and (kept is None or kept.etag != write.token):
            return False
        if write.payload is not None:
            made = Kept(write.payload, write.etag, now + write.keep)
            self.store.rows[write.address] = made
        elif kept is not None:
            kept.etag = write.etag
            kept.held_until = now + write.rest
            kept.failed = write.rest > 0
            if kept.payload is None:
                kept.keep_until = now + write.rest + LINGER
        return True

    def delete(self, address: str) -> None:
        """Remove one row with its claim."""
        self.store.rows.pop(address, None)

    def live(self, address: str, now: float) -> Kept | None:
        """Return a row that is not past its keep."""
        kept = self.store.rows.get(address)
        return None if kept is None or now >= kept.keep_until else kept

    def check(self, budget: Budget) -> None:
        """Raise if the store cannot be reached, or there is no time to."""
        if self.store.broken:
            raise TierUnavailableError(f"{self.name} cannot be reached")
        if budget.left() <= 0:
            raise TierUnavailableError(f"{self.name} was given no time")

    # -- calls ------------------------------------------------------------------------------------

    def get_many(
        self,
        addresses: Sequence[str],
        budget: Budget,
        /,
        *,
        consistent: bool = False,  # noqa: ARG002 - always
    ) -> Sequence[Row | TierError]:
        """Answer with a row for each address, in order."""
        self.check(budget)
        with self.store.lock:
            now = budget.wall()
            return [self.read(address, now) for address in addresses]

    def claim_many(self, claims: Sequence[Claim], budget: Budget, /) -> Sequence[Row | TierError]:
        """Claim rows, and answer with each as it is then."""
        self.check(budget)
        with self.store.lock:
            now = budget.wall()
            return [self.claim(claim, now) for claim in claims]

    def set_many(self, writes: Sequence[Write], budget: Budget, /) -> Sequence[bool | TierError]:
        """Write rows; answer for each whether it was accepted."""
        self.check(budget)
        with self.store.lock:
            now = budget.wall()
            return [self.write(write, now) for write in writes]

    def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Remove rows with their claims."""
        self.check(budget)
        with self.store.lock:
            for address in addresses:
                self.delete(address)

    async def aget_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`get_many`, for coroutines."""
        return self.get_many(addresses, budget, consistent=consistent)

    async def aclaim_many(
        self, claims: Sequence[Claim], budget: Budget, /
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`claim_many`, for coroutines."""
        return self.claim_many(claims, budget)

    async def aset_many(
        self, writes: Sequence[Write], budget: Budget, /
    ) -> Sequence[bool | TierError]:
        """Do as :meth:`set_many`, for coroutines."""
        return self.set_many(writes, budget)

    async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Do as :meth:`delete_many`, for coroutines."""
        self.delete_many(addresses, budget)

    # -- the life of the process ------------------------------------------------------------------

    def counts(self) -> Mapping[str, float]:
        """Return how many rows are kept."""
        return {"rows": len(self.store.rows)}

    def load(self) -> None:
        """Do nothing: there is no client."""

    def prewarm(self) -> None:
        """Raise ``TierUnavailableError`` if the store cannot be reached."""
        if self.store.broken:
            raise TierUnavailableError(f"{self.name} cannot be reached")

    def close(self) -> None:
        """Let go of nothing: it holds no connection."""

    def forked(self) -> None:
        """Go on with a lock that no thread of the parent holds."""
        self.store.lock = Lock()
