"""What the stories have in common: functions, their fleet, and a verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orc.fleet import Fleet, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orc.fleet import Answer

FUNCTIONS = Path(__file__).with_name("functions")
TIMEOUT = 10.0
"""Seconds that a function may take."""


class BrokenStoryError(Exception):
    """A function failed, so that its story cannot be told to the end."""


def open_fleet(
    handler: str, *, env: Mapping[str, str] | None = None, most: int | None = None
) -> Fleet:
    """Return a fleet of one of the demo's functions, to be used with ``async with``."""
    return Fleet(handler, code=FUNCTIONS, timeout=TIMEOUT, env=env, max_containers=most)


async def call(fleet: Fleet, event: Any = None) -> Answer:
    """Invoke a function. Raises BrokenStoryError when it fails."""
    try:
        answer = await fleet.invoke(event)
    except ThrottledError as error:
        raise BrokenStoryError(f"no container was free: {error}") from error
    if answer.error is not None:
        kind = answer.error.get("errorType", "error")
        message = str(answer.error.get("errorMessage", "")).partition("\n")[0]
        raise BrokenStoryError(f"a function failed: {kind}: {message}")
    return answer


def differences(*expected: tuple[str, bool]) -> tuple[str, ...]:
    """Return what was expected and is not so."""
    return tuple(what for what, is_so in expected if not is_so)


class Progress:
    """Says on stderr what is being done: on a terminal in one line that is written anew."""

    __slots__ = ("_stage", "_terminal")

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._stage = ""

    def stage(self, text: str) -> None:
        """Begin something that takes a moment."""
        self._stage = text
        if self._terminal:
            self._write(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def done(self, part: int, of: int) -> None:
        """Tell how far it is; on a terminal only."""
        if self._terminal:
            self._write(f"{self._stage}  {part} of {of}")

    def clear(self) -> None:
        """Leave the line empty for what comes next."""
        if self._terminal:
            self._write("")

    def _write(self, text: str) -> None:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
