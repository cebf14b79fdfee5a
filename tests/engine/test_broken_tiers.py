"""Shared tiers that raise, or answer wrongly, while the cache is read."""

from __future__ import annotations

import threading

import pytest

import orc
from orc.errors import UncopyableError

pytestmark = pytest.mark.filterwarnings("ignore:the tier .* has a bug")


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


@pytest.mark.parametrize("broken", [("near",), ("deep",), ("near", "deep")])
@pytest.mark.parametrize("error", [ConnectionError("down"), ValueError("odd"), KeyError("bug")])
def test_a_broken_tier_is_a_miss_and_a_count(container, near, deep, origin, broken, error):
    """Whatever it raises, the handler gets its value, and the other tiers theirs."""
    cache = container()
    tiers = {"near": near, "deep": deep}
    for name in broken:
        tiers[name].broken = error
    assert cache.get("key") is None
    assert cache.get_many(["key", "other"]) == {}
    assert cache.get_or_set("key", origin) == "loaded"
    assert cache.get("key") == "loaded"
    report = {tier.name: tier for tier in cache.cache.stats().tiers}
    for name, tier in tiers.items():
        tier.broken = None
        # One for each key that was asked for; what could not be asked is not filled either.
        assert report[name].errors == (4 if name in broken else 0)
        assert tier.value == (orc.MISSING if name in broken else "loaded")


def test_a_tier_that_breaks_between_miss_and_fill_is_a_count(container, near, deep, origin):
    """The load is not lost: the other tier and memory have it."""
    cache = container()

    def loader():
        deep.broken = ConnectionError("down")
        return origin()

    assert cache.get_or_set("key", loader) == "loaded"
    assert cache.get("key") == near.value == "loaded"
    report = {tier.name: tier.errors for tier in cache.cache.stats().tiers}
    assert report == {"memory": 0, "near": 0, "deep": 1}


def test_a_tier_that_answers_for_too_few_keys_is_broken(container, near, origin):
    """Its answers cannot be told apart, so none is taken."""
    cache = container()
    cache.set_many({"a": 1, "b": 2})
    read = near.fetch_many
    near.fetch_many = lambda *asked, **how: read(*asked, **how)[1:]
    other = container()
    assert other.get_many(["a", "b"]) == {"a": 1, "b": 2}
    assert other.get_or_set("c", origin) == "loaded"
    assert other.cache.stats().tiers[1].errors == 3


def test_strict_raises_a_tiers_error(container, near, origin):
    """With ``strict`` a broken tier is not passed over in silence."""
    cache = container(strict=True)
    near.broken = ConnectionError("down")
    for read in (
        lambda: cache.get("key"),
        lambda: cache.get_or_set("key", origin),
        lambda: cache.set("key", 1),
    ):
        with pytest.raises(ConnectionError):
            read()
    assert origin.calls == 0
    near.broken = None
    with pytest.raises(UncopyableError):
        cache.get_or_set("other", threading.Lock)


def test_a_failed_origin_is_left_alone_though_the_tiers_are_broken(
    container, clock, near, deep, origin
):
    """The back-off covers a copy that is still fresh, but may no longer be trusted unasked."""
    cache = container(ttl=300, memory_ttl=10, backoff=5)
    cache.get_or_set("key", origin)
    near.broken = deep.broken = ConnectionError("down")
    origin.value = ConnectionError("down too")
    clock.advance(10)
    for _ in range(3):
        assert cache.get_or_set("key", origin) == "loaded"
    assert origin.calls == 2
    clock.advance(5)
    assert cache.get_or_set("key", origin) == "loaded"
    assert origin.calls == 3
