"""A client for coroutines that was handed in, and event loops that come and go."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import fakeredis
import pytest
import redis.asyncio

import orc
from orc.errors import ConfigError
from orc.tiers.redis import loop_clients

pytestmark = pytest.mark.litters  # the clients are their makers' to close, and these do not


class OfTheUser(redis.asyncio.Redis):
    """A client with a constructor of its own."""

    def __init__(self, port):
        super().__init__(port=port)


def of_a_blocking_pool(port):
    pool = redis.asyncio.BlockingConnectionPool(port=port, max_connections=2, timeout=5)
    return redis.asyncio.Redis(connection_pool=pool)


CLIENTS = {
    "plain": lambda port: redis.asyncio.Redis(port=port),
    "by url": lambda port: redis.asyncio.from_url(f"redis://127.0.0.1:{port}/3"),
    "blocking pool": of_a_blocking_pool,
    "user's class": OfTheUser,
    "fake": lambda port, server=fakeredis.FakeServer(): fakeredis.FakeAsyncRedis(server=server),  # noqa: B008
}


@pytest.fixture(params=CLIENTS)
def caches(request, valkey):
    """Return two caches of one server, each with a client of its own."""
    make = CLIENTS[request.param]
    tiers = [orc.Redis(make(valkey.port), budget=2.0) for _ in range(2)]
    yield [
        orc.Cache(tiers=[orc.Memory(), tier], namespace=request.node.name, strict=True)
        for tier in tiers
    ]
    for tier in tiers:
        close(tier)


def close(tier):
    """Close the sockets of all loops, which are closed themselves."""
    copies = tier._coroutines._clients._loops.values() if tier._coroutines else ()
    for client in (tier._client, *copies):
        loop_clients._close(client)


def test_each_loop_is_served(caches):
    """As a Lambda handler has them that calls ``asyncio.run``."""
    one, other = caches

    async def work(number):
        await asyncio.gather(*(one.aset(f"{number} {each}", each) for each in range(8)))
        keys = [f"{number} {each}" for each in range(8)]
        alone = await asyncio.gather(*(other.aget(key) for key in keys))
        return alone, await other.aget_many(keys)

    for number in range(6):
        alone, together = asyncio.run(work(number))
        assert alone == list(range(8))
        assert list(together.values()) == list(range(8))
    assert [tier.errors for tier in one.stats().tiers] == [0, 0]


def test_loops_at_once_are_served(caches):
    """Threads, each with a loop of its own."""
    one, other = caches
    answers = []

    def serve(name):
        async def work():
            found = []
            for number in range(20):
                await one.aset(f"{name} {number}", number)
                found.append(await other.aget(f"{name} {number}"))
            return found

        answers.extend(asyncio.run(work()) for _ in range(2))

    threads = [threading.Thread(target=serve, args=(name,)) for name in "abc"]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert answers == [list(range(20))] * 6


def test_a_loop_that_ends_in_the_middle_of_a_command_harms_no_other(caches):
    """Its replies are not another's."""
    one, other = caches

    async def leave():
        left = [asyncio.create_task(one.aset(f"left {number}", number)) for number in range(10)]
        await asyncio.sleep(0)
        return len(left)

    async def work(number):
        await one.aset(f"key {number}", number)
        return await other.aget(f"key {number}")

    for number in range(5):
        assert asyncio.run(leave()) == 10
        assert asyncio.run(work(number)) == number


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_hundreds_of_loops_leave_few_files_open(valkey):
    """The sockets of a loop that is gone are closed."""
    tier = orc.Redis(redis.asyncio.Redis(port=valkey.port), budget=2.0)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="files")

    async def work(number):
        await cache.aset(f"{number}", number)

    before = open_files()
    most = 0
    for number in range(300):
        asyncio.run(work(number))
        most = max(most, open_files())
    close(tier)
    assert most - before < 12
    assert cache.stats().tiers[1].errors == 0


def test_a_client_of_aiobotocore_is_refused():
    """When the tier is made, with what to hand in."""
    kind = type(
        "DynamoDB", (), {"__module__": "aiobotocore.client", "get_item": None, "meta": None}
    )
    with pytest.raises(ConfigError, match="one of boto3, or the table's name"):
        orc.DynamoDB(kind(), table="table")
