"""What the calls of a tier say of its health, and what follows from it."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from orc.errors import TierError, TierReadOnlyError, TierTimeoutError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Row, Write
from orc.testing.reference_tier import ReferenceTier
from orc.tiers.guard import Guard

NAMES = ["get_many", "claim_many", "set_many", "delete_many"]
LARGE = 64 * 1024


def asked(name: str, rows: int = 1) -> list[object]:
    addresses = [str(n) for n in range(rows)]
    if name == "claim_many":
        return [Claim(each, b"t", 1.0) for each in addresses]
    if name == "set_many":
        return [Write(each, b"p", b"e", 60.0) for each in addresses]
    return addresses


class Played(ReferenceTier):
    """A tier that takes its time by the test's clock, and keeps the budgets that it was given."""

    def __init__(self, clock, *, remote: bool = True) -> None:
        super().__init__(remote=remote)
        self.clock = clock
        self.takes = 0.0
        self.fault: BaseException | None = None
        self.payload: bytes | None = None
        self.allowances: list[float] = []
        self.asked = 0
        self.connecting = 0.0
        self.meanwhile = lambda: None

    def check(self, budget: Budget) -> None:
        self.asked += 1
        self.allowances.append(budget.allowance)
        self.meanwhile()
        if self.connecting:
            since = budget.connect()
            self.clock.advance(self.connecting)
            budget.connected(since)
        self.clock.advance(self.takes)
        if self.fault is not None:
            raise self.fault

    def get_many(self, addresses, budget, /, *, consistent=False):
        rows = super().get_many(addresses, budget)
        return rows if self.payload is None else [Row(self.payload) for _ in rows]


class Rig:
    """A guarded tier with a budget of 50 ms."""

    def __init__(self, clock, *, remote: bool = True, small: bool = False) -> None:
        self.clock = clock
        self.tier = Played(clock, remote=remote)
        self.remaining: float | None = None
        self.guard = Guard(self.tier, clock, lambda: self.remaining, reserve=0.1, small=small)

    def call(self, name: str = "get_many", rows: int = 1, takes: float = 0.0):
        self.tier.takes = takes
        return getattr(self.guard, name)(asked(name, rows), Budget(self.clock, 10.0))

    def fails(self, fault: TierError, name: str = "get_many", rows: int = 1) -> None:
        self.tier.fault = fault
        with pytest.raises(type(fault)):
            self.call(name, rows)
        self.tier.fault = None

    def answers(self) -> set[str]:
        """Return the names of the calls that reach the tier."""
        found = set()
        for name in NAMES:
            try:
                self.call(name)
            except TierUnavailableError:
                continue
            found.add(name)
        return found


@pytest.fixture
def rig(clock) -> Rig:
    return Rig(clock)


# -- slow answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_five_slow_answers_running_open_it(rig, name) -> None:
    """Five calls of one row that each took more than half a budget: it is left alone for 5 s."""
    for _ in range(4):
        rig.call(name, takes=0.026)
    assert rig.guard.state == "closed"
    rig.call(name, takes=0.026)
    assert rig.guard.state == "open"
    assert rig.guard.reason == "5 answers running took more than 0.025 s each"
    assert rig.answers() == set()
    rig.clock.advance(5)
    assert rig.answers() == set(NAMES)
    assert rig.guard.state == "closed"


def test_a_quick_answer_between_begins_the_count_anew(rig) -> None:
    """Four slow answers and a quick one, time and again, open nothing."""
    for _ in range(5):
        for _ in range(4):
            rig.call(takes=0.026)
        rig.call(takes=0.024)
    assert rig.guard.state == "closed"


@pytest.mark.parametrize("rows", [2, 10, 11])
def test_slow_answers_of_several_rows_do_not_count(rig, rows) -> None:
    """Batches may take longer: they neither count as slow nor begin the count anew."""
    for _ in range(4):
        rig.call(takes=0.026)
    for _ in range(10):
        rig.call(rows=rows, takes=0.045)
    assert rig.guard.state == "closed"
    rig.call(takes=0.026)
    assert rig.guard.state == "open"


@pytest.mark.parametrize(("size", "state"), [(LARGE, "open"), (LARGE + 1, "closed")])
def test_slow_answers_that_are_large_do_not_count(rig, size, state) -> None:
    """An answer of more than 64 KB may take longer."""
    rig.tier.payload = bytes(size)
    for _ in range(5):
        rig.call(takes=0.045)
    assert rig.guard.state == state


@pytest.mark.parametrize(("takes", "state"), [(0.049, "closed"), (0.051, "open")])
def test_in_a_small_function_slow_is_more_than_a_whole_budget(clock, takes, state) -> None:
    """With `small=True` five answers that took nearly a budget each open nothing."""
    rig = Rig(clock, small=True)
    for _ in range(5):
        rig.call(takes=takes)
    assert rig.guard.state == state


