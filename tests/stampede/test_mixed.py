"""Single flight among threads and coroutines of several loops at once."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import orc
from orc.errors import RecursiveLoadError
from orc.stampede import single_flight

EACH = 30


@pytest.fixture(autouse=True)
def nothing_blocked():
    """After every test no loop is noted as blocked."""
    yield
    assert single_flight.blocking == {}


def no_flights(cache):
    return not cache._core.flights._flying


@pytest.mark.parametrize("leader", ["thread", "first loop", "second loop"])
def test_threads_and_two_loops_make_one_load(cache, spawn, loop_thread, wait, followers, leader):
    """Plain threads, and coroutines of two loops, on one cold key: one load, copies for all."""
    loops = {"first loop": loop_thread(), "second loop": loop_thread()}
    begun, go = threading.Event(), threading.Event()
    loads = []

    def held():
        loads.append(1)
        begun.set()
        wait(go)
        return {"list": [1, 2]}

    async def aheld():
        return await asyncio.to_thread(held)

    def ask(where):
        if where == "thread":
            return spawn(cache.get_or_set, "key", held)
        return loops[where].submit(cache.aget_or_set("key", aheld))

    callers = [ask(leader)]
    wait(begun)
    callers += [ask(where) for where in ("thread", *loops) for _ in range(EACH)]
    followers.wait(3 * EACH)
    go.set()
    values = [wait(caller) for caller in callers]
    assert loads == [1]
    assert all(value == {"list": [1, 2]} for value in values)
    assert (
        len({id(value) for value in values}) == len({id(v["list"]) for v in values}) == len(values)
    )
    assert no_flights(cache)


def test_an_error_crosses_from_loops_to_threads(cache, spawn, loop_thread, wait, followers):
    """A coroutine's error reaches the threads that wait, and a thread's the coroutines."""
    loop = loop_thread()
    begun, go = threading.Event(), threading.Event()

    def fails():
        begun.set()
        wait(go)
        raise LookupError("no such item")

    async def afails():
        await asyncio.to_thread(fails)

    for leads in ("loop", "thread"):
        begun.clear()
        go.clear()
        callers = [
            loop.submit(cache.aget_or_set("key", afails))
            if leads == "loop"
            else spawn(cache.get_or_set, "key", fails)
        ]
        wait(begun)
        callers += [spawn(cache.get_or_set, "key", fails) for _ in range(3)]
        callers += [loop.submit(cache.aget_or_set("key", afails)) for _ in range(3)]
        followers.wait(6)
        go.set()
        for caller in callers:
            with pytest.raises(LookupError, match="no such item"):
                wait(caller)
        assert no_flights(cache)


def test_a_sync_caller_on_a_loop_loads_for_itself_while_a_coroutine_leads(cache, drive):
    """It does not wait for what may need its own loop; what it loads is not stored."""

    async def main():
        begun, go = asyncio.Event(), asyncio.Event()

        async def loader():
            begun.set()
            await go.wait()
            return "led"

        leader = asyncio.create_task(cache.aget_or_set("key", loader))
        await begun.wait()
        assert cache.get_or_set("key", lambda: "alone") == "alone"
        assert cache.get("key") is None
        go.set()
        assert await leader == "led"
        assert cache.get("key") == "led"

    drive(main())


def test_a_sync_caller_on_another_loop_does_not_wait_for_a_coroutine_either(
    cache, loop_thread, wait
):
    """Two loops that block for each other's coroutines would both stand still."""
    first, second = loop_thread(), loop_thread()
    begun = threading.Event()

    async def lead():
        go = asyncio.Event()

        async def loader():
            begun.set()
            await go.wait()
            return "led"

        task = asyncio.create_task(cache.aget_or_set("key", loader))
        return task, go

    async def ask():
        return cache.get_or_set("key", lambda: "alone")

    task, go = wait(first.submit(lead()))
    wait(begun)
    assert wait(second.submit(ask())) == "alone"
    first.loop.call_soon_threadsafe(go.set)

    async def end():
        return await task

    assert wait(first.submit(end())) == "led"


def test_a_coroutine_waits_for_a_thread_without_blocking_its_loop(cache, spawn, drive, wait):
    """While it waits for a thread's load, another task of its loop goes on."""
    begun, go = threading.Event(), threading.Event()

    def loader():
        begun.set()
        wait(go)
        return [1]

    leader = spawn(cache.get_or_set, "key", loader)
    wait(begun)

    async def main():
        follower = asyncio.create_task(cache.aget_or_set("key", lambda: [2]))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not follower.done()
        go.set()  # by this very loop, which therefore is not blocked
        return await follower

    assert drive(main()) == [1] == wait(leader)


def test_a_sync_caller_on_a_loop_waits_for_a_thread(cache, spawn, drive, wait, followers):
    """A plain thread's load does not need the loop, so the sync caller may block it."""
    begun, go = threading.Event(), threading.Event()

    def loader():
        begun.set()
        wait(go)
        return [1]

    leader = spawn(cache.get_or_set, "key", loader)
    wait(begun)

    async def main():
        return cache.get_or_set("key", lambda: [2])

    follower = spawn(drive, main())
    followers.wait(1)
    go.set()
    assert wait(follower) == [1] == wait(leader)


