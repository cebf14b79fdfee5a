"""A function that reads rows through a cache: ``python -m tests.deployments.reader URL ...``.

It prints how many values were asked for, and how many were loaded though they are in the server.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import orc
from orc.lifecycle.clock import SYSTEM
from orc.tiers.memory import Memory
from orc.tiers.redis.tier import Redis

NUMBER = 300


def main(url, way, at_once, seconds, prewarmed):
    """Ask for some random values at once, again and again."""
    cache = orc.Cache(tiers=[Memory(max_items=16), Redis(url)], namespace="reader", ttl=3600)
    loads = 0

    def load(number):
        nonlocal loads
        loads += 1
        return f"value {number}"

    @cache.cached(namespace="values", key=lambda number: number)
    def value(number):
        return load(number)

    @cache.cached(namespace="values", key=lambda number: number)
    async def avalue(number):
        return load(number)

    async def gathered(numbers):
        return await asyncio.gather(*map(avalue, numbers))

    if way == "fill":
        with asyncio.Runner() as runner:
            for number in range(0, NUMBER, 10):
                runner.run(gathered(range(number, number + 10)))
        list(map(value, range(NUMBER)))
        print(json.dumps({"asked": NUMBER, "loads": loads}))  # noqa: T201 - for the test
        return
    if prewarmed:
        cache.prewarm()
    asked = 0
    pool = ThreadPoolExecutor(at_once)
    until = SYSTEM.monotonic() + seconds
    with asyncio.Runner() as runner:
        while SYSTEM.monotonic() < until:
            numbers = random.sample(range(NUMBER), at_once)
            if way == "coroutines":
                found = runner.run(gathered(numbers))
            elif way == "loops":
                found = asyncio.run(gathered(numbers))
            else:
                found = list(pool.map(value, numbers))
            assert found == [f"value {number}" for number in numbers]
            asked += at_once
            Event().wait(0.002)
    print(json.dumps({"asked": asked, "loads": loads}))  # noqa: T201 - for the test


if __name__ == "__main__":
    _, address, how, number, long, warm = sys.argv
    main(address, how, int(number), float(long), warm == "prewarmed")
