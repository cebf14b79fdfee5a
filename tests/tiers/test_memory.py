"""The memory tier's budgets: what is counted, what is refused, and what the process takes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import warnings
from textwrap import dedent

import cachetools
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orc
from orc.errors import OrcWarning
from orc.tiers.memory import DEFAULT_MAX_BYTES
from orc.tiers.sizes import ENTRY_BYTES

BUDGET = 4_000_000
NOISE = 64 * 1024
"""Bytes beside all entries: a cache and its memory, and the slack of queues."""

FILL = """
    import gc, itertools, json, sys, tracemalloc
    import cachetools, orc

    def numbered(text):
        return (text % number for number in itertools.count(1_000_000))

    def grow(policy, ttl, keys, make, tags=()):
        # What is imported and made at first use is no entry's.
        warm = orc.Cache(tiers=[orc.Memory(policy=policy)])
        warm.set("key", [[]], tags=["tag"])
        assert warm.get("key") == [[]]
        tracemalloc.start()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        cache = orc.Cache(tiers=[orc.Memory(max_bytes={budget}, policy=policy)], ttl=ttl)
        memory = cache._core.memory
        peaks = []
        for number, key in enumerate(keys):
            cache.set(key, make(number), tags=[tag.format(number) for tag in tags])
            assert memory.used_bytes <= memory.max_bytes
            if not peaks and cache._keyspace.counters.evicted:
                last = number * 2
                tracemalloc.reset_peak()
                peaks.append(0)
            if peaks and number >= last:
                break
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        gc.collect()
        growth = tracemalloc.get_traced_memory()[0] - before
        print(json.dumps([growth, max(peaks), memory.used_bytes, memory.items]))

    {call}
