"""Functions to run in a fleet."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from orc.fleet.fixture import orc_fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orc.fleet.blocking import BlockingFleet

__all__ = ("orc_fleet",)


@pytest.fixture
def fleet(tmp_path: Path, orc_fleet: Callable[..., BlockingFleet]) -> Callable[..., BlockingFleet]:
    """Return a factory of fleets whose function is the source text given."""

    def make(source: str, **options: Any) -> BlockingFleet:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text(textwrap.dedent(source))
        return orc_fleet("app.handler", code=code, **options)

    return make
