"""Reading through the tiers: the same with the drivers of threads and of coroutines."""

from __future__ import annotations

import threading

import pytest

import orc


class Origin:
    """A loader that counts its calls."""

    def __init__(self, value="loaded"):
        self.value = value
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def origin():
    """Return a loader that counts its calls."""
    return Origin()


@pytest.fixture
def container(tiered, driven):
    """Return what makes a cache as another container would have it, with one of the drivers."""
    return lambda **terms: driven(tiered(**terms))


# -- from tier to tier -------------------------------------------------------------------------


def test_a_miss_falls_through_all_tiers_to_the_loader(container, origin, log, near, deep):
    """Nearest first on the way down; deepest first, and memory last, on the way up."""
    cache = container()
    assert cache.get_or_set("key", origin) == "loaded"
    assert log == [("get", "near", 1), ("get", "deep", 1), ("set", "deep", 1), ("set", "near", 1)]
    assert near.value == deep.value == "loaded"
    assert cache.get_or_set("key", origin) == cache.get("key") == "loaded"
    assert len(log) == 4
    assert origin.calls == 1


def test_another_container_reads_the_nearest_tier(container, origin, log):
    """What one container has loaded, the next one finds; the deeper tier is not asked."""
    container().get_or_set("key", origin)
    log.clear()
    other = container()
    assert other.get_or_set("key", origin) == other.get("key") == "loaded"
    assert log == [("get", "near", 1)]
    assert origin.calls == 1


def test_what_the_deeper_tier_has_comes_up_to_the_nearer(container, origin, log, near, deep):
    """The copy-up keeps the times of the entry, and needs no loader."""
    container().get_or_set("key", origin)
    (original,) = deep.entries
    near.rows.clear()
    log.clear()
    other = container()
    assert other.get_or_set("key", origin) == "loaded"
    assert log == [("get", "near", 1), ("get", "deep", 1), ("set", "near", 1)]
    (copy,) = near.entries
    assert (copy.created_at, copy.fresh_until) == (original.created_at, original.fresh_until)
    assert other.get("key") == "loaded"
    assert len(log) == 3


def test_a_mutable_value_from_a_tier_is_a_copy_for_each(container, near, clock, wire_of):
    """What one reader does to it reaches neither the next one nor the tier."""
    cache = container()
    near.put(wire_of(cache.cache, "key"), {"list": [1]}, clock.wall())
    for _ in range(3):
        value = cache.get_or_set("key", dict)
        assert value == {"list": [1]}
        value["list"].append("spoilt")


def test_get_asks_the_tiers_and_remembers(container, origin, log):
    """``get`` finds what another container stored, and memory answers the second time."""
    container().set("key", "value")
    log.clear()
    cache = container()
    assert [cache.get("key"), cache.get("key"), cache.get("other", 5)] == ["value", "value", 5]
    assert log == [("get", "near", 1), ("get", "near", 1), ("get", "deep", 1)]


def test_get_many_is_one_call_for_each_tier(container, log, near, deep):
    """However many keys: and a tier is asked only for what the nearer ones did not have."""
    writer = container()
    writer.set_many({f"key{n}": n for n in range(10)})
    for row in list(near.rows)[:4]:
        del near.rows[row]
    reader = container()
    reader.set("memory", "own")
    log.clear()
    keys = [f"key{n}" for n in range(10)]
    assert reader.get_many([*keys, "memory", "absent"]) == {
        **{f"key{n}": n for n in range(10)},
        "memory": "own",
    }
    assert log == [("get", "near", 11), ("get", "deep", 5), ("set", "near", 4)]
    log.clear()
    assert reader.get_many(keys) == {f"key{n}": n for n in range(10)}
    assert log == []


def test_two_namespaces_and_two_versions_share_nothing(container):
    """A shared tier holds the entries of several functions apart."""
    container().set("key", "value")
    assert container(namespace="other").get("key") is None
    assert container(version="2").get("key") is None
    assert container().get("key") == "value"


