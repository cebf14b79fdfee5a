"""Every rule of time, by itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.errors import ConfigError
from orc.model.freshness import (
    FOREVER,
    LONGEST_STALE,
    lateness,
    lease_seconds,
    lifetime,
    reader_lateness,
    seconds,
    stale_if_error_seconds,
    trust,
    ttl_seconds,
)

INSTANTS = st.floats(0, 4e9)
DURATIONS = st.floats(0, FOREVER)


# -- durations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (60, 60.0),
        (0.5, 0.5),
        (-0.0, 0.0),
        (timedelta(minutes=1), 60.0),
        (timedelta(microseconds=1), 1e-6),
        (float("inf"), FOREVER),
        (10**400, FOREVER),
        (timedelta.max, FOREVER),
        (FOREVER + 1, FOREVER),
    ],
)
def test_seconds_of_what_is_a_duration(value: object, expected: float) -> None:
    """Numbers and timedeltas become a float; whatever is longer than a hundred years, that."""
    assert seconds(value, "it") == expected
    assert type(seconds(value, "it")) is float


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -1e-9,
        float("nan"),
        float("-inf"),
        -(10**400),
        timedelta(seconds=-1),
        True,
        False,
        None,
        "60",
        b"60",
        "PT60S",
        [],
        Decimal(60),
        Fraction(60),
        60j,
        timedelta,
        object(),
    ],
)
def test_seconds_of_what_is_none(value: object) -> None:
    """Everything else is a ConfigError that names it, shows it, and says what to give."""
    with pytest.raises(ConfigError, match=r"^the thing is .*give seconds as an int, a float or"):
        seconds(value, "the thing")


def test_another_type_with_total_seconds_is_a_duration() -> None:
    """A timedelta of another library, if it says so in numbers."""

    class Duration:
        def __init__(self, total: object) -> None:
            self.total = total

        def total_seconds(self) -> object:
            return self.total

    assert seconds(Duration(5), "it") == 5.0
    for bad in (-1, float("nan"), "5", None):
        with pytest.raises(ConfigError):
            seconds(Duration(bad), "it")


def test_a_ttl_of_none_is_for_ever() -> None:
    """None is a hundred years; else a ttl is a duration, and named ttl in errors."""
    assert ttl_seconds(None) == FOREVER
    assert ttl_seconds(0) == 0.0
    with pytest.raises(ConfigError, match=r"^ttl is -1"):
        ttl_seconds(-1)
    with pytest.raises(ConfigError, match=r"^what ttl\(\) returned is 'x'"):
        ttl_seconds("x", "what ttl() returned")


@given(INSTANTS, DURATIONS)
def test_no_rule_meets_infinity(instant: float, life: float) -> None:
    """The end of the longest ttl is finite, and after its beginning."""
    assert instant <= instant + FOREVER < float("inf")
    assert (instant + FOREVER) - instant == pytest.approx(FOREVER)
    assert lifetime(life, 0.5, 0.5) <= FOREVER


# -- stale-if-error -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "ttl", "expected"),
    [
        (None, 60.0, 60.0),
        (None, 3600.0, LONGEST_STALE),
        (None, 0.0, 0.0),
        (0.0, 60.0, 0.0),
        (86_400.0, 60.0, 86_400.0),
    ],
)
def test_the_window_of_stale_on_error(asked: float | None, ttl: float, expected: float) -> None:
    """As long as the value was fresh, at most ten minutes; or what was asked for."""
    assert stale_if_error_seconds(asked, ttl) == expected


# -- jitter -------------------------------------------------------------------------------------


@given(DURATIONS, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_jitter_shortens_and_never_lengthens(ttl: float, jitter: float, draw: float) -> None:
    """A life is at most the ttl, and at least the share of it that jitter leaves."""
    life = lifetime(ttl, jitter, draw)
    assert ttl * (1 - jitter) * (1 - 1e-9) <= life <= ttl


def test_jitter_of_nothing_is_nothing() -> None:
    """No share, or a draw of 0: exactly the ttl."""
    assert lifetime(300.0, 0.0, 0.9) == 300.0
    assert lifetime(300.0, 0.1, 0.0) == 300.0
    assert lifetime(300.0, 0.1, 0.5) == pytest.approx(285.0)


# -- trust and lateness -------------------------------------------------------------------------


@given(DURATIONS, DURATIONS, DURATIONS)
def test_trust_is_the_least(fresh: float, memory_ttl: float, check_every: float) -> None:
    """No longer than fresh, than the ttl of memory, than the time to the next check."""
    assert trust(fresh, memory_ttl, check_every) == min(fresh, memory_ttl, check_every)
    assert trust(fresh) == fresh


@given(INSTANTS, INSTANTS, INSTANTS, INSTANTS)
def test_the_clock_that_is_further_on_decides(
    wall: float, mono: float, wall_end: float, mono_end: float
) -> None:
    """Late if either clock says so; fresh if both say so."""
    late = lateness(wall, mono, wall_end, mono_end)
    assert (late < 0) == (wall < wall_end and mono < mono_end)
    assert late == max(wall - wall_end, mono - mono_end)


@given(INSTANTS, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_clock_that_stands_still_keeps_nothing_alive(
    start: float, life: float, frozen: float, set_back: float
) -> None:
    """Whatever one clock does, the other's elapsed time is the least lateness."""
    end = start + life
    assert lateness(start + frozen, 0.0, end, life) >= (start + frozen) - end
    assert lateness(start - set_back, frozen, end, life) >= frozen - life


def test_an_end_is_an_end() -> None:
    """At the very instant the entry is late by 0, hence no longer fresh."""
    assert lateness(60.0, 10.0, 60.0, 20.0) == 0.0
    assert lateness(59.9, 19.9, 60.0, 20.0) < 0


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_reader_never_prolongs(late: float, life: float, reader_ttl: float) -> None:
    """A reader's ttl makes an entry later or leaves it as late as it is."""
    own = reader_lateness(late, life, reader_ttl)
    assert own >= late
    if reader_ttl >= life:
        assert own == pytest.approx(late, rel=1e-9, abs=1e-6)


def test_a_shorter_ttl_of_the_reader_counts_from_the_load() -> None:
    """Stored for 300 s, 100 s ago: for a reader with a ttl of 60 s it is 40 s late."""
    assert reader_lateness(100.0 - 300.0, 300.0, 60.0) == 40.0
    assert reader_lateness(100.0 - 300.0, 300.0, 500.0) == -200.0


@pytest.mark.parametrize(
    ("load_time", "remaining", "lease"),
    [
        (None, None, 10.0),
        (None, 3.0, 3.0),
        (0.0, None, 1.0),
        (0.5, None, 2.0),
        (60.0, None, 10.0),
        (0.5, 0.25, 0.25),
        (0.5, -1.0, 0.0),
    ],
)
def test_a_lease_is_four_loads_within_bounds(load_time, remaining, lease):
    """At least 1 s, at most 10 s or what is left; the most where no load was seen."""
    assert lease_seconds(load_time, remaining) == lease
