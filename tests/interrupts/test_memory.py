"""An interrupt at every point of an operation on memory alone.

None is left out; a pair of interrupts begins at every second one.
"""

from __future__ import annotations

import cachetools
import pytest
from orc_injector import Interrupt, Timeout
from orc_invariants import (
    MOST_ITEMS,
    call_ends,
    key_is_usable,
    memory_is_sound,
    memory_of,
    new_cache,
    nothing_is_left,
    sweep,
)


def _fill(cache):
    for number in range(MOST_ITEMS):
        cache.set(f"old{number}", number)
    for number in (0, 2, 4, 0):
        cache.get(f"old{number}")


def _one(cache):
    cache.set("k", 0, tags="a")


OPERATIONS = {
    "set a new key": (None, lambda cache: cache.set("k", 1)),
    "set an old key": (_one, lambda cache: cache.set("k", 1)),
    "set with tags": (_one, lambda cache: cache.set("k", 1, tags=("a", "b"))),
    "set that evicts": (_fill, lambda cache: cache.set("k", 1)),
    "get, a hit": (_one, lambda cache: cache.get("k")),
    "get, a miss": (None, lambda cache: cache.get("k")),
    "delete": (_one, lambda cache: cache.delete("k")),
    "get_or_set, a miss": (None, lambda cache: cache.get_or_set("k", lambda: 1)),
    "get_or_set that evicts": (_fill, lambda cache: cache.get_or_set("k", lambda: 1)),
    "invalidate, get_or_set": (
        lambda cache: (_one(cache), cache.invalidate_tags("a")),
        lambda cache: cache.get_or_set("k", lambda: 1, tags="a"),
    ),
    "clear": (_fill, lambda cache: cache.clear()),
    "settle": (_fill, lambda cache: memory_of(cache).settle()),
}
THAT_CHANGE = ("set an old key", "set that evicts", "delete", "settle")
POLICIES = {"lru": "lru", "s3fifo": "s3fifo", "LFUCache": cachetools.LFUCache}


def _scene(policy, name):
    prepare, operate = OPERATIONS[name]
    empty_bytes = memory_of(new_cache(policy)).used_bytes

    def scene():
        cache = new_cache(policy)
        if prepare is not None:
            prepare(cache)

        def check():
            nothing_is_left(cache)
            key_is_usable(cache)
            memory_is_sound(cache, empty_bytes)

        return lambda: operate(cache), check, None

    return scene


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_interrupt(name):
    """Wherever an operation is interrupted, the cache works and counts as before."""
    sweep(_scene("lru", name))


@pytest.mark.parametrize("name", THAT_CHANGE)
@pytest.mark.parametrize("policy", ["s3fifo", "LFUCache"])
def test_one_interrupt_with_another_policy(policy, name):
    """Wherever memory is interrupted, its policy still names as many victims as there are."""
    sweep(_scene(POLICIES[policy], name))


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_timeout(name):
    """A handler's error that ``except Exception`` catches does no more harm than another."""
    sweep(_scene("lru", name), error=Timeout)


@pytest.mark.parametrize("error", [Interrupt, Timeout])
@pytest.mark.parametrize("name", ["get_or_set, a miss", "set that evicts"])
def test_two_interrupts(name, error):
    """A second interrupt, at the next point after the first, leaves no other thread waiting."""
    prepare, operate = OPERATIONS[name]

    def scene():
        cache = new_cache()
        if prepare is not None:
            prepare(cache)
        return lambda: operate(cache), lambda: call_ends(cache), None

    sweep(scene, error=error, twice=True, every=2)
