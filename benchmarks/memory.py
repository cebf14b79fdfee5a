"""How many bytes does an entry take, over its key and its value?

Keys and values are made before, so that what memory grows by is the cache's own. Seen by
tracemalloc (which does not see what is not Python's: of cachebox, moka-py and theine, the Rust
part), and as resident memory of the process, as Linux tells it.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from pathlib import Path

from benchmarks import loops, peers
from benchmarks.harness import apart

ENTRIES = 100_000
BUDGET = 128 << 20
NAMES = (
    "orc",
    "functools.lru_cache",
    "cachetools + lock",
    "cachebox",
    "moka-py",
    "theine",
    "dogpile.cache",
)


def resident():
    """Return the bytes of this process that are in memory, or 0 where nobody tells."""
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def alone(name, way):
    """Return bytes for one entry."""
    keys = [f"item:{n}" for n in range(ENTRIES)]
    values = dict(zip(keys, (f"value of {n}" for n in range(ENTRIES)), strict=True))
    peer = peers.BY_NAME[name]()
    cached = (
        peer.decorate_within(BUDGET, lambda a: values[a])
        if isinstance(peer, peers.Orc)
        else peer.decorate(lambda a: values[a])
    )
    cached(keys[0])
    if way == "tracemalloc":
        tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0] if way == "tracemalloc" else resident()
    loops.one(cached, keys)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] if way == "tracemalloc" else resident()
    return (after - before) / ENTRIES


TITLES = {"memory.entry": f"bytes of an entry over key and value, of {ENTRIES:,}"}


def measure(name, effort):
    names = [
        f"{name}, {way}"
        for name in NAMES
        if peers.BY_NAME[name].installed()
        for way in ("tracemalloc", "resident")
    ]
    return apart(
        names,
        min(3, effort.processes // 2),
        lambda n: ["-m", "benchmarks.memory", *n.rsplit(", ", 1)],
    )


if __name__ == "__main__":
    print(json.dumps(alone(*sys.argv[1:])))
