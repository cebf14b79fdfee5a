"""A time limit for coroutines that charges a tier with no more than its own time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

PARTS = 4
"""Parts that a time limit is measured in: each is charged as a part, however late it is seen to be
over. So a loop that was busy for a second takes one part, and not the whole, from whom it kept
waiting."""


PUNCTUAL, AT_LEAST = 0.25, 0.002
"""By how much the end of a part may be seen late by a process that is free to see it: a share of
the part, and seconds at least."""


def is_punctual(late: float, part: float) -> bool:
    """Tell whether a process that saw the end of a part so late was free to see it."""
    return late < max(part * PUNCTUAL, AT_LEAST)


class last_look:  # noqa: N801 - used like a function
    """Bound a block of code: by `seconds`, and once they are over, by `slack` more seconds.

    Time in which the loop was busy elsewhere, or the process was kept from running, is hardly
    charged; and before the end the loop looks once more for what has come. So an answer that lies
    in a socket is taken. It costs one timer where the block ends within the first part.

    Raises ``TimeoutError`` as ``asyncio.timeout`` does.
    """

    __slots__ = (
        "_due",
        "_handle",
        "_loop",
        "_part",
        "_seconds",
        "_slack",
        "_timeout",
        "charged",
        "late",
        "waited",
    )

    def __init__(self, seconds: float, slack: float = 0.001) -> None:
        self._seconds = max(0.0, seconds)
        self._slack = slack
        self.charged = 0.0
        """Seconds that were charged so far, by whole parts."""
        self.waited = 0.0
        """Seconds of these in which the loop was free to see an answer, and saw none."""
        self.late = 0.0
        """Seconds by which the loop was late to see that parts were over."""

    async def __aenter__(self) -> Self:
        from asyncio import get_running_loop, timeout

        self._timeout = timeout(None)
        await self._timeout.__aenter__()
        self._loop: Any = get_running_loop()
        self._part = self._seconds / PARTS
        self._due = self._loop.time() + self._part
        self._handle: Any = self._loop.call_at(self._due, self._over)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        self.late += max(0.0, self._loop.time() - self._due)
        await self._timeout.__aexit__(kind, error, trace)

    def expired(self) -> bool:
        """Tell whether the time was over, and the block was ended for it."""
        return self._timeout.expired()

    def _over(self) -> None:
        now = self._loop.time()
        self.charged += self._part
        self.late += now - self._due
        if is_punctual(now - self._due, self._part):
            self.waited += self._part
        left = self._seconds - self.charged
        if left > self._part / 2:
            self._due = now + self._part
            self._handle = self._loop.call_at(self._due, self._over)
        else:
            self._due = now + self._slack
            self._handle = self._loop.call_at(self._due, self._end)

    def _end(self) -> None:
        self._timeout.reschedule(self._loop.time())
