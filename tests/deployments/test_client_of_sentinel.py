"""An async client by Sentinel that was handed in, and event loops that come and go."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio.sentinel import Sentinel

import orc
from tests.deployments.servers import HOST

pytestmark = pytest.mark.litters  # the clients are their makers' to close, and these do not


@pytest.mark.parametrize("used_at_import", [False, True])
def test_each_loop_is_served(sentinels, used_at_import):
    """Each by connections of its own, to the master and to the Sentinels."""
    client = Sentinel([(HOST, each.port) for each in sentinels.sentinels]).master_for("main")
    tiers = [orc.Memory(), orc.Redis(client, budget=2.0)]
    cache = orc.Cache(tiers=tiers, namespace="test", memory_ttl=0, strict=True)

    async def work(number):
        await asyncio.gather(*(cache.aset(f"{number} {each}", each) for each in range(8)))
        found = await asyncio.gather(*(cache.aget(f"{number} {each}") for each in range(8)))
        return found == list(range(8))

    if used_at_import:
        asyncio.run(client.execute_command("PING"))
    assert all(asyncio.run(work(number)) for number in range(4))
    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert all(each.run(work(f"{turn} {id(each)}")) for turn in "ab" for each in (one, other))
