"""A finaliser or a signal handler may ask the cache in the middle of any tier: nothing hangs.

A profile function is called where Python calls something, which is where finalisers and handlers
may run. At the n-th such place of an operation it does what one of them might do.
"""

from __future__ import annotations

import sys
import threading

import pytest

import orc
from orc.testing.servers.dynamodb import moto
from orc.testing.servers.valkey import Valkey

WITHIN = ("/orc/tiers/", "/orc/codecs/", "/orc/engine/", "/urllib3/", "/redis/", "/botocore/http")
WITHIN += ("/concurrent/futures/thread", "/queue.py", "/botocore/credentials", "/botocore/hooks")
PLACES = 120
"""Places that are tried of one operation, spread evenly over all that it has."""


@pytest.fixture(scope="module")
def valkey():
    """Return a Valkey for the tests of this file."""
    with Valkey() as server:
        yield server


@pytest.fixture(scope="module")
def table():
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


@pytest.fixture(params=["disk", "redis", "client of redis", "dynamodb"])
def cache(request, tmp_path, monkeypatch):
    """Return a cache in front of one tier."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = None
    if request.param == "disk":
        tier = orc.Disk(tmp_path)
    elif request.param == "dynamodb":
        url = request.getfixturevalue("table")
        tier = orc.DynamoDB("orc", region="us-east-1", endpoint=url, budget=5.0)
    else:
        import redis

        server = request.getfixturevalue("valkey")
        pool = redis.BlockingConnectionPool(port=server.port, max_connections=1, timeout=5)
        client = redis.Redis(connection_pool=pool)
        tier = orc.Redis(client if "client" in request.param else server.url, budget=5.0)
    made = orc.Cache(tiers=[orc.Memory(), tier], namespace=request.node.name, jitter=0, wait=0.1)
    made.prewarm()
    yield made
    tier.close()
    if client is not None:
        client.close()


def forget(cache, key):
    cache._keyspace.space.remove(key)


def read_many(cache):
    for key in ("here", "absent"):
        forget(cache, key)
    cache.get_many(["here", "absent"])


OPERATIONS = {
    "get": lambda cache: (forget(cache, "here"), cache.get("here")),
    "load": lambda cache: (cache.delete("new"), cache.get_or_set("new", lambda: 1)),
    "set": lambda cache: cache.set("here", 2),
    "get many": read_many,
}


def ask(cache):
    """Do what a handler that flushes, or a finaliser, might do."""
    forget(cache, "other")
    cache.get("other")
    cache.get_or_set("another", lambda: 3)
    cache.set("here", 4)
    cache.delete("absent")


def run(operation, cache, place):
    """Run an operation in a thread, with the action at one place; return how many it has."""
    places = 0

    def profile(frame, event, arg):
        nonlocal places
        if not any(part in frame.f_code.co_filename for part in WITHIN):
            return
        places += 1
        if places == place:
            sys.setprofile(None)
            try:
                ask(cache)
            except orc.errors.TierError:
                pass  # a deletion that could not be done says so
            finally:
                sys.setprofile(profile)

    def work():
        sys.setprofile(profile)
        try:
            operation(cache)
        except orc.errors.TierError:
            pass
        finally:
            sys.setprofile(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), f"it hangs with the action at place {place}"
    return places


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_hangs_wherever_it_comes(cache, operation):
    """And afterwards the tier answers: no lock is held, and no connection is lost for good."""
    cache.set("here", 1)
    cache.set("other", 1)
    OPERATIONS[operation](cache)
    most = run(OPERATIONS[operation], cache, place=0)
    for place in range(1, most + 1, max(1, most // PLACES)):
        run(OPERATIONS[operation], cache, place)
    cache.set("here", "at last")
    forget(cache, "here")
    assert cache.get("here") == "at last"
