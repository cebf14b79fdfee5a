"""A fleet for each test: real runtime processes that run the functions beside this file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orc.fleet.blocking import BlockingFleet

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = Path(__file__).with_name("functions")


@pytest.fixture
def fleet_of() -> Callable[..., BlockingFleet]:
    """Return what makes a fleet of one of the handlers in ``functions``."""
    return partial(BlockingFleet, code=FUNCTIONS)


@pytest.fixture(params=["clocks run", "monotonic stands still", "wall stands still"])
def hour_passes(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Return what lets a frozen container grow an hour older, by both clocks or by one of them."""

    def passes(container: Any) -> None:
        assert container.state == "frozen"
        wall = 0.0 if request.param == "wall stands still" else 3600.0
        monotonic = 0.0 if request.param == "monotonic stands still" else 3600.0
        container.advance(wall=wall, monotonic=monotonic)

    return passes
