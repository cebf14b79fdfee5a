"""Random requests on threads and tasks, nested and joined, against a plain model."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import orc
from orc.errors import NotSetError
from orc.lifecycle import life as life_module

VARIABLES = [orc.RequestVar(f"v{number}") for number in range(3)]


@orc.request_cached
def remembered(key):
    """Return an object that names the request which it was made in."""
    return orc.current_request(), key


class Model:
    """What a request must see: its own values, and nothing else."""

    def __init__(self, scope):
        self.scope = scope
        self.values = {}
        self.memo = {}

    def step(self, dice):
        """Do one random thing to a variable or the memo, and compare."""
        assert orc.current_request() is self.scope
        which = dice.choice(VARIABLES)
        act = dice.randrange(4)
        if act == 0:
            which.set(value := (self.scope.id, dice.random()))
            self.values[which] = value
        elif act == 1:
            which.unset()
            self.values.pop(which, None)
        elif act == 2:
            key = dice.randrange(3)
            found = remembered(key)
            assert found[0] is self.scope
            assert self.memo.setdefault(key, found) is found
        elif which in self.values:
            assert which.get() == self.values[which]
        else:
            with pytest.raises(NotSetError):
                which.get()


def nested(dice, model, depth):
    """Choose what an inner scope shall be: the scope to enter, and whether it is a new request."""
    own = dice.random() < 0.5
    return orc.request_scope(id=f"{model.scope.id}.{depth}" if own else None), own


def serve(dice, model, depth=0):
    """Serve a request on this thread."""
    for _ in range(dice.randrange(1, 5)):
        model.step(dice)
    if depth < 3 and dice.random() < 0.4:
        scope, own = nested(dice, model, depth)
        with scope as inner:
            assert (inner is not model.scope) == own
            serve(dice, Model(inner) if own else model, depth + 1)
        assert inner.closed == own
        model.step(dice)


async def aserve(dice, model, depth=0):
    """Serve a request in this task, and let others run in between."""
    for _ in range(dice.randrange(1, 5)):
        model.step(dice)
        if dice.random() < 0.5:
            await asyncio.sleep(0)
    if depth < 3 and dice.random() < 0.4:
        scope, own = nested(dice, model, depth)
        async with scope as inner:
            below = aserve(dice, Model(inner) if own else model, depth + 1)
            await (asyncio.create_task(below) if dice.random() < 0.5 else below)
        model.step(dice)


def on_this_thread(seed, requests):
    """Serve requests one after the other: the same few ids, again and again."""
    dice = random.Random(seed)
    for number in range(requests):
        with orc.request_scope(id=f"r{number % 3}") as scope:
            serve(dice, Model(scope))
    return requests


async def at_once(seed, requests):
    """Serve requests in as many tasks."""

    async def one(number):
        async with orc.request_scope(id=f"r{number % 3}") as scope:
            await aserve(random.Random(seed * 1000 + number), Model(scope))

    async with asyncio.TaskGroup() as group:
        for number in range(requests):
            group.create_task(one(number))


def on_a_loop(seed, requests):
    """Serve requests fifty at a time on an event loop of this thread."""
    for batch in range(requests // 50):
        asyncio.run(at_once(seed + batch, 50))
    return requests


@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_ever_sees_a_value_of_another(seed, monkeypatch) -> None:
    """5,000 requests on four threads and four loops at once; each is counted, and none is left."""
    monkeypatch.setattr(life_module, "_lives", [])
    barrier = threading.Barrier(8)

    def run(number):
        barrier.wait(10)
        serve_all = on_this_thread if number % 2 else on_a_loop
        return serve_all(seed * 100_000 + number * 1000, 650)

    with ThreadPoolExecutor(8) as pool:
        served = sum(pool.map(run, range(8)))
    assert served >= 5000
    assert life_module.life().invocations == served
    assert life_module.life()._open == 0
    assert orc.container().late_writes == 0
