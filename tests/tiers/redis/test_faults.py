"""Servers that end, freeze, close connections or change places; and callers that go away."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from pathlib import Path
from threading import Thread

import pytest

from orc.errors import TierError, TierTimeoutError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Write
from orc.testing import ManualClock
from orc.testing.servers.process import HOST, free_port
from orc.tiers.redis.layout import pack
from orc.tiers.redis.tier import Redis

HANGS = 5.0  # seconds no call here may take; a busy machine makes milliseconds seconds


def draw():
    return os.urandom(12)


def put(tier, address, payload, budget):
    return list(tier.set_many([Write(address, payload, draw(), 60)], budget))


@pytest.fixture
def ours(own_valkey):
    tier = Redis(own_valkey.url)
    yield tier
    tier.close()


def test_a_closed_port_is_told_at_once(budget):
    """Without a listener it is an error that names the server, and does not wait for a budget."""
    tier = Redis(f"redis://{HOST}:{free_port()}")
    began = SYSTEM.monotonic()
    (answer,) = tier.get_many(["orc1:a"], budget(60.0))
    assert isinstance(answer, TierUnavailableError)
    assert HOST in str(answer)
    with pytest.raises(TierUnavailableError):
        tier.delete_many(["orc1:a"], budget(60.0))
    with pytest.raises(TierUnavailableError):
        tier.prewarm()
    assert SYSTEM.monotonic() - began < HANGS


@pytest.mark.parametrize("connected", [True, False])
def test_a_frozen_server_costs_the_budget(ours, own_valkey, budget, connected):
    """With and without a connection, sync and async, the call ends with its budget."""
    if connected:
        put(ours, "orc1:a", b"v", budget())
    own_valkey.freeze()
    began = SYSTEM.monotonic()
    (answer,) = ours.get_many(["orc1:a"], budget(0.05))
    (other,) = asyncio.run(ours.aget_many(["orc1:a"], budget(0.05)))
    assert SYSTEM.monotonic() - began < HANGS
    assert isinstance(answer, TierTimeoutError)
    assert isinstance(other, TierTimeoutError)
    own_valkey.thaw()
    assert put(ours, "orc1:a", b"w", budget()) == [True]
    (row,) = ours.get_many(["orc1:a"], budget())
    assert row.payload == b"w"


def test_a_budget_that_is_over_asks_nobody(ours, budget):
    """An operation without time is not begun."""
    (answer,) = ours.get_many(["orc1:a"], budget(-1.0))
    assert type(answer) is TierError  # which says nothing of the server


def test_a_restarted_server_is_reconnected_to(ours, own_valkey, budget):
    """The first call after a restart succeeds: its dead connection is tried again at once."""
    for _ in range(2):
        assert put(ours, "orc1:a", b"v", budget()) == [True]
        own_valkey.restart()
        (row,) = ours.get_many(["orc1:a"], budget())
        assert row.payload is None


def test_a_killed_server_raises_nothing_else(ours, own_valkey, budget):
    """Every answer is a row or a TierError while the server comes and goes."""
    put(ours, "orc1:a", b"v", budget())
    own_valkey.kill()
    for _ in range(3):
        (answer,) = ours.get_many(["orc1:a"], budget(0.2))
        assert isinstance(answer, TierError)
    own_valkey.restart()
    assert put(ours, "orc1:a", b"v", budget()) == [True]


def test_connections_that_the_server_closed_are_replaced(ours, own_valkey, budget):
    """CLIENT KILL on all of them is not noticed by callers."""
    put(ours, "orc1:a", b"v", budget())
    other = Redis(own_valkey.url)
    transport = other._for_threads()
    transport.exchange(
        [(other._target.nodes[0], [("", [b"CLIENT", b"KILL", b"TYPE", b"normal"])])], budget()
    )
    other.close()
    (row,) = ours.get_many(["orc1:a"], budget())
    assert row.payload == b"v"


def test_connections_that_were_idle_for_long_are_not_used(ours, own_valkey):
    """After a minute by the wall clock a connection is replaced before use, and not tried."""
    clock = ManualClock()
    budget = Budget(clock, 5.0)
    put(ours, "orc1:a", b"v", budget)
    node = ours._target.nodes[0]
    (_, first), *_ = ours._threads._idle._waiting[node]
    clock.advance(59)
    ours.get_many(["orc1:a"], budget)
    assert ours._threads._idle._waiting[node][0][1] is first
    clock.advance(wall=61)
    ours.get_many(["orc1:a"], Budget(clock, 5.0))
    assert ours._threads._idle._waiting[node][0][1] is not first
    assert not first.is_connected


def test_one_run_per_invocation_hits_every_time(ours, budget):
    """asyncio.run after asyncio.run finds the row, and leaves no socket behind."""
    put(ours, "orc1:a", b"v", budget())

    async def read():
        return await ours.aget_many(["orc1:a"], budget())

    asyncio.run(read())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        (row,) = asyncio.run(read())
        assert row.payload == b"v"
    gc.collect()  # a socket that nobody closed would warn, which is an error here
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_loop_closed_without_ado_leaves_nothing(ours, budget):
    """Connections of a loop that never closed its generators are closed by the next one."""
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(ours.aget_many(["orc1:a"], budget()))
        loop.close()
    asyncio.run(ours.aget_many(["orc1:a"], budget()))
    gc.collect()
    assert len(ours._coroutines._loops) == 1


def test_cancelled_callers_leave_no_reply_to_others(ours, budget):
    """After 200 cancellations at random points every row is still the one that was asked for."""
    addresses = [f"orc1:{n}" for n in range(50)]
    for each in addresses:
        put(ours, each, each.encode() * 200, budget())

    async def run():
        chance = random.Random(1)
        for _ in range(200):
            task = asyncio.ensure_future(ours.aget_many(addresses[:20], budget()))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            one = chance.choice(addresses)
            (row,) = await ours.aget_many([one], budget())
            assert row.payload == one.encode() * 200

    asyncio.run(run())


def test_coroutines_share_a_bounded_number_of_connections(ours, budget):
    """300 coroutines at once get their own rows over 16 connections at most."""

    async def run():
        async def one(n):
            await ours.aset_many([Write(f"orc1:{n}", b"%d" % n, draw(), 60)], budget())
            (row,) = await ours.aget_many([f"orc1:{n}"], budget())
            return row.payload == b"%d" % n

        assert all(await asyncio.gather(*(one(n) for n in range(300))))
        (mine,) = ours._coroutines._loops.values()
        (waiting,) = mine.idle._waiting.values()
        assert 0 < len(waiting) <= 16

    asyncio.run(run())


def test_threads_do_not_mix_their_rows(ours, budget):
    """Eight threads at once read what each has written."""
    wrong = []

    def work(n):
        for turn in range(100):
            put(ours, f"orc1:{n}", b"%d %d" % (n, turn), budget())
            (row,) = ours.get_many([f"orc1:{n}"], budget())
            if row.payload != b"%d %d" % (n, turn):
                wrong.append(row.payload)

    threads = [Thread(target=work, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_a_fork_leaves_the_parents_connection_alone(ours, budget):
    """Parent and child each read their own rows after a fork with a live connection."""
    put(ours, "orc1:parent", b"parent", budget())
    put(ours, "orc1:child", b"child", budget())
    child = os.fork()
    if child == 0:
        ours.forked()
        right = all(
            ours.get_many(["orc1:child"], budget())[0].payload == b"child" for _ in range(50)
        )
        os._exit(0 if right else 1)
    for _ in range(50):
        (row,) = ours.get_many(["orc1:parent"], budget())
        assert row.payload == b"parent"
    assert os.waitpid(child, 0)[1] == 0


def test_foreign_data_is_a_row_that_is_not_there(ours, own_valkey, budget):
    """Other types, short strings and other layouts are no rows; writes and deletes replace them."""
    import redis

    foreign = {"orc1:list": None, "orc1:short": b"x" * 24, "orc1:other": b"\x21" + b"y" * 60}
    with redis.Redis.from_url(own_valkey.url) as client:
        for mend in (
            lambda each: ours.delete_many([each], budget()),
            lambda each: put(ours, each, b"v", budget()),
        ):
            for name, value in foreign.items():
                client.delete(name)
                client.rpush(name, "a") if value is None else client.set(name, value)
            rows = [ours.get_many([each], budget())[0] for each in foreign]
            before = ours.counts()["foreign"]
            rows += ours.get_many(list(foreign), budget())
            assert ours.counts()["foreign"] == before + 2  # MGET says nothing of a list
            assert [row.etag for row in rows] == [None] * 6
            for each in foreign:
                mend(each)
        assert [row.payload for row in ours.get_many(list(foreign), budget())] == [b"v"] * 3
        assert client.get("orc1:list").startswith(pack(bytes(12), b"")[:1])


def test_scripts_that_a_server_forgot_are_sent_again(ours, own_valkey, budget):
    """SCRIPT FLUSH costs a round trip and no error."""
    from orc.model.row import Claim

    ours.prewarm()
    own_valkey.restart()
    token = draw()
    (row,) = ours.claim_many([Claim("orc1:a", token, 5.0)], budget())
    assert row.etag == token


def test_a_full_server_still_reads_and_deletes(budget):
    """What does not fit is an error in the place of that write, and says nothing of others."""
    from orc.testing.servers.valkey import Valkey

    with Valkey(maxmemory="1mb", maxmemory_policy="noeviction") as server:
        tier = Redis(server.url)
        (answer,) = tier.set_many([Write("orc1:a", b"v" * 2_000_000, draw(), 60)], budget())
        (answer,) = tier.set_many([Write("orc1:b", b"v", draw(), 60)], budget())
        tier.delete_many(["orc1:a", "orc1:b"], budget())
        assert tier.get_many(["orc1:b"], budget())[0].payload is None
        tier.close()
    assert type(answer) is TierError
    assert "OOM" in str(answer)


def test_a_master_that_dies_is_replaced(sentinel_setup, budget):
    """After a failover by Sentinel the tier writes to the new master, without being made anew."""
    from threading import Event

    master, replica, url = sentinel_setup
    tier = Redis(url)
    assert put(tier, "orc1:a", b"v", budget()) == [True]
    master.kill()
    until = SYSTEM.monotonic() + 20
    while put(tier, "orc1:b", b"w", budget(0.2)) != [True]:
        assert SYSTEM.monotonic() < until
        Event().wait(0.02)
    (row,) = tier.get_many(["orc1:b"], budget())
    assert row.payload == b"w"
    assert tier._route._master[1] == replica.port
    tier.close()


def test_a_dead_shard_fails_for_its_own_rows_only(cluster_servers, cluster_url, budget):
    """On a cluster with a frozen node the rows of the others are answered."""
    addresses = [f"orc1:{n}" for n in range(60)]
    tier = Redis(cluster_url)
    assert all(tier.set_many([Write(each, b"v", draw(), 60) for each in addresses], budget()))
    cluster_servers[1].freeze()
    try:
        answers = tier.get_many(addresses, budget(0.1))
        again = asyncio.run(tier.aget_many(addresses, budget(0.1)))
    finally:
        cluster_servers[1].thaw()
    for each in (answers, again):
        failed = [one for one in each if isinstance(one, TierTimeoutError)]
        assert 0 < len(failed) < 60
        assert all(one.payload == b"v" for one in each if not isinstance(one, TierError))
    tier.close()
