"""Coroutines that trio runs, by itself or below anyio: an answer, or a typed error."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.lowlevel
import pytest
import trio

import orc
from orc.errors import OrcWarning, TierError
from orc.lifecycle import other_loops
from orc.testing.reference_tier import ReferenceTier, Store
from orc.testing.servers.valkey import Valkey

pytestmark = pytest.mark.litters  # connections of threads of trio's end with these

LIBRARIES = {
    "trio": trio.run,
    "anyio on trio": lambda work: anyio.run(work, backend="trio"),
    "anyio on asyncio": anyio.run,
}


@pytest.fixture(scope="module")
def valkey():
    """Return a server for all tests of this module."""
    with Valkey() as server:
        yield server


TIERS = ["memory", "a tier of a user", "disk", "redis", "redis, a client for threads"]


@pytest.fixture(params=TIERS)
def container(request, valkey, tmp_path):
    """Return what makes caches of the same shared tier."""
    import redis

    store, namespace, opened = Store(), request.node.name, []

    def by_client():
        client = redis.Redis.from_url(valkey.url)
        opened.append(client)
        return orc.Redis(client)

    def make():
        tiers = {
            "memory": list,
            "a tier of a user": lambda: [ReferenceTier(store)],
            "disk": lambda: [orc.Disk(tmp_path)],
            "redis": lambda: [orc.Redis(valkey.url)],
            "redis, a client for threads": lambda: [by_client()],
        }[request.param]()
        opened.extend(tiers)
        return orc.Cache(tiers=[orc.Memory(), *tiers], namespace=namespace, strict=True)

    make.shares = request.param != "memory"
    yield make
    for each in opened:
        each.close()


@pytest.fixture(params=LIBRARIES)
def run(request):
    """Return what runs a coroutine function."""
    return LIBRARIES[request.param]


def test_every_method_does_its_work(container, run):
    """With strictness: no tier is passed over."""
    one, other = container(), container()

    async def load():
        await anyio.lowlevel.checkpoint()
        return "loaded"

    async def work():
        assert await one.aget("key") is None
        assert await one.aget_or_set("key", load) == "loaded"
        await one.aset_many({"a": 1, "b": 2})
        assert await one.aget_many(["a", "b", "c"]) == {"a": 1, "b": 2}
        found = await other.aget_many(["key", "a"])
        assert found == ({"key": "loaded", "a": 1} if container.shares else {})
        await one.adelete("a")
        return await one.aget("a")

    assert run(work) is None


def test_those_who_ask_at_once_have_one_load(container, run):
    """A follower waits, whichever loop it is on."""
    cache = container()
    loads = []

    @cache.cached(namespace=cache._core.namespace)
    async def load(key):
        loads.append(key)
        await anyio.sleep(0.05)
        return key

    async def work():
        answers = []

        async def ask(key):
            answers.append(await load(key))

        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(ask, number % 3)
        return sorted(answers)

    assert run(work) == [0] * 4 + [1] * 4 + [2] * 4
    assert sorted(loads) == [0, 1, 2]


def test_a_crowd_of_followers_takes_no_threads():
    """Under trio they wait as tasks, so that the leader's fill and the user's threads go on."""
    cache = orc.Cache(tiers=[orc.Memory(), ReferenceTier()], namespace="test", strict=True)

    async def load():
        await trio.sleep(0.05)
        return 1

    async def work():
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(150):
                    nursery.start_soon(cache.aget_or_set, "key", load)
                await trio.sleep(0.01)
                await trio.to_thread.run_sync(lambda: None)

    trio.run(work)
    assert cache.stats().loads == 1


def test_a_load_that_was_cancelled_keeps_nobody(container, run):
    """`move_on_after`, and then the same key, here and in another container."""
    one, other = container(), container()

    async def slow():
        await anyio.sleep(30)

    async def quick():
        await anyio.lowlevel.checkpoint()
        return "quick"

    async def work():
        with anyio.move_on_after(0.02):
            await one.aget_or_set("key", slow)
        with anyio.fail_after(5):
            return await one.aget_or_set("key", quick), await other.aget_or_set("key", quick)

    assert run(work) == ("quick", "quick")


def test_a_sync_call_never_waits_for_the_coroutine_that_it_blocks(container, run):
    """It loads for itself."""
    cache = container()

    async def work():
        started = anyio.Event()

        async def slow():
            started.set()
            await anyio.sleep(0.05)
            return "slow"

        async with anyio.create_task_group() as group:
            group.start_soon(cache.aget_or_set, "key", slow)
            await started.wait()
            return cache.get_or_set("key", lambda: "own")

    assert run(work) == "own"


def test_threads_and_two_libraries_share_a_load(container):
    """A thread, a loop of asyncio and a run of trio ask for one key."""
    cache = container()
    loads, answers, together = [], [], threading.Barrier(3)

    def load():
        loads.append(1)
        threading.Event().wait(0.1)
        return "value"

    async def aload():
        loads.append(1)
        await anyio.sleep(0.1)
        return "value"

    async def ask():
        together.wait()
        answers.append(await cache.aget_or_set("key", aload))

    def ask_by_thread():
        together.wait()
        answers.append(cache.get_or_set("key", load))

    works = [ask_by_thread, lambda: asyncio.run(ask()), lambda: trio.run(ask)]
    threads = [threading.Thread(target=each) for each in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert answers == ["value"] * 3
    assert len(loads) == 1


def test_a_run_that_ended_in_a_load_is_left(container):
    """What another thread's ``trio.run`` left behind does not fly any more."""
    cache = container()

    async def work():
        async with trio.open_nursery() as nursery:
            started = trio.Event()

            async def slow():
                started.set()
                await trio.sleep(30)

            nursery.start_soon(cache.aget_or_set, "key", slow)
            await started.wait()
            nursery.cancel_scope.cancel()

    trio.run(work)
    assert cache.get_or_set("key", lambda: "next") == "next"


