"""What does a hit in a tier cost, beside its bare client and the decoding of the same value?"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from itertools import cycle
from pathlib import Path

import msgpack

from benchmarks.harness import Contender, together
from benchmarks.tier_servers import TABLE, dynamodb_address, dynamodb_url, redis_url
from orc.cli.bench.workload import value_of
from orc.config.cache import Cache

KEYS = [f"item:{number}" for number in range(100)]
VALUE = value_of(1000)
"""1 KB, below the size from which on ORC compresses: the bare clients do not either."""
PACKED = msgpack.packb(VALUE)
HIT, GET = "orc, tier", "orc, get"
RAW = "bare"


def behind(address, filling=None):
    """Return a cache in front of one tier, filled, whose memory is never trusted.

    `filling` is the address that another container has it by: DynamoDB is read consistently, at
    another price, by whoever has just written.
    """
    caches = [
        Cache(tiers=each, namespace="bench", ttl=3600, memory_ttl=0, jitter=0, strict=True)
        for each in (filling or address, address)
    ]
    caches[0].set_many(dict.fromkeys(KEYS, VALUE))
    assert caches[1].get_many(KEYS) == dict.fromkeys(KEYS, VALUE)
    return caches[1]


def by_tier(cache, count):
    """Return what reads some rows through tier, guard, envelope and codec, and nothing else."""
    tier = cache._core.tiers[0]
    addresses = [cache._keyspace.address((key,)) for key in KEYS]
    groups = cycle([addresses[start : start + count] for start in range(0, len(KEYS), count)])

    def read():
        found = tier.fetch_many(next(groups), accept, None, consistent=False)
        return [each.entry.value for each in found]

    return read


def accept(address, entry):
    return True


def by_get(cache, count):
    keys = cycle(KEYS)
    return (lambda: [cache.get(next(keys))]) if count == 1 else (lambda: cache.get_many(KEYS))


def contenders(readers, count):
    """Return contenders, of which each has shown that it reads what was stored."""
    made = []
    for name, read in readers.items():
        found = read()
        values = list(found.values()) if isinstance(found, dict) else found
        assert values == [VALUE] * count, name
        made.append(Contender(name, repeated(read), lambda size: size, time.perf_counter))
    return made


def repeated(read):
    def run(times):
        for _ in range(times):
            read()

    return run


# -- Redis -----------------------------------------------------------------------------------------


def redis_client():
    import redis

    client = redis.Redis.from_url(redis_url())
    for key in KEYS:
        client.set(f"bare:{key}", PACKED)
    return client


def redis_hit():
    cache, client = behind(f"{redis_url()}?budget=2"), redis_client()
    names = cycle([f"bare:{key}" for key in KEYS])
    readers = {
        HIT: by_tier(cache, 1),
        GET: by_get(cache, 1),
        RAW: lambda: [msgpack.unpackb(client.get(next(names)))],
    }
    return contenders(readers, 1)


def redis_many():
    cache, client = behind(f"{redis_url()}?budget=2"), redis_client()
    names = [f"bare:{key}" for key in KEYS]
    readers = {
        HIT: by_tier(cache, 100),
        GET: by_get(cache, 100),
        RAW: lambda: [msgpack.unpackb(each) for each in client.mget(names)],
    }
    return contenders(readers, 100)


# -- DynamoDB --------------------------------------------------------------------------------------


def dynamodb_readers():
    import boto3
    import botocore.session

    resource = boto3.resource("dynamodb", endpoint_url=dynamodb_url()).Table(TABLE)
    bare = botocore.session.get_session().create_client("dynamodb", endpoint_url=dynamodb_url())
    for key in KEYS:
        resource.put_item(Item={"pk": f"bare:{key}", "v": PACKED})
    return resource, bare


def dynamodb_hit():
    cache = behind(dynamodb_address(), dynamodb_address(budget=3))
    resource, bare = dynamodb_readers()
    names = cycle([f"bare:{key}" for key in KEYS])

    def by_resource():
        item = resource.get_item(Key={"pk": next(names)})["Item"]
        return [msgpack.unpackb(item["v"].value)]

    def by_client():
        item = bare.get_item(TableName=TABLE, Key={"pk": {"S": next(names)}})["Item"]
        return [msgpack.unpackb(item["v"]["B"])]

    readers = {
        HIT: by_tier(cache, 1),
        GET: by_get(cache, 1),
        "boto3.resource": by_resource,
        RAW: by_client,
    }
    return contenders(readers, 1)


def dynamodb_many():
    cache = behind(dynamodb_address(), dynamodb_address(budget=3))
    _, bare = dynamodb_readers()
    asked = {TABLE: {"Keys": [{"pk": {"S": f"bare:{key}"}} for key in KEYS]}}

    def by_client():
        items = bare.batch_get_item(RequestItems=asked)["Responses"][TABLE]
        return [msgpack.unpackb(item["v"]["B"]) for item in items]

    return contenders({HIT: by_tier(cache, 100), GET: by_get(cache, 100), RAW: by_client}, 100)


# -- disk ------------------------------------------------------------------------------------------


def disk_client(folder):
    connection = sqlite3.connect(Path(folder) / "bare.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE kept (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
    rows = [(f"bare:{key}", PACKED) for key in KEYS]
    connection.executemany("INSERT INTO kept VALUES (?, ?)", rows)
    connection.commit()
    return connection


def disk_hit():
    folder = tempfile.TemporaryDirectory()
    cache, connection = behind(f"disk://{folder.name}"), disk_client(folder.name)
    names = cycle([(f"bare:{key}",) for key in KEYS])

    def bare(select="SELECT value FROM kept WHERE key = ?", folder=folder):
        return [msgpack.unpackb(connection.execute(select, next(names)).fetchone()[0])]

    return contenders({HIT: by_tier(cache, 1), GET: by_get(cache, 1), RAW: bare}, 1)


SCENES = {
    "redis": redis_hit,
    "redis_many": redis_many,
    "dynamodb": dynamodb_hit,
    "dynamodb_many": dynamodb_many,
    "disk": disk_hit,
}
TITLES = {
    "tiers.redis": "Redis tier, hit, 1 KB",
    "tiers.redis_many": "Redis tier, 100 hits at once, 1 KB",
    "tiers.dynamodb": "DynamoDB tier, hit, 1 KB",
    "tiers.dynamodb_many": "DynamoDB tier, 100 hits at once, 1 KB",
    "tiers.disk": "disk tier, hit, 1 KB",
}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds, seconds=0.01)
