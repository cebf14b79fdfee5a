"""By how much is a hit slower among a million entries than among a thousand?

Keys at random, each a new object equal to the stored one, so that the price of memory that is in no
cache of the processor is paid by all. A process has one peer only, since a million entries of
another one would be in its way; it fills a thousand, measures, fills up to a million, and measures
again. Medians of several passes; the slow-down is formed within a process.
"""

from __future__ import annotations

import gc
import json
import sys
from random import Random
from statistics import median
from time import process_time

from benchmarks import loops, peers
from benchmarks.harness import apart

PASSES, HITS = 9, 100_000
NAMES = ("orc", "functools.lru_cache", "cachetools + lock", "cachebox", "moka-py")


def alone(name, most):
    """Return seconds for a hit among few and many entries, and their ratio."""
    cached = peers.BY_NAME[name]().decorate(lambda a: f"value of {a}")
    random = Random()
    found, filled = {}, 0
    sizes = [1000, *(size for size in (10_000, 100_000, 1_000_000) if size <= most)]
    for size in sizes:
        loops.one(cached, [f"item:{n}" for n in range(filled, size)])
        filled = size
        gc.collect()
        gc.freeze()
        times = []
        for _ in range(PASSES):
            keys = [f"item:{random.randrange(size)}" for _ in range(HITS)]
            began = process_time()
            loops.one(cached, keys)
            times.append((process_time() - began) / HITS)
        found[f" @{size:,}"] = median(times)
    found[", slow-down"] = found[f" @{sizes[-1]:,}"] / found[" @1,000"]
    return found


TITLES = {"size.slowdown": "hit among 1,000 to 1,000,000 entries, keys at random"}


def measure(name, effort):
    most = 100_000 if effort.quick else 1_000_000
    names = [name for name in NAMES if peers.BY_NAME[name].installed()]
    return apart(names, effort.processes, lambda n: ["-m", "benchmarks.size", n, str(most)])


if __name__ == "__main__":
    print(json.dumps(alone(sys.argv[1], int(sys.argv[2]))))
