"""Single flight among threads."""

from __future__ import annotations

import threading
import traceback
import warnings

import pytest

import orc
from orc.errors import OrcWarning, RecursiveLoadError, UncacheableError, UncopyableError

THREADS = 64


def no_flights(cache):
    return not cache._core.flights._flying


def test_64_threads_make_one_load(cache, spawn, wait, gate, followers):
    """64 threads on one cold key: one load, and each has an equal value of its own."""
    loader = gate({"list": [1, 2]})
    callers = [spawn(cache.get_or_set, "key", loader) for _ in range(THREADS)]
    followers.wait(THREADS - 1)
    loader.go.set()
    values = [wait(caller) for caller in callers]
    assert loader.calls == 1
    assert all(value == {"list": [1, 2]} for value in values)
    assert len({id(value) for value in values} | {id(loader.value)}) == THREADS + 1
    assert len({id(value["list"]) for value in values}) == THREADS
    assert no_flights(cache)
    stats = cache.stats()
    assert (stats.loads, stats.shared) == (1, THREADS - 1)


def test_64_threads_in_a_race_make_one_load(cache, spawn, wait):
    """Nobody holds the loader back: whatever the threads' order, it is called once for each key."""
    start = threading.Barrier(THREADS)
    loads = []

    def work():
        wait(start)
        return [cache.get_or_set(f"key{n}", lambda n=n: loads.append(n) or [n]) for n in range(20)]

    callers = [spawn(work) for _ in range(THREADS)]
    assert all(wait(caller) == [[n] for n in range(20)] for caller in callers)
    assert sorted(loads) == list(range(20))
    assert no_flights(cache)


def test_a_decorated_function_is_called_once(cache, spawn, wait, gate, followers):
    """Concurrent calls with equal arguments are one call of the function."""
    loader = gate([1])
    function = cache.cached(lambda argument: loader())
    callers = [spawn(function, "x") for _ in range(8)]
    followers.wait(7)
    loader.go.set()
    assert [wait(caller) for caller in callers] == [[1]] * 8
    assert loader.calls == 1
    info = function.cache_info()
    assert (info.hits, info.misses, info.shared) == (7, 1, 7)


@pytest.mark.parametrize("strict", [False, True])
def test_an_error_reaches_all_who_wait(cache, spawn, wait, gate, followers, strict):
    """Every follower raises the loader's own error, and the next call loads again."""
    loader = gate(LookupError("no such item"))
    callers = [spawn(cache.get_or_set, "key", loader) for _ in range(THREADS)]
    followers.wait(THREADS - 1)
    loader.go.set()
    for caller in callers:
        with pytest.raises(LookupError) as raised:
            wait(caller)
        assert raised.value is loader.value
    assert loader.calls == 1
    assert no_flights(cache)
    assert cache.get_or_set("key", lambda: "well again") == "well again"


def test_the_traceback_of_a_shared_error_is_usable(cache, spawn, wait, gate, followers):
    """It leads to the loader's line, and does not grow with the number of those who waited."""
    loader = gate(LookupError("no such item"))
    lengths = []

    def caller():
        try:
            cache.get_or_set("key", loader)
        except LookupError as error:
            frames = traceback.extract_tb(error.__traceback__)
            lengths.append(len(frames))
            return [frame.name for frame in frames]

    callers = [spawn(caller) for _ in range(THREADS)]
    followers.wait(THREADS - 1)
    loader.go.set()
    assert all("__call__" in wait(each) for each in callers)
    assert max(lengths) < 40


def test_a_stop_iteration_reaches_callers_as_it_is(cache, spawn, wait, gate, followers):
    """``next()`` of something empty inside a loader is not turned into another error."""
    loader = gate(StopIteration("empty"))
    callers = [spawn(cache.get_or_set, "key", loader) for _ in range(2)]
    followers.wait(1)
    loader.go.set()
    for caller in callers:
        with pytest.raises(StopIteration, match="empty"):
            wait(caller)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_who_follows_an_interrupted_leader_takes_over(cache, spawn, wait, gate, followers, error):
    """The interrupt goes to its own thread; exactly one of the others loads."""
    interrupted, well = gate(error()), gate([1])
    leader = spawn(cache.get_or_set, "key", interrupted)
    wait(interrupted.begun)
    others = [spawn(cache.get_or_set, "key", well) for _ in range(8)]
    followers.wait(8)
    interrupted.go.set()
    with pytest.raises(error):
        wait(leader)
    wait(well.begun)
    followers.wait(7)
    well.go.set()
    assert [wait(each) for each in others] == [[1]] * 8
    assert well.calls == 1
    assert no_flights(cache)


def test_an_interrupt_without_followers_leaves_no_flight(cache):
    """The next caller loads."""

    def loader():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_set("key", loader)
    assert no_flights(cache)
    assert cache.get_or_set("key", lambda: 1) == 1


