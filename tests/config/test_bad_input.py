"""What is not allowed: each a typed error, raised where it is said, that says what to do."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from cachetools import TTLCache

import orc
from orc.errors import (
    ConfigError,
    OrcError,
    OrcWarning,
    PartitionError,
    RecursiveLoadError,
    UncacheableError,
    UncopyableError,
    UnkeyableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NAN = float("nan")
BAD_DURATIONS = [-1, -0.001, NAN, float("-inf"), "60", True, [], Decimal(60), b"1", object]


# -- durations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [each for each in BAD_DURATIONS if each is not object])
@pytest.mark.parametrize(
    "use",
    [
        lambda cache, ttl: cache.set("k", 1, ttl=ttl),
        lambda cache, ttl: cache.set_many({"k": 1}, ttl=ttl),
        lambda cache, ttl: cache.get_or_set("k", lambda: 1, ttl=ttl),
        lambda cache, ttl: cache.cached(ttl=ttl),
        lambda cache, ttl: orc.Cache(ttl=ttl),
        lambda cache, ttl: asyncio.run(cache.aset("k", 1, ttl=ttl)),
        lambda cache, ttl: asyncio.run(cache.aget_or_set("k", lambda: 1, ttl=ttl)),
    ],
)
def test_a_bad_ttl_is_refused_wherever_it_is_given(
    cache: orc.Cache, use: Callable[..., object], ttl: object
) -> None:
    """Negative, NaN, a text, a bool: a ConfigError that names ttl and what to give."""
    with pytest.raises(ConfigError, match=r"(?s)ttl.*seconds"):
        use(cache, ttl)
    assert cache.get("k") is None


@pytest.mark.parametrize("value", BAD_DURATIONS)
@pytest.mark.parametrize(
    "name", ["memory_ttl", "stale_if_error", "stale_while_revalidate", "backoff"]
)
def test_a_bad_duration_of_a_cache_names_the_argument(name: str, value: object) -> None:
    """Each duration is checked when the cache is made, and the error names it."""
    with pytest.raises(ConfigError, match=rf"^{name}=.*give seconds"):
        orc.Cache(**{name: value})


def test_a_bad_ttl_is_refused_on_a_hit_too(cache: orc.Cache) -> None:
    """A value that is there does not hide a negative ttl of the request for it."""
    cache.set("k", 1)
    with pytest.raises(ConfigError, match="ttl"):
        cache.get_or_set("k", lambda: 2, ttl=-1)


def test_a_huge_ttl_is_allowed(cache: orc.Cache) -> None:
    """Infinity and integers beyond every float are for ever, and no crash."""
    for number, ttl in enumerate((float("inf"), 10**400, 1e308)):
        cache.set(f"{number}", number, ttl=ttl)
        assert cache.get(f"{number}") == number


# -- settings of a cache and of a memory --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jitter", -0.1),
        ("jitter", 1),
        ("jitter", NAN),
        ("jitter", "0.1"),
        ("isolation", "deep"),
        ("isolation", None),
        ("isolation", []),
        ("strict", "yes"),
        ("strict", 1),
        ("disabled", None),
        ("namespace", 5),
        ("version", 5),
        ("version", None),
        ("stale_on", "OSError"),
        ("stale_on", int),
        ("stale_on", (OSError, 5)),
        ("tiers", [object()]),
        ("tiers", [None]),
        ("tiers", 5),
    ],
)
def test_a_bad_argument_of_a_cache_is_a_config_error(name: str, value: object) -> None:
    """The error names the argument, shows the value, and says what is allowed."""
    with pytest.raises(ConfigError, match=rf"^{name}\b"):
        orc.Cache(**{name: value})


def test_memory_is_the_nearest_tier_and_there_is_one() -> None:
    """Two memories, or one behind another tier, are refused."""
    with pytest.raises(ConfigError, match="once"):
        orc.Cache(tiers=[orc.Memory(), orc.Memory()])


@pytest.mark.parametrize("size", [0, -1, 1.5, NAN, "64mb", True, []])
@pytest.mark.parametrize("name", ["max_items", "max_bytes", "max_value_bytes"])
def test_a_bad_size_is_refused(name: str, size: object) -> None:
    """Zero, negative, not an int: a ConfigError that names the argument."""
    with pytest.raises(ConfigError, match=rf"{name}=.*positive int"):
        orc.Memory(**{name: size})


@pytest.mark.parametrize("size", [10**12, 10**18, 10**40])
def test_a_huge_size_is_allowed(size: int) -> None:
    """A budget beyond every machine is no error, and costs nothing before it is used."""
    cache = orc.Cache(tiers=[orc.Memory(max_items=size, max_bytes=size, max_value_bytes=size)])
    cache.set("k", 1)
    assert cache.get("k") == 1


@pytest.mark.parametrize("policy", ["", "fifo", 5, None, object(), int, dict, TTLCache])
def test_an_unknown_policy_is_refused(policy: object) -> None:
    """A policy that is none is refused by name; so is a class with a time to live of its own."""
    with pytest.raises(ConfigError, match=r"policy.*(lru|LRU)"):
        orc.Memory(policy=policy)


# -- keys ---------------------------------------------------------------------------------------

NO_KEYS = [1, None, 1.5, b"k", ("k",), True, object()]


@pytest.mark.parametrize("key", NO_KEYS)
@pytest.mark.parametrize(
    "use",
    [
        lambda cache, key: cache.get(key),
        lambda cache, key: cache.get_many(iter([key])),
        lambda cache, key: cache.set(key, 1),
        lambda cache, key: cache.get_or_set(key, lambda: 1),
        lambda cache, key: cache.delete(key),
        lambda cache, key: cache.delete_many([key]),
        lambda cache, key: asyncio.run(cache.aget(key)),
        lambda cache, key: asyncio.run(cache.aset(key, 1)),
        lambda cache, key: asyncio.run(cache.aget_or_set(key, lambda: 1)),
        lambda cache, key: asyncio.run(cache.adelete(key)),
    ],
)
def test_a_key_that_is_no_string_is_refused(
    cache: orc.Cache, use: Callable[..., object], key: object
) -> None:
    """Every method raises UnkeyableError for it, also while the cache is off or passed by."""
    with pytest.raises(UnkeyableError, match="keys are strings"):
        use(cache, key)
    with cache.bypass(), pytest.raises(UnkeyableError):
        use(cache, key)
    with cache.disabled(), pytest.raises(UnkeyableError):
        use(cache, key)


def test_a_key_without_a_hash_is_refused(cache: orc.Cache) -> None:
    """A list is no key either, whatever asks for it."""
    for use in (cache.get, cache.delete, lambda key: cache.get_or_set(key, lambda: 1)):
        with pytest.raises(UnkeyableError, match="keys are strings"):
            use(["k"])


def test_an_argument_that_cannot_be_in_a_key_is_named(cache: orc.Cache) -> None:
    """The error names the function, the argument and its type, and says how to go on."""

    class Connection:
        pass

    @cache.cached
    def query(connection: object, sql: str) -> None:
        raise AssertionError("not reached")

    with pytest.raises(UnkeyableError) as caught:
        query(Connection(), "select")
    message = str(caught.value)
    for part in ("query", "'connection'", "Connection", "key=", "ignore=", "__orc_key__"):
        assert part in message
    for ask in (query.peek, query.invalidate, query.refresh):
        with pytest.raises(UnkeyableError, match="'connection'"):
            ask(Connection(), "select")


def test_an_argument_that_contains_itself_is_refused(cache: orc.Cache) -> None:
    """A list in itself, or nested too deep, is an UnkeyableError and no RecursionError."""
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    echo = cache.cached(lambda x: 1)
    for argument in (circle, deep):
        with pytest.raises(UnkeyableError):
            echo(argument)
    while deep:  # take it apart, since Python recurses when it frees it
        deep = deep.pop()


# -- tags, templates, loaders -------------------------------------------------------------------


@pytest.mark.parametrize("tags", [5, None, [1], ["a", None], [["a"]], b"a", object()])
def test_tags_that_are_no_strings_are_refused(cache: orc.Cache, tags: object) -> None:
    """By set, get_or_set, cached and invalidate_tags alike, and nothing is stored."""
    for use in (
        lambda: cache.set("k", 1, tags=tags),
        lambda: cache.get_or_set("k", lambda: 1, tags=tags),
        lambda: cache.cached(tags=tags)(lambda: 1),
        lambda: cache.invalidate_tags(tags),
    ):
        with pytest.raises(ConfigError, match="strings"):
            use()
    assert cache.get("k") is None


@pytest.mark.parametrize("loader", [None, 5, "value"])
def test_a_loader_that_cannot_be_called_is_refused(cache: orc.Cache, loader: object) -> None:
    """A value in the place of a loader is a ConfigError that says so."""
    with pytest.raises(ConfigError, match="give a callable"):
        cache.get_or_set("k", loader)
    with pytest.raises(ConfigError, match="give a callable"):
        asyncio.run(cache.aget_or_set("k", loader))


@pytest.mark.parametrize("thing", [5, "f", property(lambda self: 1), object(), [], 60.0])
def test_only_callables_are_decorated(cache: orc.Cache, thing: object) -> None:
    """@cache.cached(60) and the like are refused, with the way to write it."""
    with pytest.raises(ConfigError, match=r"cached\(ttl=60\)"):
        cache.cached(thing)


def test_a_loader_that_returns_a_coroutine_to_the_sync_api_is_refused(cache: orc.Cache) -> None:
    """UncacheableError that says to await; the coroutine is closed, so that nothing warns."""

    async def load() -> int:
        return 1

    with pytest.raises(UncacheableError, match="await"):
        cache.get_or_set("k", load)
    with pytest.raises(UncacheableError, match="await"):
        cache.set("k", load())
    with pytest.raises(UncacheableError, match="await"):
        cache.cached(lambda: load())()  # noqa: PLW0108 - a def that returns a coroutine
    assert cache.get("k") is None


@pytest.mark.parametrize("isolation", ["auto", "share"])
def test_a_value_that_can_be_read_once_is_refused(isolation: str) -> None:
    """Generators, futures and coroutines are refused whatever the isolation."""
    cache = orc.Cache(tiers=[orc.Memory()], isolation=isolation)
    loop = asyncio.new_event_loop()
    try:
        for value in ((x for x in "ab"), loop.create_future()):
            with pytest.raises(UncacheableError):
                cache.set("k", value)
            with pytest.raises(UncacheableError):
                cache.get_or_set("k", lambda value=value: value)
    finally:
        loop.close()


# -- values without a copy ----------------------------------------------------------------------


def test_a_value_without_a_copy_is_returned_and_not_stored(cache: orc.Cache) -> None:
    """A lock comes back as it is, is counted, and one warning names function, type and remedy."""
    lock = threading.Lock()

    @cache.cached
    def client() -> object:
        return lock

    with pytest.warns(OrcWarning, match=r"(?s)client.*lock.*isolation=") as said:
        assert client() is lock
    assert len(said) == 1
    assert client() is lock  # a second warning would be an error here
    assert client.cache_info().uncopyable == 2
    assert client.cache_info()[:2] == (0, 2)
    with pytest.warns(OrcWarning, match="isolation="):
        cache.set("k", lock)
    assert cache.get("k", "nothing") == "nothing"


def test_a_value_without_a_copy_removes_the_older_one(cache: orc.Cache) -> None:
    """After a set that could not be stored the value from before is not served."""
    cache.set("k", "old")
    with pytest.warns(OrcWarning):
        cache.set("k", threading.Lock())
    assert cache.get("k") is None


def test_strict_raises_for_a_value_without_a_copy() -> None:
    """With strict=True the caller is told, by set and by a load."""
    cache = orc.Cache(tiers=[orc.Memory()], strict=True)
    with pytest.raises(UncopyableError, match="isolation="):
        cache.set("k", threading.Lock())
    with pytest.raises(UncopyableError):
        cache.get_or_set("k", threading.Lock)


def test_share_keeps_what_has_no_copy() -> None:
    """isolation="share" hands out the very object."""
    cache = orc.Cache(tiers=[orc.Memory()], isolation="share")
    lock = threading.Lock()
    cache.set("k", lock)
    assert cache.get("k") is lock


# -- recursion ----------------------------------------------------------------------------------


def test_the_same_key_from_inside_its_own_loader_is_refused(cache: orc.Cache) -> None:
    """RecursiveLoadError for get_or_set and for a function, sync and async; the key is usable."""
    with pytest.raises(RecursiveLoadError, match="very key"):
        cache.get_or_set("k", lambda: cache.get_or_set("k", lambda: 1))

    async def load() -> object:
        return await cache.aget_or_set("k", lambda: 1)

    with pytest.raises(RecursiveLoadError):
        asyncio.run(cache.aget_or_set("k", load))

    @cache.cached
    def endless(x: int) -> int:
        return endless(x)

    with pytest.raises(RecursiveLoadError):
        endless(1)
    assert cache.get_or_set("k", lambda: 2) == 2


# -- size ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
def test_a_key_of_ten_megabytes_is_a_key(cache: orc.Cache) -> None:
    """A big key is stored if it fits, else counted as oversize; never an error."""
    big = "k" * 10_000_000
    cache.set(big, 1)
    assert cache.get(big) is None
    assert cache.get_or_set(big, lambda: 2) == 2
    assert cache.stats().oversize == 2
    roomy = orc.Cache(tiers=[orc.Memory(max_bytes=200_000_000)])
    roomy.set(big, 1)
    assert roomy.get("k" * 10_000_000) == 1


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
def test_a_value_of_twenty_megabytes_is_returned(cache: orc.Cache) -> None:
    """A big value reaches the caller whole, and is not stored in a budget it would fill."""
    big = bytes(20_000_000)
    echo = cache.cached(lambda blob: blob)
    for value in (big, [big], bytearray(big)):
        assert cache.get_or_set("k", lambda value=value: value) == value
    assert echo(big) is big
    assert cache.get("k") is None
    roomy = orc.Cache(tiers=[orc.Memory(max_bytes=500_000_000)])
    roomy.set("k", [big])
    assert roomy.get("k") == [big]


def test_a_value_that_is_nested_deep_never_crashes(cache: orc.Cache) -> None:
    """100,000 lists in each other have no copy: returned, counted, warned of."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.warns(OrcWarning, match="RecursionError"):
        assert cache.get_or_set("k", lambda: deep) is deep
    while deep:
        deep = deep.pop()


