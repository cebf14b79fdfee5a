"""How many calls of a tier run at once, what the others wait for, and how reads are gathered."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

import pytest

from orc.errors import TierError, TierTimeoutError
from orc.model.row import Budget, Row, Write
from orc.testing.reference_tier import ReferenceTier
from orc.tiers.guard import Guard


def until(true) -> None:
    """Wait until something is true, five seconds at most."""
    for _ in range(5000):
        if true():
            return
        Event().wait(0.001)
    pytest.fail("it never came true")


async def turns(number=10) -> None:
    """Let all the other coroutines go on."""
    for _ in range(number):
        await asyncio.sleep(0)


class Counted(ReferenceTier):
    """A tier that counts the calls that run at once, and holds them for as long as a test says."""

    def __init__(self, places: int) -> None:
        super().__init__(remote=True)
        self.places = places
        self.lock = Lock()
        self.running = self.most = 0
        self.calls: list[list[str]] = []
        self.consistent: list[bool] = []
        self.given: list[float] = []
        self.fault: BaseException | None = None
        self.wrong: dict[str, TierError] = {}
        self.hold = lambda: None
        self.ahold = None

    def begin(self, addresses, budget, *, consistent=False) -> None:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.calls.append(list(addresses))
            self.consistent.append(consistent)
            self.given.append(budget.left())

    def end(self) -> None:
        with self.lock:
            self.running -= 1

    def found(self, addresses) -> list[object]:
        if self.fault is not None:
            raise self.fault
        return [self.wrong.get(each, Row(each.encode())) for each in addresses]

    def get_many(self, addresses, budget, /, *, consistent=False):
        self.begin(addresses, budget, consistent=consistent)
        try:
            self.hold()
            return self.found(addresses)
        finally:
            self.end()

    async def aget_many(self, addresses, budget, /, *, consistent=False):
        self.begin(addresses, budget, consistent=consistent)
        try:
            if self.ahold is not None:
                await self.ahold()
            return self.found(addresses)
        finally:
            self.end()

    async def aset_many(self, writes, budget, /):
        self.begin([each.address for each in writes], budget)
        try:
            await asyncio.sleep(0)
            return [True for _ in writes]
        finally:
            self.end()


class Rig:
    """A guarded tier with one place, unless a test says otherwise."""

    def __init__(self, clock, places: int = 1, **more) -> None:
        self.clock = clock
        self.tier = Counted(places)
        self.remaining: float | None = None
        # Ample, since the limit of a coroutine is by the loop's clock, which no test moves.
        self.tier.budget = more.pop("budget", 10.0)
        self.guard = Guard(self.tier, clock, lambda: self.remaining, **more)

    def read(self, *addresses, **more):
        return self.guard.get_many(addresses, Budget(self.clock, 10.0), **more)

    def aread(self, *addresses, **more):
        return self.guard.aget_many(addresses, Budget(self.clock, 10.0), **more)

    def awrite(self, address):
        write = Write(address, b"p", b"e", 60.0)
        return self.guard.aset_many([write], Budget(self.clock, 10.0))

    async def occupied(self, number: int = 1):
        """Take all the places; return the event that ends these calls, and the calls."""
        free = asyncio.Event()
        self.tier.ahold = free.wait
        tasks = [asyncio.ensure_future(self.aread(f"first{n}")) for n in range(number)]
        await turns()
        self.tier.ahold = None
        assert self.tier.running == number
        return free, tasks

    async def waiting(self, *reads):
        """Have reads wait for a place."""
        tasks = [asyncio.ensure_future(each) for each in reads]
        await turns()
        return tasks


def payloads(answers) -> list[list[bytes]]:
    return [[row.payload for row in rows] for rows in answers]


# -- threads --------------------------------------------------------------------------------------


def test_so_many_threads_call_at_once_and_the_others_get_their_turn(clock) -> None:
    """Of 12 threads 3 call the tier at once, and all 12 are answered."""
    rig = Rig(clock, 3)
    together = Barrier(3)  # a call goes on when 3 run at once, so fewer would not do either
    rig.tier.hold = lambda: together.wait(5)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(rig.read, [str(n) for n in range(12)]))
    assert payloads(answers) == [[b"%d" % n] for n in range(12)]
    assert rig.tier.most == 3


def test_the_wait_of_a_thread_is_not_taken_from_its_budget(clock) -> None:
    """A thread that waited for 7 seconds gives the tier the whole budget, and nothing opens."""
    rig = Rig(clock, budget=0.05)
    begun, free = Event(), Event()
    rig.tier.hold = lambda: (begun.set(), free.wait(5))
    asked = Budget(clock, 0.04)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(rig.read, "a")
        assert begun.wait(5)
        second = pool.submit(rig.guard.get_many, ["b"], asked)
        until(lambda: rig.guard._places._queue)
        clock.advance(7)
        free.set()
        assert payloads([first.result(5), second.result(5)]) == [[b"a"], [b"b"]]
    assert rig.tier.given[1] == pytest.approx(0.04)
    assert asked.left() == pytest.approx(0.04)
    counts = rig.guard.counts()
    assert (counts["waits"], counts["wait_seconds"]) == (1, pytest.approx(7))
    assert rig.guard.state == "closed"


@pytest.mark.parametrize(("wait", "remaining"), [(0.01, None), (10.0, 0.02)])
def test_a_thread_that_waited_in_vain_is_told_so(clock, wait, remaining) -> None:
    """After `wait`, or half of what is left, it is a counted TierError that opens nothing."""
    rig = Rig(clock, wait=wait)
    begun, free = Event(), Event()
    rig.tier.hold = lambda: (begun.set(), free.wait(5))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(rig.read, "a")
        assert begun.wait(5)
        rig.remaining = remaining
        with pytest.raises(TierError, match=r"all 1 calls at once .* 0\.01 s") as caught:
            rig.read("b")
        free.set()
        first.result(5)
    assert type(caught.value) is TierError
    assert rig.tier.calls == [["a"]]
    assert rig.guard.state == "closed"
    assert rig.guard.counts()["crowded"] == 1
    rig.remaining = None
    assert payloads([rig.read("c")]) == [[b"c"]]


ENDS = [TierError("an error"), KeyError("a bug"), KeyboardInterrupt(), asyncio.CancelledError()]


@pytest.mark.parametrize("end", ENDS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_place_is_given_back_whatever_ends_the_call(clock, mode, end) -> None:
    """After an error, an interrupt or a cancellation the next call has the place at once."""
    rig = Rig(clock)

    async def story() -> None:
        rig.tier.fault = end
        with pytest.raises(type(end)):
            await rig.aread("a")
        rig.tier.fault = None
        assert payloads([await rig.aread("b")]) == [[b"b"]]

    if mode == "async":
        asyncio.run(story())
    else:
        rig.tier.fault = end
        with pytest.raises(type(end)):
            rig.read("a")
        rig.tier.fault = None
        assert payloads([rig.read("b")]) == [[b"b"]]
    assert rig.guard.counts()["waits"] == 0


# -- coroutines -----------------------------------------------------------------------------------


def test_so_many_coroutines_call_at_once_and_the_others_get_their_turn(clock) -> None:
    """Of 40 writes 3 run at once, and all 40 are made, each by a call of its own."""
    rig = Rig(clock, 3)

    async def story():
        return await asyncio.gather(*(rig.awrite(str(n)) for n in range(40)))

    assert asyncio.run(story()) == [[True]] * 40
    assert rig.tier.most == 3
    assert len(rig.tier.calls) == 40


def test_each_loop_has_places_of_its_own(clock) -> None:
    """With one place, two loops call the tier at the same time."""
    rig = Rig(clock)
    together = Barrier(2)

    async def meet() -> None:
        together.wait(5)

    rig.tier.ahold = meet

    async def story(address):
        return await rig.aread(address)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda each: asyncio.run(story(each)), "ab"))
    assert payloads(answers) == [[b"a"], [b"b"]]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_the_wait_of_a_coroutine_is_not_taken_from_its_budget(clock, kind) -> None:
    """A coroutine that waited for 7 seconds gives the tier the whole budget, and nothing opens."""
    rig = Rig(clock)
    asked = Budget(clock, 0.5)
    rig.tier.budget = rig.guard._health.budget = 1.0

    async def story() -> None:
        free, first = await rig.occupied()
        if kind == "read":
            ours = rig.guard.aget_many(["a"], asked)
        else:
            ours = rig.guard.aset_many([Write("a", b"p", b"e", 60.0)], asked)
        (second,) = await rig.waiting(ours)
        clock.advance(7)
        free.set()
        await asyncio.gather(second, *first)

    asyncio.run(story())
    assert rig.tier.given[1] == pytest.approx(0.5)
    assert rig.guard.counts()["wait_seconds"] == pytest.approx(7)
    assert rig.guard.state == "closed"


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(("wait", "remaining"), [(0.01, None), (10.0, 0.02)])
def test_a_coroutine_that_waited_in_vain_is_told_so(clock, wait, remaining, kind) -> None:
    """After `wait`, or half of what is left, it is a counted TierError that opens nothing."""
    rig = Rig(clock, wait=wait)

    async def story() -> None:
        free, first = await rig.occupied()
        rig.remaining = remaining
        with pytest.raises(TierError, match=r"all 1 calls at once .* 0\.01 s") as caught:
            await (rig.aread("a") if kind == "read" else rig.awrite("a"))
        assert type(caught.value) is TierError
        assert len(rig.tier.calls) == 1
        free.set()
        await asyncio.gather(*first)
        rig.remaining = None
        assert payloads([await rig.aread("b")]) == [[b"b"]]

    asyncio.run(story())
    assert rig.guard.state == "closed"
    assert rig.guard.counts()["crowded"] == 1


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_place_is_not_lost_with_the_coroutine_it_was_given_to(clock, kind) -> None:
    """A coroutine that is cancelled just as it is given a place leaves it to the next."""
    rig = Rig(clock)

    async def story() -> None:
        free, (first,) = await rig.occupied()
        ask = rig.aread if kind == "read" else rig.awrite
        second, third = await rig.waiting(ask("b"), rig.awrite("c"))
        first.add_done_callback(lambda _: second.cancel())
        free.set()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert await asyncio.wait_for(third, 5) == [True]

    asyncio.run(story())
    assert rig.tier.calls == [["first0"], ["c"]]


# -- reads that are gathered ----------------------------------------------------------------------


def test_200_reads_are_a_few_calls(clock) -> None:
    """Of 200 single reads 4 are made at once, and 196 by 4 calls; each gets its own row."""
    rig = Rig(clock, 4)

    async def story():
        rig.tier.ahold = turns
        return await asyncio.gather(*(rig.aread(str(n)) for n in range(200)))

    assert payloads(asyncio.run(story())) == [[b"%d" % n] for n in range(200)]
    assert len(rig.tier.calls) <= 8
    assert sum(map(len, rig.tier.calls)) == 200


def test_readers_of_one_address_share_a_row(clock) -> None:
    """An address that several readers wait for is asked for once, and all of them get its row."""
    rig = Rig(clock)

    async def story():
        free, _ = await rig.occupied()
        tasks = await rig.waiting(*(rig.aread(*each) for each in ("a", "ab", "ba", "a", "bb")))
        free.set()
        return await asyncio.gather(*tasks)

    found = payloads(asyncio.run(story()))
    assert found == [[b"a"], [b"a", b"b"], [b"b", b"a"], [b"a"], [b"b", b"b"]]
    assert rig.tier.calls == [["first0"], ["a", "b"]]


def test_consistent_reads_are_not_mixed_with_others(clock) -> None:
    """Reads that wait are gathered with their like: the consistent ones, and the others."""
    rig = Rig(clock)

    async def story():
        free, _ = await rig.occupied()
        reads = (rig.aread(each, consistent=each.isupper()) for each in "aBcDe")
        tasks = await rig.waiting(*reads)
        free.set()
        return await asyncio.gather(*tasks)

    assert payloads(asyncio.run(story())) == [[each.encode()] for each in "aBcDe"]
    assert rig.tier.calls == [["first0"], ["a", "c", "e"], ["B", "D"]]
    assert rig.tier.consistent == [False, False, True]


def test_an_error_in_the_place_of_an_answer_goes_to_its_reader(clock) -> None:
    """Of the readers of one call, that of the failed row gets the error, and the others rows."""
    rig = Rig(clock)
    error = rig.tier.wrong["b"] = TierError("a hot partition")

    async def story():
        free, _ = await rig.occupied()
        tasks = await rig.waiting(*(rig.aread(each) for each in "abc"))
        free.set()
        return await asyncio.gather(*tasks)

    first, second, third = asyncio.run(story())
    assert second == [error]
    assert payloads([first, third]) == [[b"a"], [b"c"]]
    assert rig.tier.calls[1] == ["a", "b", "c"]


def test_an_error_of_the_call_reaches_all_its_readers(clock) -> None:
    """A TierError that a gathered read raises is raised in each reader, and is counted once."""
    rig = Rig(clock)

    async def story():
        free, (first,) = await rig.occupied()
        tasks = await rig.waiting(*(rig.aread(each) for each in "abc"))
        again = asyncio.Event()
        rig.tier.ahold = again.wait
        free.set()
        await first
        rig.tier.fault = TierError("not this time")
        again.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert asyncio.run(story()) == [rig.tier.fault] * 3
    assert rig.guard.counts()["other_errors"] == 1
    assert len(rig.tier.calls) == 2


@pytest.mark.parametrize("end", ["cancelled", "bug"])
def test_a_leader_that_ends_leaves_the_others_their_rows(clock, end) -> None:
    """The rows of a gathered read whose leader ends otherwise are read again by the next."""
    rig = Rig(clock)

    async def story() -> None:
        free, first = await rig.occupied()
        leader, *others = await rig.waiting(*(rig.aread(each) for each in "abc"))
        again = asyncio.Event()
        rig.tier.ahold = again.wait
        free.set()
        await asyncio.gather(*first)
        await turns()
        assert rig.tier.calls[1] == ["a", "b", "c"]
        rig.tier.ahold = None
        if end == "cancelled":
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
        else:
            rig.tier.fault = KeyError("a bug")
            again.set()
            with pytest.raises(KeyError):
                await leader
            rig.tier.fault = None
        assert payloads(await asyncio.gather(*others)) == [[b"b"], [b"c"]]
        assert rig.tier.calls[2] == ["b", "c"]

    asyncio.run(story())
    assert rig.guard.state == "closed"


def test_at_most_100_rows_are_read_in_one_call(clock) -> None:
    """Of 25 reads of 9 rows each, 11 are one call, since 12 would be 108 rows."""
    rig = Rig(clock)
    groups = [[f"{n}.{each}" for each in range(9)] for n in range(25)]

    async def story():
        free, _ = await rig.occupied()
        tasks = await rig.waiting(*(rig.aread(*each) for each in groups))
        free.set()
        return await asyncio.gather(*tasks)

    found = payloads(asyncio.run(story()))
    assert found == [[each.encode() for each in group] for group in groups]
    assert [len(each) for each in rig.tier.calls] == [1, 99, 99, 27]


def test_a_read_of_many_rows_is_a_call_of_its_own(clock) -> None:
    """A read of 11 rows waits for a place, and is gathered with no other."""
    rig = Rig(clock)
    many = [str(n) for n in range(11)]

    async def story():
        free, _ = await rig.occupied()
        tasks = await rig.waiting(rig.aread("a"), rig.aread(*many), rig.aread("b"))
        free.set()
        return await asyncio.gather(*tasks)

    assert payloads(asyncio.run(story())) == [[b"a"], [each.encode() for each in many], [b"b"]]
    assert rig.tier.calls == [["first0"], ["a", "b"], many]


def test_a_waiter_that_is_cancelled_is_left_out(clock) -> None:
    """The row of a reader that waits no more is not asked for."""
    rig = Rig(clock)

    async def story() -> None:
        free, _ = await rig.occupied()
        first, second, third = await rig.waiting(*(rig.aread(each) for each in "abc"))
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        free.set()
        assert payloads(await asyncio.gather(first, third)) == [[b"a"], [b"c"]]

    asyncio.run(story())
    assert rig.tier.calls[1:] == [["a", "c"]]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_waiter_that_is_cancelled_takes_no_place(clock, kind) -> None:
    """A place is not given to a coroutine that was cancelled while it waited."""
    rig = Rig(clock, wait=0.2)

    async def story() -> None:
        free, (first,) = await rig.occupied()
        (second,) = await rig.waiting(rig.aread("a") if kind == "read" else rig.awrite("a"))
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        free.set()
        await first
        assert payloads([await rig.aread("b")]) == [[b"b"]]

    asyncio.run(story())


def test_no_thread_starves(clock) -> None:
    """While 2 threads call without a pause through 2 places, 4 others get their turns."""
    rig = Rig(clock, 2)
    rig.tier.hold = lambda: Event().wait(0.001)
    stop = Event()

    def hot() -> None:
        while not stop.is_set():
            rig.read("hot")

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(hot) for _ in range(2)]
        until(lambda: len(rig.tier.calls) > 5)
        others = [pool.submit(rig.read, "a") for _ in range(4)]
        try:
            for each in others:
                each.result(0.5)
        finally:
            stop.set()
            for each in running:
                each.result(5)


def test_wakers_do_not_pile_up(clock) -> None:
    """When no call runs or waits, nothing is left in the queue of threads."""
    rig = Rig(clock, 2)
    rig.tier.hold = lambda: Event().wait(0.001)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(rig.read, [str(n) for n in range(200)]))
    assert len(rig.guard._places._queue) == 0


@pytest.mark.parametrize("how", ["vain", "cancelled", "gathered"])
def test_a_probe_that_waits_for_a_place_leaves_room_for_another(clock, how) -> None:
    """A probe that gets no place, or whose row another call brings, does not keep the next out."""
    rig = Rig(clock, wait=0.01 if how == "vain" else 10.0)

    async def story() -> None:
        free, tasks = await rig.occupied()
        if how == "gathered":
            tasks += await rig.waiting(rig.aread("a"))
        health = rig.guard._health
        health._open(health._whole, 5.0, "it timed out")
        clock.advance(5)
        (probe,) = await rig.waiting(rig.aread("b"))
        if how == "cancelled":
            probe.cancel()
        if how == "vain":
            await asyncio.wait([probe])
        free.set()
        await asyncio.gather(probe, *tasks, return_exceptions=True)
        assert payloads([await rig.aread("c")]) == [[b"c"]]

    asyncio.run(story())


def test_who_waited_asks_no_tier_that_is_left_alone_since(clock) -> None:
    """Of 20 writes that wait for one place, none reaches a tier that timed out meanwhile."""
    rig = Rig(clock)

    async def late(writes, budget, /):
        rig.tier.calls.append(writes)
        await asyncio.sleep(0)
        raise TierTimeoutError("late")

    rig.tier.aset_many = late

    async def story():
        return await asyncio.gather(
            *(rig.awrite(str(n)) for n in range(20)), return_exceptions=True
        )

    asyncio.run(story())
    assert len(rig.tier.calls) == 1


def test_a_leader_without_time_fails_for_itself_alone(clock) -> None:
    """A gathered read whose leader has too little time left is made for the others."""
    rig = Rig(clock)

    async def story() -> None:
        free, _ = await rig.occupied()
        short = rig.guard.aget_many(["a"], Budget(clock, 1.0))
        tasks = await rig.waiting(short, rig.aread("b"), rig.aread("c"))
        free.set()
        first, *others = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(first, TierError)
        assert payloads(others) == [[b"b"], [b"c"]]

    asyncio.run(story())
