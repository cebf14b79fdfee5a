"""A bug in a user's tier: a miss, and one warning that names the tier and the bug."""

from __future__ import annotations

import asyncio
import warnings

import pytest

import orc
from orc import notices
from orc.errors import ConfigError, OrcWarning
from orc.testing.reference_tier import ReferenceTier

BUGS = [KeyError("row"), ValueError("odd"), AttributeError("'NoneType' has no attribute 'x'")]


class Buggy(ReferenceTier):
    """A user's tier with a bug in one of its methods."""

    def __init__(self, method, bug, *, remote):
        super().__init__(name="theirs", remote=remote)
        self.armed = False

        def fails(*_, **__):
            if self.armed:
                raise bug
            return getattr(ReferenceTier, method)(self, *_, **__)

        async def afails(*_, **__):
            return fails(*_, **__)

        setattr(self, method, afails if method in ASYNC else fails)


SYNC = ["get_many", "claim_many", "set_many"]
ASYNC = ["aget_many", "aclaim_many", "aset_many"]


@pytest.fixture(autouse=True)
def first_in_the_process(monkeypatch):
    """Warn as a new process does."""
    monkeypatch.setattr(notices, "_told", {})


def warned(work):
    """Return what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [each for each in caught if each.category is OrcWarning]


@pytest.mark.parametrize("remote", [True, False])
@pytest.mark.parametrize("method", SYNC + ASYNC)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_it_is_a_miss_and_one_warning(method, bug, remote):
    """With type, text and tier, at a line of the user's; the loader answers."""
    tier = Buggy(method, bug, remote=remote)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test")
    tier.armed = True

    def use():
        for number in range(20):
            key = f"key {number}"
            if method in ASYNC:
                assert asyncio.run(cache.aget_or_set(key, lambda: 1)) == 1
                asyncio.run(cache.aset(key, 2))
                assert asyncio.run(cache.aget(key)) == 2
            else:
                assert cache.get_or_set(key, lambda: 1) == 1
                cache.set(key, 2)
                assert cache.get(key) == 2
                assert cache.get_many([f"other {number}"]) == {}

    (warning,) = warned(use)
    said = str(warning.message)
    assert "theirs" in said
    assert type(bug).__name__ in said
    assert str(bug) in said
    assert warning.filename == __file__
    assert cache.stats().tiers[1].errors > 0


def test_it_reaches_who_asked_for_strictness():
    """As every error of a tier does."""
    tier = Buggy("get_many", KeyError("row"), remote=False)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test", strict=True)
    tier.armed = True

    def use():
        with pytest.raises(KeyError, match="row"):
            cache.get("key")

    warned(use)


@pytest.mark.parametrize("method", ["counts", "prewarm"])
def test_a_bug_beside_the_calls_is_told_as_well(method):
    """What is asked of a tier between requests does no harm either."""
    tier = Buggy(method, ValueError("odd"), remote=True)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test")
    tier.armed = True
    (warning,) = warned(lambda: [cache.prewarm(), cache.stats(), cache.prewarm(), cache.stats()])
    assert "theirs has a bug: ValueError: odd" in str(warning.message)


def test_a_tier_that_is_set_up_wrongly_says_so():
    """A missing extra is its user's to mend, and no bug."""
    tier = Buggy("prewarm", ConfigError("pip install it"), remote=True)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test")
    tier.armed = True
    with pytest.raises(ConfigError, match="pip install"):
        cache.prewarm()


def raising(make_error):
    """Return a tier that raises something at each call."""

    class Raising(ReferenceTier):
        calls = 0

        def check(self, budget):
            self.calls += 1
            raise make_error(self.calls)

    return Raising(name="theirs")


@pytest.mark.parametrize(
    ("make_error", "most"),
    [(KeyError, 1), (lambda number: type(f"Error{number}", (Exception,), {})(), notices.MOST)],
    ids=["texts", "types"],
)
def test_bugs_without_end_are_warned_of_some_times(make_error, most):
    """A text with a key in it is never the same: a bug is known by its type."""
    cache = orc.Cache(tiers=[orc.Memory(), raising(make_error)], namespace="test")
    said = warned(lambda: [cache.get(f"key {number}") for number in range(100)])
    assert len(said) == most
    other = Buggy("get_many", ValueError("odd"), remote=False)
    other.name = "another"
    cache = orc.Cache(tiers=[orc.Memory(), other], namespace="test")
    other.armed = True
    assert len(warned(lambda: cache.get("key"))) == 1


def test_a_deletion_that_met_a_bug_raises_it():
    """The old value may still be there; and the bug is told, too."""
    tier = Buggy("delete_many", KeyError("row"), remote=True)
    cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test")
    cache.set("key", 1)
    tier.armed = True

    def delete():
        with pytest.raises(KeyError, match="row"):
            cache.delete("key")

    assert len(warned(delete)) == 1


def test_a_tier_with_breakers_of_its_own_is_made_as_documented():
    """By two numbers; to be told of outages is one power more."""

    class Several(ReferenceTier):
        own_breakers = True

        def leave_alone(self, rest, slow_from):
            self.told = rest, slow_from

    tier = Several(remote=True)
    orc.Cache(tiers=[orc.Memory(), tier], namespace="test")
    assert tier.told[0] > 0