def test_big_integers_are_keys_and_values(cache: orc.Cache) -> None:
    """An integer of 100,000 digits, which Python would not even print."""
    number = 10**100_000
    echo = cache.cached(lambda x, *more: x)
    assert echo(number) == echo(number, ()) == number
    assert echo(number) == number
    assert echo.cache_info()[:2] == (1, 2)


# -- the tree -----------------------------------------------------------------------------------


def test_every_error_is_an_orc_error_and_a_built_in_one() -> None:
    """Who does not know ORC catches them as ValueError, TypeError or RuntimeError."""
    for error, built_in in {
        ConfigError: ValueError,
        PartitionError: ValueError,
        UnkeyableError: TypeError,
        UncacheableError: TypeError,
        UncopyableError: TypeError,
        RecursiveLoadError: RuntimeError,
    }.items():
        assert issubclass(error, OrcError)
        assert issubclass(error, built_in)


@pytest.mark.parametrize("size", [1, 1_000, 4_095])
def test_a_budget_in_which_nothing_has_room_is_refused(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than 4096 bytes would be the tier's own records, and no entry: not silently so."""
    with pytest.raises(ConfigError, match="at least 4096"):
        orc.Memory(max_bytes=size)
    monkeypatch.setenv("ORC_MEMORY_MAX_BYTES", str(size))
    with pytest.raises(ConfigError, match="at least 4096"):
        orc.Cache()


def test_the_smallest_budget_holds_an_entry() -> None:
    """A budget that is allowed is of use."""
    cache = orc.Cache(tiers=[orc.Memory(max_bytes=4_096)])
    cache.set("a", 1)
    assert cache.get("a") == 1
