"""Who leaves memory next: against models that are too simple to be wrong."""

from __future__ import annotations

import collections
import random

import cachetools
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orc
from orc.errors import ConfigError
from orc.tiers.eviction import S3FIFO

SMALL_SIZES = st.integers(1, 8)
# Gets are wanted most, and puts more often than deletes.
ACTIONS = st.sampled_from(["get", "get", "get", "put", "put", "delete"])
STEPS = st.lists(st.tuples(ACTIONS, st.integers(0, 2), st.integers(0, 5)), max_size=120)


def cache_of(most, policy="lru"):
    return orc.Cache(tiers=[orc.Memory(max_items=most, policy=policy)], ttl=None)


def step(cache, model, action, key):
    """Do the same to a cache and to a model, which must see the same."""
    if action == "get":
        assert (cache.get(key) is not None) == model.get(key)
    elif action == "put":
        cache.set(key, key)
        model.put(key)
    else:
        assert cache.delete(key) == model.delete(key)


class ByCachetools:
    """A cachetools class that holds keys, and is asked to shrink by hand: what `Foreign` claims."""

    def __init__(self, cache_class, most):
        self.most = most
        self.keys = cache_class(float("inf"))

    def get(self, key):
        return self.keys.get(key) is not None

    def put(self, key):
        self.delete(key)
        if len(self.keys) >= self.most:
            self.keys.popitem()
        self.keys[key] = key

    def delete(self, key):
        return self.keys.pop(key, None) is not None

    def live(self):
        return set(self.keys)


@given(most=SMALL_SIZES, steps=STEPS)
def test_lru_in_a_cache_is_exact(lru_model, most, steps):
    """After every get, set and delete a cache holds the keys that a textbook's LRU holds."""
    cache, model = cache_of(most), lru_model(most)
    for action, part, number in steps:
        step(cache, model, action, f"{part}:{number}")
        assert set(cache._index) == model.live()


@given(most=SMALL_SIZES, steps=STEPS)
def test_lru_is_exact_across_functions_that_share_a_memory(lru_model, most, steps):
    """Three functions on one memory compete as if their keys were one cache's."""
    cache, model = cache_of(most), lru_model(most)
    functions = [cache.cached(lambda number: number + 1) for _ in range(3)]
    for action, part, number in steps:
        function, key = functions[part], (part, number)
        if action == "delete":
            function.invalidate(number)
            model.delete(key)
        else:
            hits = function.cache_info().hits
            function(number)
            assert function.cache_info().hits - hits == model.get(key)
            if key not in model.live():
                model.put(key)
        stored = {
            (each, n)
            for each, function in enumerate(functions)
            for n in range(6)
            if function.peek(n) is not orc.MISSING
        }
        assert stored == model.live()


@given(most=SMALL_SIZES, steps=STEPS)
def test_lru_is_exact_across_spaces(lru_model, new_ledger, store, most, steps):
    """Spaces of one memory compete as one; each hit, put and removal counts at once."""
    memory, model = orc.Memory(max_items=most), lru_model(most)
    spaces = [memory.space(new_ledger(), lambda: 0.0) for _ in range(3)]
    for action, part, key in steps:
        space, name = spaces[part], (part, key)
        if action == "get":
            copy = space.index.get(key)
            assert (copy is not None) == model.get(name)
            if copy is not None:
                memory.record(copy)
        elif action == "put":
            assert store(space, key)
            model.put(name)
        else:
            assert space.remove(key) == model.delete(name)
        live = {(part, key) for part, space in enumerate(spaces) for key in space.index}
        assert live == model.live()


@pytest.mark.parametrize("seed", range(3))
def test_lru_is_exact_over_long_stretches_without_an_eviction(lru_model, seed):
    """Ten thousand hits between two evictions, with deletes in between, change nothing."""
    rng = random.Random(seed)
    most = rng.choice([3, 40, 400])
    cache, model = cache_of(most), lru_model(most)
    names = [f"key {number}" for number in range(3 * most)]
    for _ in range(5):
        for _ in range(rng.choice([10, 3 * most])):
            step(cache, model, rng.choice(["put", "put", "get"]), rng.choice(names))
        for _ in range(10_000):
            action = "delete" if rng.random() < 0.003 else "get"
            step(cache, model, action, rng.choice(names))
            if rng.random() < 0.001 and model.live():
                step(cache, model, "put", rng.choice(sorted(model.live())))
        assert set(cache._index) == model.live()


def test_hits_while_memory_fills_up_count_in_their_order():
    """A hit before a put is an earlier use than the put, also while there is still room."""
    cache = cache_of(3)
    cache.set("a", 1)
    cache.set("b", 1)
    cache.get("a")
    for later in "cde":
        cache.set(later, 1)
    assert set(cache._index) == {"c", "d", "e"}


@pytest.mark.parametrize("policy", ["lru", "s3fifo"])
def test_uses_and_dead_copies_take_bounded_room(policy):
    """Neither many hits nor many replacements leave queues that grow with their number."""
    cache = cache_of(None, policy)
    for number in range(100):
        cache.set(str(number), number)
    for _ in range(300):
        for number in range(100):
            cache.get(str(number))
            cache.set(str(number), number)
    queues = cache._core.memory._policy
    if policy == "lru":
        places = [*queues._uses, *queues._recent]
    else:
        places = [*queues._small._copies, *queues._main._copies]
    assert len(places) <= 4 * 100 + 2048
    assert len({id(copy) for copy in places if copy.rank < 0}) <= 100 // 8 + 64 + 1


