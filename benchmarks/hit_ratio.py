"""How many requests of a recorded trace does memory answer, and is each policy what it says?

``python -m benchmarks.hit_ratio --traces DIR [--json FILE] [NAME ...]``

``DIR`` has ``NAME.keys.gz`` (a key on each line) or ``NAME.tks.gz`` (time, key and size on each
line) and ``hits_reference.json``, with the hits of reference implementations:
``{trace: {"requests": n, size: {policy: hits}}}``. Every trace is replayed at every size through
a decorated function, counted by ``cache_info()``.

Fails if LRU is not exact, or S3-FIFO is off by more than 2 % of the requests of any trace.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path

import orc

NEAR = 0.02
"""The share of the requests by which S3-FIFO may differ from the paper's pseudo-code."""


def through_orc(policy):
    """Replay through a decorated function on a memory with a bound in items."""

    def hits(trace, size):
        budget = 1 << 32  # bytes; only the items are to bind
        memory = orc.Memory(max_items=size, max_bytes=budget, policy=policy)
        cache = orc.Cache(tiers=[memory], ttl=None)

        @cache.cached
        def load(key):
            return key

        for key in trace:
            load(key)
        return load.cache_info().hits

    return hits


def through_cachetools(trace, size):
    """Replay through the peer's LRU alone: two look-ups and no decorator, for its count is all."""
    from cachetools import LRUCache

    cache = LRUCache(size)
    hits = 0
    for key in trace:
        if key in cache:
            hits += 1
            cache[key]
        else:
            cache[key] = key
    return hits


def contenders():
    """List who replays, with the reference to compare with and how near it has to be."""
    listed = [
        ("orc lru", "LRU", 0.0, through_orc("lru")),
        ("orc s3fifo", "S3FIFO", NEAR, through_orc("s3fifo")),
    ]
    try:
        import cachetools  # noqa: F401
    except ImportError:
        return listed
    return [*listed, ("cachetools.LRUCache", "LRU", 0.0, through_cachetools)]


def read_trace(folder, name):
    """Return the keys of a trace, in order; none if the folder does not have it."""
    for suffix, column in ((".keys.gz", 0), (".tks.gz", 1)):
        path = folder / (name + suffix)
        if path.exists():
            with gzip.open(path, "rt") as lines:
                return [int(line.split()[column]) for line in lines]
    return None


def measure(folder, only):
    """Replay everything, and return a row for each trace, size and contender."""
    reference = json.loads((folder / "hits_reference.json").read_text("utf-8"))
    rows = []
    for trace_name, sizes in reference.items():
        if only and trace_name not in only:
            continue
        trace = read_trace(folder, trace_name)
        if trace is None or len(trace) != sizes["requests"]:
            sys.exit(f"{folder} has not the {sizes['requests']:,} requests of {trace_name}")
        for size, wanted in sizes.items():
            if size == "requests":
                continue
            for name, policy, near, hits in contenders():
                began = time.monotonic()
                row = {
                    "trace": trace_name,
                    "size": int(size),
                    "policy": name,
                    "requests": len(trace),
                    "hits": hits(trace, int(size)),
                    "reference": wanted[policy],
                }
                row["off"] = (row["hits"] - row["reference"]) / len(trace)
                row["ok"] = abs(row["off"]) <= near
                rows.append(row)
                print(f"{line_of(row)} {time.monotonic() - began:6.1f} s", file=sys.stderr)
    return rows


def line_of(row):
    return (
        f"{row['trace']:<13}{row['size']:>7,} {row['policy']:<20}{row['hits']:>9,}"
        f"{row['hits'] / row['requests']:>8.2%}{row['reference']:>10,}{row['off']:>+10.3%}"
        f"{'' if row['ok'] else '  NOT WHAT IT SHOULD BE'}"
    )


def table_of(rows):
    """Write the rows, and what was furthest off."""
    title = f"{'trace':<13}{'size':>7} {'policy':<20}"
    title += f"{'hits':>9}{'ratio':>8}{'reference':>10}{'off':>10}"
    lines = [title, *map(line_of, rows), ""]
    for name in dict.fromkeys(row["policy"] for row in rows):
        worst = max((row for row in rows if row["policy"] == name), key=lambda row: abs(row["off"]))
        lines.append(
            f"{name}: off by {abs(worst['off']):.3%} of the requests at most "
            f"({worst['trace']}, {worst['size']:,})"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--traces", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows")
    parser.add_argument("names", nargs="*", metavar="NAME", help="traces; all unless given")
    asked = parser.parse_args()
    rows = measure(asked.traces, asked.names)
    if not rows:
        sys.exit(f"{asked.traces} has none of the traces {asked.names}")
    print(table_of(rows))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    sys.exit(not all(row["ok"] for row in rows))


if __name__ == "__main__":
    main()
