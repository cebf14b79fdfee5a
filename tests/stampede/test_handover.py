"""A leader that is cancelled, interrupted or left behind hands over to one of those who wait."""

from __future__ import annotations

import asyncio
import gc
import threading
from functools import partial

import pytest

import orc


class Gate:
    """An async loader that says when it has begun, and ends when it is let go."""

    def __init__(self, value):
        self.begun = threading.Event()
        self.go = asyncio.Event()
        self.value = value
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        self.begun.set()
        await self.go.wait()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def no_flights(cache):
    return not cache._core.flights._flying


async def cancelled(coroutine, begun):
    task = asyncio.create_task(coroutine)
    await asyncio.to_thread(begun.wait, 10)
    return task


async def by_cancel(coroutine, begun, go):
    """Cancel the leader's task."""
    task = await cancelled(coroutine, begun)
    await go()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_wait_for(coroutine, begun, go):
    """Let ``wait_for`` time out round the leader."""
    timed_out = asyncio.Event()

    async def limited():
        # A time limit that has passed is looked at when the leader first waits.
        try:
            await asyncio.wait_for(coroutine, 0.001)
        except TimeoutError:
            timed_out.set()

    task = asyncio.create_task(limited())
    await go()
    await asyncio.wait_for(timed_out.wait(), 10)
    await task


async def by_timeout(coroutine, begun, go):
    """Let ``asyncio.timeout`` end the leader."""
    entered = []

    async def limited():
        async with asyncio.timeout(None) as limit:
            entered.append(limit)
            await coroutine

    task = asyncio.create_task(limited())
    await asyncio.to_thread(begun.wait, 10)
    await go()
    entered[0].reschedule(asyncio.get_running_loop().time())
    with pytest.raises(TimeoutError):
        await task


@pytest.mark.parametrize("how", [by_cancel, by_timeout])
@pytest.mark.parametrize("leading", ["load", "sync load", "nested"])
def test_a_cancelled_leader_hands_over(cache, drive, followers, how, leading):
    """One of those who wait loads, exactly one, and the others get what it brings."""

    async def main():
        never, well = Gate("never"), Gate([1])

        async def nested():
            return await cache.aget_or_set("inner", never)

        loaders = {"load": never, "nested": nested, "sync load": partial(never)}
        others = []

        async def go():
            others.extend(asyncio.create_task(cache.aget_or_set("key", well)) for _ in range(5))
            await asyncio.to_thread(followers.wait, 5)

        await how(cache.aget_or_set("key", loaders[leading]), never.begun, go)
        await asyncio.to_thread(followers.wait, 4)
        well.go.set()
        assert await asyncio.gather(*others) == [[1]] * 5
        assert (never.calls, well.calls) == (1, 1)

    drive(main())
    assert no_flights(cache)
    assert cache.get("key") == [1]


@pytest.mark.parametrize("how", [by_cancel, by_wait_for, by_timeout])
def test_a_cancelled_leader_that_nobody_follows_leaves_no_flight(cache, drive, how):
    """The next caller leads."""

    async def nobody():
        pass

    async def main():
        never = Gate("never")
        await how(cache.aget_or_set("key", never), never.begun, nobody)
        assert no_flights(cache)
        assert await cache.aget_or_set("key", lambda: 1) == 1

    drive(main())


def test_a_thread_takes_over_from_a_cancelled_coroutine(cache, spawn, loop_thread, wait, followers):
    """Plain threads that wait for a coroutine are handed its load as well."""
    loop = loop_thread()
    never = Gate("never")
    leader = loop.submit(cache.aget_or_set("key", never))
    wait(never.begun)
    others = [spawn(cache.get_or_set, "key", lambda: [1]) for _ in range(4)]
    followers.wait(4)
    leader.cancel()
    assert [wait(each) for each in others] == [[1]] * 4
    assert no_flights(cache)


