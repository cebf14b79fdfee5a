"""`orc demo`, for real: each story comes out as told, and is printed for people and machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from orc.cli.demo.workload import workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import Popen

    from conftest import Told


def test_every_story_comes_out_as_told(told: Told) -> None:
    """The exit status is 0, and no story differs from what was expected."""
    assert told.status == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["as_told"] is True
    assert {name: story["differs"] for name, story in told.stories.items()} == {
        "state": [],
        "speed": [],
        "secrets": [],
        "shared": [],
    }


def test_a_variable_lives_as_long_as_its_container(told: Told) -> None:
    """The state story's three calls find hello, it's me, and hello again."""
    story = told.stories["state"]
    assert [story[call] for call in ("first", "second", "recycled")] == [
        "hello",
        "it's me",
        "hello",
    ]


def test_every_variant_is_asked_the_same(told: Told) -> None:
    """All variants answer the whole workload, in 3 containers and one that replaced another."""
    story = told.stories["speed"]
    for variant in ("plain", "dictionary", "orc"):
        assert story[variant]["lookups"] == workload().lookups
        assert (story[variant]["containers"], story[variant]["cold_starts"]) == (4, 4)
        states = story[variant]["states"]
        assert sum(part["lookups"] for part in states.values()) == workload().lookups


def test_a_dictionary_loads_an_item_once_in_each_container(told: Told) -> None:
    """Its loads are between one and four for each item: the router decides who is asked for it."""
    rounds = workload().rounds
    distinct = len({item for each in rounds for page in each.pages for item in page})
    assert distinct < told.stories["speed"]["dictionary"]["loads"] < 4 * distinct


def test_orc_is_fast_and_never_stale_beyond_its_ttl(told: Told) -> None:
    """ORC loads less than half of the look-ups, and nothing is stale for longer than the ttl."""
    plain, simple, cached = (told.stories["speed"][each] for each in ("plain", "dictionary", "orc"))
    assert (plain["loads"], plain["stale"]) == (plain["lookups"], 0)
    assert cached["loads"] * 2 < plain["loads"]
    assert cached["beyond_ttl"] == 0 < simple["beyond_ttl"]
    assert cached["oldest_seconds"] <= told.stories["speed"]["ttl_seconds"]
    assert cached["p50"] < plain["p50"] <= plain["p99"]


def test_cards_mix_in_a_global_and_nowhere_else(told: Told) -> None:
    """Ben gets Ada's card verified from a module global, and is refused by a RequestVar."""
    story = told.stories["secrets"]
    assert story["module_global"]["second"] == "Ada ..1111"
    assert len(set(story["module_global"]["at_once"])) == 1
    assert story["request_var"]["second"] == "refused"
    assert story["request_var"]["at_once"] == ["Ada ..1111", "Ben ..4444"]


def test_progress_is_plain_lines_without_a_terminal(told: Told) -> None:
    """Elsewhere than on a terminal each step is one line of stderr, without control characters."""
    assert told.stderr.splitlines() == [
        "state",
        "speed, no cache",
        "speed, a dict",
        "speed, ORC",
        "secrets",
        "shared",
    ]


def test_the_chart_has_the_numbers_of_the_run(told: Told) -> None:
    """`--chart` writes well-formed XML with the loads and the stale answers of that very run."""
    texts = {element.text for element in ET.fromstring(told.chart).iter()}  # noqa: S314 - our own
    story = told.stories["speed"]
    assert {f"{story[each]['loads']:,}" for each in ("plain", "dictionary", "orc")} <= texts
    for each in ("dictionary", "orc"):
        stale, beyond = story[each]["stale"], story[each]["beyond_ttl"]
        assert f"{stale:,}, {beyond:,} beyond" in texts


def test_a_chart_that_cannot_be_written_is_told_at_once(
    start: Callable[..., Popen[str]], tmp_path: Path
) -> None:
    """A folder that does not exist is one line and exit status 2, before anything runs."""
    process = start("demo", "--chart", str(tmp_path / "nowhere" / "speed.svg"))
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr.count("\n")) == (2, "", 1)
    assert "nowhere" in stderr
