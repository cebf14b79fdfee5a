"""Switching a cache off, or past it, for a while: without a price for hits when it is on."""

from __future__ import annotations

from _thread import RLock
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Mode = tuple[str, "Mode | None"]
    """A mode, and the one that was before it in this context."""

OPEN = "open"
BYPASS = "bypass"
DISABLED = "disabled"


def _no_time_is_early_enough() -> float:
    return float("inf")


class Gate:
    """What a hit asks for the wall clock, and how it is kept from answering.

    While somebody in this process reads past the cache, ``wall[0]`` shows an instant after every
    other: no copy is trusted, so every request takes the slow path, where :attr:`mode` tells those
    who are meant from those who are not. (A list of one, since compiled code reads its item quicker
    than an attribute.)
    """

    __slots__ = ("_lock", "_mode", "_open_wall", "_shut", "wall")

    def __init__(self, wall: Callable[[], float], *, disabled: bool) -> None:
        self._open_wall = wall
        default = (DISABLED if disabled else OPEN, None)
        self._mode: ContextVar[Mode] = ContextVar("orc_mode", default=default)
        self._lock = RLock()
        self._shut = 0
        self.wall: list[Callable[[], float]] = [wall]
        if disabled:
            self._shift(+1)

    @property
    def mode(self) -> str:
        """What this context may do: ``OPEN``, ``BYPASS`` or ``DISABLED``."""
        return self._mode.get()[0]

    def renew(self, wall: Callable[[], float]) -> None:
        """Ask another wall clock from now on."""
        with self._lock:
            self._open_wall = wall
            self._shift(0)

    def during(self, mode: str) -> Passage:
        """Return a context manager under which this context has the given mode."""
        return Passage(self, mode)

    def forked(self) -> None:
        """Go on in the child of a fork: only this context's own blocks have come along."""
        self._lock = RLock()
        inside, mode = 0, self._mode.get()
        while mode[1] is not None:
            inside, mode = inside + 1, mode[1]
        self._shut = 0
        self._shift(inside + (mode[0] == DISABLED))

    def _shift(self, step: int) -> None:
        with self._lock:
            self._shut += step
            self.wall[0] = _no_time_is_early_enough if self._shut else self._open_wall


class Passage:
    """A ``with`` block, or several inside each other, in which a gate has another mode."""

    __slots__ = ("_gate", "_mode")

    def __init__(self, gate: Gate, mode: str) -> None:
        self._gate = gate
        self._mode = mode

    def __enter__(self) -> None:
        before = self._gate._mode.get()  # noqa: SLF001 - two halves of one thing
        self._gate._shift(+1)  # noqa: SLF001
        # Reading past a cache that is switched off must not switch it on. What was before is kept
        # by the context, since threads and tasks may share this object.
        mode = DISABLED if before[0] == DISABLED else self._mode
        self._gate._mode.set((mode, before))  # noqa: SLF001

    def __exit__(self, *exc: object) -> None:
        now = self._gate._mode.get()  # noqa: SLF001
        self._gate._mode.set(now[1] or now)  # noqa: SLF001
        self._gate._shift(-1)  # noqa: SLF001
