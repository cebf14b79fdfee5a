"""How old a value may be that a load brings: to who follows it, and in memory."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import orc
from orc.model.row import Budget, Claim
from orc.testing.reference_tier import ReferenceTier, Store


@pytest.fixture
def leader():
    """Return what begins a load in a thread, which is held until it is let go."""
    threads = []
    go_on = threading.Event()

    class Leader:
        answer = None

        def __init__(self, read):
            begun = threading.Event()

            def load():
                begun.set()
                assert go_on.wait(10)
                return "old"

            def work():
                self.answer = read(load)

            thread = threading.Thread(target=work)
            threads.append(thread)
            thread.start()
            assert begun.wait(10)

        def end(self):
            go_on.set()
            for thread in threads:
                thread.join(10)
            return self.answer

    yield Leader
    go_on.set()
    for thread in threads:
        thread.join(10)


def newcomer(cache, driven, **how):
    return driven(cache).get_or_set("key", lambda: "new", **how)


@pytest.mark.parametrize(
    "moved", [{"wall": 3600, "monotonic": 3600}, {"wall": 61}, {"monotonic": 61}]
)
def test_a_load_that_is_older_than_the_ttl_is_not_followed(clock, leader, driven, moved):
    """By whichever clock: the container may have been frozen since, or a clock was moved."""
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, ttl=60, jitter=0)
    first = leader(lambda load: cache.get_or_set("key", load))
    clock.advance(**moved)
    assert newcomer(cache, driven) == "new"
    assert first.end() == "old"  # its own caller still gets it
    assert cache.get("key") == "new"


def test_the_shorter_ttl_of_a_newcomer_counts(clock, leader, driven):
    """Which it gives with the call."""
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, ttl=60, jitter=0)
    leader(lambda load: cache.get_or_set("key", load))
    clock.advance(11)
    assert newcomer(cache, driven, ttl=10) == "new"


@pytest.mark.parametrize(("memory_ttl", "young", "old"), [(5, 4.9, 5.01), (0.1, 0.9, 1.01)])
def test_behind_memory_a_load_is_followed_for_memory_ttl(
    clock, leader, driven, memory_ttl, young, old
):
    """Another container may have deleted the key since; and for no less than a second."""
    cache = orc.Cache(
        tiers=[orc.Memory(), ReferenceTier()],
        clock=clock,
        namespace="test",
        ttl=60,
        memory_ttl=memory_ttl,
        jitter=0,
    )
    first = leader(lambda load: cache.get_or_set("key", load))
    clock.advance(young)
    with ThreadPoolExecutor() as pool:
        follower = pool.submit(newcomer, cache, driven)
        flight = cache._core.flights._flying[cache._keyspace.space, "key"]
        while not flight.followers:
            pass
        clock.advance(old - young)
        assert newcomer(cache, driven) == "new"
        assert follower.result(10) == "new"  # it followed what was abandoned, and began anew
    assert first.end() == "old"


@pytest.fixture
def store():
    """Return where the rows are that all containers see."""
    return Store()


@pytest.fixture
def container(clock, store):
    """Return a maker of caches in front of the one store."""

    def make(**terms):
        given = {"ttl": 300, "memory_ttl": 10, "jitter": 0, "namespace": "test", "wait": 0.05}
        return orc.Cache(tiers=[orc.Memory(), ReferenceTier(store)], clock=clock, **(given | terms))

    return make


def trusted_until(cache, clock):
    """Seconds from now for which memory answers by itself."""
    copy = cache._keyspace.space.index["key"]
    return copy.wall_until - clock.wall()


def test_what_the_tier_has_taken_is_trusted_from_then_on(clock, container, driven):
    """Its token was live when the load was over: nothing was deleted before that."""
    cache = container()
    driven(cache).get_or_set("key", lambda: clock.advance(4) or "value")
    assert trusted_until(cache, clock) == pytest.approx(10)


def test_a_load_without_a_token_is_trusted_from_its_begin(clock, container, store, driven):
    """As where another container holds the lease for too long, and deletes the key meanwhile."""
    cache = container()
    address = cache._keyspace.address(("key",)).text
    ReferenceTier(store).claim_many([Claim(address, b"x" * 12, 100.0)], Budget(clock, 1.0))
    driven(cache).get_or_set("key", lambda: clock.advance(4) or "value")
    assert trusted_until(cache, clock) == pytest.approx(6)
    assert store.rows[address].payload is None


@pytest.mark.parametrize("when", ["before", "in the load"])
def test_a_load_whose_fill_had_no_answer_is_trusted_from_its_begin(
    clock, container, store, driven, when
):
    """Whether the tier was dead from the first, or died meanwhile."""
    cache = container()
    store.broken = when == "before"

    def load():
        clock.advance(4)
        store.broken = True
        return "value"

    assert driven(cache).get_or_set("key", load) == "value"
    assert trusted_until(cache, clock) == pytest.approx(6)


def test_a_tier_of_this_environment_alone_is_given_nothing_that_was_not_taken(
    clock, store, driven, tmp_path
):
    """A deletion in the tier behind it would not be seen there; its claim is given back."""
    disk = ReferenceTier(name="near", fleetwide=False)
    cache = orc.Cache(
        tiers=[orc.Memory(), disk, ReferenceTier(store)], clock=clock, namespace="test", jitter=0
    )
    address = cache._keyspace.address(("key",)).text

    def load():
        store.broken = True
        return "value"

    assert driven(cache).get_or_set("key", load) == "value"
    (row,) = disk.claim_many([Claim(address, b"x" * 12, 0.0)], Budget(clock, 1.0))
    assert (row.payload, row.held) == (None, 0)


def test_with_a_dead_tier_there_is_one_load_a_key_and_memory_ttl(clock, container, store, driven):
    """For as long as it is dead: here ten minutes, with a read each second."""
    cache = container()
    store.broken = True
    loads = []
    for _ in range(600):
        driven(cache).get_or_set("key", lambda: loads.append(clock.wall()) or "value")
        clock.advance(1)
    assert len(loads) == 60


def test_a_follower_that_holds_what_the_leader_needs_loads_for_itself(clock):
    """Outside of requests too a wait has an end, which is ORC_WAIT."""
    cache = orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0, wait=0.1)
    lock, begun = threading.Lock(), threading.Event()

    def load():
        begun.set()
        with lock:
            return "leader's"

    with lock, ThreadPoolExecutor() as pool:
        first = pool.submit(cache.get_or_set, "key", load)
        assert begun.wait(10)
        assert cache.get_or_set("key", lambda: "own") == "own"
        lock.release()
        assert first.result(10) == "leader's"
        lock.acquire()


def test_a_leader_that_waits_for_a_full_executor_is_not_waited_for(clock):
    """All its threads follow; each of them loads for itself when its wait is over."""
    cache = orc.Cache(tiers=[orc.Memory()], ttl=60, jitter=0, wait=0.1)

    async def main():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as pool:
            begun, full = threading.Event(), asyncio.Event()
            done = []

            async def load():
                begun.set()
                await full.wait()
                return await loop.run_in_executor(pool, lambda: "leader's")

            def follow():
                assert begun.wait(10)
                done.append(cache.get_or_set("key", lambda: "own"))

            followers = []
            leader = asyncio.create_task(cache.aget_or_set("key", load))
            await asyncio.sleep(0)
            followers += [loop.run_in_executor(pool, follow) for _ in range(2)]
            full.set()
            async with asyncio.timeout(10):
                await leader
                await asyncio.gather(*followers)
            return done

    assert asyncio.run(main()) == ["own", "own"]


@pytest.mark.parametrize("remaining", [2.0, 0.4])
def test_all_waits_of_one_read_are_half_of_what_its_request_has_left(clock, remaining):
    """For flights and for leases together: what is left is for the load."""
    from orc.engine.patience import Patience

    left = remaining
    patience = Patience(lambda: left, 10.0)
    assert patience.left() == remaining / 2
    patience.spent(remaining / 4)
    assert patience.left() == remaining / 4
    left = remaining / 2  # as after a freeze, in which nothing was waited
    assert patience.left() == 0


def test_tiers_take_a_third_of_what_a_request_has_left(clock, driven):
    """All together, and each its own budget at most: the rest is for the loader."""
    given = []

    class Asked(ReferenceTier):
        def check(self, budget):
            given.append(budget.left())
            clock.advance(0.07)
            left[0] -= 0.07

    tiers = [Asked(name=name, budget=0.2, remote=True) for name in ("near", "deep")]
    cache = orc.Cache(tiers=[orc.Memory(), *tiers], clock=clock, namespace="test", jitter=0)
    left = [0.9]
    cache._core.remaining = lambda: left[0]
    driven(cache).get_or_set("key", lambda: "value")
    near, deep = given[0], given[2]  # each is asked for the row, and then for a claim
    assert near == pytest.approx(0.2 * 0.96)
    assert deep == pytest.approx(0.3 - 2 * 0.07)
