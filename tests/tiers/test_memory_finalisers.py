"""Values that use the cache when they go: no deadlock, and books that are right afterwards."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import threading
from contextlib import suppress

import cachetools
import pytest

import orc
from orc.errors import RecursiveLoadError

POLICIES = ["lru", "s3fifo", cachetools.LFUCache]

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*too large for the memory tier:orc.errors.OrcWarning"
)


class Ender:
    """A value that does something when it goes."""

    def __init__(self, action):
        self.action = action

    def __del__(self):
        self.action()


@pytest.fixture(params=POLICIES, ids=["lru", "s3fifo", "LFUCache"])
def cache(request):
    """Return a small cache whose values are the very objects that were stored."""
    memory = orc.Memory(max_items=6, max_bytes=20_000, policy=request.param)
    return orc.Cache(tiers=[memory], isolation="share", ttl=None)


@pytest.fixture
def balanced(cache, audit):
    """Check the books of the cache and of its partition."""
    part = cache.partition("tenant")

    def check():
        audit(cache._core.memory, cache._keyspace.space, part._keyspace.space)

    return check


ACTIONS = {
    "set": lambda cache: cache.set("other", 1),
    "set itself": lambda cache: cache.set("key", 1),
    "delete": lambda cache: cache.delete("other"),
    "delete itself": lambda cache: cache.delete("key"),
    "get": lambda cache: cache.get("other"),
    "get_or_set": lambda cache: cache.get_or_set("other", lambda: 1),
    "clear": lambda cache: cache.clear(),
    "stats": lambda cache: cache.stats(),
    "tags": lambda cache: cache.invalidate_tags("tag"),
}
ENDS = {
    "replaced": lambda cache: cache.set("key", 2),
    "deleted": lambda cache: cache.delete("key"),
    "cleared": lambda cache: cache.clear(),
    "evicted": lambda cache: cache.set_many({str(number): number for number in range(30)}),
    "oversize": lambda cache: cache.set("key", bytes(10_000)),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_value_may_use_the_cache_when_it_goes(cache, balanced, action, end):
    """Its finaliser reads, writes, deletes or clears, however it leaves, and it runs once."""
    ran = []

    def act():
        ran.append(1)
        ACTIONS[action](cache)
        balanced()  # it runs when the change that let it go is complete

    cache.set("other", 1)
    cache.set("key", Ender(act), tags=["tag"])
    ENDS[end](cache)
    balanced()
    assert ran == [1]


def test_finalisers_may_set_off_each_other(cache, balanced):
    """A finaliser that stores a value whose finaliser stores again comes to an end."""
    depth = []

    def again():
        depth.append(1)
        if len(depth) < 50:
            cache.set("key", Ender(again))
            cache.delete("key")

    cache.set("key", Ender(again))
    cache.delete("key")
    assert len(depth) == 50
    balanced()


def litter(action):
    """Make garbage that only the collector finds, and that does something when it is found."""
    ender = Ender(action)
    ender.cycle = ender


ALONE = "ORC_TEST_ALONE"
alone = pytest.mark.skipif(
    ALONE not in os.environ,  # noqa: TID251 - set below
    reason="runs in a process of its own, by test_what_the_collector_does",
)


def test_what_the_collector_does():
    """Run the tests below where no other test has left a thread.

    The collector runs finalisers on any thread, and at every few objects here: also inside of
    libraries that other tests have used, which have not reckoned with that.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-X", "faulthandler", "-m", "pytest"),
            *("-q", "-n", "0", "-k", "the_collector_may", __file__),
        ],
        env=os.environ | {ALONE: "1"},  # noqa: TID251 - handed on
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@alone
@pytest.mark.parametrize("seed", range(3))
def test_the_collector_may_run_finalisers_in_the_middle_of_anything(cache, balanced, seed):
    """Garbage that uses the cache, collected inside its changes at random, spoils nothing."""
    rng = random.Random(seed)
    part = cache.partition("tenant")
    keys = [f"key {number}" for number in range(9)]
    counts = {"littered": 0, "ended": 0}

    def work(target, key):
        what = rng.randrange(9)
        if what < 4:
            target.set(key, (key, rng.randbytes(rng.randrange(500))), tags=rng.choice([(), ["t"]]))
        elif what < 6:
            value = target.get(key)
            assert value is None or value[0] == key
        elif what == 6:
            target.delete(key)
        elif what == 7:
            assert target.get_or_set(key, lambda: (key, b""))[0] == key
        else:
            rng.choice([target.clear, lambda: target.invalidate_tags("t"), cache.stats])()

    def ended():
        counts["ended"] += 1
        with suppress(RecursiveLoadError):  # it ran in the loader of the very key that it asks for
            work(rng.choice([cache, part]), rng.choice(keys))

    before = gc.get_threshold()
    try:
        for _ in range(1500):
            gc.set_threshold(100_000)
            counts["littered"] += 1
            litter(ended)
            gc.set_threshold(rng.randrange(1, 40))
            work(rng.choice([cache, part]), rng.choice(keys))
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert counts["ended"] == counts["littered"]
    balanced()
    cache.clear()
    balanced()
    assert cache._core.memory.items == 0


@alone
def test_the_collector_may_drop_functions_in_the_middle_of_anything(cache, balanced):
    """Decorated functions that end as garbage, inside other changes, take their entries along."""
    before = gc.get_threshold()

    def make(number):
        @cache.cached
        def function(key):
            return key, number

        function.itself = function  # a cycle: only the collector can end it
        for key in range(3):
            assert function(key) == (key, number)

    try:
        for number in range(300):
            gc.set_threshold(100_000)
            make(number)
            gc.set_threshold(1 + number % 40)
            cache.set(str(number % 7), number)
            cache.get(str(number % 5))
    finally:
        gc.set_threshold(*before)
    gc.collect()
    balanced()
    assert cache.stats().loads == 900


def test_a_finaliser_inside_a_hit_count_spoils_no_queue():
    """Garbage collected while hits are handed to the policy does not lose what it stores."""
    memory = orc.Memory(max_items=50)
    cache = orc.Cache(tiers=[memory], isolation="share", ttl=None)
    for number in range(50):
        cache.set(str(number), number)
    before = gc.get_threshold()
    try:
        for number in range(400):
            gc.set_threshold(100_000)
            litter(lambda number=number: cache.set(f"late {number}", number))
            for key in range(60):
                cache.get(str(key))
            gc.set_threshold(1)
            memory.settle()
    finally:
        gc.set_threshold(*before)
    for number in range(100):  # every entry can be evicted: none was lost by the queue
        cache.set(f"new {number}", number)
    assert set(cache._index) == {f"new {number}" for number in range(50, 100)}


def test_finalisers_of_two_threads_do_not_wait_for_each_other(cache, balanced):
    """Two threads whose values use the cache as they go never stop each other for good."""

    def run(name):
        for number in range(400):
            later = f"{name} {number}"
            cache.set(name, Ender(lambda later=later: cache.delete(later)))
            cache.set(later, Ender(lambda: cache.set(name, 1)))
            cache.get_or_set(name, lambda: 1)

    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    cache.clear()
    balanced()