def test_a_coroutine_takes_over_from_an_interrupted_thread(
    cache, spawn, loop_thread, wait, followers
):
    """A thread's KeyboardInterrupt is its own; the coroutines that waited load."""
    loop = loop_thread()
    begun, go = threading.Event(), threading.Event()
    loads = []

    def interrupted():
        begun.set()
        wait(go)
        raise KeyboardInterrupt

    leader = spawn(cache.get_or_set, "key", interrupted)
    wait(begun)
    others = [
        loop.submit(cache.aget_or_set("key", lambda: loads.append(1) or [1])) for _ in range(4)
    ]
    followers.wait(4)
    go.set()
    with pytest.raises(KeyboardInterrupt):
        wait(leader)
    assert [wait(each) for each in others] == [[1]] * 4
    assert loads == [1]


class Interrupt(BaseException):
    """Like KeyboardInterrupt, which asyncio would let end the loop."""


def test_an_interrupted_coroutine_hands_over(cache, drive, followers):
    """What is no ``Exception`` is not the answer of the origin, and is given to nobody else."""

    async def main():
        bad = Gate(Interrupt())
        leader = asyncio.create_task(cache.aget_or_set("key", bad))
        await asyncio.to_thread(bad.begun.wait, 10)
        other = asyncio.create_task(cache.aget_or_set("key", lambda: [1]))
        await asyncio.to_thread(followers.wait, 1)
        bad.go.set()
        assert await other == [1]
        with pytest.raises(Interrupt):
            await leader

    drive(main())


def test_several_leaders_in_a_row_may_be_cancelled(cache, drive, followers):
    """Whoever takes over may be cancelled in turn; the last one's value reaches the rest."""

    async def main():
        gates = [Gate(number) for number in range(4)]
        tasks = []
        for gate in gates:
            tasks.append(asyncio.create_task(cache.aget_or_set("key", gate)))
            if gate is gates[0]:
                await asyncio.to_thread(gate.begun.wait, 10)
        await asyncio.to_thread(followers.wait, 3)
        for gate, task in zip(gates[:3], tasks, strict=False):
            await asyncio.to_thread(gate.begun.wait, 10)
            task.cancel()
        await asyncio.to_thread(gates[3].begun.wait, 10)
        gates[3].go.set()
        assert await tasks[3] == 3
        assert [gate.calls for gate in gates] == [1] * 4

    drive(main())
    assert no_flights(cache)


def test_a_cancelled_waiter_disturbs_nobody(cache, spawn, drive, followers):
    """Neither the leader nor the others who wait see anything of it."""

    async def main():
        loader = Gate([1])
        leader = asyncio.create_task(cache.aget_or_set("key", loader))
        await asyncio.to_thread(loader.begun.wait, 10)
        waiting = [asyncio.create_task(cache.aget_or_set("key", loader)) for _ in range(5)]
        await asyncio.to_thread(followers.wait, 5)
        for task in waiting[::2]:
            task.cancel()
        for task in waiting[::2]:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not leader.done()
        loader.go.set()
        assert await asyncio.gather(leader, *waiting[1::2]) == [[1]] * 3
        assert loader.calls == 1
        assert cache.get("key") == [1]

    drive(main())


def test_a_waiter_whose_loop_was_closed_disturbs_nobody(cache, spawn, loop_thread, wait, followers):
    """The leader lands though one of those whom it would wake is gone with its loop."""
    begun, go = threading.Event(), threading.Event()

    def loader():
        begun.set()
        wait(go)
        return [1]

    leader = spawn(cache.get_or_set, "key", loader)
    wait(begun)
    loop = loop_thread()
    waiting = loop.submit(cache.aget_or_set("key", lambda: [2]))
    followers.wait(1)
    loop.close()
    assert waiting.cancelled()
    go.set()
    assert wait(leader) == cache.get("key") == [1]


# -- loops that end or stand still under a leader ----------------------------------------------


@pytest.mark.parametrize("waiting", ["thread", "coroutine"])
def test_a_leader_whose_loop_was_closed_hands_over(
    cache, spawn, loop_thread, wait, followers, waiting
):
    """The loop was stopped and closed without cancelling: those who wait find out, and load."""
    dying, other = loop_thread(), loop_thread()
    never = Gate("never")
    dying.submit(cache.aget_or_set("key", never))
    wait(never.begun)
    if waiting == "thread":
        follower = spawn(cache.get_or_set, "key", lambda: [1])
    else:
        follower = other.submit(cache.aget_or_set("key", lambda: [1]))
    followers.wait(1)
    tasks = asyncio.all_tasks(dying.loop)
    dying.stop()
    assert wait(follower) == [1]
    assert no_flights(cache)
    for task in tasks:
        task.cancel()


