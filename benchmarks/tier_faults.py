"""What does a caller wait when a server is not there? The first call, and those after it.

Each time a new cache with a new breaker, whose client is made and whose connection is open before
the fault begins, as in a container that was warm. What is reported is the worst of all times.
"""

from __future__ import annotations

import os
import time

from benchmarks.harness import progress
from benchmarks.tier_servers import FOLDER, dynamodb_address, table_server
from orc.config.cache import Cache
from orc.testing.proxy import FaultProxy
from orc.testing.servers.process import HOST
from orc.testing.servers.valkey import Valkey

OPEN_CALLS = 200
"""Calls while the breaker is open."""
TIMES = 5
BUDGETS = {"redis": 0.05, "dynamodb": 0.2}
"""Seconds; the defaults of the tiers."""


def closed(server, proxy):
    proxy.close_port()
    proxy.reset_all()


def frozen(server, proxy):
    server.freeze()


def swallowed(server, proxy):
    proxy.requests.black_hole = True


FAULTS = {"closed port": closed, "frozen server": frozen, "black hole": swallowed}


def series(fault):
    """Return the names of what is measured of a fault: the bars are written for them."""
    return f"{fault}: first call, worst, ms", f"{fault}: while open, p99, us"


def waits(server, port, address):
    """Return the samples of every fault."""
    samples = {}
    for fault, begin in FAULTS.items():
        firsts = []
        for _ in range(TIMES):
            with FaultProxy(HOST, port) as proxy:
                cache = Cache(tiers=address(proxy.port), namespace="bench", ttl=60)
                cache.prewarm()
                assert cache.get_or_set("warm", lambda: 1) == 1
                broken = [tier for tier in cache.stats().tiers if tier.errors]
                assert not broken, "the tier did not work to begin with"
                begin(server, proxy)
                try:
                    first, *rest = [wait(cache, f"key:{n}") for n in range(1 + OPEN_CALLS)]
                finally:
                    server.thaw()
            firsts.append(first * 1e3)
            p99 = sorted(rest)[OPEN_CALLS * 99 // 100]
            samples.setdefault(series(fault)[1], []).append(p99 * 1e6)
        samples[series(fault)[0]] = [max(firsts)]
        progress(".")
    return samples


def wait(cache, key):
    """Return how long a caller waits for a value whose load takes no time."""
    began = time.perf_counter()
    assert cache.get_or_set(key, lambda: key) == key
    return time.perf_counter() - began


def redis():
    with Valkey() as server:
        return waits(server, server.port, lambda port: f"redis://{HOST}:{port}/0")


def dynamodb(dynamodb_local):
    with table_server(dynamodb_local) as server:
        port = int(server.url.rpartition(":")[2])
        return waits(
            server,
            port,
            lambda port: dynamodb_address(f"http://{HOST}:{port}", BUDGETS["dynamodb"]),
        )


TITLES = {
    "down.redis": "Redis is not there (budget 50 ms)",
    "down.dynamodb": "DynamoDB is not there (budget 200 ms)",
}


def measure(name, effort):
    return redis() if name == "redis" else dynamodb(os.environ.get(FOLDER))
