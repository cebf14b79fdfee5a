"""Threads of the tier, started when needed: requests side by side, and calls of coroutines."""

from __future__ import annotations

from _thread import RLock, _local

from orc.errors import TierError, TierTimeoutError, TierUnavailableError
from orc.tiers.dynamodb.transport import CONNECTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any, TypeVar

    from orc.model.row import Budget

    T = TypeVar("T")


class Workers:
    """Two bounded pools: a coroutine's call may wait for requests, and never for its own kind."""

    __slots__ = ("_local", "_lock", "_pools")

    def __init__(self) -> None:
        self._lock = RLock()
        self._local = _local()
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def close(self) -> None:
        """Let go of the threads; the next call starts new ones."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=False)

    def each(self, do: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        """Do jobs side by side; return what each returned, or the ``TierError`` that it raised."""

        def outcome(job: Any) -> Any:
            try:
                return do(job)
            except TierError as error:
                return error

        if len(jobs) <= 1:
            return [outcome(job) for job in jobs]
        first, *others = jobs
        running = [self._submit("requests", outcome, job) for job in others]
        return [outcome(first), *(each.result() for each in running)]

    async def call(self, call: Callable[[], T], budget: Budget) -> T:
        """Await a call that a thread makes; it ends by itself where the caller is cancelled."""
        from asyncio import wrap_future

        def begun() -> T:
            if budget.left() <= 0:
                raise TierTimeoutError("DynamoDB: all threads were busy for the whole budget")
            return call()

        answer: T = await wrap_future(self._submit("calls", begun))
        return answer

    def begin(self, call: Callable[[], Any]) -> Any:
        """Have a thread make a call whose outcome is of no interest; return the future."""

        def quietly() -> None:
            try:
                call()
            except TierError:
                pass

        return self._submit("calls", quietly)

    def _submit(self, kind: str, call: Callable[..., Any], *given: Any) -> Any:
        if getattr(self._local, "inside", False):
            # A pool of threads has locks that its own thread cannot take twice.
            raise TierError("DynamoDB: this thread is in the middle of starting a request")
        with self._lock:  # so that no pool is shut down between being found and being used
            pool = self._pools.get(kind)
            if pool is None:
                from concurrent.futures import ThreadPoolExecutor

                pool = self._pools[kind] = ThreadPoolExecutor(CONNECTIONS, f"orc-dynamodb-{kind}")
            try:
                self._local.inside = True
                return pool.submit(call, *given)
            except RuntimeError as error:  # the interpreter ends, or has no thread left
                raise TierUnavailableError(f"DynamoDB: no thread for a request: {error}") from None
            finally:
                self._local.inside = False
