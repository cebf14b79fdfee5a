"""An init that several invocations wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from orc.fleet.answer import Call

    Error = dict[str, Any]


class SharedInit:
    """Runs one init of a container at a time. Invocations that come meanwhile share its outcome."""

    __slots__ = ("_leader", "_outcome")

    def __init__(self) -> None:
        self._outcome: asyncio.Future[Error | None] | None = None
        self._leader = ""

    @property
    def under_way(self) -> bool:
        """Whether an init has begun and not ended."""
        return self._outcome is not None

    async def wait(self, call: Call, init: Callable[[Call], Awaitable[Error | None]]) -> None:
        """Wait for the init that is under way, or run `init`. An error fails the call."""
        if self._outcome is None:
            error = await self.run(lambda: init(call), call.id)
        else:
            leader = self._leader
            error = await asyncio.shield(self._outcome)
            if error is not None and leader:
                message = str(error["errorMessage"]).replace(leader, call.id)
                error = {**error, "errorMessage": message}
        if error is not None:
            call.fail(error)

    async def run(
        self, init: Callable[[], Awaitable[Error | None]], leader: str = ""
    ) -> Error | None:
        """Run `init`, for the invocation `leader` or ahead of any; return its error, or None."""
        outcome = self._outcome = asyncio.get_running_loop().create_future()
        self._leader = leader
        try:
            error = await init()
        except Exception as problem:
            outcome.set_exception(problem)
            outcome.exception()  # so that asyncio does not report it where no invocation waits
            raise
        else:
            outcome.set_result(error)
            return error
        finally:
            outcome.cancel()  # as this is, unless it has ended
            self._outcome = None
