"""Hit counts on whole traces, through the public path: `orc.Cache`, `orc.Memory`, a function.

Synthetic traces are always replayed. Recorded ones are somebody else's data and no part of the
project: they are replayed where `ORC_TEST_TRACES` names a folder with `NAME.keys.gz` (a key on each
line) and `hits_reference.json` (`{trace: {"requests": n, size: {policy: hits}}}`), or where such a
folder stands beside the checkout as `shared/traces`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from bisect import bisect
from pathlib import Path

import pytest

import orc

REQUESTS = 12_000
RECORDED = ("glimpse", "multi1", "sprite", "web07")
NEAR = 0.02
"""The share of the requests by which S3-FIFO may differ from the paper's: ours counts bytes."""


def hits(trace, size, policy):
    """Replay a trace through a decorated function, and return what `cache_info()` says."""
    cache = orc.Cache(tiers=[orc.Memory(max_items=size, policy=policy)], ttl=None)

    @cache.cached
    def load(key):
        return key

    for key in trace:
        load(key)
    info = load.cache_info()
    assert info.hits + info.misses == len(trace)
    assert info.maxsize == size
    assert info.currsize == min(size, len(set(trace)))
    return info.hits


def replay(model, trace):
    found = 0
    for key in trace:
        if model.get(key):
            found += 1
        else:
            model.put(key)
    return found


def zipf(rng, keys=2_000, exponent=1.0):
    """Ask for the n-th key 1/n as often as for the first."""
    weights = list(itertools.accumulate(1 / rank**exponent for rank in range(1, keys + 1)))
    return [bisect(weights, rng.random() * weights[-1]) for _ in range(REQUESTS)]


def loop(rng):
    """Ask for the same 300 keys, round and round."""
    return [number % 300 for number in range(REQUESTS)]


def scan(rng):
    """Mix a few popular keys with runs of keys that never come back."""
    popular, fresh, trace = zipf(rng, keys=200), itertools.count(10_000), []
    for key in popular:
        trace.append(key)
        if rng.random() < 0.005:
            trace += itertools.islice(fresh, 150)
    return trace[:REQUESTS]


def drift(rng):
    """Let popularity move on: today's favourites are forgotten tomorrow."""
    return [key + number // 40 for number, key in enumerate(zipf(rng, keys=300))]


@pytest.mark.parametrize("size", [10, 100, 299, 1000])
@pytest.mark.parametrize("make", [zipf, loop, scan, drift])
class TestSynthetic:
    def test_lru_is_exact(self, lru_model, make, size):
        """LRU has exactly the hits of a textbook's LRU."""
        trace = make(random.Random(f"{make.__name__} {size}"))
        assert hits(trace, size, "lru") == replay(lru_model(size), trace)

    def test_s3fifo_is_near_the_paper(self, s3fifo_model, make, size):
        """S3-FIFO's hits are within 2 % of the requests of those of the paper's pseudo-code."""
        trace = make(random.Random(f"{make.__name__} {size}"))
        wanted = replay(s3fifo_model(size), trace)
        assert abs(hits(trace, size, "s3fifo") - wanted) <= NEAR * len(trace)


def test_the_traces_tell_the_policies_apart():
    """The synthetic traces are no mere formality: on a scan and on a loop S3-FIFO beats LRU."""
    for make, size in ((scan, 100), (loop, 299)):
        trace = make(random.Random(7))
        assert hits(trace, size, "s3fifo") > hits(trace, size, "lru") + NEAR * len(trace)


@pytest.fixture(scope="module")
def folder():
    named = os.environ.get("ORC_TEST_TRACES")  # noqa: TID251 - the tests' own
    if named is not None:
        if not (Path(named) / "hits_reference.json").is_file():
            pytest.fail(f"ORC_TEST_TRACES={named}: there is no hits_reference.json")
        return Path(named)
    beside = Path(__file__).parents[3] / "shared" / "traces"
    if not (beside / "hits_reference.json").is_file():
        pytest.skip(
            "no recorded traces: ORC_TEST_TRACES is not set, nor are they beside the checkout"
        )
    return beside


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "near"), [("lru", 0.0), ("s3fifo", NEAR)])
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_traces(folder, name, policy, near):
    """At every size LRU has exactly the reference's hits, and S3-FIFO is within 2 % of requests."""
    with gzip.open(folder / f"{name}.keys.gz", "rt") as lines:
        trace = [int(line) for line in lines]
    reference = json.loads((folder / "hits_reference.json").read_text("utf-8"))[name]
    assert reference.pop("requests") == len(trace)
    assert reference
    for size, wanted in reference.items():
        off = hits(trace, int(size), policy) - wanted[policy.upper()]
        assert abs(off) <= near * len(trace)
