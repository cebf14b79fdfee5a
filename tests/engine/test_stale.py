"""Stale values: on an error of the origin, and while another caller loads."""

from __future__ import annotations

import errno

import pytest

import orc
from orc.errors import ConfigError

TTL, STALE = 60, 40


class Origin:
    """A loader that counts its calls, and fails when it is told to."""

    def __init__(self):
        self.calls = 0
        self.error = None

    def __call__(self):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return ["value", self.calls]


@pytest.fixture
def origin():
    """Return a loader that counts its calls."""
    return Origin()


@pytest.fixture
def make(memory, clock, driven):
    """Return a maker of caches with one of the drivers, and no back-off unless they ask for it."""

    def maker(**terms):
        terms = {"ttl": TTL, "stale_if_error": STALE, "jitter": 0, "backoff": 0} | terms
        return driven(orc.Cache(tiers=[memory], clock=clock, **terms))

    return maker


# -- which errors ------------------------------------------------------------------------------

EXCUSED = [
    ConnectionError(),
    TimeoutError(),
    OSError(errno.EHOSTUNREACH, "no route"),
    orc.SourceUnavailable(),
]
NOT_EXCUSED = [
    OSError(),
    FileNotFoundError(),
    PermissionError(),
    LookupError(),
    ValueError(),
    RuntimeError("forbidden"),
]


@pytest.mark.parametrize("error", EXCUSED, ids=repr)
def test_stale_stands_in_for_an_origin_that_cannot_be_reached(make, clock, origin, error):
    """By default for errors of the network; told apart in the statistics."""
    cache = make()
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = error
    assert cache.get_or_set("key", origin) == ["value", 1]
    stats = cache.cache.stats()
    assert (stats.stale, stats.loads, stats.load_errors) == (1, 2, 1)


@pytest.mark.parametrize("error", NOT_EXCUSED, ids=repr)
def test_any_other_error_reaches_the_caller(make, clock, origin, error):
    """An origin that answers "no" has answered, whatever is stale."""
    cache = make()
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = error
    with pytest.raises(type(error)) as raised:
        cache.get_or_set("key", origin)
    assert raised.value is error
    assert cache.cache.stats().stale == 0


@pytest.mark.parametrize(
    "stale_on",
    [KeyError, (KeyError, IndexError), lambda error: isinstance(error, KeyError)],
    ids=["class", "tuple", "predicate"],
)
def test_stale_on_says_which_errors(make, clock, origin, stale_on):
    """A class, a tuple or a predicate takes the place of the default."""
    cache = make(stale_on=stale_on)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = KeyError("gone")
    assert cache.get_or_set("key", origin) == ["value", 1]
    origin.error = ConnectionError("down")
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin)


@pytest.mark.parametrize("stale_on", ["OSError", 5, (OSError, "x"), int])
def test_stale_on_that_is_no_such_thing_is_refused(make, stale_on):
    """When the cache is made, and not at the first failure."""
    with pytest.raises(ConfigError, match="stale_on"):
        make(stale_on=stale_on)


def test_a_function_has_its_own_stale_terms(make, clock, origin):
    """``stale_on`` and ``stale_if_error`` of the decorator beat the cache's."""
    cache = make().cache
    lenient = cache.cached(origin, stale_on=KeyError)
    strict = cache.cached(origin, stale_if_error=0)
    lenient()
    strict()
    clock.advance(TTL)
    origin.error = KeyError("gone")
    assert lenient() == ["value", 1]
    origin.error = ConnectionError("down")
    for function in (lenient, strict):
        with pytest.raises(ConnectionError):
            function()


def test_without_a_stale_value_the_error_is_the_loaders(make, origin):
    """Nothing is wrapped, and nothing is remembered: the next call tries again."""
    cache = make(backoff=5)
    origin.error = ConnectionError("down")
    for calls in (1, 2, 3):
        with pytest.raises(ConnectionError) as raised:
            cache.get_or_set("key", origin)
        assert raised.value is origin.error
        assert origin.calls == calls


# -- how long ----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [{"wall": 1}, {"monotonic": 1}, {"wall": 1, "monotonic": 1}])
def test_the_window_is_exact_by_either_clock(make, clock, origin, which):
    """Stale is served up to ``ttl + stale_if_error``, not included, by the clock further on."""
    cache = make()
    cache.get_or_set("key", origin)
    origin.error = ConnectionError("down")

    def advance(seconds):
        clock.advance(**{name: seconds * sign for name, sign in which.items()})

    advance(TTL)
    assert cache.get_or_set("key", origin) == ["value", 1]
    advance(STALE - 0.5)
    assert cache.get_or_set("key", origin) == ["value", 1]
    advance(0.5)
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin)


@pytest.mark.parametrize(("ttl", "window"), [(60, 60), (600, 600), (7200, 600)])
def test_the_window_is_as_long_as_the_ttl_and_at_most_ten_minutes(make, clock, origin, ttl, window):
    """Unless ``stale_if_error`` says otherwise."""
    cache = make(ttl=ttl, stale_if_error=None)
    cache.get_or_set("key", origin)
    origin.error = ConnectionError("down")
    clock.advance(ttl + window - 0.5)
    assert cache.get_or_set("key", origin) == ["value", 1]
    clock.advance(0.5)
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin)


def test_serving_stale_never_lengthens_its_age(make, clock, origin):
    """However often it was served, and whatever the back-off: the end is where it was."""
    cache = make(backoff=15)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    served = 0
    for _ in range(50):
        try:
            assert cache.get_or_set("key", origin) == ["value", 1]
        except ConnectionError:
            break
        served += 1
        clock.advance(1)
    assert served == STALE


