"""A client of a cluster that was handed in, and event loops that come and go."""

from __future__ import annotations

import asyncio
import gc

import pytest
import redis.asyncio

import orc
from orc.errors import OrcWarning
from orc.tiers.redis.coroutines import drop


@pytest.fixture(autouse=True)
def no_litter():
    """End here what the client leaves to the garbage collector, and not in another test."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
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
    for node in client.get_nodes():
        for connection in node._connections:
            drop(connection)