# -- values that have no copy, or can be used once ---------------------------------------------


def test_what_has_no_copy_is_loaded_by_each(cache, spawn, wait, gate, followers):
    """It is returned and not stored; who waited loads for itself; counted, and warned of once."""
    held = gate()
    locks = []

    @cache.cached
    def open_client():
        if not locks:
            locks.append(None)
            held()
        locks.append(threading.Lock())
        return locks[-1]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callers = [spawn(open_client) for _ in range(8)]
        followers.wait(7)
        held.go.set()
        values = [wait(caller) for caller in callers]
    assert len({id(value) for value in values}) == 8
    assert {id(value) for value in values} == {id(lock) for lock in locks[1:]}
    (warning,) = caught
    assert warning.category is OrcWarning
    for part in ("open_client", "_thread.lock", 'isolation="share"'):
        assert part in str(warning.message)
    info = open_client.cache_info()
    assert (info.uncopyable, info.misses, info.currsize) == (8, 8, 0)
    assert no_flights(cache)


def test_each_partition_does_not_warn_anew(cache):
    """A partition is made in every request; what it cannot copy is warned of once all the same."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for tenant in ("a", "b", "a"):
            cache.partition(tenant).get_or_set("key", threading.Lock)
    assert [warning.category for warning in caught] == [OrcWarning]


def test_strict_raises_for_what_has_no_copy(memory, clock, spawn, wait, gate, followers):
    """With ``strict`` all who wait get the error, and nothing is warned of."""
    cache = orc.Cache(tiers=[memory], clock=clock, strict=True)
    loader = gate(threading.Lock())
    callers = [spawn(cache.get_or_set, "key", loader) for _ in range(3)]
    followers.wait(2)
    loader.go.set()
    for caller in callers:
        with pytest.raises(UncopyableError, match="lock"):
            wait(caller)
    assert loader.calls == 1


async def a_coroutine():
    return 1


async def an_async_generator():
    yield 1


@pytest.mark.parametrize(
    "loader",
    [a_coroutine, an_async_generator, lambda: (n for n in [1])],
    ids=["coroutine", "async generator", "generator"],
)
@pytest.mark.parametrize("isolation", ["auto", "share"])
def test_what_can_be_used_once_is_an_error(cache, loader, isolation):
    """A coroutine (not even warned of as never awaited) or a generator is not cached."""
    cache = orc.Cache(isolation=isolation)
    with pytest.raises(UncacheableError):
        cache.get_or_set("key", loader)
    with pytest.raises(UncacheableError):
        cache.cached(lambda: loader())()  # noqa: PLW0108 - a `def`, whatever the loader is
    assert cache.get("key", "absent") == "absent"
    assert no_flights(cache)


# -- cycles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 3, 5])
@pytest.mark.parametrize("caches", [1, 2])
def test_loads_that_wait_in_a_circle_all_end(cache, clock, spawn, wait, length, caches):
    """A loads B while B loads A, each in a thread of its own: nobody waits for ever."""
    owners = [cache, orc.Cache(tiers=[orc.Memory()], clock=clock)][:caches]
    all_lead = threading.Barrier(length)

    def load(index):
        def loader():
            wait(all_lead)
            further = (index + 1) % length
            return [index, owners[further % caches].get_or_set(f"key{further}", lambda: further)]

        return owners[index % caches].get_or_set(f"key{index}", loader)

    callers = [spawn(load, index) for index in range(length)]
    values = [wait(caller) for caller in callers]
    assert [value[0] for value in values] == list(range(length))
    assert all(no_flights(owner) for owner in owners)


def test_a_key_inside_its_own_loader_is_an_error(cache):
    """Directly, and through another function that is cached."""
    with pytest.raises(RecursiveLoadError):
        cache.get_or_set("key", lambda: cache.get_or_set("key", lambda: 1))

    @cache.cached
    def even(n):
        return odd(n)

    @cache.cached
    def odd(n):
        return even(n)

    with pytest.raises(RecursiveLoadError):
        even(1)
    assert no_flights(cache)


def test_recursion_over_other_keys_is_no_error(cache):
    """A cached recursive function works."""

    @cache.cached
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert factorial(20) == 2432902008176640000


def test_a_thread_started_by_a_loader_may_ask_for_the_key_afterwards(cache, spawn, wait):
    """The context that it carries is that of a load which has ended."""
    import contextvars

    ended = threading.Event()
    started = []

    def ask_later():
        wait(ended)
        cache.delete("key")
        return cache.get_or_set("key", lambda: "later")

    def loader():
        started.append(spawn(contextvars.copy_context().run, ask_later))
        return "first"

    assert cache.get_or_set("key", loader) == "first"
    ended.set()
    assert wait(started[0]) == "later"
