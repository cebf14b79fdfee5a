"""Names of servers are resolved within a budget, and what was found is kept for a while."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from socket import EAI_AGAIN, EAI_NONAME, gaierror
from threading import Event, Thread

import pytest

from orc.errors import TierRefusedError, TierTimeoutError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget
from orc.tiers import names
from orc.tiers.dynamodb.tier import DynamoDB
from orc.tiers.redis.tier import Redis

HOST, PORT = "cache.example", 6379
HANGS = 5.0  # seconds no call here may take; a busy machine makes milliseconds seconds
FOUND = [(2, 1, 6, "", ("192.0.2.1", PORT))]
"""What a resolver says that has found an address."""


class Resolver:
    """A resolver that answers when a test lets it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.begun, self.free = Event(), Event()
        self.free.set()
        self.error: Exception | None = None

    def __call__(self, host: str, port: int):
        self.asked.append((host, port))
        self.begun.set()
        assert self.free.wait(10)
        if self.error is not None:
            raise self.error
        return FOUND

    def hang(self) -> None:
        self.free = Event()

    def come_back(self) -> None:
        """Answer, and wait until the threads that asked have ended."""
        self.free.set()
        for thread in threading.enumerate():
            if thread.name == "orc-names":
                thread.join(5)


@pytest.fixture(autouse=True)
def resolver(monkeypatch):
    made = Resolver()
    monkeypatch.setattr(names, "_ask", made)
    names._known.clear()
    names._looks.clear()
    yield made
    made.come_back()
    names._known.clear()
    names._looks.clear()


@pytest.fixture(params=["sync", "async"])
def resolve(request):
    """Return what resolves a name, for threads or for coroutines."""
    if request.param == "sync":
        return names.resolve
    return lambda host, port, budget: asyncio.run(names.aresolve(host, port, budget))


def soon(seconds: float = 0.01) -> Budget:
    return Budget(SYSTEM, seconds)


def loaded() -> Redis:
    """Return a tier whose client is imported: that takes longer than these budgets."""
    made = Redis(f"redis://{HOST}")
    made.load()
    made._for_coroutines()
    return made


def waiters() -> int:
    """Return how many calls have waited for the answers that are still to come."""
    return sum(len(each.wakers) for each in list(names._looks.values()))


def when_waiting(number: int, then) -> Thread:
    """Do something when so many calls wait for an answer."""

    def work() -> None:
        for _ in range(5000):
            if waiters() >= number:
                break
            Event().wait(0.001)
        then()

    made = Thread(target=work)
    made.start()
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_asks_nothing(resolve, monkeypatch, clock, host) -> None:
    """An IP address is its own answer: no thread is begun, and a budget that is over will do."""
    monkeypatch.undo()
    monkeypatch.setattr(names, "_look", lambda *_: pytest.fail("a thread was begun"))
    found = resolve(host, PORT, Budget(clock, -1.0))
    assert [each[4][:2] for each in found] == [(host, PORT)]


@pytest.mark.parametrize("step", [60, -60])
def test_a_name_is_resolved_once_and_kept_for_a_minute(resolve, resolver, clock, step) -> None:
    """For 60 s of the wall clock, forward and backward, nothing is asked; then it is anew."""
    assert resolve(HOST, PORT, Budget(clock, 1.0)) == FOUND
    assert resolve(HOST, PORT, Budget(clock, 1.0)) == FOUND
    clock.advance(wall=step, monotonic=3600)
    assert resolve(HOST, PORT, Budget(clock, 1.0)) == FOUND
    assert resolver.asked == [(HOST, PORT)]
    clock.advance(wall=step / 10)
    assert resolve(HOST, PORT, Budget(clock, 1.0)) == FOUND
    assert resolver.asked == [(HOST, PORT)] * 2


def test_a_port_is_a_part_of_the_question(resolve, resolver, clock) -> None:
    """The same host with another port, and another host, are asked for themselves."""
    for each in ((HOST, PORT), (HOST, PORT + 1), ("other.example", PORT)):
        resolve(*each, Budget(clock, 1.0))
    assert resolver.asked == [(HOST, PORT), (HOST, PORT + 1), ("other.example", PORT)]


def test_a_resolver_that_hangs_costs_the_budget(resolve, resolver) -> None:
    """It is a TierTimeoutError that names the server, after the budget and not long after it."""
    resolver.hang()
    began = SYSTEM.monotonic()
    with pytest.raises(TierTimeoutError, match=HOST):
        resolve(HOST, PORT, soon(0.02))
    assert 0.02 <= SYSTEM.monotonic() - began < HANGS


def test_a_late_answer_is_for_those_that_wait_then(resolve, resolver) -> None:
    """A caller that comes while the resolver hangs gets the answer to the first one's question."""
    resolver.hang()
    for _ in range(3):
        with pytest.raises(TierTimeoutError):
            resolve(HOST, PORT, soon())
    thread = when_waiting(4, resolver.free.set)
    assert resolve(HOST, PORT, soon(5.0)) == FOUND
    thread.join(5)
    assert len(resolver.asked) == 1


def test_threads_that_ask_at_once_share_a_question(resolver) -> None:
    """Eight threads that want one name begin one thread, and all of them get its answer."""
    resolver.hang()
    thread = when_waiting(8, resolver.free.set)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: names.resolve(HOST, PORT, soon(5.0)), range(8)))
    thread.join(5)
    assert found == [FOUND] * 8
    assert len(resolver.asked) == 1


