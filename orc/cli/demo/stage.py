"""What the stories have in common: functions, their fleet, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orc.errors import ConfigError
from orc.fleet import Fleet, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orc.fleet import Answer, Container

FUNCTIONS = Path(__file__).with_name("functions")
TIMEOUT = 10.0
"""Seconds that a function may take."""


class BrokenStoryError(Exception):
    """A function failed, so that its story cannot be told to the end."""


class SkippedStoryError(Exception):
    """Something is not installed that a story needs; the message says what, and the remedy."""


@dataclass(frozen=True)
class Untold:
    """A story that broke off."""

    differs: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """A story that cannot be told here."""

    skipped: str
    """What is missing, and the remedy."""
    differs: tuple[str, ...] = ()


def open_fleet(
    handler: str, *, env: Mapping[str, str] | None = None, most: int | None = None
) -> Fleet:
    """Return a fleet of one of the demo's functions, to be used with ``async with``."""
    return Fleet(handler, code=FUNCTIONS, timeout=TIMEOUT, env=env, max_containers=most)


async def call(fleet: Fleet, event: Any = None, container: Container | None = None) -> Answer:
    """Invoke a function, in one container if need be. Raises BrokenStoryError when it fails."""
    try:
        answer = await fleet.invoke(event, container=container)
    except (ConfigError, ThrottledError) as error:
        raise BrokenStoryError(f"no container was free: {error}") from error
    if answer.error is not None:
        kind = answer.error.get("errorType", "error")
        message = str(answer.error.get("errorMessage", "")).partition("\n")[0]
        raise BrokenStoryError(f"a function failed: {kind}: {message}")
    return answer


def differences(*expected: tuple[str, bool]) -> tuple[str, ...]:
    """Return what was expected and is not so."""
    return tuple(what for what, is_so in expected if not is_so)
