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

    __slots__ = ("limiter", "token")

    def __init__(self, token: Any) -> None:
        self.token = token
        self.limiter: Any = sys.modules["trio"].CapacityLimiter(MOST_THREADS)
        """The threads that ask tiers: those of the user's own are not taken."""

    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        try:
            self.token.run_sync_soon(_nothing, idempotent=True)
        except sys.modules["trio"].RunFinishedError:
            return False
        return True


MOST_THREADS = 16
"""Calls of tiers that run at once, as a guard has them for threads."""

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


def this_run() -> TrioRun:
    """Return the run of trio that this coroutine is in.

    Raises ``TierError``, and warns once, where neither asyncio nor trio runs it.
    """
    run = trio_run()
    if run is None:
        notices.warn_once(
            "loops",
            "ORC's coroutines were run by neither asyncio nor trio: shared tiers are not asked. "
            "Use the methods without the 'a' there.",
        )
        raise TierError("this coroutine is run by neither asyncio nor trio")
    return run


async def in_a_thread(work: Callable[[], T]) -> T:
    """Have a thread of trio's do what blocks, and wait for it. Raises as :func:`this_run`."""
    run = this_run()
    trio: Any = sys.modules["trio"]
    held = notices.HeldWarnings()

    def hold() -> T:
        with held:
            return work()

    try:
        return await trio.to_thread.run_sync(hold, limiter=run.limiter)  # type: ignore[no-any-return]
    finally:
        held.give()


async def pause(seconds: float) -> None:
    """Let other tasks of trio's go on for so long. Raises as :func:`this_run`."""
    this_run()
    await sys.modules["trio"].sleep(seconds)


class Waiter:
    """A task of trio's that waits until it is woken, from whichever thread."""

    __slots__ = ("_event", "_run")

    def __init__(self) -> None:
        self._run = this_run()
        self._event: Any = sys.modules["trio"].Event()

    def wake(self) -> None:
        """Wake the task, if it is still there."""
        try:
            self._run.token.run_sync_soon(self._event.set)
        except sys.modules["trio"].RunFinishedError:
            pass

    async def wait(self, seconds: float) -> bool:
        """Wait for so long at most; tell whether it was woken."""
        with sys.modules["trio"].move_on_after(seconds):
            await self._event.wait()
        return bool(self._event.is_set())


def _nothing() -> None:
    pass
