"""The parts of the bench that need no process: values, prices, percentiles, and what is printed."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.cli.bench import shown
from orc.cli.bench.chart import chart
from orc.cli.bench.measure import Bench, Cell, Subject
from orc.cli.bench.prices import Prices, prices_of
from orc.cli.bench.results import Results
from orc.cli.bench.workload import OPERATIONS, Size, sizes_of, value_of
from orc.config.tier_urls import TierUrl
from orc.errors import ConfigError

SIZE = Size("1 KB", 1024)


def results(*names: str, why: str = "") -> Results:
    """Return results of made-up times."""
    made = Results([SIZE], Prices())
    made.tiers = {name: f"{name}://" for name in names}
    made.cells = [Cell(name, SIZE, each, [1_000, 2_000]) for name in names for each in OPERATIONS]
    for cell in made.cells:
        cell.why = why
    return made


@given(st.integers(64, 20_000))
def test_a_value_is_as_large_as_it_is_said_to_be(size: int) -> None:
    """Its JSON has exactly so many bytes, and the same seed makes the same value."""
    assert len(json.dumps(value_of(size))) == size
    assert value_of(size) == value_of(size)


def test_sizes_are_read_with_their_units() -> None:
    """They are sorted, counted once, and named as people do."""
    found = sizes_of("50kb, 100b,1024 1kb")
    assert [(each.name, each.bytes) for each in found] == [
        ("100 B", 100),
        ("1 KB", 1024),
        ("50 KB", 51_200),
    ]


@pytest.mark.parametrize("text", ["", "0", "63b", "1kb,x", "-5"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    """The message names the option."""
    with pytest.raises(ConfigError, match="--sizes"):
        sizes_of(text)


def test_prices_can_be_changed_one_by_one() -> None:
    """What is left out stays as it is."""
    assert prices_of("read=1,second=0") == Prices(read=1.0, write=Prices().write, second=0.0)
    assert prices_of(None) == Prices()


@pytest.mark.parametrize("text", ["read", "read=x", "read=-1", "read=nan", "other=1"])
def test_prices_that_are_none_are_refused(text: str) -> None:
    """The message names the option and the part."""
    with pytest.raises(ConfigError, match="--prices"):
        prices_of(text)


def test_units_are_paid_as_they_were_counted() -> None:
    """A million hits of half a unit cost half of the price of a million units."""
    cell = Cell("dynamodb", SIZE, "hit", [1] * 4, units=(2.0, 0.0), stored_bytes=9_000)
    assert Prices(read=0.125).requests(cell, corrected=False) == pytest.approx(0.0625)
    assert Prices(read=0.125).requests(cell, corrected=True) == pytest.approx(3 * 0.0625)


def test_what_counts_no_units_has_no_price() -> None:
    """Redis and disk are not paid by request; waiting costs in any case."""
    cell = Cell("redis", SIZE, "hit", [1_000_000_000])
    assert Prices().requests(cell, corrected=False) is None
    assert Prices(second=0.5).waiting(cell) == pytest.approx(500_000)


def test_percentiles_are_calls_that_happened() -> None:
    """The least time that so many percent do not exceed."""
    cell = Cell("disk", SIZE, "hit", list(range(100, 0, -1)))
    assert cell.percentile(50) == pytest.approx(50e-9)
    assert cell.percentile(99) == pytest.approx(99e-9)
    assert Cell("disk", SIZE, "hit").percentile(99) == 0


def test_more_tiers_than_fit_follow_below() -> None:
    """Six tiers are two tables for each size, none wider than 80 columns."""
    lines = shown.lines(results("memory", "disk", "redis", "eu", "dynamodb", "us"))
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith("1 KB")]) == 2


def test_a_few_calls_have_no_percentile() -> None:
    """The slowest of two calls is marked as what it is."""
    assert any("*2.0" in line for line in shown.lines(results("memory")))


def test_failures_are_told_once_with_their_places() -> None:
    """One line for each reason, however many operations it befell."""
    lines = shown.lines(results("redis", why="TierTimeoutError: it took too long"))
    assert sum("took too long" in line for line in lines) == 1


def test_nothing_measured_can_be_drawn() -> None:
    """An interrupted run has a chart all the same."""
    made = results("memory", "disk")
    for cell in made.cells:
        cell.taken.clear()
    assert "<svg" in chart(made)
    assert shown.lines(made)


@pytest.mark.filterwarnings("ignore:.*too large for the memory tier:orc.errors.OrcWarning")
def test_a_tier_that_keeps_nothing_is_not_measured() -> None:
    """A value that memory has no room for is a reason, and not a quick miss."""
    subject = Subject(TierUrl("memory://?max_bytes=10kb"), "test")
    bench = Bench([subject], [Size("20 KB", 20_480)])
    bench.seed(lambda done, of: None)
    bench.run(0.01, lambda done, of: None)
    cells = list(bench.cells.values())
    assert [cell.calls for cell in cells] == [0] * len(cells)
    assert all("does not keep" in cell.why for cell in cells)


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without msgpack a tier cannot be measured, and the message says what to install."""
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(ConfigError, match="pip install"):
        Subject(TierUrl("disk://"), "test")
