"""A plugin of pytest: the fixture ``orc_fleet``."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from orc.fleet.blocking import BlockingFleet


@pytest.fixture
def orc_fleet() -> Iterator[Callable[..., BlockingFleet]]:
    """Return a factory: ``orc_fleet("app.handler", code=tmp_path)`` is an open BlockingFleet.

    Takes the options of ``orc.fleet.Fleet``. All fleets are closed at the end of the test.
    """
    from contextlib import ExitStack

    from orc.fleet.blocking import BlockingFleet

    with ExitStack() as stack:

        def factory(handler: str, **options: Any) -> BlockingFleet:
            return stack.enter_context(BlockingFleet(handler, **options))

        yield factory