"""

VALUES = {
    "64 bytes": "lambda n: b'%064d' % n",
    "1 KB of text": "lambda n: '%01000d' % n",
    "wide text": "lambda n: 'ü€😀' * 20 + str(n)",
    "10 KB": "lambda n: b'%010000d' % n",
    "100 KB": "lambda n: b'%0100000d' % n",
    "large ints": "lambda n: 1 << 500 + n % 100",
    "floats": "lambda n: n + 0.5",
    "None": "lambda n: None",
    "a flat dict": "lambda n: {'id': n + 1000, 'name': f'name {n}', 'price': n + 0.5}",
    "a list": "lambda n: list(range(n, n + 50))",
    "a set": "lambda n: set(range(n, n + 50))",
    "a tuple of tuples": "lambda n: tuple((i + n, str(i + n)) for i in range(20))",
    "nested": "lambda n: {'id': n, 'rows': [[i, str(i * n)] for i in range(20)]}",
}


def grown(policy="'lru'", ttl="300", keys="numbered('key %d')", make="str", tags="()"):
    """Fill a memory in a fresh process until it evicts; return its growth, peak, use and items."""
    call = f"grow({policy}, {ttl}, {keys}, {make}, {tags})"
    program = dedent(FILL).replace("{budget}", str(BUDGET)).replace("{call}", call)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def check(growth, peak, used, items, *, least=0.5):
    assert items > 20
    assert used > 0.8 * BUDGET
    assert growth <= BUDGET + NOISE
    assert peak <= 1.1 * BUDGET + NOISE  # index and queues are copied for a moment when they grow
    assert growth >= least * used


@pytest.mark.parametrize("value", VALUES)
def test_the_process_grows_by_the_budget_at_most(value):
    """With values of any kind, from 64 B to 100 KB, memory fills its bytes and no more."""
    check(*grown(make=VALUES[value]))


@pytest.mark.parametrize("keys", ["numbered('%d')", "numbered('a key with %d ' + 'x' * 500)"])
def test_keys_count_too(keys):
    """Short keys and keys of half a kilobyte are inside the budget."""
    check(*grown(keys=keys, make="lambda n: None"))


@pytest.mark.parametrize(
    "tags", ["('all',)", "('all', 'even more', 'third')", "('item {}',)", "('item {}', 'all')"]
)
def test_tags_count_too(tags):
    """An entry pays for being tagged; a tag of its own costs more than one that others have."""
    check(*grown(make="lambda n: 'x' * 100 + str(n)", tags=tags))


@pytest.mark.parametrize("policy", ["'s3fifo'", "cachetools.LFUCache", "cachetools.FIFOCache"])
def test_policies_count_too(policy):
    """Whatever a policy keeps for its entries is inside the budget."""
    check(*grown(policy=policy, make="lambda n: 'x' * 100 + str(n)"))


@pytest.mark.parametrize("policy", ["'lru'", "'s3fifo'"])
def test_entries_that_come_back_count_once(policy):
    """Keys that are stored again and again leave no more behind than the budget allows."""
    keys = "(f'key {(number * 7919) % 16_000}' for number in itertools.count())"
    check(*grown(policy=policy, keys=keys, make="lambda n: 'x' * 100 + str(n)"))


def test_an_entry_costs_less_than_the_contract_says():
    """An untagged entry takes at most 300 bytes over its key and value, here a str and a float."""
    growth, _, _, items = grown(make="lambda n: n + 0.5")
    assert growth / items - (64 + 32) <= 300
    assert ENTRY_BYTES <= 320


SIZES = st.one_of(st.integers(0, 300), st.integers(0, 3000))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "get", "delete", "clear", "invalidate", "partition"]),
        st.integers(0, 9),
        SIZES,
        st.sampled_from([(), ("a",), ("b",), ("a", "b")]),
    ),
    max_size=60,
)


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
@given(
    max_bytes=st.integers(4_096, 20_000),
    max_items=st.none() | st.integers(1, 8),
    policy=st.sampled_from(["lru", "s3fifo", cachetools.LFUCache]),
    steps=STEPS,
)
def test_the_books_are_right_after_every_step(audit, max_bytes, max_items, policy, steps):
    """The bytes in use are always those of what is held, and within both bounds."""
    memory = orc.Memory(max_bytes=max_bytes, max_items=max_items, policy=policy)
    cache = orc.Cache(tiers=[memory], ttl=None)
    part = cache.partition("tenant")
    for action, number, size, tags in steps:
        key = f"key {number}"
        if action == "set":
            cache.set(key, b"x" * size, tags=tags)
        elif action == "partition":
            part.set(key, b"x" * size, tags=tags)
        elif action == "get":
            cache.get(key)
        elif action == "delete":
            cache.delete(key)
        elif action == "clear":
            cache.clear()
        elif tags:
            cache.invalidate_tags(*tags)
        audit(memory, cache._keyspace.space, part._keyspace.space)
    cache.clear()
    assert memory.items == 0
    assert memory.used_bytes == memory.footprints.size


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
class TestSize:
    def test_an_oversize_value_is_returned_and_not_stored(self):
        """A value over a tenth of the budget is what the loader gave, and counted as oversize."""
        cache = orc.Cache(tiers=[orc.Memory(max_bytes=100_000)])
        assert cache.get_or_set("key", lambda: b"x" * 20_000) == b"x" * 20_000
        assert cache.get("key") is None
        assert cache.stats().oversize == 1

    def test_an_oversize_value_takes_the_old_one_away(self, audit):
        """After a set that was refused for its size, the value from before is not served."""
        cache = orc.Cache(tiers=[orc.Memory(max_bytes=100_000)])
        cache.set("key", "old")
        cache.set("key", b"x" * 20_000)
        assert cache.get("key", "nothing") == "nothing"
        audit(cache._core.memory, cache._keyspace.space)

    def test_max_value_bytes_moves_the_limit(self):
        """`max_value_bytes` bounds an entry with all that it costs, up and down."""
        for limit, stored in ((30_000, True), (1_000, False)):
            memory = orc.Memory(max_bytes=100_000, max_value_bytes=limit)
            cache = orc.Cache(tiers=[memory])
            cache.set("key", b"x" * 20_000)
            assert (cache.get("key") is not None) is stored
            assert cache.stats().oversize == (not stored)

    def test_no_value_may_be_larger_than_the_budget(self, audit):
        """A `max_value_bytes` beyond the budget lets nobody break it."""
        memory = orc.Memory(max_bytes=10_000, max_value_bytes=1_000_000)
        cache = orc.Cache(tiers=[memory])
        cache.set("large", b"x" * 11_000)
        cache.set("small", b"x" * 5_000)
        assert cache.get("large") is None
        assert cache.get("small") == b"x" * 5_000
        audit(memory, cache._keyspace.space)

    def test_a_function_counts_its_oversize_results(self):
        """`cache_info().oversize` counts, and the function is called each time."""
        cache = orc.Cache(tiers=[orc.Memory(max_bytes=100_000)])
        blob = cache.cached(bytes)
        assert [len(blob(50_000)) for _ in range(2)] == [50_000, 50_000]
        assert blob.cache_info()[:2] == (0, 2)
        assert blob.cache_info().oversize == 2


class TestWarningOfSize:
    """What is larger than the largest entry is warned of once a function or a cache."""

    def test_it_says_who_how_large_what_is_allowed_and_what_to_do(self):
        """What is wrong comes first, what is allowed next, and the remedy last."""
        cache = orc.Cache(tiers=[orc.Memory(max_bytes=10 * 1024**2)])

        @cache.cached
        def blob(number):
            return bytes(3 * 1024**2)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for number in range(3):
                blob(number)
        (warning,) = caught
        assert warning.category is OrcWarning
        text = str(warning.message)
        places = [
            text.index(part)
            for part in (
                "blob: a value of 3.0 MB, with its key, is too large for the memory tier",
                "largest is 1.0 MB, in a budget of 10.0 MB",
                "orc.Memory(max_bytes=..., max_value_bytes=...)",
                "ORC_MEMORY_MAX_BYTES",
            )
        ]
        assert places == sorted(places)
        assert warning.filename == __file__

    def test_each_function_and_each_cache_has_its_own(self):
        """Two functions and the explicit keys of two caches are four to be told of."""
        caches = [orc.Cache(tiers=[orc.Memory(max_bytes=100_000)]) for _ in range(2)]
        functions = [caches[0].cached(lambda n=n: bytes(20_000 + n)) for n in range(2)]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                for cache in caches:
                    cache.set("key", bytes(20_000))
                for function in functions:
                    function()
        assert len(caught) == 4

    def test_the_lock_is_free_when_it_is_given(self):
        """A hook of the user's for warnings may use the cache, from another thread too."""
        memory = orc.Memory(max_bytes=100_000)
        cache = orc.Cache(tiers=[memory])
        free = []

        def show(*_, **__):
            thread = threading.Thread(target=lambda: free.append(memory._lock.acquire(timeout=5)))
            thread.start()
            thread.join()

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            cache.set("key", bytes(20_000))
        assert free == [True]

    def test_inside_of_a_change_nothing_is_said(self):
        """A finaliser that stores too much inside of a change of the tier is not the place."""
        memory = orc.Memory(max_bytes=100_000)
        cache = orc.Cache(tiers=[memory])
        with warnings.catch_warnings(record=True) as caught, memory._lock:
            cache.set("key", bytes(20_000))
        assert not caught


