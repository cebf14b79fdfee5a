"""Stale values for those who come while another caller loads, or who waited for it in vain."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

import orc
from orc.stampede.single_flight import Flights

TTL = 60


class Origin:
    """A loader that counts its calls, and fails when it is told to."""

    def __init__(self):
        self.calls = 0
        self.error = None

    def __call__(self):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return ["value", self.calls]


@pytest.fixture
def origin():
    """Return a loader that counts its calls."""
    return Origin()


@pytest.fixture
def make(memory, clock, driven):
    """Return a maker of caches with one of the drivers, and no back-off unless they ask for it."""

    def maker(**terms):
        terms = {"ttl": TTL, "stale_if_error": 40, "jitter": 0, "backoff": 0} | terms
        return driven(orc.Cache(tiers=[memory], clock=clock, **terms))

    return maker


@pytest.fixture
def threads():
    """Return what runs a function in a thread and returns what waits for its result."""

    def start(function, *args):
        future = Future()

        def work():
            try:
                future.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001 - for the one who waits
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return lambda: future.result(10)

    return start


@pytest.fixture
def followed(monkeypatch):
    """Return what waits until a number of callers have begun to follow a flight."""
    begun = threading.Semaphore(0)
    on_landing = Flights.on_landing

    def noting(self, flight, waker):
        try:
            return on_landing(self, flight, waker)
        finally:
            begun.release()

    monkeypatch.setattr(Flights, "on_landing", noting)

    def wait(number):
        for _ in range(number):
            assert begun.acquire(timeout=10)

    return wait


class Held:
    """A loader that waits until it is let go."""

    def __init__(self, error=None):
        self.begun, self.go = threading.Event(), threading.Event()
        self.error = error

    def __call__(self):
        self.begun.set()
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        return "new"


@pytest.mark.parametrize("error", [ConnectionError("down"), LookupError("gone")], ids=repr)
def test_those_who_followed_a_failed_load_are_served_as_its_leader_is(
    make, clock, origin, threads, followed, error
):
    """Stale for an excused error, and the error itself for another."""
    cache = make(isolation="auto")
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    loader = Held(error)
    callers = [threads(cache.get_or_set, "key", loader) for _ in range(4)]
    followed(3)
    loader.go.set()
    if isinstance(error, LookupError):
        for caller in callers:
            with pytest.raises(LookupError):
                caller()
    else:
        values = [caller() for caller in callers]
        assert values == [["value", 1]] * 4
        assert len({id(value) for value in values}) == 4


@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_while_one_loads_the_others_get_stale(make, clock, origin, threads, followed, which):
    """Within ``stale_while_revalidate``; after it, by either clock, they wait."""
    cache = make(stale_while_revalidate=20, stale_if_error=0)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    loader = Held()
    leader = threads(cache.get_or_set, "key", loader)
    assert loader.begun.wait(10)
    for _ in range(3):
        assert cache.get_or_set("key", pytest.fail) == ["value", 1]
    clock.advance(**{which: 19.5})
    assert cache.get_or_set("key", pytest.fail) == ["value", 1]
    clock.advance(**{which: 0.5})
    follower = threads(cache.get_or_set, "key", pytest.fail)
    followed(1)
    loader.go.set()
    assert leader() == follower() == "new"
    assert cache.cache.stats().stale == 4


def test_the_one_who_loads_gets_the_new_value(make, clock, origin):
    """Nothing runs in the background: the first reader past the ttl loads, and waits for it."""
    cache = make(stale_while_revalidate=20)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    assert cache.get_or_set("key", origin) == ["value", 2]


def test_stale_while_revalidate_excuses_no_error(make, clock, origin):
    """Each window is for its own use (RFC 5861)."""
    cache = make(stale_while_revalidate=20, stale_if_error=0)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin)


def test_stale_if_error_lets_nobody_past_a_load(make, clock, origin, threads, followed):
    """And the other way round: those who come during the load wait for it."""
    cache = make(stale_while_revalidate=0, stale_if_error=40)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    loader = Held()
    leader = threads(cache.get_or_set, "key", loader)
    assert loader.begun.wait(10)
    follower = threads(cache.get_or_set, "key", pytest.fail)
    followed(1)
    loader.go.set()
    assert leader() == follower() == "new"


def test_a_refresh_that_runs_is_a_load_like_any_other(make, clock, origin, threads):
    """Others are served stale while somebody refreshes, and the refresher gets the new value."""
    cache = make(stale_while_revalidate=20).cache
    loaders = [origin, Held()]
    function = cache.cached(lambda: loaders[0]())  # noqa: PLW0108 - whichever is first then
    function()
    clock.advance(TTL)
    loaders.pop(0)
    refresher = threads(function.refresh)
    assert loaders[0].begun.wait(10)
    assert function() == ["value", 1]
    loaders[0].go.set()
    assert refresher() == function() == "new"


def test_one_who_may_not_wait_gets_stale_too(memory, clock, origin):
    """A sync caller on a loop where a coroutine loads need not load for itself."""
    cache = orc.Cache(tiers=[memory], clock=clock, ttl=TTL, jitter=0, stale_while_revalidate=20)
    cache.get_or_set("key", origin)
    clock.advance(TTL)

    async def main():
        begun, go = asyncio.Event(), asyncio.Event()

        async def loader():
            begun.set()
            await go.wait()
            return "new"

        async with asyncio.timeout(10):
            leader = asyncio.create_task(cache.aget_or_set("key", loader))
            await begun.wait()
            assert cache.get_or_set("key", pytest.fail) == ["value", 1]
            go.set()
            assert await leader == "new"

    asyncio.run(main())


def test_a_follower_takes_nothing_that_its_own_ttl_does_not_admit(
    tiered, near, clock, origin, threads, followed
):
    """The leader finds a value in a tier that is old enough for it, and too old for who follows."""
    tiered().set("key", "found")
    clock.advance(20)
    cache = tiered()
    read = near.fetch_many
    followers = []

    def fetch_many(*asked, **how):
        found = read(*asked, **how)
        near.fetch_many = read
        followers.append(threads(lambda: cache.get_or_set("key", origin, ttl=10)))
        followers.append(threads(lambda: cache.get_or_set("key", origin, ttl=30)))
        followed(2)
        return found

    near.fetch_many = fetch_many
    assert cache.get_or_set("key", origin) == "found"
    assert followers[0]() == ["value", 1]
    assert followers[1]() in ("found", ["value", 1])
    assert origin.calls == 1