# -- expiry ------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_the_expiry_travels_with_the_entry(container, clock, near, deep, origin, which):
    """A copy that comes up late ends when the entry does, by either clock."""
    container(ttl=100, memory_ttl=1000).get_or_set("key", origin)
    clock.advance(70)
    other = container(ttl=100, memory_ttl=1000)
    assert other.get("key") == "loaded"
    near.rows.clear()
    deep.rows.clear()
    clock.advance(**{which: 29.5})
    assert other.get("key") == "loaded"
    clock.advance(**{which: 0.5})
    assert other.get("key") is None


def test_a_copy_in_memory_is_asked_about_after_the_memory_ttl(container, clock, log, near, origin):
    """Within ``memory_ttl`` memory answers alone; then the tier is asked, and trust begins anew."""
    cache = container(ttl=300, memory_ttl=60)
    cache.get_or_set("key", origin)
    log.clear()
    clock.advance(59)
    assert cache.get_or_set("key", origin) == "loaded"
    assert log == []
    for _ in range(3):
        clock.advance(60)
        assert cache.get_or_set("key", origin) == "loaded"
        assert log == [("get", "near", 1)]
        assert cache.get("key") == "loaded"
        assert log == [("get", "near", 1)]
        log.clear()
    assert origin.calls == 1


@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_the_memory_ttl_ends_by_either_clock(container, clock, log, origin, which):
    """A clock that stands still keeps nothing trusted."""
    cache = container(ttl=300, memory_ttl=60)
    cache.get_or_set("key", origin)
    log.clear()
    clock.advance(**{which: 60})
    assert cache.get("key") == "loaded"
    assert log == [("get", "near", 1)]


def test_a_change_elsewhere_is_seen_after_the_memory_ttl(container, clock):
    """``set`` and ``delete`` of another container: within ``memory_ttl``."""
    here, there = container(memory_ttl=60), container(memory_ttl=60)
    here.set("key", "old")
    clock.advance(1)
    there.set("key", "new")
    assert here.get("key") == "old"
    clock.advance(60)
    assert here.get("key") == "new"
    there.delete("key")
    clock.advance(60)
    assert here.get("key") is None


def test_a_reader_with_a_shorter_ttl_applies_its_own(container, clock, origin):
    """A shorter ttl in a deploy counts for what is stored already, in the tier and in memory."""
    container(ttl=300).get_or_set("key", origin)
    clock.advance(50)
    newer = container(ttl=60, memory_ttl=1000)
    assert newer.get_or_set("key", origin) == "loaded"
    clock.advance(10)
    origin.value = "anew"
    assert newer.get_or_set("key", origin) == "anew"
    assert origin.calls == 2


def test_a_call_with_a_shorter_ttl_applies_its_own(container, clock, origin):
    """``get_or_set(ttl=10)`` takes no value older than 10 seconds, from wherever."""
    container().get_or_set("key", origin, ttl=300)
    clock.advance(20)
    origin.value = "anew"
    assert container().get_or_set("key", origin, ttl=10) == "anew"
    assert origin.calls == 2


def test_what_was_set_for_long_is_read_for_long(container, clock):
    """``get`` has no ttl of its own: what was set for an hour is there for an hour."""
    container(ttl=60).set("key", "value", ttl=3600)
    clock.advance(3599)
    assert container(ttl=60).get("key") == "value"
    clock.advance(1)
    assert container(ttl=60).get("key") is None


@pytest.mark.parametrize(("ahead", "calls"), [(2.0, 0), (2.1, 1)])
def test_an_entry_from_the_future_is_a_miss(container, clock, near, origin, wire_of, ahead, calls):
    """Two seconds of skew between containers are allowed, and no more."""
    cache = container()
    near.put(wire_of(cache.cache, "key"), "future", clock.wall() + ahead)
    assert cache.get("key", "miss") == ("miss" if calls else "future")
    assert cache.get_or_set("key", origin) == ("loaded" if calls else "future")
    assert origin.calls == calls


def test_an_entry_older_than_memory_is_not_taken(container, clock, near, deep, origin, wire_of):
    """A write that did not reach a tier is not undone by what the tier still has."""
    cache = container(memory_ttl=10)
    wire = wire_of(cache.cache, "key")
    cache.set("key", "new")
    near.put(wire, "old", clock.wall() - 1)
    deep.put(wire, "older", clock.wall() - 2)
    clock.advance(10)
    assert cache.get("key", "miss") == "miss"
    assert cache.get_or_set("key", origin) == "loaded"


