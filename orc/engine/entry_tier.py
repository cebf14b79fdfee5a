"""A tier of bytes, as the tier of entries that plans speak to: address, envelope, claim.

What is asked is written once, as steps that yield calls of the tier; a thread and a coroutine each
drive them in a few lines.
"""

from __future__ import annotations

from _thread import RLock

from orc import notices
from orc.errors import TierError, TooLargeError, UnstorableError
from orc.lifecycle import pending
from orc.lifecycle.chance import token
from orc.lifecycle.runner import on_asyncio
from orc.model.entry import Found, Stored
from orc.model.row import Budget, Claim, Row, Write
from orc.stampede import left_claims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Any

    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.ports import Accept, Claims, ClockLike, Codec, Fill, Tier
    from orc.stampede.flight import Flight

    Steps = Generator[tuple[str, Any], Any, Any]
    """Calls of a tier: the method's name, and what it is given."""

MOST_CLAIMS = 3
"""Claims of a row that somebody else keeps filling with what this reader cannot take."""


class EntryTier:
    """A tier with a codec. Raises what the tier does."""

    def __init__(self, tier: Tier, codec: Codec, clock: ClockLike) -> None:
        self.tier = tier
        self.name = tier.name
        self.fleetwide = tier.fleetwide
        self.store: str = getattr(tier, "store", "") or f"{tier.name} {id(tier)}"
        """The server, table or file: one word for all tiers of this process that are on it."""
        self._codec = codec
        self._clock = clock
        self._lock = RLock()
        self._counts: dict[str, float] = {}
        self._seconds = 0.0
        self._loaded = False

    def __repr__(self) -> str:
        return repr(self.tier)

    # -- the calls, for threads and for coroutines ------------------------------------------------

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
        """Read, and claim what is missing; see ``orc.model.ports.SharedTier``."""
        if not self._loaded:
            self._load()
        began = self._clock.monotonic()
        budget = self._budget(within)
        try:
            rows = self.tier.get_many(
                [each.text for each in addresses], budget, consistent=consistent
            )
            left = budget.left()  # for claims: what is done here in between is not the tier's time
        finally:
            self._took(began)
        found, lacking = self._judge(addresses, rows, accept, claims=lease is not None)
        if lacking and lease is not None:
            claiming = self._claiming(addresses, found, lacking, accept, lease, claims)
            try:
                self._run(claiming, Budget(self._clock, left, budget.used))
            except TierError as error:
                _unclaimed(found, lacking, error)
        return found

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
        if not on_asyncio():
            found: Sequence[Found] = await _in_a_thread(
                lambda: self.fetch_many(
                    addresses,
                    accept,
                    lease,
                    consistent=consistent,
                    claims=claims,
                    within=within,
                )
            )
            return found
        if not self._loaded:
            self._load()
        began = self._clock.monotonic()
        budget = self._budget(within)
        try:
            rows = await self.tier.aget_many(
                [each.text for each in addresses], budget, consistent=consistent
            )
            left = budget.left()
        finally:
            self._took(began)
        found, lacking = self._judge(addresses, rows, accept, claims=lease is not None)
        if lacking and lease is not None:
            claiming = self._claiming(addresses, found, lacking, accept, lease, claims)
            try:
                await self._arun(claiming, Budget(self._clock, left, budget.used))
            except TierError as error:
                _unclaimed(found, lacking, error)
        return found

    def store_many(self, fills: Sequence[Fill], /) -> Stored:
        """Seal and write; see ``orc.model.ports.SharedTier``."""
        return self._run(self._storing(fills))  # type: ignore[no-any-return]

    async def astore_many(self, fills: Sequence[Fill], /) -> Stored:
        """Do as :meth:`store_many`, for coroutines."""
        return await self._arun(self._storing(fills))  # type: ignore[no-any-return]

    def give_back(self, fills: Sequence[Fill], /) -> None:
        """Give claims back without waiting; this process remembers them, as none is answered."""
        writes = []
        for address, _, live in fills:
            if live is not None:
                self.remember(address, live)
                writes.append(Write(address.text, None, token(), 0.0, live))
        start = getattr(self.tier, "start_giving_back", self.tier.aset_many)
        pending.begin(start(writes, Budget(self._clock, self.tier.budget)))

    def remember(self, address: Address, live: bytes, /) -> None:
        """Leave a claim to the next load of this process."""
        left_claims.remember(self.store, address.text, live)

    def hold(self, address: Address, live: bytes, flight: Flight, /) -> None:
        """Note the claim of a load that is under way; one that is stranded is taken over."""
        left_claims.hold(self.store, address.text, live, flight)

    def release(self, address: Address, flight: Flight, /) -> None:
        """Take back one :meth:`hold`."""
        left_claims.release(self.store, address.text, flight)

    def remove_many(self, addresses: Sequence[Address], /) -> None:
        """Remove rows with their claims."""
        self._run(_removing(addresses))

    async def aremove_many(self, addresses: Sequence[Address], /) -> None:
        """Do as :meth:`remove_many`, for coroutines."""
        await self._arun(_removing(addresses))

    def _run(self, steps: Steps, budget: Budget | None = None) -> Any:
        """Drive steps: within one budget, or with one for each."""
        if not self._loaded:
            self._load()
        began = self._clock.monotonic()
        try:
            name, asked = next(steps)
            while True:
                within = budget or Budget(self._clock, self.tier.budget)
                name, asked = steps.send(getattr(self.tier, name)(asked, within))
        except StopIteration as end:
            return end.value
        finally:
            self._took(began)

    async def _arun(self, steps: Steps, budget: Budget | None = None) -> Any:
        """Do as :meth:`_run`, for coroutines."""
        if not on_asyncio():
            return await _in_a_thread(lambda: self._run(steps, budget))
        if not self._loaded:
            self._load()
        began = self._clock.monotonic()
        try:
            name, asked = next(steps)
            while True:
                within = budget or Budget(self._clock, self.tier.budget)
                name, asked = steps.send(await getattr(self.tier, f"a{name}")(asked, within))
        except StopIteration as end:
            return end.value
        finally:
            self._took(began)

    def _budget(self, within: float | None) -> Budget:
        seconds = self.tier.budget
        return Budget(self._clock, seconds if within is None else min(seconds, within))

    def _load(self) -> None:
        """Import and make the client, which takes longer than a whole budget."""
        self.tier.load()
        self._loaded = True

    def _took(self, began: float) -> None:
        with self._lock:
            self._seconds += max(0.0, self._clock.monotonic() - began)

    # -- reading ----------------------------------------------------------------------------------

    def _judge(
        self,
        addresses: Sequence[Address],
        rows: Sequence[Row | TierError],
        accept: Accept,
        *,
        claims: bool,
    ) -> tuple[list[Found], list[tuple[int, bytes | None]]]:
        """Open what was read; return it, and the places and etags of what is to be claimed."""
        found: list[Found] = []
        lacking: list[tuple[int, bytes | None]] = []
        for address, row in zip(addresses, rows, strict=True):
            answer = self._found(address, row)
            found.append(answer)
            if claims and answer.error is None:
                entry = answer.entry
                if entry is None or not accept(address, entry):
                    lacking.append((len(found) - 1, row.etag))  # type: ignore[union-attr]
        return found, lacking

    def _claiming(  # noqa: PLR0913, PLR0917 - what a read has come to
        self,
        addresses: Sequence[Address],
        found: list[Found],
        lacking: list[tuple[int, bytes | None]],
        accept: Accept,
        lease: float,
        claims: Claims | None,
    ) -> Steps:
        """Claim rows, and note in `found` what came of it."""
        for _ in range(MOST_CLAIMS):
            wishes = [self._claim(addresses[at].text, lease, seen) for at, seen in lacking]
            if claims is not None:
                for claim in wishes:
                    claims.asks(self, claim.token)
            rows = yield "claim_many", wishes
            asked, lacking = lacking, []
            for (at, _), claim, row in zip(asked, wishes, rows, strict=True):
                answer = found[at] = self._found(addresses[at], row)
                if answer.error is not None:
                    continue
                if claim.own:
                    left_claims.forget(self.store, claim.address)
                if row.etag == claim.token:
                    answer.token = claim.token
                elif row.held > 0:
                    answer.held = row.held
                elif answer.entry is None or not accept(addresses[at], answer.entry):
                    lacking.append((at, row.etag))
            if not lacking:
                return

    def _claim(self, address: str, lease: float, seen: bytes | None) -> Claim:
        return Claim(address, token(), lease, seen, left_claims.of(self.store, address))

    def _found(self, address: Address, row: Row | TierError) -> Found:
        if not isinstance(row, Row):
            return Found(error=row)
        if row.payload is None:
            return Found()
        entry = None
        if len(row.payload) <= self.tier.max_value_bytes:
            entry = self._codec.open(row.payload, address)
        if entry is None:
            self._count("unreadable")
        return Found(entry)

    # -- writing ----------------------------------------------------------------------------------

    def _storing(self, fills: Sequence[Fill]) -> Steps:
        writes: list[Write] = []
        gone: list[str] = []
        stored = Stored()
        for address, entry, live in fills:
            payload, keep = None, 0.0
            if entry is not None:
                keep = self._keep(entry)
                try:
                    payload = self._codec.seal(entry, address) if keep > 0 else None
                    largest = self.tier.max_value_bytes
                    if payload is not None and len(payload) > largest:
                        size, payload = len(payload), None
                        raise TooLargeError(
                            f"a value of {size:,} bytes is larger than the {largest:,} that the "
                            f"tier {self.name} takes"
                        )
                except UnstorableError as error:
                    stored.refused[address] = error
                    if isinstance(error, TooLargeError):
                        self._count("oversize")
            if payload is not None or live is not None:
                writes.append(Write(address.text, payload, token(), keep, live))
            else:
                gone.append(address.text)  # whatever is there is older than this write
        if gone:
            yield "delete_many", gone
        if writes:
            unanswered = [each for each in writes if each.token is not None]
            try:
                answers = yield "set_many", writes
                unanswered = [
                    write
                    for write, answer in zip(writes, answers, strict=True)
                    if isinstance(answer, TierError) and write.token is not None
                ]
            finally:
                # Its claim may still be there.
                for each in unanswered:
                    left_claims.remember(self.store, each.address, each.token or b"")
            for answer in answers:
                if isinstance(answer, TierError):
                    raise answer
                if not answer:
                    self._count("overtaken")
                    stored.accepted = False
        return stored

    def _keep(self, entry: Entry) -> float:
        """Seconds for which an entry is of any use, fresh or stale."""
        stale = max(entry.stale_while_revalidate, entry.stale_if_error)
        return entry.fresh_until + stale - self._clock.wall()

    # -- the life of the process ------------------------------------------------------------------

    def counts(self) -> Mapping[str, float]:
        """Return what was counted here and by the tier, by name; numbers of this process."""
        counted: Mapping[str, float] = {}
        try:
            counted = self.tier.counts()
        except Exception as error:  # noqa: BLE001 - a tier may be anybody's
            notices.warn_of_bug(f"the tier {self.name}", error)
        return {**counted, **self._counts, "seconds": self._seconds}

    def _count(self, name: str, amount: float = 1) -> None:
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def prewarm(self) -> None:
        """Import and connect what the first call would."""
        self._codec.prewarm()
        self._load()
        self.tier.prewarm()

    def forked(self) -> None:
        """Go on in the child of a fork: with connections of its own, counting from zero."""
        self._lock = RLock()
        self._counts = {}
        self._seconds = 0.0
        self._loaded = False
        self.tier.forked()
        pending.forget()

    def restored(self) -> None:
        """Go on in a copy of a snapshot, in which every connection is dead."""
        # A guard forgets, too, what it knew of the tier's health.
        getattr(self.tier, "restored", self.tier.close)()


async def _in_a_thread(work: Callable[[], Any]) -> Any:
    """Do what another loop than asyncio's has no coroutine for."""
    from orc.lifecycle.other_loops import in_a_thread

    return await in_a_thread(work)


def _unclaimed(
    found: list[Found], lacking: Sequence[tuple[int, bytes | None]], error: TierError
) -> None:
    """Note that rows could not be claimed. What was found beside them is found all the same."""
    for at, _ in lacking:
        found[at] = Found(error=error)


def _removing(addresses: Sequence[Address]) -> Steps:
    yield "delete_many", [address.text for address in addresses]
