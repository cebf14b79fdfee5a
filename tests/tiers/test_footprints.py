"""Why a key is not in memory: bounded, and never a guess."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

import orc
from orc.errors import SourceUnavailable
from orc.testing import ManualClock
from orc.tiers.footprints import CAUSES, NEVER_SEEN, UNKNOWN, Footprints

HASHES = st.builds(lambda space, key: hash((space, key)), st.integers(1, 5), st.integers())


def cause_of(cache, key):
    before = dict(cache.stats().causes)
    assert cache.get(key) is None
    ((cause, count),) = [
        (cause, count - before.get(cause, 0))
        for cause, count in cache.stats().causes.items()
        if count > before.get(cause, 0)
    ]
    assert count == 1
    return cause


class TestCauses:
    def test_first_touch(self, cache):
        """A key that was never stored in this container is a first touch."""
        assert cause_of(cache, "new") == "first touch"

    def test_evicted(self, clock):
        """A key that made room for another one was evicted."""
        cache = orc.Cache(tiers=[orc.Memory(max_items=1)], clock=clock)
        cache.set("a", 1)
        cache.set("b", 1)
        assert cause_of(cache, "a") == "evicted"

    def test_expired(self, cache, clock):
        """A key whose time was over has expired, whether it is still there or long gone."""
        cache.set("key", 1, ttl=60)
        clock.advance(61)
        assert cause_of(cache, "key") == "expired"
        clock.advance(10_000)
        assert cause_of(cache, "key") == "expired"
        assert cause_of(cache, "key") == "expired"

    def test_expired_before_it_was_evicted(self, clock):
        """What makes room when its time is over has expired: a larger memory had not helped."""
        cache = orc.Cache(tiers=[orc.Memory(max_items=1)], clock=clock, jitter=0)
        cache.set("a", 1, ttl=60)
        clock.advance(61)
        cache.set("b", 1)
        assert cause_of(cache, "a") == "expired"
        assert (cache.stats().expired, cache.stats().evicted) == (1, 0)

    def test_invalidated(self, cache):
        """Deleted, cleared or refused in the place of an old value: it was invalidated."""
        cache.set("deleted", 1)
        cache.delete("deleted")
        assert cause_of(cache, "deleted") == "invalidated"
        cache.set("cleared", 1)
        cache.clear()
        assert cause_of(cache, "cleared") == "invalidated"
        cache.set("zero", 1)
        cache.set("zero", 1, ttl=0)
        assert cause_of(cache, "zero") == "invalidated"

    def test_invalidated_by_a_tag(self, cache):
        """A key whose tag moved on was invalidated, at the first look and at later ones."""
        cache.set("key", 1, tags=["tag"])
        cache.invalidate_tags("tag")
        assert cause_of(cache, "key") == "invalidated"
        assert cause_of(cache, "key") == "invalidated"

    def test_the_latest_cause_counts(self, clock):
        """A key that was evicted once and deleted later was invalidated."""
        cache = orc.Cache(tiers=[orc.Memory(max_items=1)], clock=clock)
        cache.set("a", 1)
        cache.set("b", 1)
        cache.set("a", 1)
        cache.delete("a")
        assert cause_of(cache, "a") == "invalidated"

    def test_of_a_partition_whose_entries_are_all_gone(self):
        """A tenant's key is remembered although nothing else of the tenant is left."""
        cache = orc.Cache(tiers=[orc.Memory(max_items=1)])
        cache.partition("tenant").set("key", 1)
        for number in range(3):
            cache.set(str(number), 1)
        assert cause_of(cache.partition("tenant"), "key") == "evicted"
        assert cause_of(cache.partition("another"), "key") != "evicted"

    def test_of_functions(self, clock):
        """Functions tell causes of their own keys: the same arguments elsewhere are another key."""
        cache = orc.Cache(tiers=[orc.Memory(max_items=1)], clock=clock)
        one, two = cache.cached(lambda key: key), cache.cached(lambda key: key)
        one(1)
        two(1)
        one(1)
        assert dict(cache.stats().causes) == {"first touch": 2, "evicted": 1}

    def test_a_value_that_cannot_be_read_is_an_error(self, cache):
        """A value whose thaw fails is a miss by error, and never an exception."""
        cache.set("key", {"nested": [Fragile()]})
        Fragile.broken = True
        try:
            assert cause_of(cache, "key") == "error"
        finally:
            Fragile.broken = False