def test_connecting_for_the_first_time_is_not_slow(rig) -> None:
    """What was spent of the allowance is not held against a tier."""
    rig.tier.connecting = 0.3
    rig.call()
    rig.tier.connecting = 0.0
    for _ in range(4):
        rig.call(takes=0.026)
    assert rig.guard.state == "closed"


def test_a_file_that_is_slow_is_used_all_the_same(clock) -> None:
    """Slow answers of a tier that is not remote open nothing."""
    rig = Rig(clock, remote=False)
    for _ in range(10):
        rig.call(takes=0.045)
    assert rig.guard.state == "closed"


@pytest.mark.parametrize(("busy", "state"), [(False, "open"), (True, "closed")])
def test_of_coroutines_the_time_of_a_busy_loop_is_not_counted(busy, state) -> None:
    """Five answers after four budgets open it; where the loop was blocked for two, they do not."""
    tier = ReferenceTier(remote=True, budget=0.01)

    async def slow(addresses, budget, /, *, consistent=False):
        if busy:
            Event().wait(0.02)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(0.04)
        return [Row()]

    tier.aget_many = slow
    guard = Guard(tier, SYSTEM, lambda: None)
    guard._health.connected()

    async def story() -> None:
        for _ in range(5):
            await guard.aget_many(["a"], Budget(SYSTEM, 10.0))

    asyncio.run(story())
    assert guard.state == state


# -- time-outs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "state"), [(10, "open"), (11, "closed")])
@pytest.mark.parametrize("name", NAMES)
def test_a_time_out_of_many_rows_opens_nothing(rig, name, rows, state) -> None:
    """A call of more than 10 rows that timed out tells of its size; it is counted."""
    rig.fails(TierTimeoutError("late"), name, rows)
    assert rig.guard.state == state
    assert rig.guard.counts()["timeout_errors"] == 1


def test_a_time_out_in_the_midst_of_an_answer_opens_nothing(rig) -> None:
    """A tier of which a part of the answer had come is alive; the time-out is counted."""
    late = TierTimeoutError("late")
    late.arriving = True
    rig.fails(late)
    assert rig.guard.state == "closed"
    assert rig.guard.counts()["timeout_errors"] == 1


