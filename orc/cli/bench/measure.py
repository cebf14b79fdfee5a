"""Calls of one caller, timed one by one: each tier behind a memory that is never trusted."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from orc.cli.bench.workload import ALONE, BATCH, HIT, KEYS, LOAD, MISS, OPERATIONS, SET, value_of
from orc.config import tier_urls
from orc.config.assemble import codec_of
from orc.config.cache import Cache
from orc.config.settings import Settings
from orc.errors import OrcError, TierError
from orc.lifecycle.chance import token
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.environment import read
from orc.lifecycle.marker import temporary_directory
from orc.model.address import addresses
from orc.model.entry import MISSING, Entry
from orc.model.row import Budget, Row, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orc.cli.bench.workload import Size
    from orc.model.address import Address
    from orc.model.ports import Tier

MEMORY = "memory"
NOT_KEPT = f"it does not keep {KEYS} values of this size"
ROUNDS = 4
"""Everything is measured in turn, so many times: what disturbs the machine disturbs all."""
LEAST_TURN = 0.005
"""Seconds; where slow calls have used up the time, the others have so much all the same."""
MOST_CALLS = 2_000
"""In one turn. Memory alone would else fill the heap with samples of a microsecond."""
MOST_LOADS = 250
"""In one turn: each leaves a row behind until the turn is over."""
TTL = 900.0
"""Seconds: what nobody could take away ends by itself."""
PART = 25
"""Values that are written at once; a batch of 50 KB values is more than some budgets allow."""
PER_ITEM = 100
"""Bytes that a row is larger than its payload: its address, names, times and etag."""


@dataclass
class Cell:
    """One operation of one tier with values of one size. Times are seconds."""

    tier: str
    size: Size
    operation: str
    taken: list[int] = field(default_factory=list)
    """Nanoseconds of each call that did what it should."""
    why: str = ""
    """What went wrong; nothing is measured from then on."""
    units: tuple[float, float] | None = None
    """Units of capacity that were read and written, where the tier counts them."""
    stored_bytes: int = 0
    """About the bytes of a row in the tier."""

    @property
    def calls(self) -> int:
        """How many were measured."""
        return len(self.taken)

    @property
    def mean(self) -> float:
        """Seconds of a call, on average."""
        return sum(self.taken) / len(self.taken) / 1e9 if self.taken else 0.0

    def percentile(self, percent: int) -> float:
        """Seconds that so many percent of the calls do not exceed."""
        ordered = sorted(self.taken)
        return ordered[-(-len(ordered) * percent // 100) - 1] / 1e9 if ordered else 0.0


class Subject:
    """One tier as two containers have it: one that wrote, and one that reads.

    A container reads what it has just written consistently, at twice the price; so the reads that
    are measured are those of another one. Raises ``ConfigError``, and ``TierError`` if the tier
    cannot be reached.
    """

    def __init__(self, url: tier_urls.TierUrl, namespace: str) -> None:
        self.url = url
        self.namespace = namespace
        self.tiers: list[Tier] = []
        if url.scheme == MEMORY:
            self.name = MEMORY
            self.writer = self.reader = self._cache(url.text)
            return
        self.tiers = [_tier(url), _tier(url)]
        self.writer, self.reader = (self._cache([tier]) for tier in self.tiers)
        self.name = self.tiers[0].name
        self.writer.prewarm()
        for tier in self.tiers:
            tier.prewarm()

    def _cache(self, tiers: Any) -> Cache:
        # Strict: what fails is to be seen, and not to be measured as a quick miss.
        return Cache(
            tiers=tiers,
            namespace=self.namespace,
            ttl=TTL,
            memory_ttl=0 if self.tiers else TTL,
            jitter=0,
            strict=True,
            disabled=False,
        )

    def units(self) -> tuple[float, float] | None:
        """Return the units of capacity that were read and written so far."""
        counts = [tier.counts() for tier in self.tiers]
        if not any("read_units" in each or "write_units" in each for each in counts):
            return None
        read, written = (
            sum(each.get(name, 0) for each in counts) for name in ("read_units", "write_units")
        )
        return read, written

    def close(self) -> None:
        """Let go of connections."""
        for tier in self.tiers:
            tier.close()


class Bench:
    """The cells of several tiers, sizes and operations, filled in rounds."""

    def __init__(self, subjects: Sequence[Subject], sizes: Sequence[Size]) -> None:
        self.subjects = subjects
        self.sizes = sizes
        self.cells: dict[tuple[str, int, str], Cell] = {}
        self.seconds = 0.0
        self._chance = Random(1)  # noqa: S311 - which key comes next
        self._values = {size.bytes: value_of(size.bytes) for size in sizes}
        self._new = 0

    def seed(self, told: Callable[[int, int], None]) -> None:
        """Give every tier its values; what cannot be stored is noted in its cells."""
        done, of = 0, len(self.subjects) * len(self.sizes)
        for subject in self.subjects:
            for size in self.sizes:
                told(done, of)
                why, stored = "", 0
                try:
                    stored = self._seed(subject, size)
                except OrcError as error:
                    why = _said(error)
                for operation in OPERATIONS:
                    if operation == ALONE and not subject.tiers:
                        continue
                    cell = Cell(subject.name, size, operation, why=why, stored_bytes=stored)
                    self.cells[subject.name, size.bytes, operation] = cell
                done += 1

    def _seed(self, subject: Subject, size: Size) -> int:
        value, keys = self._values[size.bytes], _keys(size)
        for start in range(0, KEYS, PART):
            subject.writer.set_many(dict.fromkeys(keys[start : start + PART], value))
        for start in range(0, KEYS, PART):
            if len(subject.reader.get_many(keys[start : start + PART])) < PART:
                raise OrcError(NOT_KEPT)
        if not subject.tiers:
            return 0
        entry = Entry(value, SYSTEM.wall(), SYSTEM.wall() + TTL)
        address = _address(subject, ALONE, size.name)
        payload = codec_of(Settings({})).seal(entry, address)
        tier = subject.tiers[0]
        write = Write(address.text, payload, token(), TTL)
        if list(tier.set_many([write], Budget(SYSTEM, tier.budget))) != [True]:
            raise OrcError(NOT_KEPT)
        return len(payload) + PER_ITEM

    def run(self, seconds: float, told: Callable[[int, int], None]) -> None:
        """Measure for about so many seconds: each turn takes its share of what is left."""
        turns = [
            (subject, size, operation)
            for size in self.sizes
            for operation in OPERATIONS
            for subject in self.subjects
            if (cell := self.cells.get((subject.name, size.bytes, operation))) and not cell.why
        ]
        gc.collect()
        gc.freeze()  # what is there by now is not walked again in the middle of somebody's call
        began = time.perf_counter()
        of = len(turns) * ROUNDS
        for number in range(ROUNDS):
            for index, (subject, size, operation) in enumerate(turns):
                done = number * len(turns) + index
                told(done, of)
                cell = self.cells[subject.name, size.bytes, operation]
                left = seconds - (time.perf_counter() - began)
                share = max(LEAST_TURN, left / (of - done))
                # What takes longer than its turn has every other one, or the others had none.
                if not cell.why and not (number % 2 and cell.mean > share):
                    self._turn(subject, cell, share)
                self.seconds = time.perf_counter() - began

    def _turn(self, subject: Subject, cell: Cell, seconds: float) -> None:
        before = subject.units()
        made: list[str] = []
        most = MOST_LOADS if cell.operation == LOAD else MOST_CALLS
        asks = self._asks(subject, cell, made)
        clock = time.perf_counter_ns
        try:
            if not subject.tiers:
                # Copies of what the others read may have evicted it.
                value = self._values[cell.size.bytes]
                subject.writer.set_many(dict.fromkeys(_keys(cell.size), value))
            end = clock() + int(seconds * 1e9)
            for _, (ask, right) in zip(range(most), asks, strict=False):
                start = clock()
                answer = ask()
                stop = clock()
                if not right(answer):
                    cell.why = "it did not answer with what was stored"
                    break
                cell.taken.append(stop - start)
                if stop > end:
                    break
        except OrcError as error:
            cell.why = _said(error)
        after = subject.units()
        if before is not None and after is not None:
            so_far = cell.units or (0.0, 0.0)
            cell.units = (so_far[0] + after[0] - before[0], so_far[1] + after[1] - before[1])
        try:
            subject.writer.delete_many(made)
        except TierError:
            pass  # it ends by itself

    def _asks(self, subject: Subject, cell: Cell, made: list[str]) -> Iterator[Any]:
        """Yield what is to be timed, and what tells whether the answer is right."""
        size, operation = cell.size, cell.operation
        value, keys = self._values[size.bytes], _keys(size)
        reader, writer = subject.reader, subject.writer
        if operation == ALONE:
            tier, addresses = subject.tiers[1], [_address(subject, ALONE, size.name).text]
            while True:
                yield partial(_bytes, tier, addresses), _has_bytes
        while operation == BATCH:
            yield partial(reader.get_many, keys), _has_all
        while True:
            key = self._chance.choice(keys)
            if operation == HIT:
                yield partial(reader.get, key, MISSING), value.__eq__
            elif operation == SET:
                yield partial(writer.set, key, value), _is_none
            else:
                self._new += 1
                key = f"new:{self._new}"
                if operation == MISS:
                    yield partial(reader.get, key), _is_none
                else:
                    made.append(key)
                    yield partial(writer.get_or_set, key, lambda: value), value.__eq__

    def clean(self) -> None:
        """Take away what was stored. By new connections: an old one may be in the middle of it."""
        keys = [key for size in self.sizes for key in _keys(size)]
        for subject in self.subjects:
            if not subject.tiers:
                continue
            tier = _tier(subject.url)
            texts = [_address(subject, ALONE, size.name).text for size in self.sizes]
            texts += [_address(subject, None, key).text for key in keys]
            try:
                for start in range(0, len(texts), PART):
                    tier.delete_many(texts[start : start + PART], Budget(SYSTEM, tier.budget))
            except OrcError:
                pass  # it ends by itself
            tier.close()


def _bytes(tier: Tier, addresses: list[str]) -> Any:
    return tier.get_many(addresses, Budget(SYSTEM, tier.budget))


def _has_bytes(rows: Any) -> bool:
    return isinstance(rows[0], Row) and rows[0].payload is not None


def _has_all(found: dict[str, object]) -> bool:
    return len(found) == KEYS


def _is_none(answer: object) -> bool:
    return answer is None


def _keys(size: Size) -> list[str]:
    return [f"{size.bytes}:{number}" for number in range(KEYS)]


def _address(subject: Subject, name: str | None, key: str) -> Address:
    """Return the address of an explicit key, or of what has a name."""
    version = str(Settings({})["version"])
    return addresses(subject.namespace, version, None, name)((key,))


def _tier(url: tier_urls.TierUrl) -> Tier:
    tier = tier_urls.tier_of(tier_urls.TierUrl(url.text))  # which takes its options off it
    if hasattr(tier, "default_to"):
        tier.default_to(lambda: temporary_directory(read()))
    return tier


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("OrcError: ", "").partition("\n")[0]