class TestSharing:
    def test_caches_that_name_no_memory_share_one_budget(self):
        """Two caches without a memory of their own have the same one; a third with its own not."""
        one, two = orc.Cache(), orc.Cache()
        own = orc.Cache(tiers=[orc.Memory()])
        assert one._core.memory is two._core.memory
        assert own._core.memory is not one._core.memory

    def test_entries_of_one_cache_make_room_for_those_of_another(self, audit):
        """A budget that two caches share is kept by both together, and keys stay apart."""
        memory = orc.Memory(max_bytes=20_000)
        one, two = orc.Cache(tiers=[memory]), orc.Cache(tiers=[memory])
        one.set("key", "of one")
        assert two.get("key") is None
        for number in range(200):
            two.set(f"key {number}", number)
            audit(memory, one._keyspace.space, two._keyspace.space)
        assert one.get("key") is None
        assert one.stats().evicted == 1
        assert two.stats().evicted > 0

    def test_a_second_cache_does_not_forget_for_the_first(self):
        """Making another cache on a memory leaves what it knows of missing keys as it is."""
        memory = orc.Memory(max_items=1)
        cache = orc.Cache(tiers=[memory])
        cache.set("evicted", 1)
        cache.set("held", 1)
        orc.Cache(tiers=[memory])
        cache.get("evicted")
        assert dict(cache.stats().causes) == {"evicted": 1}

    def test_the_default_budget(self):
        """Off Lambda a memory that is told nothing has 64 MB, and its repr says what it uses."""
        memory = orc.Memory()
        assert memory.max_bytes == DEFAULT_MAX_BYTES == 64 * 1024 * 1024
        assert repr(memory) == (
            f"<orc.Memory lru: 0 entries, {memory.used_bytes} of {memory.max_bytes} bytes>"
        )