class Fragile:
    broken = False

    def __setstate__(self, state):
        if Fragile.broken:
            raise SourceUnavailable("no")

    def __getstate__(self):
        return {"some": "state"}


class TestTable:
    @given(events=st.lists(st.tuples(HASHES, st.integers(0, 2)), max_size=300))
    def test_an_answer_is_never_wrong(self, events):
        """What is told of a key is its last cause, or that it is not known."""
        table, last = Footprints(1024), {}
        for key, cause in events:
            table.record(key, cause)
            last[key] = CAUSES[cause]
            for each, expected in last.items():
                assert table.why_missing(each) in {expected, UNKNOWN}
            assert table.why_missing(key) == CAUSES[cause]

    @given(recorded=st.sets(HASHES, max_size=200), asked=HASHES)
    def test_a_key_that_was_not_recorded_has_no_cause(self, recorded, asked):
        """A key of which nothing is known is a first touch or unknown, and never guessed at."""
        table = Footprints(1024)
        for key in recorded - {asked}:
            table.record(key, 0)
        assert table.why_missing(asked) in {NEVER_SEEN, UNKNOWN}

    def test_first_touch_is_a_proof(self):
        """A full table says `unknown` of a new key, since it may have been forgotten."""
        table = Footprints(1024)
        for place in range(256):
            table.record(place | 1 << 40, 1)
        assert {table.why_missing(place) for place in range(256)} == {UNKNOWN}

    def test_it_does_not_grow(self):
        """The table has its size from the first key to the millionth, and is counted in full."""
        table = Footprints(10_000)
        assert table.size == 8192
        tracemalloc.start()
        try:
            for key in range(20_000):
                table.record(hash((key, "key")), key % 3)
            assert tracemalloc.get_traced_memory()[0] < 1000
        finally:
            tracemalloc.stop()

    def test_it_takes_a_hundredth_of_the_budget(self):
        """The footprints are inside the budget of bytes, and a hundredth of it at most."""
        memory = orc.Memory(max_bytes=10_000_000)
        assert 50_000 <= memory.footprints.size <= 100_000
        assert memory.used_bytes == memory.footprints.size


NAMES = [f"key {number}" for number in range(8)]


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["set", "get", "delete", "clear", "wait"]), st.sampled_from(NAMES)
        ),
        max_size=80,
    )
)
def test_causes_of_a_cache_are_those_of_a_model(lru_model, steps):
    """Over random histories, each miss has the cause that a model of the key's life tells."""
    clock, lru, cause, ends = ManualClock(), lru_model(3), {}, {}
    cache = orc.Cache(
        tiers=[orc.Memory(max_items=3)], clock=clock, ttl=10, jitter=0, stale_if_error=0
    )
    for action, key in steps:
        if action == "wait":
            clock.advance(6)
        elif action == "clear":
            cache.clear()
            cause |= dict.fromkeys(lru.live(), "invalidated")
            lru.order.clear()
        elif action == "set":
            held = lru.live() - {key}
            cache.set(key, 1)
            lru.put(key)
            ends[key] = clock.wall() + 10
            for gone in held - lru.live():
                cause[gone] = "expired" if clock.wall() >= ends[gone] else "evicted"
        elif action == "delete":
            cache.delete(key)
            if lru.delete(key):
                cause[key] = "invalidated"
        elif key in lru.live() and clock.wall() < ends[key]:
            assert cache.get(key) == 1
            lru.get(key)
        else:
            if lru.delete(key):
                cause[key] = "expired"
            assert cause_of(cache, key) in {cause.get(key, NEVER_SEEN), UNKNOWN}
