"""Caches that follow the clock which a test has put in the place of ``time.time``."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock

from orc.lifecycle.clock import SYSTEM, looked_up
from orc.lifecycle.life import life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from orc.engine.core import Core

_lock = RLock()
_open: list[Callable[[], float]] = []
"""The wall clocks that were the machine's, outermost first, one for each context manager."""


@contextmanager
def patchable_clock() -> Iterator[None]:
    """Have caches look ``time.time`` up at each call, so that a test can move it.

    For freezegun, and for ``mock.patch("time.time")``; time-machine needs it not, and may have it.
    A hit keeps the clock's function at hand, since that is quicker, and so does not see what a test
    puts in its place. In this context, which is a decorator too, all caches of the machine's clock
    look it up, those that were made before included. The monotonic clock stays the machine's. At
    the end their memory is emptied: what was stored in another time would be fresh for too long.
    """
    with _lock:
        _open.append(SYSTEM.wall)
        SYSTEM.wall = looked_up
        _tell()
    try:
        yield
    finally:
        with _lock:
            SYSTEM.wall = _open.pop()
            for core in _tell():
                core.came_back()


def _tell() -> list[Core]:
    """Tell the caches that go by the machine's clock, and return them."""
    living: list[Any] = life().living()
    cores: list[Core] = [each for each in living if getattr(each, "clock", None) is SYSTEM]
    for core in cores:
        core.clock_changed()
    return cores
