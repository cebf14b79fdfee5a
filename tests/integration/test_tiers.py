"""Memory, disk, Redis and DynamoDB in one cache: any subset, in front of real servers."""

from __future__ import annotations

import asyncio
from itertools import combinations

import pytest

import orc
from orc.errors import TierError
from orc.testing.servers.dynamodb import moto
from orc.testing.servers.valkey import Valkey

NAMES = ("disk", "redis", "dynamodb")
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(NAMES, size)]


def patient(tier):
    """Give a tier of this machine the time that a busy one takes."""
    tier.budget = 5.0
    return tier


@pytest.fixture(scope="module")
def valkey():
    """Return a Valkey for the tests of this file."""
    with Valkey() as server:
        yield server


@pytest.fixture(scope="module")
def client():
    """Return a client of moto's server, with a table."""
    import boto3

    with moto() as server:
        made = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto takes any
        )
        made.create_table(
            TableName="orc",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        made.endpoint = server.url
        yield made
        made.close()


@pytest.fixture
def container(valkey, client, tmp_path, request):
    """Return a maker of caches in front of some tiers: another one is another process."""
    made = []

    def make(*names, **terms):
        makers = {
            "disk": lambda: patient(orc.Disk(tmp_path)),
            "redis": lambda: orc.Redis(valkey.url, budget=2.0),
            "dynamodb": lambda: orc.DynamoDB(client, table="orc", budget=5.0),
        }
        tiers = [makers[name]() for name in names]
        made.extend(tiers)
        return orc.Cache(
            tiers=[orc.Memory(), *tiers], **{"namespace": request.node.name, "strict": True} | terms
        )

    yield make
    for tier in made:
        tier.close()


VALUE = {"sizes": (1, 2.5), "kinds": {"a", "b"}, "raw": b"\0\xff", "none": None}


@pytest.mark.parametrize("names", SUBSETS, ids="-".join)
def test_any_subset_of_tiers_is_one_cache(container, names):
    """What one process stores or loads another finds; what it deletes is gone from all of them."""
    here, there = container(*names), container(*names)
    here.set("set", VALUE)
    assert here.get_or_set("loaded", lambda: VALUE) == VALUE
    assert there.get_many(["set", "loaded", "absent"]) == {"set": VALUE, "loaded": VALUE}
    assert there.stats().tiers[1].hits == 2
    here.delete_many(["set", "loaded"])
    assert container(*names).get_many(["set", "loaded"]) == {}


@pytest.mark.parametrize("names", SUBSETS, ids="-".join)
def test_any_subset_serves_coroutines(container, names):
    """With a loop for each call, as ``asyncio.run`` in a handler makes it."""
    here, there = container(*names), container(*names)

    async def loaded():
        return VALUE

    for number in range(3):
        assert asyncio.run(here.aget_or_set(f"key {number}", loaded)) == VALUE
        assert asyncio.run(there.aget(f"key {number}")) == VALUE
    assert there.stats().loads == 0


def test_what_is_found_deep_is_copied_to_the_nearer_tiers(container):
    """One look in DynamoDB, and the next process finds it in Redis, and one here on disk."""
    container("dynamodb").set_many({f"key {n}": n for n in range(30)})
    keys = [f"key {n}" for n in range(30)]
    assert len(container(*NAMES).get_many(keys)) == 30
    assert len(container("redis").get_many(keys)) == 30
    assert len(container("disk").get_many(keys)) == 30
    again = container(*NAMES)
    assert again.get_or_set("key 1", pytest.fail) == 1
    assert [tier.hits for tier in again.stats().tiers[1:]] == [1, 0, 0]


@pytest.mark.parametrize("name", ["redis", "dynamodb"])
def test_the_first_load_of_a_process_is_stored(valkey, client, request, monkeypatch, name):
    """Though making the client took longer than the tier's budget, and nobody has prewarmed it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    tiers = {
        "redis": lambda: orc.Redis(valkey.url, budget=0.3),
        "dynamodb": lambda: orc.DynamoDB(
            "orc", region="us-east-1", endpoint=client.endpoint, budget=0.5
        ),
    }
    one, other = (
        orc.Cache(tiers=[orc.Memory(), tiers[name]()], namespace=request.node.name)
        for _ in range(2)
    )
    assert one.get_or_set("key", lambda: "loaded") == "loaded"
    assert other.get("key") == "loaded"
    for cache in (one, other):
        cache._core.tiers[0].tier.close()


def test_hundreds_of_keys_are_one_round_trip(container, valkey):
    """Redis counts its commands: one to read 300 keys."""
    import redis

    cache = container("redis")
    cache.set_many({f"key {n}": "x" * n for n in range(300)})
    reader = container("redis")
    reader.get("warm up")
    with redis.Redis.from_url(valkey.url) as admin:
        admin.config_resetstat()
        assert len(reader.get_many([f"key {n}" for n in range(300)])) == 300
        counted = admin.info("commandstats")
    assert counted["cmdstat_mget"]["calls"] == 1
    assert "cmdstat_get" not in counted


def test_encrypted_entries_show_nothing(container, valkey):
    """Neither value nor arguments nor tenant can be read in Redis; another key reads nothing."""
    import redis

    keys = {"new": "n:" + "A" * 22 + "==", "old": "o:" + "B" * 22 + "=="}
    cache = container("redis", encrypt_keys=keys["old"]).partition("tenant-4711")
    cache.set("card of Ada", {"number": "4111111111111111"})
    with redis.Redis.from_url(valkey.url) as admin:
        stored = b"".join(key + admin.get(key) for key in admin.keys("orc1:*"))
    for secret in (b"4111", b"Ada", b"4711", b"number"):
        assert secret not in stored
    rotated = container("redis", encrypt_keys=f"{keys['new']},{keys['old']}")
    assert rotated.partition("tenant-4711").get("card of Ada") == {"number": "4111111111111111"}
    for other in ({"encrypt_keys": keys["new"]}, {}):
        assert container("redis", **other).partition("tenant-4711").get("card of Ada") is None


def test_a_lost_delete_raises(container, valkey):
    """An old value would be served: so the caller is told, by a typed error."""
    cache = container("redis", strict=False)
    cache.set("key", "old")
    valkey.freeze()
    try:
        with pytest.raises(TierError):
            cache.delete("key")
    finally:
        valkey.thaw()
