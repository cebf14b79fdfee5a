"""The loops that are timed: a call and the ``for`` round it, which is the same for everybody."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from random import Random

_loop = None


def in_loop(coroutine_function):
    """Return a plain function that runs a coroutine function on the one loop of this process."""
    global _loop  # noqa: PLW0603 - one loop, since some peers' caches belong to theirs
    if _loop is None:
        _loop = asyncio.new_event_loop()
    return lambda *arguments: _loop.run_until_complete(coroutine_function(*arguments))


def one(function, batch):
    for a in batch:
        function(a)


def three(function, batch):
    for a, b, c in batch:
        function(a, b, c)


def keywords(function, batch):
    for a, b, c in batch:
        function(a, b=b, c=c)


def two(function, batch):
    for a, b in batch:
        function(a, b)


async def aone(function, batch):
    for a in batch:
        await function(a)


async def atwo(function, batch):
    for a, b in batch:
        await function(a, b)


def calling(function, loop=one):
    """Return a function of a batch that calls `function` for each item."""
    if loop.__code__.co_flags & 0x80:
        return partial(in_loop(loop), function)
    return partial(loop, function)


# -- batches ---------------------------------------------------------------------------------------


def same(item):
    """Make batches of one item over and over."""
    return lambda size: [item] * size


def randomly(items):
    """Make batches of items at random: equal to those that were stored, and other objects."""
    draw = Random(7).choices
    copies = [item[:1] + item[1:] for item in items]
    return lambda size: draw(copies, k=size)


def new_keys(prefix="new"):
    """Make batches of keys that were never seen before."""
    numbers = count()
    return lambda size: [f"{prefix}:{next(numbers)}" for _ in range(size)]


def new_pairs(value):
    """Make batches of a new key and a value."""
    keys = new_keys()
    return lambda size: [(key, value) for key in keys(size)]


def randomly_pairs(pairs):
    """Make batches of pairs at random, their keys other objects than those that were stored."""
    draw = Random(7).choices
    copies = [(key[:1] + key[1:], value) for key, value in pairs]
    return lambda size: draw(copies, k=size)