def test_a_flight_left_behind_by_asyncio_run_is_given_up(cache):
    """``run_until_complete`` returns while a task loads: the next invocation leads a new flight."""
    never = Gate("never")
    loop = asyncio.new_event_loop()
    tasks = []

    async def invocation():
        tasks.append(asyncio.ensure_future(cache.aget_or_set("key", never)))
        await asyncio.sleep(0)

    loop.run_until_complete(invocation())
    assert never.begun.is_set()
    assert cache.get_or_set("key", lambda: [1]) == [1]
    assert asyncio.run(cache.aget_or_set("key", lambda: [2])) == [1]
    assert no_flights(cache)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(tasks[0])
    loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_leader_that_is_collected_leaves_no_flight(cache):
    """A task that is destroyed while it loads gives its flight up on its way out."""

    async def invocation():
        await cache.aget_or_set("key", asyncio.get_running_loop().create_future)

    coroutine = invocation()
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.set_exception_handler(lambda *_: None)
    assert not no_flights(cache)
    coroutine.close()
    assert no_flights(cache)
    task._log_destroy_pending = False
    loop.close()
    del task, coroutine
    gc.collect()


@pytest.mark.parametrize("taken_over", ["landed", "still loading"])
def test_what_a_loop_brings_that_runs_again_is_too_late(
    cache, spawn, loop_thread, wait, followers, taken_over
):
    """Its late result is the answer of its own caller, and neither stored nor given to others."""
    loop = loop_thread()
    late = Gate("late")
    leader = loop.submit(cache.aget_or_set("key", late))
    wait(late.begun)
    same_loop = loop.submit(cache.aget_or_set("key", lambda: pytest.fail("loaded twice")))
    followers.wait(1)
    loop.stop()

    begun, go = threading.Event(), threading.Event()

    def loader():
        begun.set()
        wait(go)
        return "new"

    new = spawn(cache.get_or_set, "key", loader)
    wait(begun)
    if taken_over == "landed":
        go.set()
        assert wait(new) == "new"
    loop.resume()
    loop.loop.call_soon_threadsafe(late.go.set)
    assert wait(leader) == "late"
    if taken_over == "still loading":
        assert cache.get("key") is None
        third = spawn(cache.get_or_set, "key", lambda: pytest.fail("loaded twice"))
        followers.wait(1)
        go.set()
        assert wait(new) == wait(third) == "new"
    assert wait(same_loop) == "new"
    assert cache.get("key") == "new"
    assert no_flights(cache)


def test_a_late_leader_does_not_remove_what_the_new_one_stored(cache, spawn, loop_thread, wait):
    """Also where its own result is one that is not stored at all."""
    function_calls = []
    loop = loop_thread()
    late = Gate("late")

    @cache.cached(cache_if=lambda value: value != "late")
    async def function():
        function_calls.append(1)
        return await late() if len(function_calls) == 1 else "new"

    leader = loop.submit(function())
    wait(late.begun)
    loop.stop()
    assert asyncio.run(function()) == "new"
    loop.resume()
    loop.loop.call_soon_threadsafe(late.go.set)
    assert wait(leader) == "late"
    assert function.peek() == "new"


def test_a_late_error_reaches_its_own_caller_only(clock, loop_thread, wait):
    """And puts no back-off on what the new leader stored."""
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock)
    loop = loop_thread()
    late = Gate(LookupError("late"))
    leader = loop.submit(cache.aget_or_set("key", late))
    wait(late.begun)
    loop.stop()
    assert cache.get_or_set("key", lambda: "new") == "new"
    loop.resume()
    loop.loop.call_soon_threadsafe(late.go.set)
    with pytest.raises(LookupError, match="late"):
        wait(leader)
    assert cache.get("key") == "new"
