"""A server that takes no writes is still read: what is there is found, by every kind of read."""

from __future__ import annotations

import asyncio

import pytest

import orc
from orc.testing.servers.process import free_port
from orc.testing.servers.valkey import Valkey


@pytest.fixture(scope="module")
def valkey():
    """Return a Valkey for the tests of this file."""
    with Valkey() as server:
        yield server


@pytest.fixture
def server(valkey):
    """Return a client of it; whatever it was told to refuse, it takes again afterwards."""
    import redis

    client = redis.Redis(port=valkey.port)
    yield client
    client.execute_command("REPLICAOF", "NO", "ONE")
    client.config_set("min-replicas-to-write", 0)
    client.config_set("maxmemory", 0)
    client.execute_command("ACL", "DELUSER", "reader")
    client.flushall()
    client.close()


def read_only(client):
    client.execute_command("REPLICAOF", "127.0.0.1", free_port())
    client.config_set("replica-serve-stale-data", "yes")


def too_few_replicas(client):
    client.config_set("min-replicas-to-write", 1)


def full(client):
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)


def no_right(client):
    rights = ["+get", "+mget", "+select", "+ping", "-eval", "-evalsha", "-set", "-unlink"]
    client.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "-@all", *rights)


@pytest.mark.parametrize("refuse", [read_only, too_few_replicas, full, no_right])
@pytest.mark.filterwarnings("ignore::orc.errors.OrcWarning")
def test_what_is_there_is_found(valkey, server, refuse):
    """Beside misses that cannot be claimed, again and again, in new containers and in used ones."""

    def container(url=valkey.url):
        cache = orc.Cache(tiers=[orc.Memory(), orc.Redis(url)], namespace="shop", jitter=0)
        made.append(cache)
        return cache

    made = []
    keys = [f"k{n}" for n in range(20)]
    container().set_many({key: key for key in keys})
    refuse(server)
    url = valkey.url.replace("//", "//reader:secret@") if refuse is no_right else valkey.url
    used = container(url)
    for _ in range(3):
        assert used.get_or_set("absent", lambda: "loaded") == "loaded"
        used._keyspace.space.clear()
    for cache in (used, container(url)):
        assert cache.get("k0") == "k0"
        assert cache.get_or_set("k1", pytest.fail) == "k1"
        assert cache.get_many(["k2", "absent too", "k3"]) == {"k2": "k2", "k3": "k3"}
    for cache in (used, container(url)):

        async def main(cache=cache):
            one = await cache.aget_or_set("k4", pytest.fail)
            return one, await cache.aget_many(["k5", "absent too"]), await cache.aget("k6")

        assert asyncio.run(main()) == ("k4", {"k5": "k5"}, "k6")
    for cache in made:
        for tier in cache._core.tiers:
            tier.tier.close()