def test_coroutines_that_ask_at_once_share_a_question(resolver) -> None:
    """Eight coroutines and a thread that want one name begin one thread."""
    resolver.hang()
    thread = when_waiting(9, resolver.free.set)

    async def story():
        in_thread = asyncio.to_thread(names.resolve, HOST, PORT, soon(5.0))
        ours = (names.aresolve(HOST, PORT, soon(5.0)) for _ in range(8))
        return await asyncio.gather(in_thread, *ours)

    assert asyncio.run(story()) == [FOUND] * 9
    thread.join(5)
    assert len(resolver.asked) == 1


def test_the_loop_runs_while_a_name_is_resolved(resolver) -> None:
    """A resolver that hangs keeps no other coroutine from running."""
    resolver.hang()

    async def story():
        task = asyncio.ensure_future(names.aresolve(HOST, PORT, soon(5.0)))
        assert await asyncio.to_thread(resolver.begun.wait, 5)
        resolver.free.set()
        return await task

    assert asyncio.run(story()) == FOUND


def test_an_answer_for_a_loop_that_has_ended_harms_nothing(resolver) -> None:
    """The thread ends well though the loop that asked is closed, and threads go on asking."""
    resolver.hang()
    with pytest.raises(TierTimeoutError):
        asyncio.run(names.aresolve(HOST, PORT, soon()))
    thread = when_waiting(2, resolver.free.set)
    assert names.resolve(HOST, PORT, soon(5.0)) == FOUND
    thread.join(5)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (gaierror(EAI_NONAME, "unknown"), TierRefusedError),  # a wrong address
        (gaierror(EAI_AGAIN, "unknown for now"), TierUnavailableError),
        (UnicodeError("label too long"), TierUnavailableError),
    ],
)
def test_a_name_that_is_unknown_is_told_at_once(resolve, resolver, clock, error, told) -> None:
    """A failure is an error with its reason; it is not kept."""
    resolver.error = error
    with pytest.raises(told, match=f"{HOST}.*(unknown|too long)"):
        resolve(HOST, PORT, Budget(clock, 1.0))
    resolver.error = None
    assert resolve(HOST, PORT, Budget(clock, 1.0)) == FOUND


def test_what_is_forgotten_is_asked_anew(resolve, resolver, clock) -> None:
    """After forget() the next caller asks; to forget what is not known does no harm."""
    names.forget(HOST, PORT)
    resolve(HOST, PORT, Budget(clock, 1.0))
    names.forget(HOST, PORT)
    resolve(HOST, PORT, Budget(clock, 1.0))
    assert len(resolver.asked) == 2


def test_the_child_of_a_fork_asks_for_itself(resolve, resolver) -> None:
    """It waits for no thread and no lock of its parent."""
    resolver.hang()
    with pytest.raises(TierTimeoutError):
        resolve(HOST, PORT, soon())
    held, end = Event(), Event()

    def hold() -> None:
        with names._lock:
            held.set()
            end.wait(5)

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(5)
    old, resolver.free = resolver.free, Event()
    resolver.free.set()
    names.forked()
    assert resolve(HOST, PORT, soon(5.0)) == FOUND
    assert len(resolver.asked) == 2
    assert holder.is_alive()
    end.set()
    holder.join(5)
    old.set()


def test_no_thread_to_ask_is_told_at_once(resolve, monkeypatch, clock) -> None:
    """Where no thread can be had it is a TierUnavailableError, and the next caller tries again."""

    def fails(self) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", fails)
        with pytest.raises(TierUnavailableError, match="new thread"):
            resolve(HOST, PORT, Budget(clock, 1.0))
    assert resolve(HOST, PORT, Budget(clock, 1.0)) == FOUND


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_redis_whose_name_hangs_costs_the_budget(resolver, mode) -> None:
    """The tier answers with a time-out after its budget, and not after that of resolv.conf."""
    resolver.hang()
    tier = loaded()
    began = SYSTEM.monotonic()
    if mode == "sync":
        (answer,) = tier.get_many(["a"], soon(0.03))
    else:
        (answer,) = asyncio.run(tier.aget_many(["a"], soon(0.03)))
    assert SYSTEM.monotonic() - began < HANGS
    assert isinstance(answer, TierTimeoutError)
    tier.close()


def test_a_late_answer_is_used_by_the_next_caller(resolve, resolver) -> None:
    """What the resolver says when nothing waits any more is kept: the next caller need not ask."""
    resolver.hang()
    with pytest.raises(TierTimeoutError):
        resolve(HOST, PORT, soon())
    resolver.come_back()
    assert resolve(HOST, PORT, soon(5.0)) == FOUND
    assert len(resolver.asked) == 1


def test_a_child_of_a_fork_with_coroutines_alone_hangs_nowhere(resolver) -> None:
    """A tier that coroutines alone have used asks anew for a name in the child of a fork."""
    loaded()  # the import
    tier = Redis(f"redis://{HOST}")
    tier._for_coroutines()
    resolver.hang()
    (answer,) = asyncio.run(tier.aget_many(["a"], soon(0.03)))
    assert isinstance(answer, TierTimeoutError)
    tier.forked()
    assert not names._looks


def test_a_child_of_a_fork_with_dynamodb_alone_hangs_nowhere(resolver) -> None:
    """A table's tier forgets the questions of its parent, whose threads the child has not."""
    resolver.hang()
    with pytest.raises(TierTimeoutError):
        names.resolve(HOST, PORT, soon(0.03))
    assert names._looks
    DynamoDB("table").forked()
    assert not names._looks
