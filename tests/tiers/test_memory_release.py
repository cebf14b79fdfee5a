"""What leaves memory is let go at once, and takes along whatever held it."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import orc
from orc.testing import ManualClock
from orc.tiers.footprints import EXPIRED


class Thing:
    """A value whose end can be seen."""


@pytest.fixture
def shared(clock):
    """Return a small cache whose values are the very objects that were stored."""
    return orc.Cache(tiers=[orc.Memory(max_items=4)], clock=clock, isolation="share", jitter=0)


def watched(cache, key="key", **more):
    thing = Thing()
    cache.set(key, thing, **more)
    return weakref.ref(thing)


def replaced(cache, clock):
    cache.set("key", 1)


def replaced_by_what_is_not_stored(cache, clock):
    cache.set("key", 1, ttl=0)


def deleted(cache, clock):
    cache.delete("key")


def cleared(cache, clock):
    cache.clear()


def evicted(cache, clock):
    cache.set_many({str(number): number for number in range(4)})


def expired(cache, clock):
    clock.advance(10_000)
    cache.get("key")


def invalidated(cache, clock):
    cache.invalidate_tags("tag")
    cache.get("key")


ENDS = [replaced, replaced_by_what_is_not_stored, deleted, cleared, evicted, expired, invalidated]


@pytest.mark.parametrize("hits", [0, 1, 5000])
@pytest.mark.parametrize("end", ENDS)
def test_a_value_is_freed_when_it_leaves(shared, clock, end, hits):
    """However a value leaves, and however often it was read, nobody holds it afterwards."""
    value = watched(shared, tags=["tag"])
    for _ in range(hits):
        shared.get("key")
    shared.get_many(["key"])
    gc.disable()
    try:
        end(shared, clock)
        assert value() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("policy", ["lru", "s3fifo"])
def test_shells_in_queues_hold_nothing(policy):
    """What queues and the log still have of a copy that left leads to no value, key or space."""
    cache = orc.Cache(tiers=[orc.Memory(policy=policy)])
    cache.set("stays", 1)
    space = weakref.ref(cache.cached(lambda key: key).peek.__self__.keyspace.space)
    gc.collect()
    assert space() is None
    copies = []
    for number in range(40):
        cache.set(str(number), [number])
        copies.append(cache._index[str(number)])
        cache.get(str(number))
        cache.delete(str(number))
    for copy in copies:
        held = [each for each in gc.get_referents(copy) if gc.is_tracked(each)]
        assert [
            each for each in held if each not in (type(copy), ()) and type(each) is not tuple
        ] == []


def test_a_dropped_function_takes_its_entries_along():
    """When nobody has a decorated function any more, its entries leave the budget."""
    memory = orc.Memory()
    cache = orc.Cache(tiers=[memory])
    value = Thing()
    seen = weakref.ref(value)
    function = cache.cached(lambda number, value=value: value, isolation="share", ignore="value")
    for number in range(10):
        function(number)
    space = weakref.ref(function.peek.__self__.keyspace.space)
    assert memory.items == 10
    del function, value
    gc.collect()
    assert memory.items == 0
    assert memory.used_bytes == memory.footprints.size
    assert (seen(), space()) == (None, None)
    assert cache.stats().loads == 10
    assert len(cache._core._functions) == 0


def test_a_function_that_is_dropped_while_it_runs_finishes():
    """The last reference may go during a call: the call returns, and nothing stays behind."""
    memory = orc.Memory()
    cache = orc.Cache(tiers=[memory])
    functions = {}

    @cache.cached
    def once(number):
        functions.clear()
        return number

    functions["once"] = once
    del once
    assert functions["once"](7) == 7
    gc.collect()
    assert memory.items == 0


def test_spaces_of_tenants_who_are_gone_are_released():
    """A tenant's space lives as long as its entries; thousands of tenants leave nothing behind."""
    memory = orc.Memory(max_items=5)
    cache = orc.Cache(tiers=[memory])
    for number in range(2000):
        cache.partition(f"tenant {number}").set("key", number)
    assert len(cache._core._partitions) == 5
    assert memory.items == 5
    cache.clear()
    assert len(cache._core._partitions) == 0
    assert memory.used_bytes == memory.footprints.size


