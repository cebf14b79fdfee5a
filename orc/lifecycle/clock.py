"""The only module that reads the machine's clocks."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Two callables that return seconds: the wall clock's, and a monotonic one's.

    A hit calls both, so give it functions written in C where speed matters. The default is the
    machine's; ``orc.testing.ManualClock`` has the same two names.
    """

    __slots__ = ("monotonic", "wall")

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wall = wall
        self.monotonic = monotonic


SYSTEM = Clock()
"""The machine's own clocks."""


def looked_up() -> float:
    """Return what ``time.time`` returns now, whatever has been put in its place."""
    return time.time()
