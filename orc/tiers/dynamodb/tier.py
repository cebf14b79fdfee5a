"""The tier of a DynamoDB table: :class:`DynamoDB`."""

from __future__ import annotations

from orc.errors import ConfigError, TierError, TierRefusedError, TierThrottledError
from orc.model.row import Budget
from orc.tiers.dynamodb import requests as word
from orc.tiers.dynamodb.handed import handed_in
from orc.tiers.dynamodb.recent import Recent
from orc.tiers.dynamodb.transport import ConditionFailed, Transport
from orc.tiers.dynamodb.workers import Workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from orc.model.row import Claim, Row, Write
    from orc.tiers.dynamodb.transport import Time

MAX_VALUE_BYTES = 400_000
"""DynamoDB takes items of 409,600 bytes, names and key included; moto 405,000."""

TRIES = 3
"""Requests for one claim whose row somebody else keeps changing; or without any progress, for what
a batch has left over."""

PAUSE = 0.01
"""Seconds before a batch that made no progress is tried again; then twice, four times as much."""


class DynamoDB:
    """Rows in a DynamoDB table: ``DynamoDB("cache")``, a boto3 Table, or a client and ``table=``.

    The table has the partition key ``pk`` (S) and no sort key; ``orc dynamodb create-table`` makes
    it. Nothing is imported or connected before the first use or :meth:`prewarm`. `region`,
    `endpoint` and credentials are found as boto3 finds them where they are not given; `budget` is
    seconds for one operation. A client handed in keeps its own timeouts, retries and connections.
    """

    budget: float

    fleetwide = True
    extra = "dynamodb"
    remote = True

    def __init__(  # noqa: PLR0913 - options
        self,
        source: Any,
        *,
        table: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
        budget: float = 0.2,
        max_value_bytes: int = MAX_VALUE_BYTES,
        name: str = "dynamodb",
    ) -> None:
        client = None
        if isinstance(source, str):
            if table is not None:
                raise ConfigError("DynamoDB(table=...): the table is named twice")
            table = source
        elif hasattr(source, "get_item") and hasattr(source, "meta"):
            client, table = handed_in(source, table)
            if region is not None or endpoint is not None:
                raise ConfigError(
                    "DynamoDB(): region= and endpoint= are the client's own, where one is handed in"
                )
        else:
            raise ConfigError(
                f"DynamoDB() takes a table's name, a boto3 Table or a boto3 client, "
                f"not {type(source).__name__}"
            )
        if not table or not word.is_table(table):
            shown = repr(table) if str(table).replace("-", "_").isidentifier() else "that"
            raise ConfigError(f"DynamoDB(): {shown} is not the name of a table, or its ARN")
        if not isinstance(budget, int | float) or not 0 < budget < float("inf"):
            raise ConfigError(f"DynamoDB(budget={budget!r}): seconds, more than 0")
        if not isinstance(max_value_bytes, int) or not 0 < max_value_bytes <= MAX_VALUE_BYTES:
            raise ConfigError(
                f"DynamoDB(max_value_bytes={max_value_bytes!r}): 1 to {MAX_VALUE_BYTES}, since an "
                "item has 400 KB at most"
            )
        self.name = name
        self.max_value_bytes = max_value_bytes
        self.budget = float(budget)
        self.needs = "boto3" if client is None else ""  # the module of a client that it makes
        self._transport = Transport(table, client, region, endpoint, self.budget)
        where = f"{region} {endpoint}" if client is None else str(client.meta.endpoint_url)
        self.store: str = f"dynamodb {table} {where}"
        self._start()

    def _start(self) -> None:
        self._recent = Recent()
        self._workers = Workers()

    def __repr__(self) -> str:
        return f"<DynamoDB table {self._transport.table!r}>"

    @property
    def where(self) -> str:
        """The table and its endpoint, as messages show them."""
        return self._transport.where

    # -- the life of the process ------------------------------------------------------------------

    def counts(self) -> Mapping[str, float]:
        """Return ``requests``, ``throttled``, ``read_units``, ``write_units`` of this process."""
        return dict(self._transport.counts)

    def load(self) -> None:
        """Import boto3 and make the client. Raises ``ConfigError`` for a missing boto3."""
        self._transport.load()

    def prewarm(self) -> None:
        """Open a connection by reading a row that is not there: no right is needed but GetItem."""
        self._transport.open(Budget(_Still(), self.budget))

    def close(self) -> None:
        """Let go of idle connections and threads; the next call makes new ones."""
        self._workers.close()
        self._transport.close()

    def forked(self) -> None:
        """Go on in the child of a fork: with a client and threads of its own."""
        self._transport.forked()
        self._start()

    # -- reading ----------------------------------------------------------------------------------

    def get_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Read rows: a GetItem, or BatchGetItems of 100 side by side."""
        if not addresses:
            return []
        time = self._transport.ready(budget)
        now = time.wall()
        if len(addresses) == 1:
            (address,) = addresses
            asked = word.get(
                self._transport.table,
                address,
                consistent=consistent or self._recent.has(address, now),
            )
            answer = self._transport.ask("GetItem", asked, time)
            return [word.row_of(answer.get("Item"), time.wall())]
        found: dict[str, Row | TierError] = {}
        parts = _parts(addresses, word.READS)

        def read(part: Sequence[str]) -> None:
            strictly = consistent or any(self._recent.has(each, now) for each in part)
            self._read(part, time, found, consistent=strictly)

        self._workers.each(read, parts)
        return _answers([found[each] for each in addresses])

    def _read(
        self,
        part: Sequence[str],
        time: Time,
        found: dict[str, Row | TierError],
        *,
        consistent: bool,
    ) -> None:
        def batch(some: Sequence[str]) -> set[str]:
            asked = word.batch_get(self._transport.table, some, consistent=consistent)
            answer = self._transport.ask("BatchGetItem", asked, time)
            left = word.unprocessed(answer)
            now = time.wall()
            items = answer.get("Responses", {}).get(self._transport.table)
            if items is None:  # a table named by its ARN is answered by its name, or the reverse
                items = [item for some in answer.get("Responses", {}).values() for item in some]
            there = {word.address_in(item): item for item in items}
            for address in some:
                if address not in left:
                    found[address] = word.row_of(there.get(address), now)
            return left

        found.update(self._batches(batch, part, time))

    # -- claiming ---------------------------------------------------------------------------------

    def claim_many(self, claims: Sequence[Claim], budget: Budget, /) -> Sequence[Row | TierError]:
        """Claim rows by one conditional UpdateItem each, side by side."""
        if not claims:
            return []
        time = self._transport.ready(budget)
        return _answers(self._workers.each(lambda claim: self._claim(claim, time), claims))

    def _claim(self, claim: Claim, time: Time) -> Row:
        of_nothing = claim.seen is None
        self._recent.add(claim.address, time.wall())
        for _ in range(TRIES):
            now = time.wall()
            asked = word.claim(self._transport.table, claim, now, of_nothing=of_nothing)
            try:
                answer = self._transport.ask("UpdateItem", asked, time)
            except ConditionFailed as failed:
                row = word.row_of(failed.item, now)
                if word.refuses(row, claim):
                    return row
                if row.etag == claim.token:  # the answer to the first attempt was lost
                    return _granted(row, claim)
                of_nothing = row.payload is None
            else:
                return _granted(word.row_of(answer.get("Attributes"), now), claim)
        raise TierThrottledError(
            f"DynamoDB table {self._transport.table!r}: a row changed with each try to claim it"
        )

    # -- writing ----------------------------------------------------------------------------------

    def set_many(self, writes: Sequence[Write], budget: Budget, /) -> Sequence[bool | TierError]:
        """Write rows: fills by conditional PutItems, the rest by BatchWriteItems."""
        if not writes:
            return []
        time = self._transport.ready(budget)
        plain: list[Write] = []
        jobs: list[Any] = []
        for each in writes:
            (plain if each.token is None and not self._oversize(each) else jobs).append(each)
        failed: dict[str, TierError] = {}
        if len(plain) == 1:
            jobs += plain
        elif plain:
            jobs += _parts(plain, word.WRITES)

        def write(job: Any) -> bool:
            if not isinstance(job, list):
                return self._write(job, time)
            now = time.wall()
            failed.update(
                self._change(
                    {
                        each.address: word.item_of(each, now)
                        if each.keep > 0
                        else word.key_of(each.address)
                        for each in job
                    },
                    time,
                )
            )
            return True

        answers: dict[str, bool | TierError] = {}
        for job, answer in zip(jobs, self._workers.each(write, jobs), strict=True):
            for each in job if isinstance(job, list) else [job]:
                answers[each.address] = answer
        answers.update(failed)
        return _answers([answers[each.address] for each in writes])

    def _oversize(self, write: Write) -> bool:
        return write.payload is not None and len(write.payload) > self.max_value_bytes

    def _write(self, write: Write, time: Time) -> bool:
        if self._oversize(write):
            raise TierRefusedError(
                f"DynamoDB takes items of 400 KB; a payload of {len(write.payload or b'')} bytes "
                f"is more than {self.max_value_bytes}"
            )
        now = time.wall()
        table = self._transport.table
        self._recent.add(write.address, now)
        try:
            if write.payload is None and write.token is not None:
                self._transport.ask("UpdateItem", word.give_back(table, write, now), time)
            elif write.keep <= 0 and write.token is None:
                self._transport.ask("DeleteItem", word.delete(table, write.address), time)
            else:
                self._transport.ask("PutItem", word.put(table, write, now), time)
        except ConditionFailed as failed:
            # Refused because the first attempt was accepted, and its answer lost.
            return word.row_of(failed.item, now).etag == write.etag
        finally:
            self._recent.add(write.address, time.wall())
        return True

    def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Remove rows with their claims. Raises if any of them may still be there."""
        if not addresses:
            return
        time = self._transport.ready(budget)
        if len(addresses) == 1:
            (address,) = addresses
            self._recent.add(address, time.wall())
            try:
                self._transport.ask("DeleteItem", word.delete(self._transport.table, address), time)
            finally:
                self._recent.add(address, time.wall())
            return

        def remove(part: Sequence[str]) -> None:
            failed = self._change({each: word.key_of(each) for each in part}, time)
            for error in failed.values():
                raise error

        for answer in self._workers.each(remove, _parts(addresses, word.WRITES)):
            if isinstance(answer, TierError):
                raise answer

    def _change(self, changes: Mapping[str, dict[str, Any]], time: Time) -> dict[str, TierError]:
        def batch(some: Sequence[str]) -> set[str]:
            asked = word.batch_write(self._transport.table, [changes[each] for each in some])
            return word.unprocessed(self._transport.ask("BatchWriteItem", asked, time))

        for address in changes:
            self._recent.add(address, time.wall())
        try:
            return self._batches(batch, list(changes), time)
        finally:
            for address in changes:
                self._recent.add(address, time.wall())

    # -- many at a time ---------------------------------------------------------------------------

    def _batches(
        self, batch: Callable[[Sequence[str]], set[str]], part: Sequence[str], time: Time
    ) -> dict[str, TierError]:
        """Ask for a batch until nothing is left of it; return the errors of what is."""
        left = list(part)
        idle = 0
        try:
            while left:
                remaining = batch(left)
                idle = 0 if len(remaining) < len(left) else idle + 1
                left = [each for each in left if each in remaining]
                if left and (idle == TRIES or time.left() <= 0):
                    raise TierThrottledError(
                        f"DynamoDB table {self._transport.table!r} left {len(left)} of "
                        f"{len(part)} items of a batch undone"
                    )
                if left and idle:
                    from threading import Event

                    Event().wait(min(PAUSE * 2 ** (idle - 1), max(0.0, time.left())))
        except TierError as error:
            return dict.fromkeys(left, error)
        return {}

    # -- for coroutines ---------------------------------------------------------------------------

    async def aget_many(
        self, addresses: Sequence[str], budget: Budget, /, *, consistent: bool = False
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`get_many` on a thread."""
        return await self._workers.call(
            lambda: self.get_many(addresses, budget, consistent=consistent), budget
        )

    async def aclaim_many(
        self, claims: Sequence[Claim], budget: Budget, /
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`claim_many` on a thread."""
        return await self._workers.call(lambda: self.claim_many(claims, budget), budget)

    async def aset_many(
        self, writes: Sequence[Write], budget: Budget, /
    ) -> Sequence[bool | TierError]:
        """Do as :meth:`set_many` on a thread."""
        return await self._workers.call(lambda: self.set_many(writes, budget), budget)

    def start_giving_back(self, writes: Sequence[Write], budget: Budget, /) -> Any:
        """Have a thread give claims back, and return what it has begun. Never raises."""
        try:
            return self._workers.begin(lambda: self.set_many(writes, budget))
        except TierError:
            return None  # no thread can be had: this process remembers the claims

    async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Do as :meth:`delete_many` on a thread."""
        await self._workers.call(lambda: self.delete_many(addresses, budget), budget)


class _Still:
    """A clock for `prewarm`, which is given none: the timeouts of the sockets bound it."""

    __slots__ = ()

    def wall(self) -> float:
        """Return some instant."""
        return 0.0

    monotonic = wall


def _granted(row: Row, claim: Claim) -> Row:
    row.etag, row.held, row.failed = claim.token, 0.0, False
    return row


def _parts(whole: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(whole[begin : begin + size]) for begin in range(0, len(whole), size)]


def _answers(answers: list[Any]) -> list[Any]:
    """Return the answers; raise where there is none but errors."""
    if all(isinstance(each, TierError) for each in answers):
        raise answers[0]
    return answers
