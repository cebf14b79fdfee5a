"""The tier against a dict, by random operations."""

from __future__ import annotations

import itertools

import boto3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from orc.cli.dynamodb.table import ensure
from orc.model.row import Budget, Claim, Row, Write
from orc.testing import ManualClock
from orc.tiers.dynamodb.tier import DynamoDB

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("set"), st.sampled_from("ab"), st.integers(1, 30)),
        st.tuples(st.just("fill"), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("back"), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.sampled_from("ab"), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 4, 20, 70])),
    ),
    max_size=25,
)


class Model:
    """Rows in a dict, by the words of ``orc.model.row`` and ``ports``."""

    def __init__(self, clock):
        self.clock = clock
        self.rows = {}

    def get(self, address):
        now = self.clock.wall()
        if address not in self.rows:
            return Row()
        payload, etag, keep, lease, failed = self.rows[address]
        if now >= keep and (lease is None or now > lease + 60):
            return Row()
        held = max(0, lease - now) if lease is not None else 0
        return Row(payload if now < keep else None, etag, held, failed=failed and held > 0)

    def claim(self, claim):
        row, now = self.get(claim.address), self.clock.wall()
        if row.held > 0 or (row.payload is not None and row.etag != claim.seen):
            return row
        keep = self.rows[claim.address][2] if row.payload is not None else now
        self.rows[claim.address] = (row.payload, claim.token, keep, now + claim.lease, False)
        return Row(row.payload, claim.token)

    def write(self, write):
        row, now = self.get(write.address), self.clock.wall()
        if write.token is not None and row.etag != write.token:
            return False
        if write.payload is None:
            keep = self.rows[write.address][2]
            lease = now + write.rest if write.rest else None
            if not write.rest and row.payload is None:
                self.rows.pop(write.address)
            else:
                self.rows[write.address] = (row.payload, write.etag, keep, lease, write.rest > 0)
        else:
            self.rows[write.address] = (write.payload, write.etag, now + write.keep, None, False)
        return True


def same(mine, theirs):
    pairs = (mine.payload, mine.failed), (theirs.payload, theirs.failed)
    assert pairs[0] == pairs[1]
    assert abs(mine.held - theirs.held) < 0.01


def run(tier, steps):
    clock = ManualClock()
    model, numbers = Model(clock), itertools.count()
    tokens = {"a": [b"?"], "b": [b"?"]}
    tier.delete_many(["a", "b"], Budget(clock, 9))
    for kind, address, number in steps:
        budget, new = Budget(clock, 9), b"%d" % next(numbers)
        if kind == "wait":
            clock.advance(wall=number)
            continue
        if kind == "delete":
            tier.delete_many([address], budget)
            model.rows.pop(address, None)
        elif kind == "claim":
            etag = model.get(address).etag
            claim = Claim(address, new, 5, etag if number else None)
            same(tier.claim_many([claim], budget)[0], model.claim(claim))
            tokens[address].append(new)
        else:
            token = None if kind == "set" else tokens[address][-1 - number % len(tokens[address])]
            payload = None if kind == "back" else new
            write = Write(address, payload, new + b"!", number or 9, token, rest=number)
            assert tier.set_many([write], budget) == [model.write(write)]
        same(tier.get_many([address], budget)[0], model.get(address))


@mock_aws
def test_random_operations_answer_as_a_dict_does():
    """Every claim, fill, return, delete and read, with time going by."""
    client = boto3.client("dynamodb", region_name="eu-west-1")
    list(ensure(client, "cache"))
    tier = DynamoDB("cache", region="eu-west-1", budget=9)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def check(steps):
        run(tier, steps)

    check()
    client.close()
    tier.close()
