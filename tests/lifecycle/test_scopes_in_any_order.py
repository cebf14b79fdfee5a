"""Scopes end in any order: interleaved generators, generators that are left early, fixtures."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import threading
from contextvars import copy_context

import pytest

import orc
from orc.errors import NoRequestError, ScopeClosedError
from orc.lifecycle.scope import current_scope

who = orc.RequestVar("who")


def records(*names, joined=False):
    """Yield once a record, each in a scope of its own."""
    for name in names:
        with orc.request_scope(id=None if joined else name) as scope:
            if not joined:
                who.set(name)
            yield scope


async def arecords(*names):
    for name in names:
        async with orc.request_scope(id=name) as scope:
            who.set(name)
            yield scope


@pytest.fixture
def outer():
    with orc.request_scope(id="outer", tenant="acme") as scope:
        who.set("outer")
        yield scope


def the_outer_one_is_back(outer):
    assert current_scope() is outer
    assert orc.current_request() is outer
    assert who.get() == "outer"
    who.set("outer")
    return True


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_generators_that_are_closed_in_any_order(outer, order):
    serving = [records("a"), records("b"), records("c", joined=True), records("d")]
    for each in serving:
        next(each)
    for number in order:
        serving[number].close()
    assert the_outer_one_is_back(outer)
    assert not outer.closed


def test_random_orders_of_entering_and_leaving(outer):
    chance = random.Random(7)
    for _ in range(300):
        open_ones = []
        for _ in range(chance.randrange(2, 12)):
            if open_ones and chance.random() < 0.5:
                open_ones.pop(chance.randrange(len(open_ones))).close()
            else:
                serving = records("x", joined=chance.random() < 0.3)
                next(serving)
                open_ones.append(serving)
        chance.shuffle(open_ones)
        for each in open_ones:
            each.close()
        assert the_outer_one_is_back(outer)


def test_interleaved_generators_read_their_own_request_while_they_run(outer):
    first, second = records("a", "b"), records("c", "d")
    assert [scope.id for pair in zip(first, second, strict=True) for scope in pair] == [*"acbd"]
    assert list(first) == list(second) == []
    assert the_outer_one_is_back(outer)


def test_without_an_outer_request_there_is_none_afterwards():
    def run():
        first, second = records("a"), records("b")
        next(first), next(second)
        first.close(), second.close()
        assert current_scope() is None
        with pytest.raises(NoRequestError):
            orc.current_request()
        with orc.request_scope(id="later") as later:
            assert orc.current_request() is later
        assert current_scope() is None

    copy_context().run(run)


def test_an_async_generator_that_is_left_early(outer):
    """The loop closes it in a task of its own."""

    async def main():
        async for scope in arecords("a", "b"):
            assert scope.id == "a"
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert scope.closed
        assert the_outer_one_is_back(outer)
        async with orc.request_scope(id="next") as following:
            assert orc.current_request() is following
        assert the_outer_one_is_back(outer)

    asyncio.run(main())


async def interleaved(outer):
    first, second = arecords("a"), arecords("b")
    await anext(first), await anext(second)
    await first.aclose()
    await second.aclose()
    assert the_outer_one_is_back(outer)


def test_interleaved_async_generators(outer):
    async def main():
        await interleaved(outer)
        third, fourth = arecords("c"), arecords("d")
        await anext(third), await anext(fourth)
        await asyncio.create_task(third.aclose())
        await asyncio.create_task(fourth.aclose())
        assert the_outer_one_is_back(outer)

    asyncio.run(main())


def test_a_task_that_outlives_the_generator_does_not_come_into_the_outer_request(outer):
    """It was started for the record: what the outer request holds is not its own."""
    seen = []

    async def late(told):
        await told.wait()
        for look in (orc.current_request, who.get):
            try:
                seen.append(look())
            except ScopeClosedError:
                seen.append("closed")
        who.set("late")
        with orc.request_scope(id="of the task"):
            pass
        seen.append(current_scope())

    async def main():
        told = asyncio.Event()
        async for _ in arecords("a"):
            task = asyncio.create_task(late(told))
            await asyncio.sleep(0)
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        told.set()
        await task
        assert the_outer_one_is_back(outer)

    asyncio.run(main())
    assert seen == ["closed", "closed", None]


def test_a_thread_with_a_copy_of_the_context_does_not_either(outer):
    serving = records("a")
    next(serving)
    left = copy_context()
    other = records("b")
    next(other)
    serving.close()
    other.close()
    seen = []

    def look():
        try:
            seen.append(left.run(orc.current_request))
        except ScopeClosedError:
            seen.append("closed")

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == ["closed"]
    assert the_outer_one_is_back(outer)


def test_under_trio(outer):
    trio = pytest.importorskip("trio")

    trio.run(interleaved, outer)
    assert the_outer_one_is_back(outer)
