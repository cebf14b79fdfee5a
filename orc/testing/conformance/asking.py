"""How the suite speaks to a tier: for threads and for coroutines alike."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from orc.errors import TierError
from orc.model.row import Budget, Claim, Row, Write
from orc.testing.clock import ManualClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from orc.model.ports import ClockLike, Tier

PATIENCE = 5.0
"""Seconds that a call of the suite is given; a loaded machine must not fail a sound tier."""
_numbers = itertools.count(1)


def mark() -> bytes:
    """Return a new token or etag, as long as those of the library."""
    return next(_numbers).to_bytes(12, "big")


def expect(holds: object, rule: str, *shown: object) -> None:
    """Fail with a sentence of the contract, and what was there instead."""
    if not holds:
        pytest.fail(f"{rule}: {', '.join(map(_shown, shown))}", pytrace=True)


def _shown(what: object) -> str:
    if isinstance(what, Row):
        return f"Row({_shown(what.payload)}, {what.etag!r}, {what.held!r}, failed={what.failed})"
    text = repr(what)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)})"  # noqa: PLR2004 - a line


class Asked:
    """A tier under test, and the questions of the suite. Errors in the place of answers raise."""

    def __init__(self, tier: Tier, clock: ClockLike, mode: str) -> None:
        self.tier = tier
        self.clock = clock
        self.mode = mode

    def call(self, name: str, *given: Any, seconds: float = PATIENCE, **options: Any) -> Any:
        """Call a method of the tier, or its twin on an event loop of its own."""
        budget = Budget(self.clock, seconds)
        if self.mode == "sync":
            return getattr(self.tier, name)(*given, budget, **options)
        return asyncio.run(getattr(self.tier, f"a{name}")(*given, budget, **options))

    def get_all(self, addresses: Sequence[str]) -> list[Row]:
        """Read rows, all writes before included."""
        return self._whole(self.call("get_many", addresses, consistent=True), addresses)

    def get(self, address: str) -> Row:
        """Read one row."""
        return self.get_all([address])[0]

    def claim_all(self, claims: Sequence[Claim]) -> list[Row]:
        """Claim rows."""
        return self._whole(self.call("claim_many", claims), claims)

    def claim(
        self,
        address: str,
        token: bytes,
        lease: float = 10.0,
        seen: bytes | None = None,
        own: tuple[bytes, ...] = (),
    ) -> Row:
        """Claim one row."""
        return self.claim_all([Claim(address, token, lease, seen, own)])[0]

    def write_all(self, writes: Sequence[Write]) -> list[bool]:
        """Write rows."""
        return self._whole(self.call("set_many", writes), writes)

    def set(self, address: str, payload: bytes, keep: float = 3600.0) -> bytes:
        """Write one row, and return its etag."""
        etag = mark()
        (accepted,) = self.write_all([Write(address, payload, etag, keep)])
        expect(accepted is True, "a write without a token is accepted", accepted)
        return etag

    def fill(self, address: str, payload: bytes, token: bytes, etag: bytes | None = None) -> bool:
        """Fill one row, and return whether that was accepted."""
        write = Write(address, payload, etag or mark(), 3600.0, token)
        return self.write_all([write])[0]

    def give_back(self, address: str, token: bytes, rest: float = 0.0) -> bool:
        """Give a claim back, and return whether that was accepted."""
        return self.write_all([Write(address, None, mark(), 0.0, token, rest=rest)])[0]

    def delete(self, *addresses: str) -> None:
        """Remove rows."""
        answer = self.call("delete_many", list(addresses))
        expect(answer is None, "delete_many() answers nothing", answer)

    def _whole(self, answers: Sequence[Any], asked: Sequence[object]) -> list[Any]:
        expect(len(answers) == len(asked), "an answer for each that was asked", len(answers))
        for each in answers:
            if isinstance(each, TierError):
                raise each
        return list(answers)


class Fixtures:
    """The fixtures of the suite, to be overridden where a tier needs it."""

    tick: float = 1.0
    """Seconds that the tests let pass as the shortest time. Less for a tier whose server has a
    clock of its own, which must be waited for; 0.05 is enough for one on the same machine."""

    outside = True
    """Whether the store is outside the process, so that the child of a fork has the same."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock that budgets are made with."""
        return ManualClock()

    @pytest.fixture
    def pass_time(self, clock: ManualClock) -> Callable[[float], None]:
        """Return what lets so many seconds pass for the tier; by default for `clock` alone."""
        return clock.advance

    @pytest.fixture
    def make_tier(self) -> Callable[[], Tier]:
        """Return what makes a tier, at each call one more, on one store that is empty at first."""
        pytest.fail("override the fixture make_tier")

    @pytest.fixture
    def break_backend(self) -> Callable[[], None]:
        """Return what makes the store fail from then on: ends the server, removes the disk."""
        pytest.skip("there is no fixture break_backend")

    @pytest.fixture(params=["sync", "async"])
    def mode(self, request: pytest.FixtureRequest) -> str:
        """Run every test for threads and for coroutines."""
        return str(request.param)

    @pytest.fixture
    def another(
        self, make_tier: Callable[[], Tier], clock: ManualClock, mode: str
    ) -> Iterator[Callable[[], Asked]]:
        """Return what makes one more instance on the same store, closed at the end."""
        made: list[Asked] = []

        def make() -> Asked:
            made.append(Asked(make_tier(), clock, mode))
            return made[-1]

        yield make
        for each in made:
            each.tier.close()

    @pytest.fixture
    def asked(self, another: Callable[[], Asked]) -> Asked:
        """Return the tier under test."""
        return another()
