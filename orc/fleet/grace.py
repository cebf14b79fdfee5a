"""Short limits of time on a busy machine.

Lambda's environments have processors of their own. On this machine a container may wait for one
behind others, longer than its whole grace in a shutdown. So a limit counts the time in which the
process could go on: all in which it sleeps, and the processor time that it has while it wants one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from orc.fleet.processes import Process

_SLICE = 0.01  # seconds
LONGEST = 10.0
"""Seconds beyond the limit after which it is over in any case."""


async def wait(
    until: Callable[[float], Awaitable[bool]], seconds: float, processes: Sequence[Process]
) -> float:
    """Wait for what the processes do; return the seconds that are left, 0 if it did not come.

    `until` waits for so many seconds at most, and says whether it came. Of each slice of time that
    part counts in which one of the processes could go on.
    """
    loop = asyncio.get_running_loop()
    left, end = seconds, loop.time() + seconds + LONGEST
    while left > 0:
        part = min(left, _SLICE)
        before = [each.processor_time() for each in processes]
        if await until(part):
            return left
        if loop.time() >= end:
            return 0.0
        # This process may have been kept waiting, too: so a slice counts as long as was asked for.
        left -= max(
            (_counted(each, ran, part) for each, ran in zip(processes, before, strict=True)),
            default=part,
        )
    return 0.0


def _counted(process: Process, ran: float | None, part: float) -> float:
    now = process.processor_time()
    if ran is None or now is None or not process.wants_processor():
        return part
    return min(max(now - ran, 0.0), part)  # a thread that has ended took its time along
