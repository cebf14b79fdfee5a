"""cache_info(): functools' four fields, and ORC's own beside them."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

import pytest

import orc
from orc.errors import OrcWarning
from orc.stats.counters import Counters
from orc.stats.info import CacheInfo

if TYPE_CHECKING:
    from orc.testing import ManualClock


def test_it_is_functools_tuple() -> None:
    """Four fields of the same names, in the same order; it unpacks and compares as one."""
    theirs = functools.lru_cache(lambda: 1).cache_info()
    info = CacheInfo(1, 2, 3, 4)
    assert info._fields == theirs._fields == ("hits", "misses", "maxsize", "currsize")
    hits, misses, maxsize, currsize = info
    assert (hits, misses, maxsize, currsize) == info == (1, 2, 3, 4)
    assert repr(info) == "CacheInfo(hits=1, misses=2, maxsize=3, currsize=4)"
    assert len(info) == 4


def test_a_plain_one_has_zeros_beside_the_fields() -> None:
    """Every attribute of ORC's own is there, and 0."""
    info = CacheInfo(0, 0, None, 0)
    assert {getattr(info, name) for name in CacheInfo._COUNTED} == {0}


def test_it_reads_counters() -> None:
    """Hits are fresh, stale and shared ones; misses are loads."""
    counters = Counters("f")
    for _ in range(3):
        counters.hits.bump()
    for number, name in enumerate(CacheInfo._COUNTED, 1):
        counters.add(name, number)
    counters.add("loads", 7)
    info = CacheInfo.of(counters, 10, 5)
    assert info == (3 + counters.stale + counters.shared, 7, 10, 5)
    assert [getattr(info, name) for name in CacheInfo._COUNTED] == [1, 2, 3, 4, 5, 6, 7]


def test_since_subtracts_counts_and_keeps_sizes() -> None:
    """What was counted after an earlier look; maxsize and currsize are those of now."""
    counters = Counters("f")
    counters.add("loads", 2)
    counters.add("stale")
    before = CacheInfo.of(counters, None, 2)
    counters.add("loads")
    counters.add("stale", 4)
    counters.add("load_seconds", 0.5)
    after = CacheInfo.of(counters, 9, 3).since(before)
    assert after == (4, 1, 9, 3)
    assert (after.stale, after.load_seconds, after.shared) == (4, 0.5, 0)


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
def test_a_story(clock: ManualClock) -> None:
    """Hits, misses, stale answers, errors, seconds, oversize, evicted and uncopyable results."""
    memory = orc.Memory(max_items=2, max_value_bytes=2000)
    cache = orc.Cache(tiers=[memory], clock=clock, jitter=0, ttl=60, stale_if_error=600)
    answers: dict[str, object] = {"a": 1, "b": 2, "c": 3, "big": "x" * 5000}

    @cache.cached
    def f(name: str) -> object:
        clock.advance(0.25)
        answer = answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert [f("a"), f("a"), f("b")] == [1, 1, 2]
    assert f.cache_info() == (1, 2, 2, 2)
    f("c")
    assert f.cache_info().evicted == 1
    f("big")
    assert f.cache_info().oversize == 1
    with pytest.raises(KeyError):
        f("nothing")
    answers["c"] = ConnectionError()
    clock.advance(61)
    assert f("c") == 3
    info = f.cache_info()
    assert info == (2, 6, 2, 2)
    assert (info.stale, info.load_errors, info.load_seconds) == (1, 2, 1.5)
    answers["lock"] = threading.Lock()
    with pytest.warns(OrcWarning):
        f("lock")
    assert f.cache_info().uncopyable == 1
    f.cache_clear()
    assert f.cache_info() == (0, 0, 2, 0)
    assert {getattr(f.cache_info(), name) for name in CacheInfo._COUNTED} == {0}
    f("a")
    assert f.cache_info() == (0, 1, 2, 1)
    assert f.cache_info().load_seconds == 0.25


def test_it_is_a_snapshot(cache: orc.Cache) -> None:
    """What was returned before does not change."""
    f = cache.cached(lambda: 1)
    before = f.cache_info()
    f()
    f()
    assert before == (0, 0, None, 0)
    assert f.cache_info() == (1, 1, None, 1)


def test_clearing_one_function_leaves_the_caches_statistics(cache: orc.Cache) -> None:
    """cache_clear() begins this function's counts anew; stats() of the cache go on."""
    f = cache.cached(lambda: 1)
    f()
    f()
    f.cache_clear()
    assert (cache.stats().loads, cache.stats().hits) == (1, 1)
