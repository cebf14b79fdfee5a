"""What a load reads of the running request.

A value that was made for one request must not be answered to another. ORC sees these reads, since
they happen through ``orc.current_request()`` and ``RequestVar``; what is done about them is the
engine's business.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TENANT: Final = "the tenant"
"""The name under which a read of ``current_request().tenant`` is noted."""


class Reads:
    """What the code of a ``with`` block reads, and its tasks, and threads with its request.

    `seen` holds pairs: a name for messages, and the value that was read.
    """

    __slots__ = ("_outer", "seen")

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []
        self._outer: Reads | None = None

    def __enter__(self) -> None:
        self._outer = _reading.get()
        _reading.set(self)

    def __exit__(self, *exc: object) -> None:
        # Not ``reset(token)``: a coroutine that is closed may end in another context.
        if _reading.get() is self:
            _reading.set(self._outer)

    def note(self, name: str, value: object) -> None:
        """Note that a value was read."""
        if not any(each is value and known == name for known, each in self.seen):
            self.seen.append((name, value))

    def pass_on(self) -> None:
        """Tell the load that this one was made for: its result depends on the same."""
        if self._outer is not None:
            for name, value in self.seen:
                self._outer.note(name, value)


_reading: ContextVar[Reads | None] = ContextVar("orc_reads", default=None)


def current_reads() -> Reads | None:
    """Return what notes the reads of this code; none outside of all loads."""
    return _reading.get()


def note(name: str, value: object) -> None:
    """Note a read of this code, if it is part of a load."""
    reads = _reading.get()
    if reads is not None:
        reads.note(name, value)


class Within:
    """Has the code of a ``with`` block read for a load that began elsewhere."""

    __slots__ = ("_before", "_reads")

    def __init__(self, reads: Reads | None) -> None:
        self._reads = reads

    def __enter__(self) -> None:
        self._before = _reading.get()
        _reading.set(self._reads)

    def __exit__(self, *exc: object) -> None:
        _reading.set(self._before)
