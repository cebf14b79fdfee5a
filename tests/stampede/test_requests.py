"""A load belongs to a request: nobody waits for what a request has left over, or for too long."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

import orc
from orc.lifecycle.clock import SYSTEM

PATIENCE = 10.0


class Origin:
    """Something to load from, whose first answer never comes by itself."""

    def __init__(self):
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.calls = 0

    def load(self, key):
        self.calls += 1
        if self.calls == 1:
            self.asked.set()
            self.answer.wait(PATIENCE)
            return "old"
        return "new"


@pytest.fixture
def origin():
    """Return an origin that answers in the end, so that no thread is left behind."""
    made = Origin()
    yield made
    made.answer.set()


@pytest.fixture
def load(cache, origin):
    """Return a cached function of that origin."""
    return cache.cached(origin.load)


def test_a_load_that_a_request_left_running_blocks_nobody(origin, load, cache):
    """The next request loads for itself; what comes too late is not stored."""
    with ThreadPoolExecutor(1) as pool:
        with orc.request_scope():
            late = pool.submit(orc.carry(load), "k")
            assert origin.asked.wait(PATIENCE)
        with orc.request_scope():
            assert load("k") == "new"
        origin.answer.set()
        assert late.result(PATIENCE) == "old"
    assert load("k") == "new"
    assert cache.stats().loads == 2


def test_who_follows_already_leads_when_the_leaders_request_ends(origin, load):
    """Two requests at once: the second one waits for the first one's load, which is given up."""
    with ThreadPoolExecutor(2) as pool:
        with orc.request_scope(id="first"):
            late = pool.submit(orc.carry(load), "k")
            assert origin.asked.wait(PATIENCE)
            following = threading.Event()

            def second():
                with orc.request_scope(id="second"):
                    following.set()
                    return load("k")

            other = pool.submit(second)
            assert following.wait(PATIENCE)
        assert other.result(PATIENCE) == "new"
        origin.answer.set()
        assert late.result(PATIENCE) == "old"


def test_a_coroutine_does_not_wait_for_a_load_that_was_left(origin, cache):
    """The same on an event loop, whose leader is a thread."""
    load = cache.cached(origin.load)

    async def request():
        async with orc.request_scope():
            return await cache.aget_or_set("k", lambda: origin.load("k"))

    with ThreadPoolExecutor(1) as pool:
        with orc.request_scope():
            late = pool.submit(orc.carry(lambda: cache.get_or_set("k", lambda: load("k"))))
            assert origin.asked.wait(PATIENCE)
        assert asyncio.run(request()) == "new"
        origin.answer.set()
        late.result(PATIENCE)


def test_a_follower_waits_for_half_of_its_time(origin, load, cache):
    """A load outside of all requests may take for ever: who has a deadline takes over, for all."""
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(load, "k")
        assert origin.asked.wait(PATIENCE)
        with orc.request_scope(deadline=SYSTEM.wall() + 0.4) as request:
            assert load("k") == "new"
            assert request.remaining() <= 0.2
            assert load("k") == "new"
        origin.answer.set()
        assert leader.result(PATIENCE) == "old"
    assert load("k") == "new"
    assert cache.stats().loads == 2, "later requests neither wait nor load"


def test_a_coroutine_waits_for_half_of_its_time_too(origin, cache):
    """Also for another coroutine of its own loop."""
    gate, began = asyncio.Event(), asyncio.Event()
    calls = []

    @cache.cached
    async def load(key):
        calls.append(key)
        began.set()
        if len(calls) == 1:
            await gate.wait()
        return len(calls)

    async def story():
        leader = asyncio.create_task(load("k"))
        await began.wait()
        async with orc.request_scope(deadline=SYSTEM.wall() + 0.4) as request:
            assert await load("k") == 2
            assert request.remaining() <= 0.2
        gate.set()
        await leader

    asyncio.run(story())


def test_a_call_that_is_remembered_is_not_waited_for_too_long_either(origin):
    """The memo of a request: a thread of it that hangs leaves the others half of the time."""
    memo = orc.request_cached(origin.load)
    with ThreadPoolExecutor(1) as pool, orc.request_scope(deadline=SYSTEM.wall() + 0.4):
        leader = pool.submit(orc.carry(memo), "k")
        assert origin.asked.wait(PATIENCE)
        assert memo("k") == "new"
        origin.answer.set()
        assert leader.result(PATIENCE) == "new", "one request has one answer"


def test_a_load_within_its_request_is_waited_for(origin, load):
    """As ever: threads of one request share one load."""
    with ThreadPoolExecutor(2) as pool, orc.request_scope():
        both = [pool.submit(orc.carry(load), "k") for _ in range(2)]
        assert origin.asked.wait(PATIENCE)
        origin.answer.set()
        assert [each.result(PATIENCE) for each in both] == ["old", "old"]
    assert origin.calls == 1


def test_the_next_invocation_is_not_blocked_by_a_leftover_thread(origin, load):
    """The same in a handler, as on Lambda after a thaw."""
    started = []

    @orc.handler
    def handler(event, context):
        if event:
            thread = threading.Thread(target=orc.carry(load), args=["k"])
            thread.start()
            started.append(thread)
            assert origin.asked.wait(PATIENCE)
            return "left"
        return load("k")

    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 3000)
    assert handler(1, context) == "left"
    assert handler(0, context) == "new"
    origin.answer.set()
    started[0].join(PATIENCE)
