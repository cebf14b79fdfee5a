"""stats(): exact counts of scripted stories, and a report that can be read and not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import orc
from orc.stats.counters import Counters
from orc.stats.report import TierReport, human_bytes, human_count, report
from orc.stats.totals import total
from orc.tiers.memory import Memory

if TYPE_CHECKING:
    from orc.testing import ManualClock


class Brittle:
    """A value that cannot be read back when it is told so."""

    broken = False

    def __reduce__(self) -> object:
        return thawed, ()


def thawed() -> Brittle:
    if Brittle.broken:
        raise ValueError("cannot be read")
    return Brittle()


# -- causes -------------------------------------------------------------------------------------


def test_nothing_asked_is_nothing_divided(cache: orc.Cache) -> None:
    """A cache that nobody asked has zeros everywhere, and a ratio of 0."""
    stats = cache.stats()
    assert (stats.requests, stats.hits, stats.misses, stats.hit_ratio) == (0, 0, 0, 0.0)
    assert (stats.loads, stats.load_seconds, dict(stats.causes)) == (0, 0, {})
    assert dict(stats.functions) == {}
    assert stats.tiers[0].ratio == 0.0
    assert "0 requests, 0.0%" in str(stats)


def test_each_cause_of_a_miss(cache: orc.Cache, clock: ManualClock) -> None:
    """First touch, expired, invalidated by delete, by tag and by clear, evicted, error."""
    small = orc.Cache(tiers=[orc.Memory(max_items=2)], clock=clock, jitter=0, ttl=60)

    def causes() -> dict[str, int]:
        return dict(small.stats().causes)

    small.get("a")
    assert causes() == {"first touch": 1}
    small.set("a", 1)
    small.get("a")
    clock.advance(61)
    small.get("a")
    assert causes() == {"first touch": 1, "expired": 1}
    small.set("a", 1)
    small.delete("a")
    small.get("a")
    assert causes()["invalidated"] == 1
    small.set("a", 1, tags="t")
    small.invalidate_tags("t")
    small.get("a")
    assert causes()["invalidated"] == 2
    small.set("a", 1)
    small.clear()
    small.get("a")
    assert causes()["invalidated"] == 3
    for key in "abc":
        small.set(key, key)
    small.get("a")
    assert causes()["evicted"] == 1
    small.set("a", Brittle())
    Brittle.broken = True
    try:
        assert small.get("a") is None
    finally:
        Brittle.broken = False
    assert causes() == {
        "first touch": 1, "expired": 1, "invalidated": 3, "evicted": 1, "error": 1,
    }  # fmt: skip
    stats = small.stats()
    assert (stats.requests, stats.hits, stats.misses) == (8, 1, 7)
    assert next(iter(stats.causes)) == "invalidated", "the most frequent first"


def test_a_value_that_cannot_be_read_is_loaded_anew(cache: orc.Cache) -> None:
    """Through a function: a miss with its cause, one more load, and no error for the caller."""
    f = cache.cached(Brittle)
    f()
    loads = iter([True, False])

    @cache.cached
    def g() -> Brittle:
        Brittle.broken = False
        return Brittle()

    g()
    Brittle.broken = next(loads)
    try:
        assert isinstance(g(), Brittle)
    finally:
        Brittle.broken = False
    assert isinstance(g(), Brittle)
    assert g.cache_info()[:2] == (1, 2)
    assert cache.stats().causes == {"first touch": 2, "error": 1}


def test_what_is_not_known_any_more_is_unknown() -> None:
    """Beyond the bounded record of keys a cause is never guessed."""
    cache = orc.Cache(tiers=[orc.Memory(max_bytes=100_000)])
    for number in range(20_000):
        cache.set(f"{number}", number)
    for number in range(20_000):
        cache.get(f"{number}")
    stats = cache.stats()
    assert set(stats.causes) == {"unknown", "evicted"}
    assert sum(stats.causes.values()) + stats.hits == 20_000


def test_an_eviction_of_what_has_expired_counts_as_expired(clock: ManualClock) -> None:
    """Making room by what was of no more use evicts nothing."""
    cache = orc.Cache(tiers=[orc.Memory(max_items=1)], clock=clock, jitter=0, ttl=60)
    cache.set("a", 1)
    clock.advance(61)
    cache.set("b", 1)
    stats = cache.stats()
    assert (stats.expired, stats.evicted) == (1, 0)


# -- a story ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
def test_a_story_is_counted_exactly(clock: ManualClock) -> None:
    """Requests, hits, loads, failures, seconds, stale answers, what left and what was too large."""
    memory = orc.Memory(max_bytes=1_000_000)
    cache = orc.Cache(tiers=[memory], clock=clock, jitter=0, ttl=60, stale_if_error=600)
    up = True

    @cache.cached
    def f(x: int) -> object:
        clock.advance(0.5)
        if not up:
            raise ConnectionError
        return x or "x" * 500_000

    for x in (1, 1, 2, 1, 0, 0):
        f(x)
    cache.set("k", 1)
    cache.get_many(["k", "l"])
    cache.get_or_set("k", lambda: 2)
    clock.advance(61)
    up = False
    assert f(1) == 1
    with pytest.raises(OSError):
        f(3)
    cache.delete("k")
    stats = cache.stats()
    assert stats.requests == 6 + 3 + 2
    assert stats.hits == 2 + 2
    assert stats.misses == 4 + 1 + 2
    assert dict(stats.causes) == {"first touch": 6, "expired": 1}
    assert (stats.loads, stats.load_errors, stats.load_seconds) == (6, 2, 3.0)
    assert (stats.stale, stats.shared, stats.uncopyable, stats.oversize) == (1, 0, 0, 2)
    assert (stats.evicted, stats.expired, stats.invalidated) == (0, 0, 1)
    assert stats.hit_ratio == pytest.approx(5 / 11)
    assert stats.tiers[0].entries == memory.items == 2
    assert stats.tiers[0].max_bytes == 1_000_000
    assert stats.functions == {"explicit keys": (2, 0), f"{__name__}.{f.__qualname__}": (2, 6)}


def test_a_function_that_is_gone_stays_in_the_totals(cache: orc.Cache) -> None:
    """Its counts stay, under its name; nothing is lost."""
    for _ in range(3):
        f = cache.cached(lambda x: x)
        f(1)
        f(1)
        del f
    stats = cache.stats()
    assert (stats.hits, stats.loads) == (3, 3)
    (name,) = stats.functions
    assert name.endswith("<lambda>")
    assert stats.functions[name] == (3, 3)


def test_functions_of_one_name_are_added_up(cache: orc.Cache) -> None:
    """Closures made by one factory share a line."""
    made = [cache.cached(lambda x: x) for _ in range(3)]
    for f in made:
        f(1)
        f(1)
    assert list(cache.stats().functions.values()) == [(3, 3)]


def test_an_earlier_report_does_not_change(cache: orc.Cache) -> None:
    """A report is of the moment it was asked for."""
    before = cache.stats()
    text = str(before)
    cache.get("k")
    assert before.requests == 0
    assert str(before) == text
    assert cache.stats().requests == 1


# -- the report itself --------------------------------------------------------------------------


def test_a_report_cannot_be_changed(cache: orc.Cache) -> None:
    """Neither its fields, nor its tiers, nor its mappings."""
    cache.get("k")
    stats = cache.stats()
    for thing, name in ((stats, "loads"), (stats, "new"), (stats.tiers[0], "hits")):
        with pytest.raises(AttributeError, match=f"does not change: {name}"):
            setattr(thing, name, 5)
        with pytest.raises(AttributeError, match="does not change"):
            delattr(thing, name)
    with pytest.raises(TypeError):
        stats.causes["first touch"] = 0
    with pytest.raises(TypeError):
        stats.functions["f"] = (1, 1)
    assert isinstance(stats.tiers, tuple)


def test_the_repr_is_short(cache: orc.Cache) -> None:
    """One line, with what matters."""
    cache.set("k", 1)
    cache.get("k")
    assert repr(cache.stats()) == "<orc statistics: 1 requests, 100.0% without a load>"
    assert repr(cache.stats().tiers[0]) == "<TierReport memory: 1 hits, 0 misses>"


def big_books(number: int) -> list[Counters]:
    """Make counters in which everything is a huge number."""
    books = Counters("f" * 200)
    books.hits.add(number)
    for name in ("evicted", "expired", "invalidated", "oversize"):
        setattr(books, name, number)
    for name in ("stale", "shared", "loads", "load_errors", "uncopyable"):
        books.add(name, number)
    books.add("load_seconds", float(number) ** 2)
    for cause in ("first touch", "expired", "evicted", "invalidated", "error", "unknown"):
        books.causes[cause] = number
    for kind in ("hits", "misses", "errors"):
        books.tier(kind, "dynamodb-with-a-long-name", number)
    return [books]


@pytest.mark.parametrize("number", [0, 1, 999_999, 99_999_999, 10**10, 10**15, 10**30])
def test_every_line_fits_a_terminal(number: int) -> None:
    """At most 80 characters, however large the numbers and however long the names."""
    memory = Memory()
    memory._items = number
    memory.max_bytes = memory._entry_bytes = min(number, 10**18)
    text = str(report(total(big_books(number), ["dynamodb-with-a-long-name"]), memory))
    assert max(map(len, text.splitlines())) <= 80
    columns = ["tier", "hits", "misses", "ratio", "errors", "entries", "size"]
    assert text.splitlines()[2].split() == columns
    for line in text.splitlines()[3:5]:
        assert len(line.split()) >= 5, "columns do not run into each other"
        assert line == line.rstrip()


def test_the_lines_say_what_was_counted(cache: orc.Cache) -> None:
    """Every kind of count has its words, and "none" where there is nothing."""
    text = str(report(total(big_books(1234), ["redis"]), Memory()))
    for words in (
        "1,234 first touch", "1,234 invalidated", "1,234 failed", "1,234 stale",
        "1,234 shared with another call", "1,234 no copy can be made", "1,234 too large",
    ):  # fmt: skip
        assert words in text
    assert str(cache.stats()).count("none") == 5


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (64 << 20, "64.0 MB"),
        (102_390, "100 KB"),
        (1023 << 20, "1023 MB"),
        (5 << 40, "5.0 TB"),
        (5 << 70, "5e+06 PB"),
    ],
)
def test_bytes_for_people(count: int, text: str) -> None:
    """Powers of 1024, three digits or four."""
    assert human_bytes(count) == text
    assert len(text) <= 8


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (1234567, "1,234,567"), (12_345_678_901, "1.23e+10")]
)
def test_counts_for_people(count: int, text: str) -> None:
    """With commas while ten characters are enough."""
    assert human_count(count) == text


def test_a_tier_report_has_a_ratio() -> None:
    """Hits for each look-up."""
    assert TierReport("redis", 3, 1).ratio == 0.75
    assert TierReport("redis", 0, 0).ratio == 0.0
