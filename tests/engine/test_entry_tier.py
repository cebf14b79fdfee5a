"""A tier of bytes in front of the plans: envelopes, claims, fills, and what waits for whom."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

import orc
from orc.codecs.codec import Codec
from orc.engine.entry_tier import EntryTier
from orc.errors import OrcWarning, UnstorableError
from orc.lifecycle import pending
from orc.lifecycle.clock import SYSTEM
from orc.testing.reference_tier import ReferenceTier


@pytest.fixture
def store():
    """Return a tier of bytes that is a dictionary."""
    return ReferenceTier()


@pytest.fixture
def container(store, clock):
    """Return a maker of caches in front of it: another one is another container."""

    def make(*tiers, **terms):
        return orc.Cache(
            tiers=[orc.Memory(), *(tiers or (store,))],
            clock=clock,
            **{"jitter": 0, "namespace": "test"} | terms,
        )

    return make


@pytest.fixture
def called(container, driven):
    """Return what makes a cache, called in either way."""
    return lambda *tiers, **terms: driven(container(*tiers, **terms))


class Opaque:
    """A value that memory can copy, and no shared tier can take."""

    def __eq__(self, other):
        return isinstance(other, Opaque)

    __hash__ = None


def test_what_one_container_loads_another_finds(called):
    """With its type at every depth, and without a load."""
    value = {"sizes": (1, 2.0), "kinds": {frozenset({"a"})}, "raw": b"\0"}
    assert called().get_or_set("key", lambda: value) == value
    found = called().get_or_set("key", pytest.fail)
    assert found == value
    assert type(found["sizes"]) is tuple


def test_the_expiry_travels_and_is_never_longer(called, clock):
    """An entry found late is fresh for what is left of its ttl, in memory too."""
    called(ttl=10).set("key", "value")
    clock.advance(9)
    late = called(ttl=300)
    assert late.get("key") == "value"
    clock.advance(1)
    assert late.get("key") is None


def test_a_reader_with_a_shorter_ttl_sees_less(called, clock):
    """So a shorter ttl in a deploy takes effect on what is stored already."""
    called(ttl=300).get_or_set("key", lambda: "old")
    clock.advance(20)
    assert called(ttl=10).get_or_set("key", lambda: "new") == "new"


@pytest.mark.parametrize("ahead", [3, 3600])
def test_what_was_made_in_the_future_is_a_miss(called, clock, ahead):
    """A container whose clock is an hour ahead does not decide for the others."""
    clock.advance(wall=ahead)
    called().set("key", "from the future")
    clock.advance(wall=-ahead)
    assert called().get("key") is None


def test_what_cannot_be_stored_exactly_stays_in_memory(container, store):
    """It is counted and warned of once; and what was there before is gone."""
    cache = container()
    cache.set("key", "old")
    with pytest.warns(OrcWarning, match="Opaque"):
        cache.set("key", Opaque())
    cache.set("other", Opaque())
    assert cache.get("key") == Opaque()
    assert cache.stats().unstorable == 2
    assert container().get("key") is None
    strict = container(strict=True)
    with pytest.raises(UnstorableError):
        strict.set("key", Opaque())


def test_what_is_too_large_for_a_tier_is_skipped_and_counted(container, store):
    """Its older value goes, and the claim is given back, so that nobody waits."""
    cache = container()
    cache.set("key", "small")
    store.max_value_bytes = 200
    big = bytes(range(256)) * 10
    with pytest.warns(
        OrcWarning, match=r"[\d,]+ bytes is larger than the 200 that the tier"
    ) as told:
        cache.set("key", big)
    assert len(told) == 1
    assert cache.get_or_set("other", lambda: big) == big
    assert cache.stats().tiers[1].counts["oversize"] == 2
    assert container().get_many(["key", "other"]) == {}


def test_an_unreadable_row_is_a_miss_and_is_replaced(container, store, clock):
    """Whatever wrote it: a newer format, another key, or nobody in their right mind."""
    cache = container()
    cache.set("key", "value")
    (text,) = store.store.rows
    store.store.rows[text].payload = b"nonsense"
    other = container()
    assert other.get_or_set("key", lambda: "again") == "again"
    assert other.stats().tiers[1].counts["unreadable"] >= 1
    assert container().get("key") == "again"


def test_who_misses_waits_for_who_loads(container):
    """In another container too: one load, and its value for both."""
    loading, finish = threading.Event(), threading.Event()
    loads = []

    def load():
        loads.append(1)
        loading.set()
        assert finish.wait(10)
        return "value"

    first = threading.Thread(target=container().get_or_set, args=("key", load))
    first.start()
    assert loading.wait(10)
    got = []
    second = threading.Thread(
        target=lambda: got.append(container().get_or_set("key", lambda: loads.append(2)))
    )
    second.start()
    second.join(0.1)
    assert second.is_alive()
    finish.set()
    first.join(10)
    second.join(10)
    assert (got, loads) == (["value"], [1])


def test_a_failed_load_gives_its_claim_back(called, store):
    """The next one does not wait until the lease is over, and its fill is taken."""
    with pytest.raises(ValueError, match="odd"):
        called().get_or_set("key", lambda: int("odd"))
    assert called().get_or_set("key", lambda: "value") == "value"
    assert called().get("key") == "value"


def test_who_is_gone_keeps_the_others_for_its_lease(container, clock, store):
    """A container killed in the middle of its load: then the first who comes takes over."""
    cache = container()
    entry_tier = cache._core.tiers[0]
    address = cache._keyspace.address(("key",))
    (lost,) = entry_tier.fetch_many([address], lambda *_: True, 1.0, consistent=False)
    assert lost.token is not None
    clock.advance(1.1)
    assert container().get_or_set("key", lambda: "value") == "value"
    late = cache._keyspace.entry("late", (), began=clock.wall(), life=60, ttl=60)
    entry_tier.store_many([(address, late, lost.token)])
    assert container().get("key") == "value"


def test_who_cannot_wait_loads_without_storing(container, store):
    """Half of what is left of its request is all that it gives to somebody else's load."""
    holder = container()
    address = holder._keyspace.address(("key",))
    holder._core.tiers[0].fetch_many([address], lambda *_: True, 10.0, consistent=False)
    with orc.request_scope(deadline=SYSTEM.wall() + 0.3):
        assert container().get_or_set("key", lambda: "mine") == "mine"
    assert store.store.rows[address.text].payload is None


