"""A client of a cluster that was handed in, and event loops that come and go."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

import orc
from orc.errors import OrcWarning

pytestmark = pytest.mark.litters  # the clients are their makers' to close, and these do not


def test_its_first_loop_is_served_and_the_second_says_what_to_hand_in(of_all_slots):
    """It has parts that no copy can be made of; the address serves every loop."""
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=of_all_slots.port)
    tier = orc.Redis(client, budget=2.0)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test", memory_ttl=0)

    async def work():
        await asyncio.gather(*(cache.aset(f"{each}", each) for each in range(8)))
        return [await cache.aget(f"{each}") for each in range(8)]

    assert asyncio.run(work()) == list(range(8))
    assert cache.stats().tiers[1].errors == 0
    with pytest.warns(OrcWarning, match="hand in the address, which serves") as said:  # noqa: PT031
        for _ in range(3):
            asyncio.run(work())
    assert len([each for each in said if each.category is OrcWarning]) == 1


def test_one_that_another_loop_used_says_what_to_hand_in_and_harms_none(of_all_slots):
    """It was used at import: no command is sent on a connection of the loop that is gone."""
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=of_all_slots.port)
    asyncio.run(client.set("key", "value"))
    tiers = [orc.Memory(), orc.Redis(client, budget=2.0)]
    cache = orc.Cache(tiers=tiers, namespace="test", memory_ttl=0)

    async def load():
        return 5

    async def work(key):
        return await cache.aget_or_set(key, load)

    with pytest.warns(OrcWarning, match="hand in the address, which serves") as said:
        assert [asyncio.run(work(f"{each}")) for each in range(3)] == [5] * 3
    assert len([each for each in said if each.category is OrcWarning]) == 1


def test_a_loop_that_is_served_stays_served_while_another_is_refused(of_all_slots):
    """The user's own commands in the same loop do not matter, and nor does a refusal."""
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=of_all_slots.port)
    tiers = [orc.Memory(), orc.Redis(client, budget=2.0)]
    cache = orc.Cache(tiers=tiers, namespace="test", memory_ttl=0)

    async def work(number):
        await client.set("key", "value")
        await cache.aset("key", number)
        return await cache.aget("key")

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert one.run(work(1)) == 1
        with pytest.warns(OrcWarning, match="hand in the address, which serves"):
            assert other.run(cache.aget("key")) is None
        assert one.run(work(2)) == 2
