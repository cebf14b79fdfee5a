"""What ORC tells its users: warnings, and records of the logger ``orc``.

A fault that a person must mend (an address, a right, a certificate, a bug) is one ``OrcWarning``.
A fault that comes and goes (a server that is down) is a log record. No fault is told both ways.
"""

from __future__ import annotations

import sys
from _thread import _local

from orc.errors import OrcWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

LOGGER: Final = "orc"
_PACKAGE: Final = __file__.rpartition("notices")[0]
COMPILED: Final = "<orc: "
"""How the file names of code begin that ORC compiles at run time."""
_BETWEEN: Final = frozenset(
    {"anyio", "asyncio", "concurrent", "contextlib", "functools", "outcome", "threading", "trio"}
)
"""Packages whose frames are between ORC and the code that uses it."""


class _Held(_local):
    """The warnings that this thread holds, if it does."""

    messages: list[str] | None = None


_held = _Held()


class HeldWarnings:
    """Holds the warnings of a block in a thread for the task that waits for it.

    The thread's stack has no line of the user's; the task's stack has.
    """

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: list[str] = []

    def __enter__(self) -> None:
        _held.messages = self._messages

    def __exit__(self, *_: object) -> None:
        _held.messages = None

    def give(self) -> None:
        """Give them here."""
        while self._messages:
            warn(self._messages.pop(0))


def warn(message: str) -> None:
    """Give an ``OrcWarning`` that points at the nearest line which is not ORC's own.

    Raises the warning where the user's filters turn warnings into errors.
    """
    if _held.messages is not None:
        _held.messages.append(message)
        return
    import warnings

    frame: Any = sys._getframe(1)  # noqa: SLF001 - ``warnings`` does the same
    while frame.f_back is not None and not _is_of_the_user(frame):
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        message,
        OrcWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get("__name__") or "<unknown>",
        names.setdefault("__warningregistry__", {}),
    )


MOST: Final = 16
"""Different warnings of one kind; a text with a number in it would never be the same."""
MOST_KINDS: Final = 64
_told: dict[str, set[str]] = {}


def warn_once(kind: str, message: str, what: str = "") -> None:
    """Do as :func:`warn`, once in the process for each thing, and `MOST` times for each kind.

    The thing is `what`, or else the message itself.
    """
    told = _told.get(kind)
    if told is None:
        if len(_told) >= MOST_KINDS:
            return
        told = _told[kind] = set()
    if (what or message) not in told and len(told) < MOST:
        told.add(what or message)
        warn(message)


def warn_of_bug(whose: str, error: Exception) -> None:
    """Warn once in the process of an error of this type that a user's code should not raise."""
    kind = type(error).__name__
    text = f"{whose} has a bug: {kind}: {error}"[:500]
    warn_once(f"bugs of {whose}", f"{text}. The cache goes on without it.", kind)


def record(level: str, message: str, **fields: object) -> None:
    """Write a record of the logger ``orc``: `level` is ``"warning"`` or ``"info"``.

    `fields` become attributes of the record, for handlers that write JSON. The logging module is
    imported now, and not before. Never raises: a handler of the user's may be at fault.
    """
    try:
        import logging

        getattr(logging.getLogger(LOGGER), level)(message, extra=fields)
    except Exception:  # noqa: BLE001, S110 - there is nowhere left to tell it
        pass


def _is_of_the_user(frame: Any) -> bool:
    """Tell whether a frame is neither ORC's nor one of the modules that call code for others."""
    if frame.f_code.co_filename.startswith((_PACKAGE, COMPILED)):
        return False
    name = str(frame.f_globals.get("__name__"))
    return name.partition(".")[0] not in _BETWEEN
