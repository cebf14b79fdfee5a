"""Hundreds of coroutines and threads at once: what is there is found, and no breaker opens."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import orc
from orc.testing.servers.dynamodb import moto
from orc.testing.servers.valkey import Valkey


@pytest.fixture(scope="module")
def redis_url():
    """Return the address of a Valkey."""
    with Valkey() as server:
        yield server.url


@pytest.fixture(scope="module")
def table_url():
    """Return the address of moto's server, in which there is a table."""
    import boto3

    with moto() as server:
        client = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto takes any
        )
        client.create_table(
            TableName="orc",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.close()
        yield server.url


@pytest.fixture(params=["redis", "dynamodb", "disk"])
def container(request, tmp_path, monkeypatch):
    """Return a maker of caches in front of one store: another one is another container."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    made = []

    def make():
        if request.param == "redis":
            tier = orc.Redis(request.getfixturevalue("redis_url"))
        elif request.param == "disk":
            tier = orc.Disk(tmp_path)
        else:
            url = request.getfixturevalue("table_url")
            tier = orc.DynamoDB("orc", region="us-east-1", endpoint=url, budget=5.0)
        made.append(tier)
        cache = orc.Cache(tiers=[orc.Memory(), tier], namespace=request.node.name, jitter=0)
        cache.prewarm()
        return cache

    yield make
    for tier in made:
        tier.close()


def filled(container, number):
    """Store so many values by one container; return another one, and its loads."""
    container().set_many({f"k{n}": n for n in range(number)})
    return container(), []


def check(cache, loads, got, number):
    assert got == list(range(number))
    assert loads == []
    guard = cache._core.tiers[0].tier
    assert guard.state == "closed", guard.reason
    assert guard.counts()["timeout_errors"] == 0


def test_a_thousand_coroutines(container):
    """Each finds its row; those that wait are read together, and none times out."""
    cache, loads = filled(container, 1000)

    async def main():
        async def read(n):
            async def load():
                loads.append(n)

            return await cache.aget_or_set(f"k{n}", load)

        return await asyncio.gather(*(read(n) for n in range(1000)))

    check(cache, loads, asyncio.run(main()), 1000)
    guard = cache._core.tiers[0].tier
    if guard.remote:  # a read of the disk is done before another one could wait for it
        assert guard.counts()["calls"] < 200


def test_sixty_four_threads(container):
    """Each finds its rows, one after the other."""
    cache, loads = filled(container, 640)

    def read(n):
        return cache.get_or_set(f"k{n}", lambda: loads.append(n))

    with ThreadPoolExecutor(64) as pool:
        check(cache, loads, list(pool.map(read, range(640))), 640)


def test_loops_and_threads_together(container):
    """Four loops, each in a thread of its own, and threads beside them."""
    cache, loads = filled(container, 400)

    async def main(part):
        async def read(n):
            return await cache.aget_or_set(f"k{n}", lambda: loads.append(n))

        return await asyncio.gather(*(read(n) for n in part))

    parts = [range(begin, begin + 50) for begin in range(0, 200, 50)]
    with ThreadPoolExecutor(24) as pool:
        loops = [pool.submit(lambda part=part: asyncio.run(main(part))) for part in parts]

        def read(n):
            return cache.get_or_set(f"k{n}", lambda: loads.append(n))

        rest = pool.map(read, range(200, 400))
        got = [value for each in loops for value in each.result()] + list(rest)
    check(cache, loads, got, 400)


def test_what_is_given_up_takes_nothing_from_the_others(container):
    """A third of the readers gives up after a moment; all the others find their rows."""
    cache, loads = filled(container, 600)

    async def main():
        async def read(n):
            reading = cache.aget_or_set(f"k{n}", lambda: loads.append(n))
            if n % 3:
                return await reading
            try:
                async with asyncio.timeout(0.005):
                    return await reading
            except TimeoutError:
                return n

        return await asyncio.gather(*(read(n) for n in range(600)))

    check(cache, loads, asyncio.run(main()), 600)
