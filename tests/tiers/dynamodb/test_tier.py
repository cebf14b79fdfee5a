"""Rows in a table of a server: moto's always, DynamoDB Local where it is."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from orc.errors import ConfigError, TierRefusedError
from orc.model.row import Budget, Claim, Write
from orc.testing import ManualClock
from orc.tiers.dynamodb.requests import LONGEST_LEASE
from orc.tiers.dynamodb.tier import MAX_VALUE_BYTES, DynamoDB


def test_a_miss_is_claimed_filled_and_read(tier, budget):
    """A claim of nothing is granted, keeps others out, and its token fills the row once."""
    (mine,) = tier.claim_many([Claim("a", b"mine", 5)], budget)
    (other,) = tier.claim_many([Claim("a", b"other", 5)], budget)
    assert (mine.etag, mine.held, mine.payload) == (b"mine", 0, None)
    assert other.etag == b"mine"
    assert 4.9 < other.held <= 5
    assert tier.set_many([Write("a", b"value", b"new", 60, b"mine")], budget) == [True]
    assert tier.set_many([Write("a", b"late", b"late", 60, b"mine")], budget) == [False]
    (row,) = tier.get_many(["a"], budget, consistent=True)
    assert (row.payload, row.etag, row.held) == (b"value", b"new", 0)


def test_a_payload_that_was_not_seen_refuses_a_claim(tier, budget):
    """Whoever claims without having seen the payload gets it in the answer instead."""
    tier.set_many([Write("a", b"value", b"e1", 60)], budget)
    for seen in (None, b"e0"):
        (row,) = tier.claim_many([Claim("a", b"tok", 5, seen)], budget)
        assert (row.payload, row.etag, row.held) == (b"value", b"e1", 0)
    (row,) = tier.claim_many([Claim("a", b"tok", 5, b"e1")], budget)
    assert (row.payload, row.etag, row.held) == (b"value", b"tok", 0)


def test_a_delete_takes_the_token_away(tier, budget):
    """A loader that began before a delete cannot store what it loaded."""
    tier.claim_many([Claim("a", b"tok", 5)], budget)
    tier.delete_many(["a"], budget)
    assert tier.set_many([Write("a", b"old", b"e", 60, b"tok")], budget) == [False]
    assert tier.get_many(["a"], budget)[0].etag is None


def test_an_expired_row_is_absent_though_nobody_has_swept_it(tier, budget, clock):
    """Past its keep, a row is neither read nor in the way of a claim, and its token is dead."""
    tier.set_many([Write("a", b"value", b"e1", 10)], budget)
    clock.advance(wall=9.99)
    assert tier.get_many(["a"], budget)[0].payload == b"value"
    clock.advance(wall=0.01)
    (row,) = tier.get_many(["a"], budget)
    assert (row.payload, row.etag) == (None, None)
    assert tier.set_many([Write("a", b"late", b"e2", 10, b"e1")], budget) == [False]
    (row,) = tier.claim_many([Claim("a", b"tok", 5, b"e1")], budget)
    assert (row.payload, row.etag, row.held) == (None, b"tok", 0)


def test_a_slow_load_can_be_stored_a_minute_after_its_lease(tier, budget, clock):
    """The lease is over and the claim still fills; somebody else's claim takes it away."""
    tier.claim_many([Claim("a", b"tok", 1), Claim("b", b"tok", 1)], budget)
    clock.advance(wall=59)
    (row,) = tier.claim_many([Claim("b", b"other", 1)], budget)
    assert row.etag == b"other"
    writes = [Write(each, b"value", b"new", 60, b"tok") for each in "ab"]
    assert tier.set_many(writes, budget) == [True, False]


@pytest.mark.parametrize("payload", [None, b"stale"])
def test_a_failed_load_rests(tier, budget, clock, payload):
    """A claim given back with a rest keeps others out as failed, and keeps the payload."""
    if payload:
        tier.set_many([Write("a", payload, b"e1", 60)], budget)
    tier.claim_many([Claim("a", b"tok", 5, b"e1" if payload else None)], budget)
    assert tier.set_many([Write("a", None, b"e2", 0, b"tok", rest=3)], budget) == [True]
    (row,) = tier.claim_many([Claim("a", b"next", 5, b"e2")], budget)
    assert row.failed
    assert 2.9 < row.held <= 3
    assert row.payload == payload
    clock.advance(wall=3)
    (row,) = tier.claim_many([Claim("a", b"next", 5, b"e2")], budget)
    assert (row.etag, row.held, row.failed) == (b"next", 0, False)


def test_a_clock_an_hour_ahead_keeps_nobody_out(tier):
    """A lease that ends later than any lease can is not believed; one behind has no lease."""
    ahead, now, behind = ManualClock(), ManualClock(), ManualClock()
    ahead.advance(wall=3600)
    behind.advance(wall=-3600)
    for index, clock in enumerate((ahead, behind)):
        address = f"a{index}"
        tier.claim_many([Claim(address, b"wrong", 10)], Budget(clock, 10))
        (row,) = tier.claim_many([Claim(address, b"right", 10)], Budget(now, 10))
        assert (row.etag, row.held) == (b"right", 0)