def test_a_reader_with_a_shorter_ttl_has_a_shorter_window(make, clock, origin):
    """Its maximum age is its own ttl and the window after it."""
    cache = make(stale_if_error=None)
    cache.get_or_set("key", origin, ttl=300)
    origin.error = ConnectionError("down")
    clock.advance(19)
    assert cache.get_or_set("key", origin, ttl=10) == ["value", 1]
    clock.advance(1)
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin, ttl=10)
    assert cache.get("key") == ["value", 1]


def test_zero_is_no_window(make, clock, origin):
    """``stale_if_error=0``: an expired value is served to nobody."""
    cache = make(stale_if_error=0)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin)


# -- back-off ----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_an_origin_that_failed_is_left_alone_for_a_while(make, clock, origin, which):
    """Not asked again within ``backoff`` seconds, by either clock; then asked once more."""
    cache = make(backoff=5)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    for round_of_failures in (2, 3):
        for _ in range(3):
            assert cache.get_or_set("key", origin) == ["value", 1]
        clock.advance(**{which: 4.5})
        assert cache.get_or_set("key", origin) == ["value", 1]
        assert origin.calls == round_of_failures
        clock.advance(**{which: 0.5})
    origin.error = None
    assert cache.get_or_set("key", origin) == ["value", 4]


def test_the_back_off_does_not_outlast_the_window(make, clock, origin):
    """Though the value is kept for longer, for those who come while another loads."""
    cache = make(stale_if_error=10, stale_while_revalidate=100, backoff=50)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    clock.advance(9.5)
    assert cache.get_or_set("key", origin) == ["value", 1]
    clock.advance(0.5)
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin)


def test_the_back_off_is_of_one_key(make, clock, origin):
    """Another key's origin may well be reached."""
    cache = make(backoff=5)
    cache.get_or_set("a", origin)
    cache.get_or_set("b", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    cache.get_or_set("a", origin)
    origin.error = None
    assert cache.get_or_set("a", origin) == ["value", 1]
    assert cache.get_or_set("b", origin) == ["value", 4]


def test_what_is_stored_after_a_failure_ends_the_back_off(make, clock, origin):
    """A new entry has no failure behind it."""
    cache = make(backoff=500)
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    origin.error = ConnectionError("down")
    cache.get_or_set("key", origin)
    cache.set("key", "set")
    assert cache.get_or_set("key", origin) == "set"
    clock.advance(TTL)
    origin.error = None
    assert cache.get_or_set("key", origin) == ["value", 3]


# -- what is never served stale ----------------------------------------------------------------


@pytest.mark.parametrize("how", ["delete", "clear", "invalidate_tags", "set 0"])
@pytest.mark.parametrize("when", ["fresh", "stale", "in the back-off"])
def test_what_was_invalidated_is_never_served_stale(make, clock, origin, how, when):
    """Deleted, cleared, or of a tag that was invalidated: the error reaches the caller."""
    cache = make(backoff=30)
    cache.get_or_set("key", origin, tags="red")
    if when != "fresh":
        clock.advance(TTL)
    origin.error = ConnectionError("down")
    if when == "in the back-off":
        assert cache.get_or_set("key", origin, tags="red") == ["value", 1]
    {
        "delete": lambda: cache.delete("key"),
        "clear": cache.clear,
        "invalidate_tags": lambda: cache.invalidate_tags("red"),
        "set 0": lambda: cache.set("key", "new", ttl=0),
    }[how]()
    clock.advance(TTL if when == "fresh" else 0)
    with pytest.raises(ConnectionError):
        cache.get_or_set("key", origin, tags="red")


@pytest.mark.parametrize("during", ["delete", "invalidate_tags", "clear"])
def test_what_is_invalidated_during_the_load_is_not_served_stale(make, clock, origin, during):
    """It counts what is valid when the load has failed, not when it began."""
    cache = make()
    whole = cache.cache
    cache.get_or_set("key", origin, tags="red")
    clock.advance(TTL)

    def loader():
        {
            "delete": lambda: whole.delete("key"),
            "invalidate_tags": lambda: whole.invalidate_tags("red"),
            "clear": whole.clear,
        }[during]()
        raise ConnectionError("down")

    with pytest.raises(ConnectionError):
        cache.get_or_set("key", loader, tags="red")


def test_get_serves_nothing_stale(make, clock, origin):
    """There is no error for which it could stand in."""
    cache = make()
    cache.get_or_set("key", origin)
    clock.advance(TTL)
    assert cache.get("key") is None
    assert cache.get_many(["key"]) == {}


@pytest.mark.parametrize("when", ["fresh", "stale"])
def test_a_refresh_raises_rather_than_serve_stale(make, clock, origin, when):
    """Who asks for a load, by ``refresh`` or under ``bypass``, is told that there is none."""
    cache = make(backoff=5)
    whole = cache.cache
    function = whole.cached(origin)
    function()
    cache.get_or_set("key", origin)
    if when == "stale":
        clock.advance(TTL)
    origin.error = ConnectionError("down")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            function.refresh()
        with whole.bypass(), pytest.raises(ConnectionError):
            cache.get_or_set("key", origin)
    # The value is still there for others, and after a failure the origin is left alone for them.
    calls = origin.calls
    assert function() == ["value", 1]
    assert cache.get_or_set("key", origin) == ["value", 2]
    assert origin.calls == calls
