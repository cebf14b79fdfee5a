"""The load that code is part of, and what it reads of the running request.

A value that was made for one request must not be answered to another. ORC sees these reads, since
they happen through ``orc.current_request()`` and ``RequestVar``; what is done about them is the
engine's business.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

TENANT: Final = "the tenant"
"""The name under which a read of ``current_request().tenant`` is noted."""

current_load: ContextVar[Any] = ContextVar("orc_load", default=None)
"""The flight in whose loader this code runs. Tasks and ``asyncio.to_thread`` inherit it."""


def note(name: str, value: object) -> bool:
    """Note a read of this code, if it is part of a load; tell whether it is."""
    load = current_load.get()
    if load is None:
        return False
    load.note(name, value)
    return True


class Within:
    """Makes the code of a ``with`` block a part of a load that began elsewhere, or of none."""

    __slots__ = ("_before", "_load")

    def __init__(self, load: object) -> None:
        self._load = load

    def __enter__(self) -> None:
        self._before = current_load.get()
        current_load.set(self._load)

    def __exit__(self, *exc: object) -> None:
        # Not ``reset(token)``: a coroutine that is closed may end in another context, which is
        # left as it is.
        if current_load.get() is self._load:
            current_load.set(self._before)