def test_a_long_lease_is_cut(tier, budget):
    """What is held is never more than the longest lease."""
    tier.claim_many([Claim("a", b"tok", 1e6)], budget)
    (row,) = tier.claim_many([Claim("a", b"other", 5)], budget)
    assert 0 < row.held <= LONGEST_LEASE


def test_hundreds_of_rows_are_one_call(tier, budget):
    """Batches of 25 and of 100 go side by side; answers come in order."""
    names = [f"k{each}" for each in range(230)]
    writes = [Write(each, each.encode(), b"e", 60) for each in names]
    assert tier.set_many(writes, budget) == [True] * 230
    before = tier.counts()["requests"]
    rows = tier.get_many([*reversed(names), "none"], budget)
    assert [each.payload for each in rows] == [*(n.encode() for n in reversed(names)), None]
    assert tier.counts()["requests"] - before == 3
    tier.delete_many(names, budget)
    assert all(each.etag is None for each in tier.get_many(names, budget))


def test_unprocessed_keys_are_asked_for_again(tier, budget):
    """16 MB is the most that one answer has; the rest comes in the next."""
    names = [f"big{each}" for each in range(48)]
    writes = [Write(each, bytes(MAX_VALUE_BYTES), b"e", 60) for each in names]
    assert tier.set_many(writes, budget) == [True] * 48
    before = tier.counts()["requests"]
    rows = tier.get_many(names, budget)
    assert all(len(each.payload) == MAX_VALUE_BYTES for each in rows)
    assert tier.counts()["requests"] - before == 2


def test_too_large_a_payload_is_refused_alone(tier, budget):
    """What does not fit in an item is an error in its own place."""
    answers = tier.set_many(
        [Write("big", bytes(MAX_VALUE_BYTES + 1), b"e", 60), Write("a", b"v", b"e", 60)], budget
    )
    assert isinstance(answers[0], TierRefusedError)
    assert answers[1] is True


def test_one_of_many_threads_is_granted(tier, budget):
    """32 threads claim one row: one has it, the others are told for how long."""
    with ThreadPoolExecutor(32) as pool:
        rows = list(
            pool.map(lambda n: tier.claim_many([Claim("a", b"%d" % n, 5)], budget)[0], range(32))
        )
    assert sorted(each.held > 0 for each in rows) == [False] + [True] * 31
    assert len({each.etag for each in rows}) == 1


def test_a_table_and_a_client_can_be_handed_in(server, table, budget):
    """A boto3 Table, whose client takes plain values, and a client do what a name does."""
    resource = boto3.resource("dynamodb", endpoint_url=server.url)
    client = boto3.client("dynamodb", endpoint_url=server.url)
    first, second = DynamoDB(resource.Table(table)), DynamoDB(client, table=table)
    third = DynamoDB(resource.meta.client, table=table)
    assert first.claim_many([Claim("a", b"tok", 5)], budget)[0].etag == b"tok"
    assert second.claim_many([Claim("a", b"x", 5)], budget)[0].held > 0
    assert third.set_many([Write("a", b"v", b"e", 60, b"tok")], budget) == [True]
    many = [Write(f"k{each}", b"v", b"e", 60) for each in range(3)]
    for each in (first, second, third):
        assert each.get_many(["a"], budget)[0].payload == b"v"
        assert each.set_many(many, budget) == [True] * 3
        assert [r.payload for r in each.get_many(["k0", "k2"], budget)] == [b"v", b"v"]
        each.delete_many(["k0", "k2"], budget)
        each.close()
    resource.meta.client.close()
    client.close()


def test_coroutines_use_the_same_client_in_every_loop(tier, budget):
    """Each ``asyncio.run`` works; a caller that is cancelled leaves nothing wrong behind."""

    async def story():
        assert await tier.aset_many([Write("a", b"v", b"e", 60)], budget) == [True]
        task = asyncio.ensure_future(tier.aget_many(["a"], budget))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        rows = await asyncio.gather(*(tier.aget_many(["a"], budget) for _ in range(20)))
        assert {row.payload for (row,) in rows} == {b"v"}
        (row,) = await tier.aclaim_many([Claim("a", b"t", 5, b"e")], budget)
        await tier.adelete_many(["a"], budget)
        return row.etag

    assert [asyncio.run(story()) for _ in range(3)] == [b"t"] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_has_its_own_client(tier, budget):
    """The child reads after `forked`, and the parent goes on."""
    tier.set_many([Write("a", b"v", b"e", 60)], budget)
    child = os.fork()
    if child == 0:
        tier.forked()
        os._exit(0 if tier.get_many(["a"], budget)[0].payload == b"v" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert tier.get_many(["a"], budget)[0].payload == b"v"


@pytest.mark.parametrize(
    "make",
    [
        lambda: DynamoDB(""),
        lambda: DynamoDB("a b"),
        lambda: DynamoDB(7),
        lambda: DynamoDB("t", table="u"),
        lambda: DynamoDB("t", budget=0),
        lambda: DynamoDB("t", budget=float("nan")),
    ],
)
def test_nonsense_is_refused_at_once(make):
    """What cannot be a table, or a budget, is an error of the construction."""
    with pytest.raises(ConfigError):
        make()
