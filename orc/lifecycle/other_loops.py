"""Coroutines that trio runs, and not asyncio (anyio may have either below it).

ORC's own coroutines need asyncio's loop for sockets and timers. Under trio what they would do is
done by a thread of trio's, with the twins for threads; the task that asked waits for that.
"""

from __future__ import annotations

import sys

from orc import notices
from orc.errors import TierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")


class TrioRun:
    """One ``trio.run``, as far as a flight asks for its leader's loop."""

    __slots__ = ("_token",)

    def __init__(self, token: Any) -> None:
        self._token = token

    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        try:
            self._token.run_sync_soon(_nothing, idempotent=True)
        except sys.modules["trio"].RunFinishedError:
            return False
        return True


_runs: dict[Any, TrioRun] = {}
"""The runs that have not ended, by trio's token of each."""


def trio_run() -> TrioRun | None:
    """Return the run of trio that this thread is in, if any."""
    if "trio" not in sys.modules:
        return None
    lowlevel: Any = sys.modules["trio"].lowlevel
    try:
        token = lowlevel.current_trio_token()
    except RuntimeError:
        return None
    run = _runs.get(token)
    if run is None:
        for ended in [each for each, other in list(_runs.items()) if not other.is_running()]:
            _runs.pop(ended, None)
        run = _runs[token] = TrioRun(token)
    return run


async def in_a_thread(work: Callable[[], T], *, leave: bool = False) -> T:
    """Have a thread of trio's do what blocks; with `leave` a cancelled task does not wait for it.

    Raises ``TierError``, and warns once, where neither asyncio nor trio runs this coroutine.
    """
    if trio_run() is not None:
        trio: Any = sys.modules["trio"]
        return await trio.to_thread.run_sync(work, abandon_on_cancel=leave)  # type: ignore[no-any-return]
    notices.warn_once(
        "loops",
        "ORC's coroutines were run by neither asyncio nor trio: shared tiers are not asked. "
        "Use the methods without the 'a' there.",
    )
    raise TierError("this coroutine is run by neither asyncio nor trio")


def _nothing() -> None:
    pass