def test_an_entry_whose_tags_were_invalidated_is_not_taken(tiered, driven, origin):
    """Neither by ``get`` nor by ``get_or_set``, though a tier still has it."""
    whole = tiered()
    cache = driven(whole)
    cache.get_or_set("key", origin, tags="red")
    whole.invalidate_tags("red")
    assert cache.get("key") is None
    origin.value = "anew"
    assert cache.get_or_set("key", origin, tags="red") == "anew"
    assert cache.get("key") == "anew"


# -- refresh -----------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["full", "empty"])
def test_to_read_past_the_cache_is_to_load(tiered, driven, origin, near, deep, memory):
    """``bypass`` takes no tier's value, and replaces it in all of them."""
    whole = tiered()
    cache = driven(whole)
    cache.get_or_set("key", origin)
    if memory == "empty":
        whole = tiered()
        cache = driven(whole)
    origin.value = "anew"
    with whole.bypass():
        assert cache.get_or_set("key", origin) == "anew"
    assert cache.get("key") == near.value == deep.value == "anew"


def test_a_refresh_is_a_load(tiered, near, deep, origin):
    """``refresh`` of a function, on a container that has nothing in memory."""
    tiered().cached(origin, key="key", namespace="test")()
    other = tiered().cached(origin, key="key", namespace="test")
    origin.value = "anew"
    assert other.refresh() == other() == near.value == deep.value == "anew"


@pytest.mark.parametrize("terms", [{"ttl": 0}, {"ttl": None}])
def test_a_refresh_that_is_not_shared_leaves_no_older_value(tiered, driven, origin, near, terms):
    """What is stored nowhere, or in memory alone, is not followed by the tiers' older value."""
    whole = tiered()
    cache = driven(whole)
    cache.get_or_set("key", origin)
    origin.value = "anew"
    with whole.bypass():
        assert cache.get_or_set("key", origin, **terms) == "anew"
    assert near.value is orc.MISSING
    assert cache.get("key") == (None if terms["ttl"] == 0 else "anew")


# -- what does not travel ----------------------------------------------------------------------


def test_without_an_expiry_an_entry_stays_in_memory(container, origin, log):
    """``ttl=None`` is for memory alone: a shared tier would keep it for good."""
    cache = container(ttl=None)
    assert cache.get_or_set("key", origin) == "loaded"
    assert [call for call in log if call[0] == "set"] == []
    assert cache.get("key") == "loaded"
    assert container(ttl=None).get("key") is None


@pytest.mark.filterwarnings("ignore::orc.errors.OrcWarning")
def test_what_has_no_copy_does_not_travel(container, log):
    """A client or a lock is returned, and offered to no tier."""
    assert container().get_or_set("key", threading.Lock) is not None
    assert [call for call in log if call[0] not in ("get", "give back")] == []


# -- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["load", "copy-up"])
def test_a_fill_needs_the_token_of_its_miss(container, clock, near, deep, wire_of, kind):
    """A value from before another container's delete reaches neither tier."""
    here, there = container(), container()
    wire = wire_of(here.cache, "key")
    if kind == "load":

        def loader():
            there.cache.delete("key")
            return "from before"

        assert here.cache.get_or_set("key", loader) == "from before"
        assert deep.value is orc.MISSING
    else:
        deep.put(wire, "from before", clock.wall())
        read = deep.fetch_many

        def fetch_many(*asked, **how):
            found = read(*asked, **how)
            there.cache.delete("key")
            return found

        deep.fetch_many = fetch_many
        assert here.get_or_set("key", pytest.fail) == "from before"
    assert near.value is orc.MISSING


def test_a_void_load_reaches_no_tier_even_without_tokens(tiered, near, deep):
    """A tier that hands out no tokens is spared what this process knows to be void."""
    near.tokens = deep.tokens = False
    cache = tiered()

    def loader():
        cache.delete("key")
        return "from before"

    assert cache.get_or_set("key", loader) == "from before"
    assert near.value is deep.value is orc.MISSING