def test_no_run_is_remembered_for_ever():
    """A process that calls ``trio.run`` for each request."""
    cache = orc.Cache(tiers=[orc.Memory()])

    async def work():
        return await cache.aget_or_set("key", lambda: 1)

    for _ in range(50):
        cache.clear()
        trio.run(work)
    assert len(other_loops._runs) <= 2


def by_hand(coroutine):
    """Run a coroutine as no library does."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        return end.value


def test_a_coroutine_that_nobody_runs_is_told():
    """The loader answers, and a warning says once what to do; strictness has a typed error."""

    async def load():
        return 5

    cache = orc.Cache(tiers=[orc.Memory(), ReferenceTier()], namespace="test")
    with pytest.warns(OrcWarning, match="neither asyncio nor trio"):
        assert by_hand(cache.aget_or_set("key", load)) == 5
    assert by_hand(cache.aget("other")) is None
    strict = orc.Cache(tiers=[orc.Memory(), ReferenceTier()], namespace="test", strict=True)
    with pytest.raises(TierError, match="neither asyncio nor trio"):
        by_hand(strict.aget_or_set("key", load))


def test_a_client_of_asyncio_says_under_trio_what_to_hand_in(valkey):
    """Once: the loader answers; with strictness a typed error."""
    import redis.asyncio

    def made(**terms):
        client = redis.asyncio.Redis.from_url(valkey.url)
        return orc.Cache(tiers=[orc.Memory(), orc.Redis(client)], namespace="test", **terms)

    cache = made()
    with pytest.warns(OrcWarning, match="or the address, which serves both"):
        assert trio.run(cache.aget, "key") is None
    assert trio.run(cache.aget_or_set, "key", lambda: 1) == 1
    with pytest.raises(TierError, match="or the address, which serves both"):
        trio.run(made(strict=True).aget, "key")
