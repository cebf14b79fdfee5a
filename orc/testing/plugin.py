"""A plugin of pytest: the fixture ``orc_patchable_clock``."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def orc_patchable_clock() -> Iterator[None]:
    """Have caches follow the clock that the test moves: see ``orc.testing.patchable_clock``."""
    from orc.testing.patchable import patchable_clock

    with patchable_clock():
        yield
