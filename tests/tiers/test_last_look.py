"""What a time limit charges a tier with; and that an answer which is there is taken."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from orc.errors import TierReadOnlyError, TierTimeoutError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write
from orc.tiers.guard import Guard
from orc.tiers.last_look import last_look
from orc.tiers.redis import vendor
from orc.tiers.redis.layout import pack
from orc.tiers.redis.tier import Redis

HANGS = 5.0  # seconds no call here may take; a busy machine makes milliseconds seconds


def block(seconds: float) -> None:
    """Keep the loop from running anything else."""
    Event().wait(seconds)


# -- the limit itself -----------------------------------------------------------------------------


def test_an_answer_that_came_while_the_loop_was_blocked_is_taken() -> None:
    """A block with 10 ms ends well, if its answer lies in a socket when the loop is back at 50."""

    async def story() -> bytes:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        loop = asyncio.get_running_loop()
        loop.call_soon(block, 0.05)
        loop.call_soon(theirs.send, b"answer\n")
        try:
            async with last_look(0.01):
                return await reader.readline()
        finally:
            theirs.close()
            writer.close()
            await writer.wait_closed()

    assert asyncio.run(story()) == b"answer\n"


@pytest.mark.parametrize("seconds", [0.03, 0.0, -1.0])
def test_a_block_that_never_ends_is_ended(seconds) -> None:
    """It is a TimeoutError after the seconds, and not long after them."""

    async def story() -> float:
        began = SYSTEM.monotonic()
        limit = last_look(seconds)
        with pytest.raises(TimeoutError):
            async with limit:
                await asyncio.Event().wait()
        assert limit.expired()
        return SYSTEM.monotonic() - began

    took = asyncio.run(story())
    assert max(0.0, seconds) <= took < max(0.0, seconds) + HANGS


def test_the_slack_is_added_to_the_end() -> None:
    """What comes within the slack is taken, though all the seconds were charged."""

    async def story() -> float:
        limit = last_look(0.005, 5.0)
        async with limit:
            await asyncio.sleep(0.05)
        assert not limit.expired()
        return limit.charged

    assert asyncio.run(story()) == pytest.approx(0.005)


def test_a_loop_that_was_blocked_once_is_charged_with_a_quarter() -> None:
    """However long the loop was busy: one part of four is charged, and the block goes on."""

    async def story() -> tuple[float, bool]:
        asyncio.get_running_loop().call_soon(block, 0.06)
        limit = last_look(0.2)
        async with limit:
            for _ in range(3):  # in the first of these turns the loop is blocked
                await asyncio.sleep(0)
        return limit.charged, limit.expired()

    assert asyncio.run(story()) == (pytest.approx(0.05), False)


def test_a_quick_block_is_charged_with_nothing() -> None:
    """What ends within the first part costs nothing, and leaves no timer behind."""

    async def story() -> tuple[float, bool]:
        limit = last_look(5.0)
        async with limit:
            await asyncio.sleep(0)
        return limit.charged, limit._handle.cancelled()

    assert asyncio.run(story()) == (0.0, True)


def test_a_cancellation_from_outside_passes_through() -> None:
    """A task that is cancelled in the block raises CancelledError; the limit has not expired."""

    async def story() -> None:
        limit = last_look(5.0)

        async def wait() -> None:
            async with limit:
                await asyncio.Event().wait()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not limit.expired()

    asyncio.run(story())


def test_an_error_of_the_block_passes_through() -> None:
    """What the block raises comes out as it is."""

    async def story() -> None:
        async with last_look(5.0):
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        asyncio.run(story())


# -- connections to Redis -------------------------------------------------------------------------

ROW = pack(b"e" * 12, b"payload")
BULK = b"$%d\r\n%s\r\n" % (len(ROW), ROW)
READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"


class Played:
    """A server that answers each send at once, with what a test says, by the first command."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answers = {b"GET": BULK}
        self.heard: list[bytes] = []
        """The first command of each send, behind the number of its connection."""
        self.open: list[socket.socket] = []
        self.threads = [Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                made, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(made)
            self.threads.append(Thread(target=self.serve, args=(made, len(self.open))))
            self.threads[-1].start()

    def serve(self, made: socket.socket, number: int) -> None:
        try:
            while heard := made.recv(65_536):
                verb = heard.split(b"\r\n")[2]
                self.heard.append(b"%d %s" % (number, verb))
                made.sendall(self.answers[verb])
        except OSError:
            pass
        finally:
            made.close()

    def end(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join(5)
        for each in self.open:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)


@contextmanager
def asked_late(asynchronous: bool, tier: Redis, late):
    """Have something happen when a command was sent, and its answer lies in the socket."""
    made = vendor.connection_class(tier._target, asynchronous=asynchronous)
    send = made.send_packed_command

    def arrived(connection) -> None:
        if asynchronous:
            found = connection._writer.get_extra_info("socket").fileno()
        else:
            found = connection._sock._socket.fileno()
        assert select.select([found], [], [], 5.0)[0]
        late()

    def sync_send(self, *words, **more) -> None:
        send(self, *words, **more)
        arrived(self)

    async def async_send(self, *words, **more) -> None:
        await send(self, *words, **more)
        arrived(self)

    made.send_packed_command = async_send if asynchronous else sync_send
    try:
        yield
    finally:
        made.send_packed_command = send


class Rig:
    """A tier before a played server, called for threads or for coroutines in one loop."""

    def __init__(self, server: Played, mode: str) -> None:
        self.server, self.mode = server, mode
        self.tier = Redis(f"redis://127.0.0.1:{server.port}")
        self.tier.load()  # to import the client takes longer than some of these budgets
        self.tier._for_coroutines()
        self.loop = asyncio.Runner()

    def call(self, name: str, asked, budget: Budget, tier=None):
        tier = self.tier if tier is None else tier
        if self.mode == "sync":
            return getattr(tier, name)(asked, budget)
        return self.loop.run(getattr(tier, f"a{name}")(asked, budget))

    def end(self) -> None:
        self.tier.close()
        self.loop.close()


@pytest.fixture
def server():
    made = Played()
    yield made
    made.end()


@pytest.fixture(params=["sync", "async"])
def rig(server, request):
    made = Rig(server, request.param)
    yield made
    made.end()


@pytest.mark.parametrize("connected", [True, False])
def test_a_row_that_lies_in_the_socket_is_found_though_the_time_is_over(
    rig, clock, connected
) -> None:
    """A clock that passes the budget, when the answer is there and not yet read, loses no row."""
    if connected:
        rig.call("get_many", ["a"], Budget(clock, 1.0))
    with asked_late(rig.mode == "async", rig.tier, lambda: clock.advance(0.06)):
        (row,) = rig.call("get_many", ["a"], Budget(clock, 0.05))
    assert row.payload == b"payload"
    (row,) = rig.call("get_many", ["a"], Budget(clock, 0.05))  # and the connection is kept
    assert row.payload == b"payload"
    assert rig.server.heard[-1].startswith(b"1 ")


def test_a_row_is_found_though_the_loop_was_blocked_for_the_whole_budget(server, clock) -> None:
    """A loop that is busy for twice the budget takes the row, and the time is given back."""
    rig = Rig(server, "async")
    try:
        rig.call("get_many", ["a"], Budget(clock, 1.0))
        budget = Budget(clock, 0.05)
        with asked_late(True, rig.tier, lambda: (block(0.1), clock.advance(0.1))):
            (row,) = rig.call("get_many", ["a"], budget)
        assert row.payload == b"payload"
        assert 0 < budget.left() <= 0.05
    finally:
        rig.end()


def test_a_guard_holds_no_late_look_against_a_tier(rig, clock) -> None:
    """Ten rows that were there when the time was over are no slow answers, and open nothing."""
    guard = Guard(rig.tier, clock, lambda: None)
    with asked_late(rig.mode == "async", rig.tier, lambda: clock.advance(0.06)):
        for _ in range(10):
            (row,) = rig.call("get_many", ["a"], Budget(clock, 10.0), guard)
            assert row.payload == b"payload"
    assert guard.state == "closed"


def test_an_answer_that_stays_away_is_a_time_out(rig) -> None:
    """A server that says nothing costs the budget: nothing was arriving, and a Guard opens."""
    rig.server.answers[b"GET"] = b""
    guard = Guard(rig.tier, SYSTEM, lambda: None)
    rig.tier.budget = guard._health.budget = 0.03
    guard._health.connected()
    (answer,) = rig.call("get_many", ["a"], Budget(SYSTEM, 10.0), guard)
    assert isinstance(answer, TierTimeoutError)
    assert not answer.arriving
    assert guard.state == "open"


@pytest.mark.parametrize("part", [BULK[:-9], BULK[:3], BULK[: BULK.index(b"\n") + 1]])
def test_a_part_of_an_answer_is_told_and_opens_nothing(server, clock, part) -> None:
    """A time-out while a part has come says `arriving`, and a Guard leaves the tier in use."""
    rig = Rig(server, "sync")
    server.answers[b"GET"] = part
    guard = Guard(rig.tier, clock, lambda: None)
    with asked_late(False, rig.tier, lambda: clock.advance(0.06)):
        (answer,) = rig.call("get_many", ["a"], Budget(clock, 10.0), guard)
    rig.end()
    assert isinstance(answer, TierTimeoutError)
    assert answer.arriving
    assert guard.state == "closed"
    assert guard.counts()["timeout_errors"] == 1


@pytest.mark.parametrize("name", ["set_many", "delete_many", "claim_many"])
def test_a_replica_is_read_and_its_writes_rest(rig, clock, name) -> None:
    """READONLY is a TierReadOnlyError: rows are still read, by a new connection; writes rest."""
    rig.server.answers |= dict.fromkeys([b"SET", b"UNLINK", b"EVALSHA"], READ_ONLY)
    write = Write("a", b"p", os.urandom(12), 60.0)
    asked = {"set_many": [write], "delete_many": ["a"], "claim_many": [Claim("a", b"t" * 12, 1.0)]}
    guard = Guard(rig.tier, clock, lambda: None)

    def ask(call):
        return rig.call(call, asked[call], Budget(clock, 10.0), guard)

    rig.call("get_many", ["a"], Budget(clock, 10.0), guard)
    if name == "delete_many":
        with pytest.raises(TierReadOnlyError):
            ask(name)
    else:
        (answer,) = ask(name)
        assert isinstance(answer, TierReadOnlyError)
    for each in asked:
        with pytest.raises(TierUnavailableError, match="READONLY"):
            ask(each)
    (row,) = rig.call("get_many", ["a"], Budget(clock, 10.0), guard)
    assert row.payload == b"payload"
    assert [each[:1] for each in rig.server.heard] == [b"1", b"1", b"2"]
    counts = guard.counts()
    assert (counts["read_only_errors"], counts["resting"], counts["opened"]) == (1, 3, 1)
