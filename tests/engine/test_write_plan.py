"""Writing and removing through the tiers: the same with both drivers."""

from __future__ import annotations

import threading
from functools import partial

import pytest

import orc
from orc.errors import UncacheableError, UncopyableError

pytestmark = pytest.mark.filterwarnings("ignore:the tier .* has a bug")


@pytest.fixture
def container(tiered, driven):
    """Return what makes a cache as another container would have it, with one of the drivers."""
    return lambda **terms: driven(tiered(**terms))


class Watched(orc.Memory):
    """A memory tier that says in the log of the tiers when it is changed."""

    log = ()

    def admit(self, copy, flight=None):
        self.log.append(("set", "memory", 1))
        return super().admit(copy, flight)

    def dismiss(self, *args, **how):
        self.log.append(("delete", "memory", 1))
        return super().dismiss(*args, **how)


@pytest.fixture
def watched(log, near, deep, clock, driven):
    """Return a cache whose memory is in the log too."""
    memory = Watched(max_bytes=1_000_000)
    memory.log = log
    return driven(orc.Cache(tiers=[memory, near, deep], clock=clock, namespace="test", jitter=0))


def test_a_write_goes_to_the_deepest_tier_first_and_to_memory_last(watched, log):
    """So nobody reads a new value above an old one that could come up again."""
    watched.set("key", "value")
    assert log == [("set", "deep", 1), ("set", "near", 1), ("set", "memory", 1)]


def test_a_removal_goes_to_the_deepest_tier_first_and_to_memory_last(watched, log):
    """So no copy comes up from below after the one above was removed."""
    watched.set("key", "value")
    log.clear()
    assert watched.delete("key") is True
    assert log == [("delete", "deep", 1), ("delete", "near", 1), ("delete", "memory", 1)]
    assert watched.delete("key") is False


def test_many_keys_are_one_call_for_each_tier(container, log):
    """Both writes and removals, whatever the number of keys."""
    cache = container()
    cache.set_many({f"key{n}": n for n in range(10)})
    assert cache.delete_many([f"key{n}" for n in range(20)]) == 10
    assert log == [
        ("set", "deep", 10),
        ("set", "near", 10),
        ("get", "near", 10),  # what memory lacks: was it there?
        ("get", "deep", 10),
        ("delete", "deep", 20),
        ("delete", "near", 20),
    ]
    assert cache.get_many([f"key{n}" for n in range(20)]) == {}


def test_a_write_carries_its_times(container, clock, near, deep):
    """Created now, fresh for its ttl, in every tier."""
    container().set("key", "value", ttl=70)
    for tier in (near, deep):
        (entry,) = tier.entries
        assert (entry.created_at, entry.fresh_until) == (clock.wall(), clock.wall() + 70)


def test_a_jittered_entry_has_one_expiry_everywhere(container, near, deep):
    """The draw is made once: the tiers and memory agree, and no entry lives longer than its ttl."""
    cache = container(jitter=0.5)
    cache.set("key", "value", ttl=100)
    ends = {tier.entries[0].fresh_until for tier in (near, deep)}
    ends |= {copy.fresh_until for copy in cache.cache._keyspace.space.index.values()}
    (end,) = ends
    assert 50 <= end - near.entries[0].created_at <= 100


@pytest.mark.filterwarnings("ignore::orc.errors.OrcWarning")
@pytest.mark.parametrize(
    ("value", "ttl", "found"),
    [("new", 0, None), ("new", None, "new"), (threading.Lock(), 300, None)],
    ids=["not stored", "in memory alone", "no copy"],
)
def test_what_does_not_travel_leaves_no_older_value_behind(
    container, near, deep, value, ttl, found
):
    """A tier that cannot have the new value must not keep the old one."""
    cache = container()
    cache.set("key", "old")
    cache.set("key", value, ttl=ttl)
    assert near.value is deep.value is orc.MISSING
    assert cache.get("key") == found
    assert container().get("key") is None


def test_what_can_be_used_once_is_refused(container, log):
    """A generator is an error, and reaches no tier."""
    with pytest.raises(UncacheableError):
        container().set("key", (n for n in [1]))
    assert log == []


def test_strict_raises_for_what_has_no_copy(container, log):
    """With ``strict``, `set` says so, and reaches no tier."""
    with pytest.raises(UncopyableError):
        container(strict=True).set("key", threading.Lock())
    assert log == []


# -- tiers that are broken ---------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["near", "deep"])
def test_a_failed_write_is_a_count(container, near, deep, broken):
    """The other tier and memory have the value."""
    cache = container()
    tiers = {"near": near, "deep": deep}
    tiers[broken].broken = ConnectionError("down")
    cache.set("key", "value")
    tiers.pop(broken).broken = None
    (other,) = tiers.values()
    assert cache.get("key") == other.value == "value"
    errors = {tier.name: tier.errors for tier in cache.cache.stats().tiers}
    assert errors[broken] == 1
    assert sum(errors.values()) == 1


def test_strict_raises_a_failed_write_after_the_rest_was_done(container, near, deep):
    """So nothing is left older than it need be."""
    cache = container(strict=True)
    deep.broken = ConnectionError("down")
    with pytest.raises(ConnectionError):
        cache.set("key", "value")
    assert cache.get("key") == near.value == "value"


@pytest.mark.parametrize("broken", ["near", "deep"])
@pytest.mark.parametrize("how", ["delete", "invalidate"])
def test_a_failed_removal_raises_after_the_others_were_done(
    tiered, driven, near, deep, broken, how
):
    """A lost removal would leave an old value to be served, so the caller is told."""
    whole = tiered()
    tiers = {"near": near, "deep": deep}
    if how == "delete":
        cache = driven(whole)
        cache.set("key", "value")
        remove = partial(cache.delete, "key")
    else:
        function = whole.cached(lambda: "value", namespace="test")
        function()
        remove = function.invalidate
    tiers[broken].broken = error = ConnectionError("down")
    with pytest.raises(ConnectionError) as raised:
        remove()
    assert raised.value is error
    tiers.pop(broken).broken = None
    (other,) = tiers.values()
    assert other.value is orc.MISSING
    assert whole.stats().tiers[0].entries == 0
    errors = {tier.name: tier.errors for tier in whole.stats().tiers}
    assert errors[broken] == 1


def test_of_several_failures_the_deepest_is_raised(container, near, deep):
    """It is the one that most containers would see."""
    cache = container()
    near.broken, deep.broken = ConnectionError("near"), ConnectionError("deep")
    with pytest.raises(ConnectionError, match="deep"):
        cache.delete("key")


# -- loads under way ---------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["set", "delete"])
def test_a_load_that_began_before_a_write_changes_no_tier(container, near, deep, write):
    """The slow loader's value is its caller's alone."""
    cache = container()

    def loader():
        if write == "set":
            cache.cache.set("key", "written")
        else:
            cache.cache.delete("key")
        return "slow"

    assert cache.get_or_set("key", loader) == "slow"
    expected = "written" if write == "set" else orc.MISSING
    assert cache.get("key", orc.MISSING) == near.value == deep.value == expected