def cancelled(
    clock, seconds: float, rows: int = 1, name: str = "get_many", used: float = 0.0
) -> Rig:
    """Have a caller give up after so many seconds, having used others before this call."""
    rig = Rig(clock)

    async def story() -> None:
        async def never(*_, **__):
            await asyncio.Event().wait()

        setattr(rig.tier, f"a{name}", never)
        call = getattr(rig.guard, f"a{name}")
        task = asyncio.ensure_future(call(asked(name, rows), Budget(clock, 10.0, used)))
        await asyncio.sleep(0)
        clock.advance(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    return rig


@pytest.mark.parametrize("name", NAMES)
def test_a_caller_that_gives_up_late_counts_as_a_time_out(clock, name) -> None:
    """A call that is cancelled after more than half a budget opens it, as if it had timed out."""
    rig = cancelled(clock, 0.026, name=name)
    assert rig.guard.state == "open"
    assert "had not answered after 0.026 s" in rig.guard.reason
    assert rig.guard.counts()["timeout_errors"] == 1


@pytest.mark.parametrize(("seconds", "rows", "counted"), [(0.024, 1, 0), (0.026, 11, 1)])
def test_a_caller_that_gives_up_early_says_nothing(clock, seconds, rows, counted) -> None:
    """A call cancelled before half a budget, or of many rows, opens nothing."""
    rig = cancelled(clock, seconds, rows)
    assert rig.guard.state == "closed"
    assert rig.guard.counts()["timeout_errors"] == counted


@pytest.mark.parametrize(("used", "state"), [(0.02, "open"), (0.01, "closed")])
def test_a_caller_that_gives_up_between_a_read_and_a_claim_is_heard(clock, used, state) -> None:
    """What the read of an operation has waited for the tier counts when its claim is given up."""
    rig = cancelled(clock, 0.01, name="claim_many", used=used)
    assert rig.guard.state == state


def test_a_caller_that_gives_up_its_wait_for_a_place_says_nothing(clock) -> None:
    """A call that is cancelled before it reached the tier is no time-out, however late."""
    rig = Rig(clock)
    rig.guard._places.most = 1

    async def story() -> None:
        free = asyncio.Event()

        async def wait(addresses, budget, /, *, consistent=False):
            await free.wait()
            return [Row()]

        rig.tier.aget_many = wait
        reads = (rig.guard.aget_many(["a"], Budget(clock, 10.0)) for _ in range(2))
        first, second = map(asyncio.ensure_future, reads)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(1.0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        free.set()
        await first

    asyncio.run(story())
    assert rig.guard.state == "closed"
    assert rig.guard.counts()["timeout_errors"] == 0


# -- what rests alone -----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [TierTimeoutError("late"), TierUnavailableError("a full disk")])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_rests_in_one_direction(clock, name, fault) -> None:
    """Where writes of a tier that is not remote fail it is read, and the other way round."""
    rig = Rig(clock, remote=False)
    rig.fails(fault, name)
    reads = {"get_many"}
    assert rig.answers() == (set(NAMES) - reads if name in reads else reads)
    rig.clock.advance(5)
    assert rig.answers() == set(NAMES)


@pytest.mark.parametrize("name", ["claim_many", "set_many", "delete_many"])
def test_a_tier_that_takes_no_writes_is_read(rig, name) -> None:
    """TierReadOnlyError rests the writes for 5 s, and them alone; nothing is warned of."""
    rig.fails(TierReadOnlyError("a replica"), name)
    assert rig.answers() == {"get_many"}
    assert rig.guard.counts()["read_only_errors"] == 1
    rig.clock.advance(5)
    assert rig.answers() == set(NAMES)


# -- the allowance for connecting -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("remaining", "allowance"),
    [(None, 1.0), (900.0, 1.0), (2.0, 0.5), (0.45, 0.15 - 0.048), (0.12, 0.02)],
)
def test_the_first_call_of_a_process_may_connect(rig, remaining, allowance) -> None:
    """It has 1 s or a quarter of what is left, with its budget a third; the second has none."""
    rig.remaining = remaining
    rig.call()
    rig.call("set_many")
    assert rig.tier.allowances == [pytest.approx(allowance), 0.0]


def test_what_begins_beside_the_first_call_may_connect_too(rig) -> None:
    """A burst of threads in a new process has to open a connection each."""

    def beside() -> None:
        rig.tier.meanwhile = lambda: None
        rig.call()

    rig.tier.meanwhile = beside
    rig.call()
    rig.call()
    assert rig.tier.allowances == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("how", ["restored", "forked"])
def test_a_new_life_may_connect_again(rig, how) -> None:
    """After a snapshot or a fork one call has the allowance once more."""
    rig.call()
    getattr(rig.guard, how)()
    rig.call()
    rig.call()
    assert rig.tier.allowances == [1.0, 1.0, 0.0]


def test_prewarming_has_connected(rig) -> None:
    """After prewarm() no call has the allowance."""
    rig.guard.prewarm()
    rig.call()
    assert rig.tier.allowances == [0.0]


def test_a_call_that_was_not_begun_takes_no_allowance(rig) -> None:
    """Where no time was left to ask, the next call is the first."""
    rig.remaining = 0.11
    with pytest.raises(TierUnavailableError, match="was not asked"):
        rig.call()
    rig.remaining = None
    rig.call()
    assert rig.tier.allowances == [1.0]


def test_what_is_not_needed_of_the_allowance_is_for_the_next_connection(clock) -> None:
    """A connection that took a tenth of a second leaves the budget whole, and the rest beside."""
    budget = Budget(clock, 0.05)
    budget.allowance = 1.0
    since = budget.connect()
    clock.advance(0.1)
    budget.connected(since)
    assert (budget.left(), budget.allowance) == (pytest.approx(0.05), pytest.approx(0.9))
    first, second = budget.connect(), budget.connect()  # two coroutines of one call
    assert budget.left() == pytest.approx(0.95)
    clock.advance(0.2)
    budget.connected(first)
    budget.connected(second)
    assert (budget.left(), budget.allowance) == (pytest.approx(0.05), pytest.approx(0.7))
    assert budget.excused == pytest.approx(0.3)


def test_a_coroutine_has_its_allowance_beside_its_budget() -> None:
    """The first call may take its time to connect; the second is ended with its budget."""
    tier = ReferenceTier(remote=True, budget=0.01)

    async def slow(addresses, budget, /, *, consistent=False):
        since = budget.connect()
        await asyncio.sleep(0.15)
        budget.connected(since)
        return [Row()]

    tier.aget_many = slow
    guard = Guard(tier, SYSTEM, lambda: None)

    async def story() -> None:
        await guard.aget_many(["a"], Budget(SYSTEM, 10.0))
        assert guard.state == "closed"
        with pytest.raises(TierTimeoutError):
            await guard.aget_many(["a"], Budget(SYSTEM, 10.0))

    asyncio.run(story())
    assert guard.state == "open"