@pytest.mark.parametrize(
    "cache_class", [cachetools.LRUCache, cachetools.LFUCache, cachetools.FIFOCache]
)
@given(most=SMALL_SIZES, steps=STEPS)
def test_a_class_of_cachetools_decides_as_it_would_alone(cache_class, most, steps):
    """The keys that stay are those which the class itself would keep, told the same story."""
    cache, model = cache_of(most, cache_class), ByCachetools(cache_class, most)
    for action, part, number in steps:
        step(cache, model, action, f"{part}:{number}")
        assert set(cache._index) == model.live()


@given(most=SMALL_SIZES, steps=STEPS)
def test_lru_is_that_of_cachetools(most, steps):
    """`"lru"` and `cachetools.LRUCache` keep the same keys at every step."""
    ours, theirs = cache_of(most), cache_of(most, cachetools.LRUCache)
    for action, part, number in steps:
        key = f"{part}:{number}"
        for cache in (ours, theirs):
            if action == "put":
                cache.set(key, key)
            else:
                (cache.get if action == "get" else cache.delete)(key)
        assert set(ours._index) == set(theirs._index)


@given(
    most=st.integers(1, 40),
    policy=st.sampled_from(["s3fifo", cachetools.RRCache]),
    steps=st.lists(st.tuples(ACTIONS, st.integers(0, 60)), max_size=400),
)
def test_no_policy_loses_count(audit, most, policy, steps):
    """Whoever leaves: a full memory stays full, what was put is there, and the books are right."""
    cache = cache_of(most, policy)
    held = set()
    for action, number in steps:
        key = str(number)
        if action == "get":
            assert (cache.get(key) is not None) == (key in held)
        elif action == "put":
            cache.set(key, key)
            assert key in cache._index
            assert len(cache._index) == min(most, len(held | {key}))
        else:
            assert cache.delete(key) == (key in held)
        assert set(cache._index) <= held | {key}
        held = set(cache._index)
        audit(cache._core.memory, cache._keyspace.space)


@pytest.mark.parametrize("seed", range(6))
def test_s3fifo_is_that_of_the_paper(s3fifo_model, seed):
    """On hot keys, scans and deletes, hits differ by at most 2 % of the requests."""
    rng = random.Random(seed)
    most = rng.choice([20, 100, 300])
    cache, model = cache_of(most, "s3fifo"), s3fifo_model(most)
    counts = collections.Counter()
    fresh = 0
    for _ in range(20_000):
        if rng.random() < 0.3:
            fresh += 1
            key = f"scan {fresh}"
        else:
            key = f"hot {int(rng.paretovariate(0.6)) % (4 * most)}"
        if rng.random() < 0.01:
            cache.delete(key)
            model.delete(key)
            continue
        counts["requests"] += 1
        for name, each in (("ours", cache), ("paper's", model)):
            if each.get(key):
                counts[name] += 1
            elif each is cache:
                cache.set(key, 1)
            else:
                model.put(key)
    assert counts["ours"] > 0.1 * counts["requests"]
    assert abs(counts["ours"] - counts["paper's"]) <= 0.02 * counts["requests"]


def test_s3fifo_lets_a_scan_pass_by():
    """Keys asked for twice and more survive ten times as many that are asked for once."""
    cache = cache_of(100, "s3fifo")
    hot = [f"hot {number}" for number in range(80)]
    for key in hot:
        cache.set(key, 1)
    for _ in range(2):
        cache.get_many(hot)
    for number in range(1000):
        cache.set(f"scan {number}", 1)
    assert len(cache.get_many(hot)) == 80


def test_s3fifo_remembers_the_keys_of_a_partition_that_came_and_went():
    """A tenant whose only entry left the small queue enters the main queue when it comes back."""
    cache = cache_of(20, "s3fifo")
    core = cache._core
    for number in range(20):  # of whom each is used, so that the main queue has ghosts
        cache.set(str(number), 1)
        cache.get(str(number))
        cache.get(str(number))
    cache.partition("tenant").set("only", 1)
    for number in range(5):
        cache.set(f"once {number}", 1)
    assert "tenant" not in core._partitions
    cache.partition("tenant").set("only", 1)
    (copy,) = core._partitions["tenant"].index.values()
    assert copy.rank >= S3FIFO.IN_MAIN


@pytest.mark.parametrize("cache_class", [cachetools.TTLCache, cachetools.TLRUCache])
def test_a_class_with_a_ttl_of_its_own_is_refused(cache_class):
    """Entries have their expiry from ORC, so cachetools' timed classes are a `ConfigError`."""
    with pytest.raises(ConfigError, match=rf"policy={cache_class.__name__} .*ttl"):
        orc.Memory(policy=cache_class)


@pytest.mark.parametrize(
    "policy",
    ["LIFO", "", None, 7, dict, list, int, collections.OrderedDict, cachetools.LRUCache(7)],
)
def test_an_unknown_policy_is_refused(policy):
    """What is no policy is a `ConfigError` that names the argument and what is allowed."""
    with pytest.raises(ConfigError, match=r"policy is .*'lru', 's3fifo'"):
        orc.Memory(policy=policy)


@pytest.mark.parametrize("name", ["lru", "LRU", "s3fifo", "S3FIFO"])
def test_names_of_policies_come_in_any_case(name):
    """A policy's name is known in capitals too, as environment variables may have it."""
    assert orc.Memory(policy=name).policy == name


@pytest.mark.parametrize("argument", ["max_items", "max_bytes", "max_value_bytes"])
@pytest.mark.parametrize("size", [0, -1, True, False, 1.0, 10.5, "10", float("inf")])
def test_a_size_that_is_no_positive_int_is_refused(argument, size):
    """Zero, negative, bool, float and text are `ConfigError`s that name argument and value."""
    with pytest.raises(ConfigError) as caught:
        orc.Memory(**{argument: size})
    assert f"{argument}={size!r}" in str(caught.value)
