"""Keys that are written, removed or refreshed while they are being loaded."""

from __future__ import annotations

import pytest

import orc


def no_flights(cache):
    return not cache._core.flights._flying


VOIDING = {
    "delete": lambda cache, function: cache.delete("key"),
    "delete_many": lambda cache, function: cache.delete_many(["other", "key"]),
    "set": lambda cache, function: cache.set("key", "set"),
    "set_many": lambda cache, function: cache.set_many({"other": 0, "key": "set"}),
    "not stored": lambda cache, function: cache.set("key", "set", ttl=0),
    "clear": lambda cache, function: cache.clear(),
    "tags": lambda cache, function: cache.invalidate_tags("red"),
}
VOIDING_CALLS = {
    "invalidate": lambda cache, function: function.invalidate("key"),
    "cache_clear": lambda cache, function: function.cache_clear(),
    "refresh": None,  # a load itself
    "clear": lambda cache, function: cache.clear(),
    "tags": lambda cache, function: cache.invalidate_tags("red"),
}


@pytest.mark.parametrize("write", VOIDING)
@pytest.mark.parametrize("times", [1, 2])
def test_what_was_loading_while_a_key_was_written_is_not_stored(
    cache, spawn, wait, gate, followers, write, times
):
    """Those who waited get it, newcomers load, and what memory has is from after the write."""
    old, new = gate("old"), gate("new")

    def ask(loader):
        return cache.get_or_set("key", loader, tags="red")

    early = [spawn(ask, old) for _ in range(3)]
    followers.wait(2)
    for _ in range(times):
        VOIDING[write](cache, None)
    expected = "set" if write in ("set", "set_many") else orc.MISSING
    assert cache.get("key", orc.MISSING) == expected
    late = [spawn(ask, new) for _ in range(3)]
    if expected is orc.MISSING:
        wait(new.begun)
        followers.wait(2)
    old.go.set()
    assert [wait(each) for each in early] == ["old"] * 3
    assert cache.get("key", orc.MISSING) == expected
    new.go.set()
    final = "new" if expected is orc.MISSING else "set"
    assert [wait(each) for each in late] == [final] * 3
    assert cache.get("key") == final
    assert (old.calls, new.calls) == (1, 1 if expected is orc.MISSING else 0)
    assert no_flights(cache)


@pytest.mark.parametrize("write", VOIDING_CALLS)
@pytest.mark.parametrize("landing", ["old first", "new first"])
def test_what_was_called_before_an_invalidation_is_not_stored(
    cache, spawn, wait, gate, followers, write, landing
):
    """The same for functions; and a later load that lands earlier is not overwritten."""
    gates = [gate("old"), gate("new")]
    answers = list(gates)

    @cache.cached(tags="red")
    def function(argument):
        return answers.pop(0)()

    old, new = gates
    early = [spawn(function, "key") for _ in range(2)]
    followers.wait(1)
    if write == "refresh":
        late = [spawn(function.refresh, "key")]
        wait(new.begun)
    else:
        VOIDING_CALLS[write](cache, function)
        assert function.peek("key") is orc.MISSING
        late = [spawn(function, "key")]
        wait(new.begun)
    late.append(spawn(function, "key"))
    followers.wait(1)
    order = ((old, early, "old"), (new, late, "new"))
    for held, callers, value in order if landing == "old first" else reversed(order):
        held.go.set()
        assert [wait(each) for each in callers] == [value] * 2
    assert function.peek("key") == "new"
    assert not answers
    assert no_flights(cache)


def test_a_refresh_loads_though_a_load_is_under_way(cache, spawn, wait, gate):
    """``refresh`` never takes what somebody began to load before it was called."""
    gates = [gate("old"), gate("new")]
    answers = list(gates)
    function = cache.cached(lambda argument: answers.pop(0)())
    early = spawn(function, "x")
    wait(gates[0].begun)
    refreshed = spawn(function.refresh, "x")
    wait(gates[1].begun)
    for each in gates:
        each.go.set()
    assert (wait(early), wait(refreshed), function("x")) == ("old", "new", "new")


def test_a_write_of_another_key_voids_nothing(cache, spawn, wait, gate):
    """A load is stored though its neighbours were written and deleted."""
    loader = gate("loaded")
    caller = spawn(cache.get_or_set, "key", loader)
    wait(loader.begun)
    cache.set("other", 1)
    cache.delete("other")
    cache.partition("tenant").delete("key")
    cache.partition("tenant").clear()
    loader.go.set()
    assert wait(caller) == cache.get("key") == "loaded"