# -- circles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", ["thread loop", "loop thread", "thread loop thread loop loop"])
def test_loads_that_wait_in_a_circle_all_end(cache, spawn, loop_thread, wait, kinds):
    """A circle of threads and of coroutines, each on a loop of its own, is broken too."""
    kinds = kinds.split()
    length = len(kinds)
    all_lead = threading.Barrier(length)

    def load(index):
        def loader():
            wait(all_lead)
            return [index, cache.get_or_set(f"key{(index + 1) % length}", lambda: "alone")]

        return cache.get_or_set(f"key{index}", loader)

    async def aload(index):
        async def loader():
            await asyncio.to_thread(wait, all_lead)
            inner = await cache.aget_or_set(f"key{(index + 1) % length}", lambda: "alone")
            return [index, inner]

        return await cache.aget_or_set(f"key{index}", loader)

    callers = [
        spawn(load, index) if kind == "thread" else loop_thread().submit(aload(index))
        for index, kind in enumerate(kinds)
    ]
    assert [wait(caller)[0] for caller in callers] == list(range(length))
    assert no_flights(cache)


def test_a_sync_caller_does_not_block_the_loop_that_a_thread_waits_for(
    cache, spawn, loop_thread, wait, followers
):
    """A coroutine loads A; a thread loads B, which needs A; on the loop, a sync call asks for B.

    To wait there would stop the loop that A, and so B, needs.
    """
    loop = loop_thread()
    begun = threading.Event()

    async def lead():
        go = asyncio.Event()

        async def loader():
            begun.set()
            await go.wait()
            return "a"

        return asyncio.create_task(cache.aget_or_set("a", loader)), go

    async def block():
        return cache.get_or_set("b", lambda: "alone")

    async def end(task, go):
        go.set()
        return await task

    task, go = wait(loop.submit(lead()))
    wait(begun)
    thread = spawn(cache.get_or_set, "b", lambda: ["b", cache.get_or_set("a", lambda: "own a")])
    followers.wait(1)
    assert wait(loop.submit(block())) == "alone"
    assert wait(loop.submit(end(task, go))) == "a"
    assert wait(thread) == ["b", "a"]


def test_a_thread_does_not_wait_for_a_loop_that_is_blocked_for_it(
    cache, spawn, loop_thread, wait, followers
):
    """The same, with the sync call first: then it is the thread who loads A for itself."""
    loop = loop_thread()
    a_begun, b_begun, b_go = (threading.Event() for _ in range(3))

    async def lead():
        go = asyncio.Event()

        async def loader():
            a_begun.set()
            await go.wait()
            return "a"

        return asyncio.create_task(cache.aget_or_set("a", loader)), go

    async def block():
        return cache.get_or_set("b", lambda: "alone")

    async def end(task, go):
        go.set()
        return await task

    def load_b():
        b_begun.set()
        wait(b_go)
        return ["b", cache.get_or_set("a", lambda: "own a")]

    task, go = wait(loop.submit(lead()))
    wait(a_begun)
    thread = spawn(cache.get_or_set, "b", load_b)
    wait(b_begun)
    blocked = loop.submit(block())
    followers.wait(1)
    b_go.set()
    assert wait(thread) == wait(blocked) == ["b", "own a"]
    assert wait(loop.submit(end(task, go))) == "a"
    assert no_flights(cache)


def test_a_loader_that_fans_out_over_threads_waits_for_none_of_its_own(cache, wait):
    """Threads of a pool that carry the loader's context share loads, and never close a circle."""
    import contextvars

    def part(number):
        return cache.get_or_set(f"part{number % 2}", lambda: [number % 2])

    def whole():
        with ThreadPoolExecutor(4) as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, part, number) for number in range(8)
            ]
            return [wait(future) for future in futures]

    assert cache.get_or_set("whole", whole) == [[0], [1]] * 4

    def recursive():
        with ThreadPoolExecutor(1) as pool:
            inner = pool.submit(contextvars.copy_context().run, cache.get_or_set, "again", list)
            return wait(inner)

    with pytest.raises(RecursiveLoadError):
        cache.get_or_set("again", recursive)
    assert no_flights(cache)


def test_a_crowd_that_asks_and_deletes_at_random_always_ends(clock, spawn, loop_thread, wait):
    """Threads and coroutines with nested loads in all directions, and deletes between: no hang."""
    import random

    cache = orc.Cache(tiers=[orc.Memory()], clock=clock)
    loops = [loop_thread(), loop_thread()]

    def names(seed):
        chance = random.Random(seed)
        return [chance.sample("abcdef", 3) for _ in range(60)]

    def ask(path):
        first, *rest = path
        return cache.get_or_set(first, lambda: [first, ask(rest) if rest else None])

    async def aask(path):
        first, *rest = path

        async def loader():
            await asyncio.sleep(0)
            return [first, await aask(rest) if rest else None]

        return await cache.aget_or_set(first, loader)

    def work(seed):
        for path in names(seed):
            assert ask(path)[0] == path[0]
            cache.delete(path[-1])

    async def awork(seed):
        for path in names(seed):
            assert (await aask(path))[0] == path[0]
            await cache.adelete(path[-1])

    async def sync_on_a_loop(seed):
        for path in names(seed):
            assert ask(path)[0] == path[0]
            await asyncio.sleep(0)

    callers = [spawn(work, seed) for seed in range(8)]
    for loop in loops:
        callers += [loop.submit(awork(seed)) for seed in range(8, 16)]
        callers += [loop.submit(sync_on_a_loop(seed)) for seed in range(16, 20)]
    for caller in callers:
        wait(caller)
    assert no_flights(cache)
