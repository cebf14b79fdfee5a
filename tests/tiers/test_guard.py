"""What a tier outside the process can cost: one budget, and nothing for a while after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from orc.errors import (
    OrcWarning,
    TierError,
    TierRefusedError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.model.row import Budget, Claim, Row, Write
from orc.testing.conformance import TierConformance
from orc.testing.reference_tier import ReferenceTier, Store
from orc.tiers.guard import Guard

if TYPE_CHECKING:
    from orc.testing import ManualClock

CALLS = {
    "get_many": ["a"],
    "claim_many": [Claim("a", b"t", 1.0)],
    "set_many": [Write("a", b"p", b"e", 60.0)],
    "delete_many": ["a"],
}


class Played(ReferenceTier):
    """A tier that does what a test says, and keeps the budgets it was given."""

    def __init__(self) -> None:
        super().__init__(remote=True)
        self.fault: BaseException | None = None
        self.answers: list[object] | None = None
        self.given: list[float] = []
        self.closed = self.was_forked = 0

    def check(self, budget: Budget) -> None:
        self.given.append(budget.left())
        if self.fault is not None:
            raise self.fault

    def get_many(self, addresses, budget, /, *, consistent=False):
        rows = super().get_many(addresses, budget)
        return rows if self.answers is None else self.answers

    def close(self) -> None:
        self.closed += 1

    def forked(self) -> None:
        self.was_forked += 1


class Rig:
    """A guarded tier, called for threads or for coroutines."""

    def __init__(self, clock: ManualClock, mode: str) -> None:
        self.clock, self.mode = clock, mode
        self.tier = Played()
        self.remaining: float | None = None
        self.guard = Guard(self.tier, clock, lambda: self.remaining)

    def call(self, name: str = "get_many", seconds: float = 10.0):
        budget = Budget(self.clock, seconds)
        if self.mode == "sync":
            return getattr(self.guard, name)(CALLS[name], budget)
        return asyncio.run(getattr(self.guard, f"a{name}")(CALLS[name], budget))

    def fails(self, fault: BaseException, name: str = "get_many") -> None:
        self.tier.fault = fault
        with pytest.raises(type(fault)):
            self.call(name)
        self.tier.fault = None

    def is_asked(self, name: str = "get_many") -> bool:
        before = len(self.tier.given)
        try:
            self.call(name)
        except TierUnavailableError:
            assert len(self.tier.given) == before
        return len(self.tier.given) > before


@pytest.fixture(params=["sync", "async"])
def rig(clock, request) -> Rig:
    return Rig(clock, request.param)


class TestGuarded(TierConformance):
    """A guarded tier keeps the contract of a tier."""

    outside = False

    @pytest.fixture
    def make_tier(self, clock):
        store = Store()
        return lambda: Guard(ReferenceTier(store), clock, lambda: None)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", [TierTimeoutError("late"), TierUnavailableError("gone")])
def test_one_failure_opens_it_for_all_calls(rig, name, fault) -> None:
    """For 5 seconds nothing is asked of the tier; then one call is let through, and closes it."""
    rig.fails(fault, name)
    assert rig.guard.state == "open"
    assert not any(rig.is_asked(each) for each in CALLS)
    rig.clock.advance(4.9)
    assert not rig.is_asked(name)
    rig.clock.advance(0.1)
    assert rig.guard.state == "half-open"
    assert rig.is_asked(name)
    assert rig.guard.state == "closed"
    counts = rig.guard.counts()
    assert (counts["opened"], counts["resting"], counts["calls"]) == (1, 5, 2)


@pytest.mark.parametrize("step", [{"wall": 3600}, {"wall": -3600, "monotonic": 5}])
def test_either_clock_ends_a_rest(rig, step) -> None:
    """A freeze is time that passed; a wall clock that was set back is not waited for."""
    rig.fails(TierTimeoutError("late"))
    rig.clock.advance(**step)
    assert rig.is_asked()


def test_the_error_says_for_how_long_and_why(rig) -> None:
    """Who is refused is told what happened before."""
    rig.fails(TierTimeoutError("no answer in 50 ms"))
    with pytest.raises(TierUnavailableError, match=r"reference .* 5 s more: no answer in 50 ms"):
        rig.call()
    assert rig.guard.reason == "no answer in 50 ms"


@pytest.mark.parametrize(
    ("remaining", "asked", "given"),
    [(None, 10, 0.048), (None, 0.03, 0.03), (0.12, 10, 0.02), (9, 10, 0.048), (0.12, 0.015, 0.015)],
)
def test_the_least_of_what_there_is_is_given(rig, remaining, asked, given) -> None:
    """The tier's budget less what noticing takes, the caller's, or what the invocation has left."""
    rig.remaining = remaining
    rig.call(seconds=asked)
    assert rig.tier.given == [pytest.approx(given)]


@pytest.mark.parametrize(("remaining", "asked"), [(0.11, 10), (0.0, 10), (-5, 10), (None, 0.01)])
@pytest.mark.parametrize("name", CALLS)
def test_what_does_not_fit_is_not_begun(rig, remaining, asked, name) -> None:
    """Less than a quarter of the budget is left: an error at once, and the tier is not blamed."""
    rig.remaining = remaining
    with pytest.raises(TierUnavailableError, match="was not asked"):
        rig.call(name, asked)
    assert rig.tier.given == []
    assert rig.guard.counts()["skipped"] == 1
    assert rig.guard.state == "closed"


def test_throttling_rests_one_direction_for_a_second(rig) -> None:
    """A table short of write capacity is still read."""
    rig.fails(TierThrottledError("too much"), "set_many")
    assert not rig.is_asked("claim_many")
    assert rig.is_asked("get_many")
    rig.clock.advance(1)
    assert rig.is_asked("set_many")
    assert rig.guard.counts()["throttled_errors"] == 1


def test_a_refusal_rests_for_a_minute_and_is_told_once(rig) -> None:
    """Who may read and not write is warned once, and still reads."""
    for times in range(2):
        rig.tier.fault = TierRefusedError("no right to write to the table")
        if not times:
            with (
                pytest.warns(OrcWarning, match="no right to write"),
                pytest.raises(TierRefusedError),
            ):
                rig.call("set_many")
        else:
            with pytest.raises(TierRefusedError):
                rig.call("set_many")
        rig.tier.fault = None
        assert rig.is_asked("get_many")
        rig.clock.advance(59)
        assert not rig.is_asked("set_many")
        rig.clock.advance(1)
    assert rig.is_asked("set_many")


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        ([Row(), TierTimeoutError("late")], "open"),
        ([Row(), TierUnavailableError("a dead shard")], "closed"),
        ([Row(), TierThrottledError("a hot partition")], "closed"),
        ([TierUnavailableError("all"), TierUnavailableError("dead")], "open"),
        ([TierError("this one")], "closed"),
    ],
)
def test_errors_in_the_place_of_answers_count(rig, errors, state) -> None:
    """A timeout always opens; others where nothing at all was answered."""
    rig.tier.answers = errors
    assert rig.call() == errors
    assert rig.guard.state == state
    kinds = [name for name in rig.guard.counts() if name.endswith("_errors")]
    wrong = sum(isinstance(each, TierError) for each in errors)
    assert sum(rig.guard.counts()[name] for name in kinds) == wrong


@pytest.mark.parametrize("fault", [KeyError("a bug"), TierError("this request")])
def test_what_says_nothing_of_the_tier_opens_nothing(rig, fault) -> None:
    """A bug passes through as it is, and so does an error of one request alone."""
    rig.fails(fault)
    assert rig.guard.state == "closed"


def test_a_probe_that_says_nothing_leaves_room_for_another(rig) -> None:
    """It neither closes the breaker nor keeps the next call out."""
    rig.fails(TierTimeoutError("late"))
    rig.clock.advance(5)
    rig.fails(KeyError("a bug"))
    assert rig.guard.state == "half-open"
    assert rig.is_asked()


def test_a_coroutine_never_waits_beyond_its_budget(clock) -> None:
    """A tier that forgets its budget is cancelled, and counts as one that timed out."""
    rig = Rig(clock, "async")
    rig.tier.budget = rig.guard.budget = 0.01

    async def forgetful(addresses, budget, /, *, consistent=False):
        await asyncio.Event().wait()

    rig.tier.aget_many = forgetful
    with pytest.raises(TierTimeoutError, match="within its budget"):
        rig.call()
    assert rig.guard.state == "open"


def test_a_cancelled_call_is_no_failure(clock) -> None:
    """It passes through, nothing is opened, and no probe is left behind."""
    rig = Rig(clock, "async")
    rig.fails(TierTimeoutError("late"))
    clock.advance(5)

    async def story() -> None:
        begun = asyncio.Event()

        async def slow(addresses, budget, /, *, consistent=False):
            begun.set()
            await asyncio.Event().wait()

        rig.tier.aget_many = slow
        task = asyncio.ensure_future(rig.guard.aget_many(["a"], Budget(clock, 10)))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    del rig.tier.aget_many
    assert rig.is_asked()
    assert rig.guard.state == "closed"


@pytest.mark.parametrize("how", ["restored", "forked"])
def test_a_new_life_begins_closed(rig, how) -> None:
    """What was known of connections before a snapshot or a fork is worth nothing."""
    rig.fails(TierTimeoutError("late"))
    getattr(rig.guard, how)()
    assert (rig.tier.closed, rig.tier.was_forked) == ((1, 0) if how == "restored" else (0, 1))
    assert rig.guard.state == "closed"
    assert rig.is_asked()


def test_it_looks_like_its_tier(rig) -> None:
    """Names, limits and counts are the tier's; its counts and the guard's are in one mapping."""
    guard, tier = rig.guard, rig.tier
    rig.call()
    for name in ("name", "fleetwide", "remote", "budget", "max_value_bytes"):
        assert getattr(guard, name) == getattr(tier, name)
    assert guard.counts()["rows"] == 0
    assert guard.counts()["calls"] == 1
    guard.prewarm()
    guard.close()
    assert tier.closed == 1
