"""What the containers of a fleet share, and how their clocks are moved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orc.errors import ConfigError
from orc.fleet import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.fleet.processes import Guardian
    from orc.fleet.settings import Settings
    from orc.fleet.template import Template

NANOSECOND = 1_000_000_000
MOST_SHIFT = 100 * 365.25 * 86_400.0


class Host:
    """What the containers of a fleet share."""

    __slots__ = ("changed", "clock", "guardian", "settings", "starts", "template")

    def __init__(
        self,
        settings: Settings,
        guardian: Guardian,
        template: Template | None,
        changed: Callable[[], None],
    ) -> None:
        self.settings: Settings = settings
        self.guardian: Guardian = guardian
        self.template: Template | None = template
        self.changed: Callable[[], None] = changed
        self.clock: tuple[int, int] = (0, 0)
        """Offsets, in nanoseconds, of a container that is started now."""
        self.starts: asyncio.Semaphore = asyncio.Semaphore(rules.STARTS_AT_ONCE)


def check_shift(wall: float, monotonic: float) -> None:
    """Raise ConfigError for seconds by which no clock can be moved."""
    for seconds in (wall, monotonic):
        if not abs(seconds) <= MOST_SHIFT:
            raise ConfigError(f"advance: {seconds} seconds are not within a hundred years")
    if monotonic < 0:
        raise ConfigError(f"advance(monotonic={monotonic}): that clock never goes back")


def shifted(offsets: tuple[int, int], wall: float, monotonic: float) -> tuple[int, int]:
    """Return the offsets, in nanoseconds, moved on by so many seconds."""
    return (
        offsets[0] + round(wall * NANOSECOND),
        offsets[1] + round(monotonic * NANOSECOND),
    )