def test_an_emptied_space_gives_its_table_back():
    """The index of a space that held many entries is small again when the last of them left."""
    cache = orc.Cache(tiers=[orc.Memory()])
    small = cache._index.__sizeof__()
    cache.set_many({str(number): number for number in range(10_000)})
    assert cache._index.__sizeof__() > 100 * small
    cache.delete_many([str(number) for number in range(10_000)])
    assert cache._index.__sizeof__() <= small


def test_tags_live_as_long_as_entries_have_them():
    """A tag that no entry has is forgotten, and is in nobody's budget."""
    memory = orc.Memory()
    cache = orc.Cache(tiers=[memory])
    for number in range(100):
        cache.set(str(number), 1, tags=["all", f"item {number}"])
    assert len(cache._core._tags) == 101
    for number in range(100):
        cache.delete(str(number))
    assert len(cache._core._tags) == 0
    assert memory.used_bytes == memory.footprints.size


@pytest.mark.parametrize("look", ["get_many", "cache_info", "stats"])
def test_the_log_of_hits_stays_short(look):
    """Hits without a store leave a log of a thousand or two, by whichever way they come."""
    cache = orc.Cache(tiers=[orc.Memory()], clock=ManualClock())
    function = cache.cached(lambda: 1)
    function()
    cache.set("key", 1)
    for _ in range(5000):
        if look == "get_many":
            cache.get_many(["key"])
        else:
            function()
            (function.cache_info if look == "cache_info" else cache.stats)()
    assert len(cache._core.memory._log) <= 2 * 1024


class Flight:
    """A load that becomes void when somebody says so, at the second look or at the first."""

    def __init__(self, *answers):
        self.answers = list(answers)

    @property
    def void(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer() if callable(answer) else answer


class TestFills:
    @pytest.mark.parametrize("answers", [(True,), (False, True)])
    def test_a_void_fill_is_refused(self, audit, new_ledger, store, answers):
        """The fill of a flight that is void, or becomes so while room is made, is not stored."""
        memory = orc.Memory(max_items=2)
        space = memory.space(new_ledger(), lambda: 0.0)
        store(space, "other", 1)
        assert not store(space, "key", 1, flight=Flight(*answers))
        assert list(space.index) == ["other"]
        audit(memory, space)

    def test_a_void_fill_leaves_a_later_value_alone(self, new_ledger, store):
        """What was set while a load was under way is still there when its fill is refused."""
        space = orc.Memory().space(new_ledger(), lambda: 0.0)
        store(space, "key", "set meanwhile")
        assert not store(space, "key", "old", flight=Flight(True))
        assert space.index["key"].value == "set meanwhile"

    def test_no_removal_slips_past_a_fill(self, audit, new_ledger, store):
        """A delete that voids a flight after the fill looked removes what that fill stores."""
        memory = orc.Memory()
        space = memory.space(new_ledger(), lambda: 0.0)
        voided = threading.Event()

        def delete():
            voided.set()
            space.remove("key")

        thread = threading.Thread(target=delete)

        def look():
            thread.start()  # it voids the flight and goes for the entry, in the midst of the fill
            assert voided.wait(10)
            thread.join(0.1)
            return False

        store(space, "key", "from before the delete", flight=Flight(look, False))
        thread.join(10)
        assert space.index == {}
        audit(memory, space)

    def test_a_copy_is_dropped_and_not_its_successor(self, new_ledger, store):
        """Whoever found a copy expired drops that copy, not the one that took its place."""
        space = orc.Memory().space(new_ledger(), lambda: 0.0)
        store(space, "key", "old")
        old = space.index["key"]
        store(space, "key", "new")
        assert not space.drop(old, expired=True)
        assert not space.memory.dismiss(space, "key", EXPIRED, only=old)
        assert space.index["key"].value == "new"
        assert space.drop(space.index["key"])
        assert space.index == {}
