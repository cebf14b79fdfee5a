"""A tier of bytes, as the tier of entries that plans speak to: address, envelope, claim.

What is asked is written once, as steps that yield calls of the tier; a thread and a coroutine each
drive them in a few lines.
"""

from __future__ import annotations

from _thread import RLock

from orc.errors import TierError, UnstorableError
from orc.lifecycle.chance import token
from orc.model.entry import Found
from orc.model.row import Budget, Claim, Row, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Any

    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.ports import Accept, ClockLike, Codec, Fill, Tier

    Steps = Generator[tuple[str, Any, dict[str, Any]], Any, Any]
    """Calls of a tier: the method's name, what it is given, and its options."""

MOST_CLAIMS = 3
"""Claims of a row that somebody else keeps filling with what this reader cannot take."""


class EntryTier:
    """A tier with a codec. Raises what the tier does, and ``UnstorableError``."""

    def __init__(self, tier: Tier, codec: Codec, clock: ClockLike) -> None:
        self.tier = tier
        self.name = tier.name
        self.fleetwide = tier.fleetwide
        self._codec = codec
        self._clock = clock
        self._lock = RLock()
        self._counts: dict[str, float] = {}

    def __repr__(self) -> str:
        return repr(self.tier)

    # -- the calls, for threads and for coroutines ------------------------------------------------

    def fetch_many(
        self,
        addresses: Sequence[Address],
        accept: Accept,
        /,
        lease: float | None,
        *,
        consistent: bool,
    ) -> Sequence[Found]:
        """Read, and claim what is missing; see ``orc.model.ports.SharedTier``."""
        return self._run(self._fetching(addresses, accept, lease, consistent=consistent))  # type: ignore[no-any-return]

    async def afetch_many(
        self,
        addresses: Sequence[Address],
        accept: Accept,
        /,
        lease: float | None,
        *,
        consistent: bool,
    ) -> Sequence[Found]:
        """Do as :meth:`fetch_many`, for coroutines."""
        return await self._arun(self._fetching(addresses, accept, lease, consistent=consistent))  # type: ignore[no-any-return]

    def store_many(self, fills: Sequence[Fill], /) -> None:
        """Seal and write; see ``orc.model.ports.SharedTier``."""
        self._run(self._storing(fills))

    async def astore_many(self, fills: Sequence[Fill], /) -> None:
        """Do as :meth:`store_many`, for coroutines."""
        await self._arun(self._storing(fills))

    def remove_many(self, addresses: Sequence[Address], /) -> None:
        """Remove rows with their claims."""
        self._run(_removing(addresses))

    async def aremove_many(self, addresses: Sequence[Address], /) -> None:
        """Do as :meth:`remove_many`, for coroutines."""
        await self._arun(_removing(addresses))

    def _run(self, steps: Steps) -> Any:
        began = self._clock.monotonic()
        try:
            name, asked, options = next(steps)
            while True:
                # Each its own: the first may have made the client, which takes longer than either.
                budget = Budget(self._clock, self.tier.budget)
                answer = getattr(self.tier, name)(asked, budget, **options)
                name, asked, options = steps.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            self._count("seconds", max(0.0, self._clock.monotonic() - began))

    async def _arun(self, steps: Steps) -> Any:
        began = self._clock.monotonic()
        try:
            name, asked, options = next(steps)
            while True:
                budget = Budget(self._clock, self.tier.budget)
                answer = await getattr(self.tier, f"a{name}")(asked, budget, **options)
                name, asked, options = steps.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            self._count("seconds", max(0.0, self._clock.monotonic() - began))

    # -- reading ----------------------------------------------------------------------------------

    def _fetching(
        self, addresses: Sequence[Address], accept: Accept, lease: float | None, *, consistent: bool
    ) -> Steps:
        rows = yield "get_many", [each.text for each in addresses], {"consistent": consistent}
        found: list[Found] = []
        lacking: list[tuple[int, bytes | None]] = []
        for index, (address, row) in enumerate(zip(addresses, rows, strict=True)):
            answer = self._found(address, row)
            found.append(answer)
            if lease is None or answer.error is not None:
                continue
            if answer.entry is None or not accept(address, answer.entry):
                lacking.append((index, row.etag))
        for _ in range(MOST_CLAIMS):
            if not lacking or lease is None:
                break
            claims = [Claim(addresses[index].text, token(), lease, seen) for index, seen in lacking]
            rows = yield "claim_many", claims, {}
            asked, lacking = lacking, []
            for (index, _), claim, row in zip(asked, claims, rows, strict=True):
                address = addresses[index]
                answer = found[index] = self._found(address, row)
                if answer.error is not None:
                    continue
                if row.etag == claim.token:
                    answer.token = claim.token
                elif row.held > 0:
                    answer.held = row.held
                elif answer.entry is None or not accept(address, answer.entry):
                    lacking.append((index, row.etag))
        return found

    def _found(self, address: Address, row: Row | TierError) -> Found:
        if not isinstance(row, Row):
            return Found(error=row)
        if row.payload is None:
            return Found()
        entry = self._codec.open(row.payload, address)
        if entry is None:
            self._count("unreadable")
        return Found(entry)

    # -- writing ----------------------------------------------------------------------------------

    def _storing(self, fills: Sequence[Fill]) -> Steps:
        writes: list[Write] = []
        gone: list[str] = []
        refused: UnstorableError | None = None
        for address, entry, live in fills:
            payload, keep = None, 0.0
            if entry is not None:
                keep = self._keep(entry)
                try:
                    payload = self._codec.seal(entry, address) if keep > 0 else None
                except UnstorableError as error:
                    refused = refused or error
                if payload is not None and len(payload) > self.tier.max_value_bytes:
                    self._count("oversize")
                    payload = None
            if payload is not None or live is not None:
                writes.append(Write(address.text, payload, token(), keep, live))
            else:
                gone.append(address.text)  # whatever is there is older than this write
        if gone:
            yield "delete_many", gone, {}
        if writes:
            answers = yield "set_many", writes, {}
            for answer in answers:
                if isinstance(answer, TierError):
                    raise answer
                if not answer:
                    self._count("overtaken")
        if refused is not None:
            raise refused

    def _keep(self, entry: Entry) -> float:
        """Seconds for which an entry is of any use, fresh or stale."""
        stale = max(entry.stale_while_revalidate, entry.stale_if_error)
        return entry.fresh_until + stale - self._clock.wall()

    # -- the life of the process ------------------------------------------------------------------

    def counts(self) -> Mapping[str, float]:
        """Return what was counted here and by the tier, by name; numbers of this process."""
        return {**self.tier.counts(), **self._counts}

    def _count(self, name: str, amount: float = 1) -> None:
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def prewarm(self) -> None:
        """Import and connect what the first call would."""
        self._codec.prewarm()
        self.tier.prewarm()

    def forked(self) -> None:
        """Go on in the child of a fork: with connections of its own, counting from zero."""
        self._lock = RLock()
        self._counts = {}
        self.tier.forked()

    def restored(self) -> None:
        """Go on in a copy of a snapshot, in which every connection is dead."""
        # A guard forgets, too, what it knew of the tier's health.
        getattr(self.tier, "restored", self.tier.close)()


def _removing(addresses: Sequence[Address]) -> Steps:
    yield "delete_many", [address.text for address in addresses], {}
