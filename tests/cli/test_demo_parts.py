"""The parts of the demo that need no container: workload, tally, catalogue, what is printed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from orc.cli.demo.catalogue import Catalogue
from orc.cli.demo.chart import HEIGHT, WIDTH, chart
from orc.cli.demo.secrets import Secrets, Verified
from orc.cli.demo.shown import for_people
from orc.cli.demo.speed import Speed
from orc.cli.demo.stage import Untold
from orc.cli.demo.state import State
from orc.cli.demo.tally import Page, percentile, tally
from orc.cli.demo.workload import CONTAINERS, ITEMS, PAGE, workload

if TYPE_CHECKING:
    from pathlib import Path


def speed(loads: int = 5, milliseconds: float = 3.0, ages: tuple[float, ...] = ()) -> Speed:
    """Return a made-up story of two rounds."""
    cold = Page("a", "cold", loads, (milliseconds,) * 20, ())
    warm = Page("a", "warm", loads, (milliseconds,) * 20, ages)
    result = tally([[cold], [warm]], 60.0)
    return Speed((), 3_000, 1, 0.003, 60.0, 5.0, 1, result, result, result)


def test_a_seed_decides_the_whole_workload() -> None:
    """The same seed gives the same rounds, another one gives others."""
    assert workload(seed=1) == workload(seed=1)
    assert workload(seed=1) != workload(seed=2)
    assert workload() == workload()


def test_the_default_workload_is_pinned() -> None:
    """Its first page does not depend on machine, process or Python."""
    assert workload().rounds[0].pages[0][:10] == (53, 24, 1918, 1, 24, 1, 27, 5, 731, 47)


def test_a_workload_has_the_shape_that_is_promised() -> None:
    """A page for each container in each round, of known items; one recycling half-way."""
    load = workload(rounds=10)
    assert (len(load.rounds), load.recycled_before) == (10, 5)
    assert load.lookups == 10 * CONTAINERS * PAGE
    for each in load.rounds:
        assert [len(page) for page in each.pages] == [PAGE] * CONTAINERS
        assert all(1 <= item <= ITEMS for page in each.pages for item in (*page, each.changed))


def test_popularity_follows_zipf() -> None:
    """Item 1 is asked for about 2 ** 1.2 times as often as item 2, and so on."""
    load = workload(rounds=2_000)
    counted = Counter(item for each in load.rounds for page in each.pages for item in page)
    assert 2.2 < counted[1] / counted[2] < 2.4
    assert 14.5 < counted[1] / counted[10] < 17.5


@given(st.lists(st.floats(0, 1e9), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_least_that_is_enough(values: list[float], percent: int) -> None:
    """At least so many percent are at most the percentile, and no smaller value will do."""
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(each <= found for each in ordered) * 100 >= percent * len(ordered)
    assert sum(each < found for each in ordered) * 100 < percent * len(ordered)


def test_a_tally_counts_by_state_and_by_round() -> None:
    """Look-ups, loads and stale answers are summed for each state, each round, and in all."""
    cold = Page("a", "cold", 3, (3.0, 3.0, 3.0, 0.1), ())
    warm = Page("a", "warm", 1, (0.1, 0.1, 3.0, 0.1), (10.0, 61.0))
    found = tally([[cold], [warm, warm]], ttl=60.0)
    assert (found.lookups, found.loads, found.containers, found.cold_starts) == (12, 5, 1, 1)
    assert found.states["cold"].hit_ratio == 0.25
    assert found.states["warm"].hit_ratio == 0.75
    assert [(part.loads, part.stale) for part in found.rounds] == [(3, 0), (2, 4)]
    assert (found.stale, found.beyond_ttl, found.oldest_seconds) == (4, 2, 61.0)
    assert (found.p50, found.p99) == (0.1, 3.0)


def test_a_catalogue_knows_since_when_a_version_is_replaced(tmp_path: Path) -> None:
    """A version is outdated from the change that replaced it, not from the last one."""
    catalogue = Catalogue(tmp_path, 5)
    try:
        assert catalogue.outdated(2, 1, 100.0) is None
        catalogue.change(2, lambda: 100.0)
        catalogue.change(2, lambda: 150.0)
        assert catalogue.outdated(2, 1, 170.0) == 70.0
        assert catalogue.outdated(2, 2, 170.0) == 20.0
        assert catalogue.outdated(2, 3, 170.0) is None
        assert catalogue.outdated(1, 1, 170.0) is None
        assert catalogue.loads == 0
    finally:
        catalogue.close()


def test_what_is_printed_fits_a_terminal() -> None:
    """No line has more than 80 characters, nor a space at its end, whatever the numbers."""
    verified = Verified("Ada ..1111", "refused", ("Ada ..1111", "Ben ..4444"), 1)
    for story in (speed(), speed(20, 9_999.0, (12_345.0,) * 20), Untold(("so " * 60,))):
        told = {
            "state": State((), "hello", "it's me", "hello"),
            "speed": story,
            "secrets": Secrets(("x" * 60,), verified, verified),
        }
        lines = for_people(told, 12.3)
        assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


def test_a_chart_is_xml_inside_its_frame() -> None:
    """Whatever the numbers, also without any, it is well-formed and nothing sticks out."""
    for story in (speed(), speed(0, 0.0), speed(20, 9_999.0, (12_345.0,) * 20)):
        root = ET.fromstring(chart(story))  # noqa: S314 - our own
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        for element in root.iter():
            x, y = (float(element.get(name, 0)) for name in ("x", "y"))
            assert 0 <= x + float(element.get("width", 0)) <= WIDTH
            assert 0 <= y + float(element.get("height", 0)) <= HEIGHT


def test_bars_are_in_proportion() -> None:
    """The bar of the dictionary's stale answers is as long as its share beyond the ttl says."""
    root = ET.fromstring(chart(speed(5, 3.0, (10.0, 61.0, 61.0, 61.0))))  # noqa: S314 - our own
    bars = [each for each in root.iter() if each.get("class", "").startswith("bar-dict")]
    pale = next(each for each in bars if each.get("class") == "bar-dict pale")
    full = bars[-1]
    ratio = float(full.get("width", 0)) / float(pale.get("width", 1))
    assert abs(ratio - 0.75) < 0.01
