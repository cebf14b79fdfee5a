"""Stores that outlive the container: used as one does, and through ORC's tiers."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import orc

cache = orc.Cache(namespace="traps", memory_ttl=0)
shared = {}


def _client():
    import redis

    if "client" not in shared:
        shared["client"] = redis.Redis.from_url(os.environ["REDIS"])
    return shared["client"]


def _load():
    shared["loads"] = shared.get("loads", 0) + 1
    return {"price": 12}


def plain_redis(event, context):
    """Ask Redis with the client's defaults."""
    found = _client().get("item")
    if found is None:
        found = json.dumps(_load())
        _client().set("item", found, ex=300)
    return [json.loads(found), shared.get("loads", 0)]


def tiered(event, context):
    """Ask the tiers."""
    found = cache.get_or_set("item", _load)
    tier = cache.stats().tiers[1]
    return [found, shared.get("loads", 0), tier.hits, tier.errors]


def plain_async(event, context):
    """Run a loop for each invocation, with a client that is kept."""
    import asyncio

    import redis.asyncio

    if "async" not in shared:
        shared["async"] = redis.asyncio.Redis.from_url(os.environ["REDIS"])
    return asyncio.run(shared["async"].get("item")) is not None


def tiered_async(event, context):
    """Run a loop for each invocation, and ask the tiers."""
    import asyncio

    asyncio.run(cache.aget_or_set("item", _load))
    return cache.stats().tiers[1].hits


def plain_file(event, context):
    """Keep a file in the temporary directory, and be killed while it is written."""
    path = Path(tempfile.gettempdir(), "item.json")
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    text = json.dumps(_load())
    with path.open("w", encoding="utf-8") as file:
        file.write(text[:5])
        file.flush()
        if event.get("die"):
            os._exit(1)
        file.write(text[5:])
    return json.loads(text)


@orc.handler
def disk(event, context):
    """Keep rows on disk, and be killed while they are written."""
    if event.get("die"):
        import threading

        def write():
            number = 0
            while True:
                cache.set(f"filler {number % 50}", os.urandom(5000))
                number += 1

        cache.get_or_set("item", _load)
        threading.Thread(target=write, daemon=True).start()
        threading.Event().wait(0.3)
        os._exit(1)
    found = cache.get_or_set("item", _load)
    filler = cache.get_many([f"filler {n}" for n in range(50)])
    whole = all(len(each) == 5000 for each in filler.values())
    return [found, shared.get("loads", 0), orc.container().state, len(filler) > 0 and whole]


def worker(event, context):
    """Tell which process this is, and how often it loaded."""
    return [os.getpid(), cache.get_or_set("item", _load), shared.get("loads", 0)]


def plain_version(event, context):
    """Read what an older version of the code has stored, in another shape."""
    found = _client().get("versioned")
    if found is None:
        value = {"price": 12} if os.environ["SHAPE"] == "old" else {"amount": 12}
        _client().set("versioned", json.dumps(value))
        return value
    return json.loads(found)


def tiered_version(event, context):
    """Let the version be a part of the key."""
    value = {"price": 12} if os.environ["SHAPE"] == "old" else {"amount": 12}
    return cache.get_or_set("versioned", lambda: value)


prewarmed = orc.Cache(namespace="traps")
if os.environ.get("ORC_TIERS", "").startswith("redis"):
    prewarmed.prewarm()


def clone(event, context):
    """Ask the tiers on the connection of a clone's own."""
    prewarmed.get_or_set("cloned", _load)
    client = _client()
    return [each["id"] for each in client.client_list() if each["addr"] != each["laddr"]]
