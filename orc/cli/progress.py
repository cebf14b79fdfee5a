"""How far a command is, on stderr."""

from __future__ import annotations

import sys


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
