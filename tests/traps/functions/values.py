"""What is kept for later requests: as everybody keeps it, and with ORC."""

from __future__ import annotations

import functools
import os
import random
import sys
import threading
import time
import uuid
from pathlib import Path

import orc

TTL = 60.0
cache = orc.Cache(ttl=TTL, jitter=0)
loads = 0
kept = {}


def load(key="x"):
    """Count the load, and return a new value."""
    global loads
    loads += 1
    return {"key": key, "load": loads}


@functools.lru_cache
def remembered():
    return load()


@cache.cached
def cached(key="x"):
    return load(key)


def changes_the_value(event, context):
    """Write into what lru_cache handed out."""
    value = remembered()
    seen = dict(value)
    value["card"] = "4111"
    return seen


@orc.handler
def changes_a_copy(event, context):
    """Write into what ORC handed out."""
    value = cached()
    seen = dict(value)
    value["card"] = "4111"
    return seen


def _ttl_dict(clock):
    found = kept.get("x")
    if found is None or clock() >= found[0] + TTL:
        found = kept["x"] = clock(), load()
    return found[1]["load"]


def by_monotonic(event, context):
    """Keep a value for a minute of the monotonic clock."""
    return _ttl_dict(time.monotonic)


def by_wall(event, context):
    """Keep a value for a minute of the wall clock."""
    return _ttl_dict(time.time)


@orc.handler
def by_both(event, context):
    """Keep a value for a minute, with ORC."""
    return cached()["load"]


def janitor(event, context):
    """Keep a value until a timer removes it."""
    if "x" not in kept:
        kept["x"] = load()
        timer = threading.Timer(0.2, kept.clear)
        timer.daemon = True
        timer.start()
    return kept["x"]["load"]


@orc.handler
def threads(event, context):
    """Name the threads that run once a cache was used."""
    cached()
    return [thread.name for thread in threading.enumerate()]


dead_socket = threading.Event()
asked = threading.Event()
one_at_a_time = threading.Lock()


def _load_once(key):
    """Load; the first time from an origin that never answers."""
    if not asked.is_set():
        asked.set()
        dead_socket.wait()
    return "loaded"


cached_once = cache.cached(_load_once)


def _locked_load(key):
    with one_at_a_time:
        if key not in kept:
            kept[key] = _load_once(key)
        return kept[key]


def leftover_behind_a_lock(event, context):
    """Load under a lock; a thread that the last request left has it."""
    return _leave_or_load(event, _locked_load, lambda load: load)


@orc.handler
def leftover_in_the_cache(event, context):
    """Load through the cache; a thread that the last request left is loading that very key."""
    return _leave_or_load(event, cached_once, orc.carry)


def _leave_or_load(event, load, handed):
    if event.get("leave"):
        threading.Thread(target=handed(load), args=["k"], daemon=True).start()
        asked.wait(10)
        return None
    return load("k")


# -- tenants -------------------------------------------------------------------------------------


def profile_for_all(event, context):
    """Cache a profile by less than it depends on."""
    if "profile" not in kept:
        kept["profile"] = {"of": event["tenant"]}
    return kept["profile"]


@orc.handler
def profile_of_a_partition(event, context):
    """Cache a profile in its tenant's partition."""
    part = cache.partition(event["tenant"])
    return part.get_or_set("profile", lambda: {"of": event["tenant"]})


# -- snapshots -----------------------------------------------------------------------------------

drawn_at_init = uuid.uuid4().hex
at_init = load("init")
kept_at_init = {"x": (time.time(), time.monotonic(), at_init)}
cached("init")


def same_in_all_clones(event, context):
    """Tell what was drawn, and what is remembered, since before the snapshot."""
    wall, monotonic, value = kept_at_init["x"]
    fresh = time.time() < wall + TTL and time.monotonic() < monotonic + TTL
    return {"id": drawn_at_init, "jitter": random.random(), "remembered": value if fresh else None}


@orc.handler
def new_in_each_clone(event, context):
    """Tell ids, a draw for jitter, and whether a value from before the snapshot is served."""
    from orc.lifecycle.chance import uniform

    here = orc.container()
    before = loads
    cached("init")
    return {
        "id": here.process_id,
        "environment": here.environment_id,
        "jitter": uniform(),
        "loaded": loads - before,
        "requests": cache.stats().requests,
    }


# -- memory --------------------------------------------------------------------------------------

MEGABYTE = 1 << 20


def keeps_all(event, context):
    """Keep fifty megabytes in a dictionary."""
    before = _resident()
    for number in range(200):
        kept[number] = os.urandom(MEGABYTE // 4)
    return _resident() - before


@orc.handler
def keeps_its_budget(event, context):
    """Give fifty megabytes to the cache."""
    before = _resident()
    for number in range(200):
        cache.set(str(number), os.urandom(MEGABYTE // 4))
    return _resident() - before


def _resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- imports -------------------------------------------------------------------------------------


@orc.handler
def heavy_modules(event, context):
    """Name the slow modules that ORC, and nothing else, could have loaded."""
    return sorted({"redis", "boto3", "botocore", "msgpack", "cachetools"} & set(sys.modules))