def of_one_environment():
    """Return a tier that the processes of one environment share, and nobody else."""
    return ReferenceTier(name="near", fleetwide=False)


def test_a_copy_of_one_environment_is_trusted_for_a_while_only(container, clock, store):
    """What another container deletes is gone here within ``memory_ttl``, through all tiers."""
    here_alone = of_one_environment()
    here, there = container(here_alone, store, memory_ttl=60), container(memory_ttl=60)
    there.set("key", "old")
    assert here.get("key") == "old"
    there.delete("key")
    clock.advance(30)
    process = container(here_alone, store, memory_ttl=60)
    assert process.get("key") == "old"
    clock.advance(29)
    assert process.get("key") == "old"
    clock.advance(1)
    assert process.get("key") is None
    assert here.get("key") is None


def test_what_is_read_is_copied_to_the_tiers_in_front(called, store):
    """Also by ``get_many``: the next process of this environment finds it there."""
    called().set_many({"a": 1, "b": 2})
    near = of_one_environment()
    assert called(near, store).get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    assert called(near).get_many(["a", "b"]) == {"a": 1, "b": 2}


def test_after_clear_no_older_row_is_answered(called, clock):
    """By this process; others go by their own bound."""
    cache = called()
    cache.set("key", "value")
    clock.advance(1)
    cache.clear()
    assert cache.get("key") is None
    clock.advance(1)
    cache.set("key", "new")
    assert cache.get("key") == "new"


def test_after_cache_clear_a_function_is_called_again(container, clock):
    """Though a shared tier still has its result; another function's stays."""
    cache = container()
    calls = []
    one = cache.cached(lambda: calls.append("one"), namespace="one")
    other = cache.cached(lambda: calls.append("other"), namespace="other")
    one()
    other()
    clock.advance(1)
    one.cache_clear()
    one()
    other()
    assert calls == ["one", "other", "one"]


def test_functions_whose_name_is_not_theirs_alone_stay_in_memory(container, store):
    """Two functions made in functions share a name: they must not share a row."""
    cache = container()
    with pytest.warns(OrcWarning, match="namespace="):
        one = cache.cached(lambda: "one")
    with pytest.warns(OrcWarning, match="namespace="):
        other = cache.cached(lambda: "other")
    assert (one(), other()) == ("one", "other")
    assert store.store.rows == {}
    named = cache.cached(lambda: "named", namespace="mine")
    assert (named(), len(store.store.rows)) == ("named", 1)


def test_the_counts_of_a_tier_are_in_the_report(container):
    """With the seconds it took; and the report can be printed."""
    cache = container()
    cache.set("key", "value")
    tier = cache.stats().tiers[1]
    assert tier.counts["seconds"] >= 0
    assert "reference" in str(cache.stats())


def test_a_tier_of_entries_shows_the_tier(store, clock):
    """For who prints a cache."""
    assert repr(EntryTier(store, Codec(), clock)) == repr(store)


def test_a_child_of_a_fork_does_not_wait_for_what_its_parent_began(store, clock):
    """The thread that ends it is the parent's: in the child every wait for it would be in vain."""
    begun: Future[None] = Future()
    pending.begin(begun)
    assert begun in pending._begun
    EntryTier(store, Codec(), clock).forked()
    assert not pending._begun
